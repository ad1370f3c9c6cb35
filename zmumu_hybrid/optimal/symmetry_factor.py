"""What the optimal classifier says about the symmetry factor: how much of its score is beyond Lorentz invariants."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.physics.kinematics import Floats

__all__ = ["beyond_invariants"]

_GROUPS = 50


def beyond_invariants(
    score: ArrayLike, mass: ArrayLike, pt: ArrayLike, weight: ArrayLike, edges: ArrayLike
) -> NDArray[np.float64]:
    """Return in bins of pT the share of the optimal score's variance that no function of the mass explains.

    With the score s, the measured mass m and events of one bin, E[Var(s | m)] / Var(s). It is 0 where a network of
    Lorentz invariants can be the best possible, and 1 where the mass tells nothing; a network that trusts its general
    subnet where that is needed has a weight that rises and falls with it. The conditional variance is that in groups of
    equal size in m, at most 50 of them, with at least 20 events each.

    Parameters
    ----------
    score : array of shape (n,)
        `OptimalClassifier.log_ratio` of each event; infinite ones are left out.
    mass, pt : arrays of shape (n,)
        Measured, in GeV.
    weight : array of shape (n,)
        Of the events, not negative.
    edges : array of shape (bins + 1,)
        Of the bins in pT, ascending, GeV.

    Returns
    -------
    ndarray of shape (bins,)
        NaN where a bin has fewer than 100 events.

    Raises
    ------
    InputError
        If the arrays differ in length.
    """
    columns = [np.asarray(each, np.float64).ravel() for each in (score, mass, pt, weight)]
    if len({each.size for each in columns}) != 1:
        raise InputError(
            f"score, mass, pt and weight have {[each.size for each in columns]} entries: give one per event"
        )
    kept = np.isfinite(columns[0])
    s, m, p, w = (each[kept] for each in columns)
    borders = np.asarray(edges, np.float64)
    bins = np.digitize(p, borders) - 1
    return np.array([_share(s[rows], m[rows], w[rows]) for rows in (bins == i for i in range(borders.size - 1))])


def _share(score: Floats, mass: Floats, weight: Floats) -> float:
    """Return E[Var(score | mass)] / Var(score) of the events of one bin."""
    groups = min(_GROUPS, score.size // 20)
    if groups < 5:
        return float("nan")
    order = np.argsort(mass, kind="stable")
    total = variance(score, weight) * weight.sum()
    inside = sum(
        variance(score[rows], weight[rows]) * weight[rows].sum() * rows.size / (rows.size - 1)
        for rows in np.array_split(order, groups)
    )
    return float(inside / total)


def variance(values: Floats, weight: Floats) -> float:
    """Return the weighted variance; 0 where nothing has a weight."""
    total = weight.sum()
    if total <= 0.0:
        return 0.0
    mean = float(values @ weight) / total
    return float((values - mean) ** 2 @ weight) / total
