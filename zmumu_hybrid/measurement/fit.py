"""The fit of a signal strength: its value, its uncertainty and the pulls, by pyhf and MINUIT.

MINUIT finds the maximum of the likelihood. The covariance is the inverse of the information there, made of the
derivatives of the expected counts: finite second differences of the likelihood, as HESSE makes them, change by some
percent with changes of the input in the twelfth digit.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.support.extras import require

__all__ = ["Fit", "fit_signal_strength"]

Floats = NDArray[np.float64]

_STEP = 1e-4
"""Of a parameter, for the derivatives of the expected counts."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What a fit found.

    Attributes
    ----------
    mu, uncertainty : float
        The signal strength and its standard deviation, from the information at the maximum of the likelihood.
    statistical : float
        That with all other parameters held at their best values.
    pulls : dict of str to (float, float)
        How far each constrained parameter went from its expectation and its uncertainty, both in units of the
        uncertainty before the fit.
    """

    mu: float
    uncertainty: float
    statistical: float
    pulls: dict[str, tuple[float, float]]


def fit_signal_strength(workspace: Mapping[str, Any], observed: ArrayLike | None = None) -> Fit:
    """Fit the signal strength of a workspace.

    Parameters
    ----------
    workspace : mapping
        As from `make_workspace`; it is validated against pyhf's schema.
    observed : array_like, optional
        Contents of the bins in place of the observations of the workspace.

    Raises
    ------
    MissingDependencyError
        If pyhf or iminuit is not installed.
    InputError
        If the workspace is not valid or the fit does not converge.
    """
    require("pyhf", "iminuit")
    import pyhf

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "jsonschema.RefResolver is deprecated", DeprecationWarning)
        try:
            held = pyhf.Workspace(dict(workspace))
            model = held.model()
        except (pyhf.exceptions.InvalidSpecification, pyhf.exceptions.InvalidModel) as error:
            raise InputError(f"not a valid workspace: {' '.join(str(error).split())}") from error
    auxiliary = list(model.config.auxdata)
    data = held.data(model) if observed is None else [*np.asarray(observed, np.float64).tolist(), *auxiliary]
    poi = model.config.poi_index
    values = _minimised(pyhf, data, model)
    information = _information(model, values)
    free = ~np.asarray(model.config.suggested_fixed())
    errors = np.zeros(len(values))
    errors[free] = np.sqrt(np.diag(np.linalg.inv(information[np.ix_(free, free)])))
    alone = information[poi, poi] ** -0.5
    pulls: dict[str, tuple[float, float]] = {}
    for name in model.config.par_order:
        parameters = model.config.param_set(name)
        if parameters.constrained:
            places = model.config.par_slice(name)
            before = np.asarray(parameters.width())
            centre = np.asarray(parameters.suggested_init)
            fixed = np.asarray(parameters.suggested_fixed)
            labels = [name] if parameters.is_scalar else [f"{name}[{i}]" for i in range(parameters.n_parameters)]
            shifts, sizes = (values[places] - centre) / before, errors[places] / before
            found = zip(labels, shifts, sizes, fixed, strict=True)
            pulls |= {label: (float(shift), float(size)) for label, shift, size, held_ in found if not held_}
    return Fit(float(values[poi]), float(errors[poi]), float(alone), pulls)


def _minimised(pyhf: Any, data: list[float], model: Any) -> Floats:
    """Return the parameters that make the likelihood greatest."""
    start, fixed = model.config.suggested_init(), model.config.suggested_fixed()
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            found = pyhf.optimize.minuit_optimizer().minimize(
                pyhf.infer.mle.twice_nll,
                data,
                model,
                start,
                model.config.suggested_bounds(),
                fixed_vals=[(index, start[index]) for index, held in enumerate(fixed) if held],
            )
    except pyhf.exceptions.FailedMinimization as error:
        raise InputError(
            f"the fit of {', '.join(model.config.channels)} does not converge: {error}; try fewer bins"
        ) from error
    return np.asarray(found, np.float64)


def _information(model: Any, values: Floats) -> Floats:
    """Return the expected information of counts and constraints about all parameters, a square matrix."""

    def counts(place: int, step: float) -> Floats:
        moved = values.copy()
        moved[place] += step
        return np.asarray(model.expected_data(moved.tolist(), include_auxdata=False))

    slopes = np.stack([(counts(i, _STEP) - counts(i, -_STEP)) / (2 * _STEP) for i in range(len(values))])
    expected = counts(0, 0.0)
    information = (slopes / np.where(expected > 0, expected, np.inf)) @ slopes.T
    for name in model.config.par_order:
        parameters = model.config.param_set(name)
        if parameters.constrained:
            places = np.arange(len(values))[model.config.par_slice(name)]
            information[places, places] += np.asarray(parameters.width(), np.float64) ** -2
    return np.asarray(information)
