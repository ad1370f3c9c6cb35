"""The best function of Lorentz invariants: the likelihood ratio in the measured mass of the pair.

Two muons of known mass have one invariant, the mass of the pair. The ratio of its smooth densities in signal and
reweighted background is the ceiling of any network that sees invariants alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.optimal.density import LEAST_EVENTS, mass_knots
from zmumu_hybrid.optimal.splines import curvature_penalty, design_matrix, fit_exponential_family, nodes_between
from zmumu_hybrid.physics.kinematics import Floats

__all__ = ["MassRatio", "fit_mass_ratio"]


@dataclass(frozen=True, slots=True, eq=False)
class MassRatio:
    """log p(m | signal) - log p(m | background), a cubic spline in log m.

    Attributes
    ----------
    knots : ndarray, shape (k,)
        In log(m / GeV); beyond its ends the ratio is that of the end.
    coefficients : ndarray, shape (k + 2,)
        Of the B-splines on the knots.
    """

    knots: Floats
    coefficients: Floats

    def __call__(self, mass: Floats) -> Floats:
        """Return the log ratio at the measured masses (GeV), shape (n,)."""
        return np.asarray(design_matrix(np.log(mass), self.knots) @ self.coefficients)


def fit_mass_ratio(
    signal_mass: Floats, background_mass: Floats, signal_weight: Floats, background_weight: Floats
) -> MassRatio:
    """Learn the log ratio of the densities of the measured mass.

    Parameters
    ----------
    signal_mass, background_mass : ndarray, shapes (n,) and (m,)
        In GeV; not the events that the ratio is to be tried on.
    signal_weight, background_weight : ndarray
        Weights of the same shapes.

    Raises
    ------
    InputError
        If a class has fewer than `LEAST_EVENTS` events of positive weight.
    """
    classes = []
    for name, mass, weight in (
        ("signal", signal_mass, signal_weight),
        ("background", background_mass, background_weight),
    ):
        used = weight != 0.0
        if np.count_nonzero(used) < LEAST_EVENTS:
            raise InputError(
                f"{np.count_nonzero(used)} {name} events are too few to learn the density of the mass from: "
                f"{LEAST_EVENTS} or more are needed"
            )
        classes.append((mass[used], weight[used] / weight.sum()))
    masses, shares = (list(values) for values in zip(*classes, strict=True))
    knots = mass_knots(masses, shares)
    nodes, measure = nodes_between(knots, 4)
    basis = design_matrix(nodes, knots).toarray()
    penalty = curvature_penalty(basis.shape[1])
    signal, background = (
        fit_exponential_family(design_matrix(np.log(m), knots).T @ w, basis, measure, penalty, 1.0 / float(w @ w))
        for m, w in classes
    )
    return MassRatio(knots=knots, coefficients=signal - background)
