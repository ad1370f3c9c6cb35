"""The metrics of a trained ensemble on any processed sample."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from zmumu_hybrid import candidates
from zmumu_hybrid.files import sha256
from zmumu_hybrid.learn.ensemble import Ensemble, load_ensemble
from zmumu_hybrid.learn.measures import METRICS, measure
from zmumu_hybrid.learn.tensors import Part, load, table_path
from zmumu_hybrid.pairs import IDENTITY
from zmumu_hybrid.training_events import TrainingEvents

__all__ = ["evaluate", "measure_ensemble"]


def measure_ensemble(
    ensemble: Ensemble, data: str | os.PathLike[str], part: Part, without: TrainingEvents | None = None
) -> list[dict[str, float]]:
    """Return the metrics of every member on one part of a candidate table; see `measures.measure`."""
    table = load(data, part=part, without=without)
    return [measure(logits, table) for logits in ensemble.logits(table.p4, table.context(ensemble.config))]


def evaluate(run: str | os.PathLike[str], data: str | os.PathLike[str]) -> dict[str, Any]:
    """Evaluate the ensemble in the folder `run` on a processed sample.

    Events that it was trained on do not count, in whatever sample they are: of its own only those held out do.

    Returns
    -------
    dict
        "data": the sample, its SHA-256, which "part" of it was used ("test" if events were left out, else "all"), how
        many "events" it has, and how many of them were "left_out"; null if the run does not know what it was trained
        on. "metrics": for each of `METRICS` the "mean" and "std" over the members and the values of the "members";
        null where a value is not finite.

    Raises
    ------
    InputError
        If the run was trained on all of the events, or those left cannot be used.
    MissingInputError, ModelError
        If there is no such run, or it is damaged.
    """
    ensemble = load_ensemble(run)
    path = table_path(data)
    checksum = sha256(path)
    known = TrainingEvents.of_model(run)
    if known is None and checksum == ensemble.data.get("sha256"):  # a run of before they were kept
        known = TrainingEvents.of_sample(path)
    measured = measure_ensemble(ensemble, path, "all", known)
    identity = candidates.read(path, IDENTITY)
    left_out = None if known is None else int(np.count_nonzero(known.include(identity)))
    part: Part = "test" if left_out else "all"
    metrics = {name: _summary([float(row[name]) for row in measured]) for name in METRICS}
    return {
        "run": str(Path(run)),
        "model": ensemble.config.model,
        "data": {
            "path": str(path),
            "sha256": checksum,
            "part": part,
            "events": len(identity["event"]),
            "left_out": left_out,
        },
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
