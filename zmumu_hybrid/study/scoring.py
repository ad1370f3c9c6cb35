"""Training one ensemble of a study, and its scores on held-out and on independent events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from zmumu_hybrid.jobs.evaluate import measure_ensemble
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.study.trainings import Training
from zmumu_hybrid.training.config import TrainingConfig
from zmumu_hybrid.training.ensemble import load_ensemble
from zmumu_hybrid.training.measures import SLICES, read_metrics

__all__ = ["PT_POINTS", "score", "train_as"]

PT_POINTS = (20.0, 37.5, 45.0, 52.5, 80.0)
"""Where the symmetry factor is compared (GeV): far below and above the peak, on it, and on both of its sides."""


def train_as(
    training: Training,
    data: Path,
    output: Path,
    *,
    members: int,
    epochs: int,
    seed: int,
    threads: int | None = None,
    show_progress: bool = False,
) -> None:
    """Train one ensemble of the study, or go on with it; on `threads` cores, all by default."""
    if training.model == "enlarged":
        model = preset("hybrid", "enlarged")
    else:
        model = preset(training.model, pooling=training.pooling if training.model == "hybrid" else None)
    settings = TrainingConfig(members=members, epochs=epochs, fraction=training.fraction, seed=seed)
    train(model, data, output, settings, threads=threads, show_progress=show_progress)


def score(run: Path, evaluation: Path) -> dict[str, Any]:
    """Score a trained ensemble.

    Returns
    -------
    dict
        "auc" and "held_out": the AUC of every member on the evaluation sample and on the held-out events, each with
        the mean statistical "..._uncertainty" of one member; "by_slice": the former in slices of pT;
        "rejection": 1 / background efficiency at 50% and 80% signal efficiency; "first_epoch": the AUC on the held-out
        events after one epoch; "symmetry_factor": for networks that learn it the general subnet's weight at
        `PT_POINTS` for every member.
    """
    ensemble = load_ensemble(run)
    measured = measure_ensemble(ensemble, evaluation, "all")

    def members(name: str) -> list[float]:
        return [row[name] for row in measured]

    def uncertainty(name: str) -> float:
        return float(np.mean(members(f"{name}_uncertainty")))

    table = read_metrics(run / "metrics.parquet")
    first, last = (table["epoch"] == epoch for epoch in (1, table["epoch"].max()))
    found: dict[str, Any] = {
        "auc": members("auc"),
        "auc_uncertainty": uncertainty("auc"),
        "by_slice": {
            name: {"auc": members(f"auc_{name}"), "uncertainty": uncertainty(f"auc_{name}")} for name in SLICES
        },
        "rejection": {str(percent): members(f"rejection_{percent}") for percent in (50, 80)},
        "held_out": table["auc"][last].tolist(),
        "held_out_uncertainty": float(table["auc_uncertainty"][last].mean()),
        "first_epoch": table["auc"][first].tolist(),
    }
    if ensemble.has_symmetry_factor:
        weights = ensemble.symmetry_factor(PT_POINTS)[..., 0]
        found["symmetry_factor"] = {f"{pt:g}": column.tolist() for pt, column in zip(PT_POINTS, weights.T, strict=True)}
    return found
