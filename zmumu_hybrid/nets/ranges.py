"""The ranges of what a network was trained on, and what of other events lies outside.

The quantities are those that the network reads, in their own units: Lorentz invariants of the event and of its pairs,
the context, and transverse momentum, pseudorapidity and energy of the particles. The network computes them
(`observables`), an exported model gives them beside its scores. Knows no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.support.values import require_form

__all__ = ["QUANTILES", "Counts", "compare", "describe", "require_limits", "warnings_of"]

Floats = NDArray[np.float64]
Counts = dict[str, dict[str, Any]]
"""For each quantity the number of "values", how many lie "below" and "above" the range, and the extremes: "lowest" and
"highest", lists of numbers, one for each comparison that went in. Counts of several chunks add up key by key."""

QUANTILES = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


def describe(values: Mapping[str, Floats]) -> dict[str, dict[str, Any]]:
    """Return for each quantity the number of "values", "low" and "high", the ends of its range, and "quantiles"."""
    described = {}
    for name, found in values.items():
        x = _there(found)
        if len(x):
            quantiles = np.quantile(x, QUANTILES).tolist()
            described[name] = {
                "values": len(x),
                "low": float(x.min()),
                "high": float(x.max()),
                "quantiles": {f"{level:g}": value for level, value in zip(QUANTILES, quantiles, strict=True)},
            }
    return described


def require_limits(limits: Any, where: str) -> dict[str, dict[str, Any]]:
    """Return ranges that were read from a file; `InputError`, naming `where`, if they are not as from `describe`."""
    require_form(limits, {...: {"values": int, "low": float, "high": float, "quantiles": {...: float}}}, where)
    for name, limit in limits.items():
        if not (limit["values"] > 0 and limit["low"] <= limit["high"]):
            raise InputError(f"{where}: {name}: values must be above 0, and low not above high: {limit!r:.80}")
    return dict(limits)


def _there(values: NDArray[Any]) -> Floats:
    """Return the values that are there as a flat array: padding is NaN."""
    flat = np.asarray(values, np.float64).reshape(-1)
    missing = np.isnan(flat)
    return flat[~missing] if missing.any() else flat


def compare(limits: Mapping[str, Mapping[str, Any]], values: Mapping[str, Floats]) -> Counts:
    """Count the values outside the ranges of the training; quantities without a range are left out."""
    counts: Counts = {}
    for name, limit in limits.items():
        x = _there(values[name]) if name in values else np.empty(0)
        if not len(x):
            continue
        lowest, highest = float(x.min()), float(x.max())
        below = int(np.count_nonzero(x < limit["low"])) if lowest < limit["low"] else 0
        above = int(np.count_nonzero(x > limit["high"])) if highest > limit["high"] else 0
        counts[name] = {"values": len(x), "below": below, "above": above, "lowest": [lowest], "highest": [highest]}
    return counts


def warnings_of(limits: Mapping[str, Mapping[str, Any]], counts: Counts) -> list[str]:
    """Return a sentence, with numbers, for each quantity of which more values are outside than chance would put there.

    Of N values from the same distribution about 2 N / (n + 1) lie outside the range of n; five standard deviations
    above that there is a warning.
    """
    messages = []
    for name, count in counts.items():
        outside = count["below"] + count["above"]
        expected = 2 * count["values"] / (limits[name]["values"] + 1)
        if outside <= expected + 5 * math.sqrt(expected):
            continue
        low, high = limits[name]["low"], limits[name]["high"]
        messages.append(
            f"{name}: {outside:,} of {count['values']:,} values ({outside / count['values']:.2%}) are outside the "
            f"range of the training, {low:.6g} to {high:.6g}; they reach from {min(count['lowest']):.6g} "
            f"to {max(count['highest']):.6g}"
        )
    return messages
