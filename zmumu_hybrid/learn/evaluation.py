"""The metrics of a trained ensemble on any processed sample."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from zmumu_hybrid.files import sha256
from zmumu_hybrid.learn.ensemble import Ensemble, load_ensemble
from zmumu_hybrid.learn.measures import METRICS, measure
from zmumu_hybrid.learn.tensors import Part, load, table_path

__all__ = ["evaluate", "measure_ensemble"]


def measure_ensemble(ensemble: Ensemble, data: str | os.PathLike[str], part: Part) -> list[dict[str, float]]:
    """Return the metrics of every member on one part of a candidate table; see `measures.measure`."""
    table = load(data, part=part)
    return [measure(logits, table) for logits in ensemble.logits(table.p4, table.context(ensemble.config))]


def evaluate(run: str | os.PathLike[str], data: str | os.PathLike[str]) -> dict[str, Any]:
    """Evaluate the ensemble in the folder `run` on a processed sample.

    On the sample that it was trained on only the held-out events count, on any other one all of them.

    Returns
    -------
    dict
        "data": the sample, its SHA-256 and which "part" of it was used. "metrics": for each of `METRICS` the "mean" and
        "std" over the members and the values of the "members"; null where a value is not finite.
    """
    ensemble = load_ensemble(run)
    path = table_path(data)
    checksum = sha256(path)
    part: Part = "test" if checksum == ensemble.data.get("sha256") else "all"
    measured = measure_ensemble(ensemble, path, part)
    metrics = {name: _summary([float(row[name]) for row in measured]) for name in METRICS}
    return {
        "run": str(Path(run)),
        "model": ensemble.config.model,
        "data": {"path": str(path), "sha256": checksum, "part": part},
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
