"""How well scores tell signal from background, on weighted events."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.metrics import auc_with_uncertainty
from zmumu_hybrid.support.files import require_file
from zmumu_hybrid.support.handles import open_parquet
from zmumu_hybrid.training.data import TrainingTable

__all__ = ["METRICS", "SLICES", "measure", "read_metrics", "summarise"]

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
    logits : numpy.ndarray of float, shape (N,) or (N, K)
        Output before the sigmoid or softmax.
    table : TrainingTable
        The N events.

    Returns
    -------
    dict of str to float
        By the names in `METRICS`; NaN where it means nothing: for K classes all but loss and accuracy, for a slice
        without both classes or events without momenta, or where no background passes.
    """
    values = np.asarray(logits, np.float64)
    label, weight = table.label, table.weight
    share = weight / weight.sum()
    found = dict.fromkeys(METRICS, float("nan"))
    if values.ndim == 2:
        top = values.max(1)
        chosen = values[np.arange(len(values)), label.astype(int)]
        found["loss"] = float(share @ (top + np.log(np.exp(values - top[:, None]).sum(1)) - chosen))
        found["accuracy"] = float(share @ (values.argmax(1) == label))
        return found
    found["auc"], found["auc_uncertainty"] = auc_with_uncertainty(values, label, weight)
    found["loss"] = float(share @ (np.logaddexp(0.0, values) - label * values))
    found["accuracy"] = float(share @ ((values > 0) == (label == 1)))
    for percent in (50, 80):
        found[f"rejection_{percent}"] = rejection(values, label, weight, percent / 100)
    pt = np.full(len(label), np.nan) if table.pt is None else table.pt
    for name, (low, high) in SLICES.items():
        inside = (pt >= low) & (pt < high)
        if all(weight[inside & (label == value)].sum() > 0 for value in (0, 1)):
            measured = auc_with_uncertainty(values[inside], label[inside], weight[inside])
            found[f"auc_{name}"], found[f"auc_{name}_uncertainty"] = measured
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


def summarise(values: list[float]) -> dict[str, Any]:
    """Return "mean" and "std" of the values of "members", and these; null where a value is not finite."""
    finite = bool(np.isfinite(values).all())
    several = finite and len(values) > 1
    return {
        "mean": float(np.mean(values)) if finite else None,
        "std": float(np.std(values, ddof=1)) if several else None,
        "members": [value if np.isfinite(value) else None for value in values],
    }
