"""The area under the ROC curve of weighted events, exact with ties, and its statistical uncertainty.

Plain numpy, O(n log n). The uncertainty is that of DeLong, DeLong, Clarke-Pearson (Biometrics 44 (1988) 837,
doi:10.2307/2531595), with the weights of the events carried into the variance of each class's mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zmumu_hybrid.errors import InputError

__all__ = ["auc_with_uncertainty", "weighted_auc"]

Floats = NDArray[np.float64]


def weighted_auc(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the probability that a signal event scores above a background event, ties counting one half.

    Parameters
    ----------
    scores : array_like, shape (n,)
        Higher is more like signal; infinities are allowed, NaN is not.
    labels : array_like, shape (n,)
        1 (or True) for signal, 0 for background.
    weights : array_like, shape (n,), optional
        Event weights; one each if not given.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If lengths differ, a score is NaN, a weight is not finite, a label is neither 0 nor 1, or a class has no
        weight.
    """
    return _placements(scores, labels, weights)[0]


def auc_with_uncertainty(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> tuple[float, float]:
    """Return the area under the ROC curve and its standard deviation; arguments and errors as `weighted_auc`."""
    value, parts = _placements(scores, labels, weights)
    variance = 0.0
    for share, placement in parts:
        used = int(np.count_nonzero(share))
        deviation = share * (placement - value)
        variance += float(deviation @ deviation) * used / max(used - 1, 1)
    return value, float(np.sqrt(variance))


def _placements(scores: Any, labels: Any, weights: Any) -> tuple[float, list[tuple[Floats, Floats]]]:
    """Return the area, and of each class the events' shares of its weight and of the other class beaten."""
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    weights = np.ones(scores.shape) if weights is None else np.asarray(weights, np.float64)
    if scores.ndim != 1 or labels.shape != scores.shape or weights.shape != scores.shape:
        raise InputError(
            f"scores, labels and weights must be flat and of one length, not {scores.shape}, {labels.shape} and "
            f"{weights.shape}"
        )
    signal = labels == 1
    if not np.all(signal | (labels == 0)):
        raise InputError(f"label {labels[~(signal | (labels == 0))][0]}: must be 1 (signal) or 0 (background)")
    for name, values, bad in (("score", scores, np.isnan(scores)), ("weight", weights, ~np.isfinite(weights))):
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(f"{name} of row {row} is {values[row]}: remove or repair this row")
    sides = []
    for chosen, name in ((signal, "signal"), (~signal, "background")):
        order = np.argsort(scores[chosen], kind="stable")
        total = float(weights[chosen].sum())
        if not total > 0.0:
            raise InputError(f"no {name} events with positive total weight: an area under the ROC curve needs both")
        sides.append((scores[chosen][order], weights[chosen][order] / total))
    below = [_weight_below(sides[0][0], *sides[1]), _weight_below(sides[1][0], *sides[0])]
    value = min(max(float(sides[0][1] @ below[0]), 0.0), 1.0)
    return value, [(sides[0][1], below[0]), (sides[1][1], 1.0 - below[1])]


def _weight_below(points: Floats, scores: Floats, shares: Floats) -> Floats:
    """Return the share of weight with a score below each point, and half of that at the point; `scores` sorted."""
    cumulative = np.concatenate([[0.0], np.cumsum(shares)])
    left, right = (cumulative[np.searchsorted(scores, points, side)] for side in ("left", "right"))
    return np.asarray(0.5 * (left + right))
