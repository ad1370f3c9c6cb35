"""The ranges of what a network was trained on, and what of other events lies outside.

The quantities are those that the network reads, in their own units: the Lorentz invariants of the event and of its
pairs, the context, and transverse momentum, pseudorapidity and energy of the particles. Knows no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.learn.configuration import ModelConfig
from zmumu_hybrid.learn.variables import ETA_FLOOR, context_values, invariant_values, pair_indices
from zmumu_hybrid.values import require_form

__all__ = ["QUANTILES", "Counts", "compare", "describe", "observables", "require_limits", "warnings_of"]

Floats = NDArray[np.float64]
Counts = dict[str, dict[str, Any]]
"""For each quantity the number of "values", how many lie "below" and "above" the range, and the extremes: "lowest" and
"highest", lists of numbers, one for each comparison that went in. Counts of several chunks add up key by key."""

QUANTILES = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


def observables(
    config: ModelConfig, p4: Floats, context: Floats | None = None, mask: NDArray[np.bool_] | None = None
) -> dict[str, Floats]:
    """Return the quantities of events by name, each a flat array over what is there.

    Parameters
    ----------
    config : ModelConfig
    p4 : numpy.ndarray, shape (N, n, 4)
        E, px, py, pz in GeV.
    context : numpy.ndarray, shape (N, C), optional
        Where it is not computed from the momenta.
    mask : numpy.ndarray of bool, shape (N, n), optional
        Which particles are there.

    Returns
    -------
    dict of str to numpy.ndarray
        "m2(all)" and other invariants in GeV^2, "pt(0)" and other context variables in GeV (or "context 0" and so on),
        "pt", "eta" and "energy" of the particles in GeV and 1, "dot" and other invariants of all pairs in GeV^2.
    """
    there = np.ones(p4.shape[:2], bool) if mask is None else mask
    p4 = p4 if mask is None else np.where(mask[..., None], p4, 0.0)
    found: dict[str, Floats] = {}
    if config.model != "pfn":
        event = config.event_invariants
        if event:
            found |= {each.name: x for each, x in zip(event, invariant_values(p4, event).T, strict=True)}
        if config.pair_invariants:
            first, second = (list(places) for places in zip(*pair_indices(config.particles), strict=True))
            both = there[:, first] & there[:, second]
            pairs = invariant_values(p4, config.all_pair_invariants).reshape(*both.shape, -1)
            found |= {name: pairs[..., k][both] for k, name in enumerate(config.pair_invariants)}
    if config.model == "hybrid":
        variables = config.context_definitions
        names = [variable.name for variable in variables] or [f"context {k}" for k in range(config.context)]
        values = context_values(p4, variables) if variables else np.asarray(context, np.float64).reshape(len(p4), -1)
        found |= dict(zip(names, values.T, strict=True))
    if config.model != "invariant":
        p = p4[there]
        pt = np.hypot(p[:, 1], p[:, 2])
        found |= {"pt": pt, "eta": np.arcsinh(p[:, 3] / np.maximum(pt, ETA_FLOOR)), "energy": p[:, 0]}
    return found


def describe(values: Mapping[str, Floats]) -> dict[str, dict[str, Any]]:
    """Return for each quantity the number of "values", "low" and "high", the ends of its range, and "quantiles"."""
    described = {}
    for name, x in values.items():
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


def compare(limits: Mapping[str, Mapping[str, Any]], values: Mapping[str, Floats]) -> Counts:
    """Count the values outside the ranges of the training; quantities without a range are left out."""
    counts: Counts = {}
    for name, limit in limits.items():
        x = values.get(name)
        if x is None or not len(x):
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
    said = []
    for name, count in counts.items():
        outside = count["below"] + count["above"]
        expected = 2 * count["values"] / (limits[name]["values"] + 1)
        if outside <= expected + 5 * math.sqrt(expected):
            continue
        low, high = limits[name]["low"], limits[name]["high"]
        said.append(
            f"{name}: {outside:,} of {count['values']:,} values ({outside / count['values']:.2%}) are outside the "
            f"range of the training, {low:.6g} to {high:.6g}; they reach from {min(count['lowest']):.6g} "
            f"to {max(count['highest']):.6g}"
        )
    return said
