"""How well scores tell signal from background, on weighted events."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.files import require_file
from zmumu_hybrid.handles import open_parquet
from zmumu_hybrid.learn.tensors import TrainingTable
from zmumu_hybrid.metrics import auc_with_uncertainty

__all__ = ["METRICS", "SLICES", "measure", "read_metrics"]

SLICES = {"below30": (0.0, 30.0), "30to40": (30.0, 40.0), "above40": (40.0, np.inf)}
"""Slices of the pT of the mu+ (GeV), as in Fig. 2 of the paper."""

METRICS = (
    "auc",
    "auc_uncertainty",
    "loss",
    "accuracy",
    "rejection_50",
    "rejection_80",
    *(f"auc_{name}{suffix}" for name in SLICES for suffix in ("", "_uncertainty")),
)
"""What `measure` returns. Rejection is 1 / background efficiency at 50% and 80% signal efficiency."""


def measure(logits: NDArray[Any], table: TrainingTable) -> dict[str, float]:
    """Measure the logits of one network.

    Parameters
    ----------
    logits : numpy.ndarray of float, shape (N,)
        Output before the sigmoid.
    table : TrainingTable
        The N events.

    Returns
    -------
    dict of str to float
        By the names in `METRICS`; NaN for a slice without both classes, or where no background passes.
    """
    scores = np.asarray(logits, np.float64)
    label, weight = table.label, table.weight
    found = dict(zip(("auc", "auc_uncertainty"), auc_with_uncertainty(scores, label, weight), strict=True))
    share = weight / weight.sum()
    found["loss"] = float(share @ (np.logaddexp(0.0, scores) - label * scores))
    found["accuracy"] = float(share @ ((scores > 0) == (label == 1)))
    for percent in (50, 80):
        found[f"rejection_{percent}"] = rejection(scores, label, weight, percent / 100)
    pt = table.pt[:, 0]
    for name, (low, high) in SLICES.items():
        chosen = (pt >= low) & (pt < high)
        both = all(weight[chosen & (label == value)].sum() > 0 for value in (0, 1))
        values = auc_with_uncertainty(scores[chosen], label[chosen], weight[chosen]) if both else (np.nan, np.nan)
        found[f"auc_{name}"], found[f"auc_{name}_uncertainty"] = values
    return found


def rejection(scores: NDArray[Any], label: NDArray[Any], weight: NDArray[Any], efficiency: float) -> float:
    """Return 1 / background efficiency at a signal efficiency; NaN where no background passes."""
    signal, background = label == 1, label == 0
    order = np.argsort(-scores[signal], kind="stable")
    passed = np.cumsum(weight[signal][order])
    cut = scores[signal][order][np.searchsorted(passed, efficiency * passed[-1])]
    kept = float(weight[background & (scores >= cut)].sum())
    return float(weight[background].sum()) / kept if kept > 0 else float("nan")


def read_metrics(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read a `metrics.parquet` as columns by name, one row per member and epoch.

    Raises
    ------
    MissingInputError, InputError
        If it does not exist, is not whole Parquet, or has not a row of numbers for each member and epoch.
    """
    import pyarrow as pa

    path = require_file(path)
    try:
        with open_parquet(path, page_checksum_verification=True) as file:
            table = file.read()
        found = {name: table.column(name).to_numpy() for name in table.column_names}
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a whole Parquet file: {str(error).splitlines()[0]}; train again") from error
    for name in ("member", "epoch", "auc"):
        if name not in found:
            raise InputError(f"{path}: has no column {name}: not the metrics of `zmumu train`")
    for name, values in found.items():
        good = values.dtype.kind in "iuf" and len(values) and not table.column(name).null_count
        if not good or (name in ("member", "epoch") and (values % 1 != 0).any()):
            wanted = "whole numbers" if name in ("member", "epoch") else "numbers"
            raise InputError(f"{path}: column {name} does not hold {wanted} in all of its rows: train again")
    return found
