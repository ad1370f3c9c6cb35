"""Smooth densities as exponentials of cubic splines, fitted by maximum likelihood without bins.

The log-spline densities of Stone (Ann. Statist. 18 (1990) 717, doi:10.1214/aos/1176347622): p(x) is proportional to
h(x) exp(sum over k of b_k B_k(x)). The likelihood is concave in b and the events enter only through the mean of each
B_k, so that the cost of a fit does not depend on their number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import InputError

__all__ = ["curvature_penalty", "design_matrix", "fit_exponential_family", "nodes_between"]

Floats = NDArray[np.float64]

_DEGREE = 3
_STEPS = 200
_TOLERANCE = 1e-10
_NORMALISATION = 1e-3


def design_matrix(x: Floats, knots: Floats) -> Any:
    """Return the cubic B-splines on `knots` at `x`, held to their range: a sparse array of shape (n, k + 2)."""
    from scipy.interpolate import BSpline

    padded = np.concatenate([np.repeat(knots[0], _DEGREE), knots, np.repeat(knots[-1], _DEGREE)])
    return BSpline.design_matrix(np.clip(x, knots[0], knots[-1]), padded, _DEGREE)


def curvature_penalty(splines: int, others: int = 0) -> Floats:
    """Return the matrix of the sum of squared second differences of the spline coefficients, others left free."""
    differences = np.diff(np.eye(splines), n=2, axis=0)
    penalty = np.zeros((splines + others, splines + others))
    penalty[:splines, :splines] = differences.T @ differences
    return penalty


def nodes_between(knots: Floats, order: int) -> tuple[Floats, Floats]:
    """Return Gauss-Legendre nodes and weights, `order` of them in each interval of `knots`."""
    x, w = np.polynomial.legendre.leggauss(order)
    half = 0.5 * np.diff(knots)[:, None]
    middle = 0.5 * (knots[1:] + knots[:-1])[:, None]
    return (middle + half * x).ravel(), (half * w).ravel()


def fit_exponential_family(means: Floats, basis: Floats, measure: Floats, penalty: Floats, events: float) -> Floats:
    """Fit p(x) = h(x) exp(b . phi(x)), normalised to one, by penalised maximum likelihood (Newton's method).

    Parameters
    ----------
    means : ndarray, shape (d,)
        The weighted mean over the events of each phi.
    basis : ndarray, shape (q, d)
        phi at the nodes of a quadrature.
    measure : ndarray, shape (q,)
        h at the nodes, times the weight of the node.
    penalty : ndarray, shape (d, d)
        The penalty is b . penalty . b / (2 events).
    events : float
        The effective number of events.

    Returns
    -------
    ndarray, shape (d,)
        b; the constant must be in the span of phi, which makes the density normalised.

    Raises
    ------
    InputError
        If there is no maximum (too few events for the shape).
    """
    scaled = penalty / events + 1e-12 * np.eye(len(means))
    coefficients = np.linalg.lstsq(basis, np.full(len(basis), -np.log(measure.sum())), rcond=None)[0]

    def objective(b: Floats) -> tuple[float, Floats]:
        with np.errstate(over="ignore"):
            density = measure * np.exp(np.minimum(basis @ b, 700.0))
        return float(density.sum() - means @ b + 0.5 * b @ scaled @ b), density

    value, density = objective(coefficients)
    for _ in range(_STEPS):
        gradient = basis.T @ density - means + scaled @ coefficients
        hessian = (basis * density[:, None]).T @ basis + scaled
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            break
        decrement = float(gradient @ step)
        if decrement < _TOLERANCE:
            if abs(density.sum() - 1.0) > _NORMALISATION:
                break
            return coefficients
        size = 1.0
        while size > 1e-6:
            trial, density = objective(coefficients - size * step)
            if trial <= value - 1e-4 * size * decrement + 1e-14:
                break
            size *= 0.5
        coefficients = coefficients - size * step
        value = trial
    raise InputError(f"no smooth density fits these {events:.0f} events: give more events")
