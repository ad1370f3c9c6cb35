"""The metrics of a trained ensemble on any processed events."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.training_events import TrainingEvents
from zmumu_hybrid.events.muon_pairs import IDENTITY
from zmumu_hybrid.metrics import auc_with_uncertainty
from zmumu_hybrid.support.files import sha256
from zmumu_hybrid.support.outputs import reading
from zmumu_hybrid.training.data import Split, load, table_path
from zmumu_hybrid.training.ensemble import Ensemble, load_ensemble, sigmoid
from zmumu_hybrid.training.measures import METRICS, measure, summarise

__all__ = ["evaluate", "measure_ensemble"]


def measure_ensemble(ensemble: Ensemble, data: str | os.PathLike[str], split: Split) -> list[dict[str, float]]:
    """Return the metrics of every member on one side of the split of a candidate table; see `training.measures`."""
    table = load(data, split=split)
    return [measure(logits, table) for logits in ensemble.logits(**table.inputs)]


def evaluate(
    run: str | os.PathLike[str], data: str | os.PathLike[str], network: Callable[[], nn.Module] | None = None
) -> dict[str, Any]:
    """Evaluate the ensemble in the folder `run` on processed events.

    Events that it was trained on do not count, in whatever table they are: of its own only those held out do. For
    modules of one's own `network` makes one, as for `load_ensemble`.

    Returns
    -------
    dict
        "data": the table, its SHA-256, which "split" of it was used ("test" if events were left out, else "all"), how
        many "events" it has, and how many of them were "left_out"; null if the run does not know what it was trained
        on. "metrics": for each of `METRICS` the "mean" and "std" over the members and the values of the "members"; null
        where a value is not finite. "mean_score": "auc" and "auc_uncertainty" of the mean score of all members, which
        is what an exported model gives.

    Raises
    ------
    InputError
        If the run was trained on all of the events, or those left cannot be used.
    MissingInputError, ModelError
        If there is no such run, or it is damaged.

    Examples
    --------
    >>> import zmumu_hybrid as zh
    >>> for process in ("signal", "background"):
    ...     _ = zh.generate(process, 2000, 1, f"{process}.lhe.gz")
    >>> files = ["signal.lhe.gz"], ["background.lhe.gz"]
    >>> options = zh.ProcessOptions(reweighting_bins=5, cache="cache")
    >>> _ = zh.process(*files, "sample", options, show_progress=False)
    >>> _ = zh.train("pfn", "sample", "run", zh.TrainingConfig(members=1, epochs=1))
    >>> found = zh.evaluate("run", "sample")
    >>> found["data"]["events"], found["data"]["left_out"]
    (4000, 3208)
    >>> 0.5 < found["mean_score"]["auc"] < 0.8
    True
    """
    ensemble = load_ensemble(run, network)
    path = table_path(data)
    with reading(data):
        checksum = sha256(path)
        known = TrainingEvents.of_model(run)
        if known is None and checksum == ensemble.data.get("sha256"):  # a run of before they were kept
            known = TrainingEvents.of_sample(path)
        table = load(path, split="all", without=known)
        logits = ensemble.logits(**table.inputs)
        measured = [measure(each, table) for each in logits]
        mean_score = auc_with_uncertainty(sigmoid(logits).mean(0, dtype=np.float64), table.label, table.weight)
        identity = candidates.read(path, IDENTITY)
        left_out = None if known is None else int(np.count_nonzero(known.include(identity)))
    metrics = {name: summarise([float(row[name]) for row in measured]) for name in METRICS}
    return {
        "run": str(Path(run)),
        "model": ensemble.name,
        "data": {
            "path": str(path),
            "sha256": checksum,
            "split": "test" if left_out else "all",
            "events": len(identity["event"]),
            "left_out": left_out,
        },
        "mean_score": dict(zip(("auc", "auc_uncertainty"), mean_score, strict=True)),
        "metrics": metrics,
    }
