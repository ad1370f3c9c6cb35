"""The metrics of a trained ensemble on any processed events."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from zmumu_hybrid.files import sha256
from zmumu_hybrid.training.data import Split, load, table_path
from zmumu_hybrid.training.ensemble import Ensemble, load_ensemble
from zmumu_hybrid.training.measures import METRICS, measure

__all__ = ["evaluate", "measure_ensemble"]


def measure_ensemble(ensemble: Ensemble, data: str | os.PathLike[str], split: Split) -> list[dict[str, float]]:
    """Return the metrics of every member on one side of the split of a candidate table; see `measures.measure`."""
    table = load(data, split=split)
    return [measure(logits, table) for logits in ensemble.logits(**table.inputs)]


def evaluate(run: str | os.PathLike[str], data: str | os.PathLike[str]) -> dict[str, Any]:
    """Evaluate the ensemble in the folder `run` on processed events.

    Of the table that it was trained on only the held-out events count, of any other one all of them.

    Returns
    -------
    dict
        "data": the table, its SHA-256 and which "split" of it was used. "metrics": for each of `METRICS` the "mean" and
        "std" over the members and the values of the "members"; null where a value is not finite.
    """
    ensemble = load_ensemble(run)
    path = table_path(data)
    checksum = sha256(path)
    split: Split = "test" if checksum == ensemble.data.get("sha256") else "all"
    measured = measure_ensemble(ensemble, path, split)
    metrics = {name: _summary([float(row[name]) for row in measured]) for name in METRICS}
    return {
        "run": str(Path(run)),
        "model": ensemble.name,
        "data": {"path": str(path), "sha256": checksum, "split": split},
        "metrics": metrics,
    }


def _summary(values: list[float]) -> dict[str, Any]:
    finite = bool(np.isfinite(values).all())
    several = finite and len(values) > 1
    return {
        "mean": float(np.mean(values)) if finite else None,
        "std": float(np.std(values, ddof=1)) if several else None,
        "members": [value if np.isfinite(value) else None for value in values],
    }
