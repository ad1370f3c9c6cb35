r"""The density of the true pair in mass, rapidity and decay angle, learned from generated events.

At leading order the pair of q qbar -> gamma*/Z -> mu+ mu- has no transverse momentum, and the truth of an event is
its mass m, its rapidity y, an azimuth that tells nothing, and c = cos theta*, the angle of the mu+ to the beam in the
rest frame of the pair. Helicity conservation fixes the angular form, so that in each class

.. math:: f(m, y, c) = F(m, y)\,[1 + c^2 + a(m, y)\,c],\qquad |c| < c_\mathrm{max}(m, y),

with the truth cuts inside c_max. The events need to tell F, even in y, and the asymmetry a, odd in y (the beams are
alike): see `docs/optimal.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.optimal.splines import (
    curvature_penalty,
    design_matrix,
    fit_exponential_family,
    nodes_between,
)

__all__ = ["LEAST_EVENTS", "TruthCuts", "TruthDensity", "fit_truth_density", "mass_knots"]

Floats = NDArray[np.float64]

LEAST_EVENTS = 200
"""Fewer events of a class than these are not enough for a smooth density."""

_TABLE = 1 << 14
_POWERS = 3
_SLOPES = 2
_REFERENCE_MASS = 90.0


@dataclass(frozen=True, slots=True)
class TruthCuts:
    """The cuts that the true muons passed.

    Attributes
    ----------
    pt : float
        Least transverse momentum of each muon, in GeV.
    abs_eta : float
        Largest absolute pseudorapidity of each muon.
    mass : float
        Least mass of the pair, in GeV.

    Raises
    ------
    ConfigurationError
        If a cut is not a positive number.
    """

    pt: float = 10.0
    abs_eta: float = 2.5
    mass: float = 70.0

    def __post_init__(self) -> None:
        for name in ("pt", "abs_eta", "mass"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0.0):
                raise ConfigurationError(f"truth cuts: {name} is {value!r}, a positive number is needed")

    @classmethod
    def around(cls, pt: Floats, eta: Floats, mass: Floats) -> TruthCuts:
        """Return the tightest cuts that some true muons (pt in GeV, eta) and pairs (mass in GeV) have all passed."""
        return cls(pt=float(pt.min()), abs_eta=float(np.abs(eta).max()), mass=float(mass.min()))

    def cosine_limit(self, mass: Floats, rapidity: Floats) -> Floats:
        """Return c_max: the largest abs(cos theta*) at which both muons pass, 0 where none can."""
        by_pt = 1.0 - (2.0 * self.pt / mass) ** 2
        by_eta = np.tanh(self.abs_eta - np.abs(rapidity))
        limit: Floats = np.minimum(np.sqrt(np.maximum(by_pt, 0.0)), np.maximum(by_eta, 0.0))
        return limit


@dataclass(frozen=True, slots=True, eq=False)
class TruthDensity:
    """f(m, y, c) of one class, in 1/GeV, normalised to one inside the truth cuts.

    Attributes
    ----------
    cuts : TruthCuts
        Where f is more than zero.
    log_mass : ndarray, shape (k,)
        Evenly spaced log(m / GeV).
    log_spectrum : ndarray, shape (k,)
        log F(m, 0) on that grid, linear between.
    rapidity : ndarray, shape (3, 2)
        log F(m, y) - log F(m, 0) = sum over j, k of rapidity[j, k] Y^(j+1) T^k, with Y = (y / abs_eta)^2 and
        T = (m^2 - M^2) / (m^2 + M^2), M = 90 GeV.
    asymmetry : ndarray, shape (3, 2)
        a(m, y) = (y / abs_eta) sum over j, k of asymmetry[j, k] Y^j T^k, held to -1.99 ... 1.99.
    events : int
        Events that it was learned from.
    """

    cuts: TruthCuts
    log_mass: Floats
    log_spectrum: Floats
    rapidity: Floats
    asymmetry: Floats
    events: int

    def __call__(self, mass: Floats, rapidity: Floats, cosine: Floats) -> Floats:
        """Return f in 1/GeV; the arguments are arrays of one shape, inside the cuts (they are not looked at again).

        Parameters
        ----------
        mass : ndarray
            In GeV.
        rapidity : ndarray
            Of the pair.
        cosine : ndarray
            cos theta* of the mu+.
        """
        slope = _slope(mass)
        relative = rapidity / self.cuts.abs_eta
        square = relative * relative
        exponent = np.zeros_like(square)
        asymmetry = np.zeros_like(square)
        for even, odd in zip(self.rapidity[::-1], self.asymmetry[::-1], strict=True):
            exponent += even[0] + slope * even[1]
            exponent *= square
            asymmetry *= square
            asymmetry += odd[0] + slope * odd[1]
        asymmetry *= relative
        np.clip(asymmetry, -1.99, 1.99, out=asymmetry)
        step = self.log_mass[1] - self.log_mass[0]
        position = np.clip((np.log(mass) - self.log_mass[0]) / step, 0.0, len(self.log_mass) - 1.0001)
        index = position.astype(np.intp)
        position -= index
        lower = self.log_spectrum[index]
        exponent += lower + position * (self.log_spectrum[index + 1] - lower)
        result: Floats = np.exp(exponent) * (1.0 + cosine * (cosine + asymmetry))
        return result


def mass_knots(masses: list[Floats], weights: list[Floats], lowest: float | None = None) -> Floats:
    """Choose knots in log mass where the classes have their events, half of the weight to each of two classes.

    Parameters
    ----------
    masses, weights : list of ndarray
        One pair of arrays a class; masses in GeV.
    lowest : float, optional
        Where the first knot must be, in GeV; the least mass found if not given.

    Returns
    -------
    ndarray, shape (k,)
        Strictly increasing; about N^0.3 knots for N events of the smaller class, and the ends.
    """
    count = min(len(mass) for mass in masses)
    log_mass = np.log(np.concatenate(masses))
    share = np.concatenate([weight / weight.sum() for weight in weights])
    order = np.argsort(log_mass)
    log_mass, share = log_mass[order], share[order]
    cumulative = np.cumsum(share) - 0.5 * share
    number = round(count**0.3)
    levels = len(masses) * (np.arange(number) + 1.0) / (number + 1.0)
    tail = np.array([0.5, 0.2, 0.1, 0.05]) / (number + 1.0)
    levels = np.concatenate([len(masses) * tail, levels, len(masses) * (1.0 - tail)])
    inner = np.interp(np.sort(levels), cumulative, log_mass)
    first = log_mass[0] if lowest is None else np.log(lowest)
    knots = np.unique(np.concatenate([[first], inner, [log_mass[-1]]]))
    keep = np.concatenate([[True], np.diff(knots) > 1e-6])
    return np.asarray(knots[keep])


def fit_truth_density(
    mass: Floats, rapidity: Floats, cosine: Floats, weight: Floats, knots: Floats, cuts: TruthCuts
) -> TruthDensity:
    """Learn f(m, y, c) of one class from its events.

    Parameters
    ----------
    mass, rapidity, cosine, weight : ndarray, shape (n,)
        The truth of the events, after the cuts, and their generator weights; masses in GeV.
    knots : ndarray
        From `mass_knots`, the same for both classes.
    cuts : TruthCuts
        The cuts that the events passed.

    Raises
    ------
    InputError
        If there are fewer than `LEAST_EVENTS` events, or an event lies outside the cuts.
    """
    if len(mass) < LEAST_EVENTS:
        raise InputError(f"{len(mass)} events are too few to learn a density from: {LEAST_EVENTS} or more are needed")
    outside = np.abs(cosine) > cuts.cosine_limit(mass, rapidity) * (1.0 + 1e-3) + 1e-3
    outside |= mass < cuts.mass * (1.0 - 1e-6)
    if outside.any():
        raise InputError(
            f"{outside.sum()} of {len(mass)} true pairs lie outside the cuts pT > {cuts.pt:g} GeV, "
            f"abs(eta) < {cuts.abs_eta:g}, m > {cuts.mass:g} GeV: give the cuts that were used"
        )
    log_mass = np.log(mass)
    share = weight / weight.sum()
    events = 1.0 / float(share @ share)

    def columns(u: Floats, y: Floats) -> Floats:
        slope = _slope(np.exp(u))
        square = (y / cuts.abs_eta) ** 2
        return np.stack([square**j * slope**k for j in range(1, _POWERS + 1) for k in range(_SLOPES)], axis=1)

    splines = design_matrix(log_mass, knots)
    means = np.concatenate([splines.T @ share, columns(log_mass, rapidity).T @ share])
    u, u_weight = nodes_between(knots, 4)
    y, y_weight = nodes_between(np.linspace(0.0, cuts.abs_eta, 5), 12)
    limit = cuts.cosine_limit(np.exp(u)[:, None], y)
    measure = 2.0 * u_weight[:, None] * y_weight * 2.0 * (limit + limit**3 / 3.0)
    uu, yy = (a.ravel() for a in np.broadcast_arrays(u[:, None], y))
    basis = np.hstack([np.repeat(design_matrix(u, knots).toarray(), len(y), axis=0), columns(uu, yy)])
    penalty = curvature_penalty(len(knots) + 2, _POWERS * _SLOPES)
    coefficients = fit_exponential_family(means, basis, measure.ravel(), penalty, events)

    grid = np.linspace(knots[0], knots[-1], _TABLE)
    spectrum = design_matrix(grid, knots) @ coefficients[: len(knots) + 2] - grid
    return TruthDensity(
        cuts=cuts,
        log_mass=grid,
        log_spectrum=spectrum,
        rapidity=coefficients[len(knots) + 2 :].reshape(_POWERS, _SLOPES),
        asymmetry=_fit_asymmetry(rapidity / cuts.abs_eta, _slope(mass), cosine, share),
        events=len(mass),
    )


def _slope(mass: Floats) -> Floats:
    """Return T = tanh(log(m / M)): an asymmetry from interference with the Z is about linear in it."""
    squared = mass * mass
    return np.asarray((squared - _REFERENCE_MASS**2) / (squared + _REFERENCE_MASS**2))


def _fit_asymmetry(relative: Floats, slope: Floats, cosine: Floats, share: Floats) -> Floats:
    """Maximise the mean of log(1 + c^2 + a c) over the coefficients of a: a concave problem, by Newton's method."""
    odd = [relative ** (2 * j + 1) * slope**k for j in range(_POWERS) for k in range(_SLOPES)]
    columns = np.stack(odd, axis=1) * cosine[:, None]
    base = 1.0 + cosine * cosine
    coefficients = np.zeros(_POWERS * _SLOPES)
    value = float(share @ np.log(base))
    for _ in range(50):
        ratio = columns / (base + columns @ coefficients)[:, None]
        gradient = ratio.T @ share
        hessian = (ratio * share[:, None]).T @ ratio + 1e-9 * np.eye(len(coefficients))
        step = np.linalg.solve(hessian, gradient)
        if gradient @ step < 1e-12:
            break
        size = 1.0
        while size > 1e-4:
            trial = coefficients + size * step
            inside = base + columns @ trial
            if inside.min() > 0.0 and float(share @ np.log(inside)) >= value:
                coefficients, value = trial, float(share @ np.log(inside))
                break
            size *= 0.5
    return coefficients.reshape(_POWERS, _SLOPES)
