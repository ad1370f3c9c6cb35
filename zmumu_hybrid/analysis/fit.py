"""The fit of a signal strength: its value, its uncertainty and the pulls, by pyhf and MINUIT."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from zmumu_hybrid.errors import InputError, MissingDependencyError

__all__ = ["Fit", "fit_signal_strength", "require_pyhf"]


@dataclass(frozen=True, slots=True)
class Fit:
    """What a fit found.

    Attributes
    ----------
    mu, uncertainty : float
        The signal strength and its standard deviation, from the second derivatives at the maximum of the likelihood.
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


def require_pyhf() -> Any:
    """Return the module `pyhf`; `MissingDependencyError` where it or iminuit is not installed."""
    try:
        import iminuit  # noqa: F401
        import pyhf
    except ImportError as error:
        raise MissingDependencyError(f"{error.name} is not installed: pip install 'zmumu-hybrid[analysis]'") from error
    return pyhf


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
    pyhf = require_pyhf()
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
    values, errors = _minimised(pyhf, data, model, [])
    others = [(index, value) for index, value in enumerate(values) if index != poi]
    _, alone = _minimised(pyhf, data, model, others)
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
    return Fit(float(values[poi]), float(errors[poi]), float(alone[poi]), pulls)


def _minimised(pyhf: Any, data: list[float], model: Any, fixed: list[tuple[int, float]]) -> tuple[Any, Any]:
    """Return the parameters that make the likelihood greatest, and their uncertainties."""
    start = model.config.suggested_init()
    held = dict(fixed) | {i: start[i] for i, is_fixed in enumerate(model.config.suggested_fixed()) if is_fixed}
    for index, value in held.items():
        start[index] = value
    optimiser = pyhf.optimize.minuit_optimizer()
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            found = optimiser.minimize(
                pyhf.infer.mle.twice_nll,
                data,
                model,
                start,
                model.config.suggested_bounds(),
                fixed_vals=list(held.items()),
                return_uncertainties=True,
            )
    except pyhf.exceptions.FailedMinimization as error:
        raise InputError(
            f"the fit of {', '.join(model.config.channels)} does not converge: {error}; try fewer bins"
        ) from error
    values, errors = np.asarray(found).T
    return values, errors
