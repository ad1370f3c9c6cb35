"""Training one ensemble of a study, and its scores on held-out and on independent events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zmumu_hybrid.learn.configuration import TrainingConfig
from zmumu_hybrid.learn.ensemble import load_ensemble
from zmumu_hybrid.learn.evaluation import measure_ensemble
from zmumu_hybrid.learn.presets import preset
from zmumu_hybrid.learn.training import train
from zmumu_hybrid.plots.folders import read_metrics
from zmumu_hybrid.study.trainings import Training

__all__ = ["score", "train_as"]

LOW_PT, HIGH_PT = 20.0, 80.0
"""Where the symmetry factor is compared (GeV)."""


def train_as(
    training: Training, data: Path, output: Path, *, members: int, epochs: int, seed: int, show_progress: bool
) -> None:
    """Train one ensemble of the study, or go on with it."""
    if training.model == "enlarged":
        model = preset("hybrid", "enlarged")
    else:
        model = preset(training.model, pooling=training.pooling if training.model == "hybrid" else None)
    settings = TrainingConfig(members=members, epochs=epochs, fraction=training.fraction, seed=seed)
    train(model, data, output, settings, show_progress=show_progress)


def score(run: Path, evaluation: Path) -> dict[str, Any]:
    """Score a trained ensemble.

    Returns
    -------
    dict
        "auc" and "held_out": the AUC of every member on the evaluation sample and on the held-out events, each with
        the mean statistical "..._uncertainty" of one member; "first_epoch": on the held-out events after one epoch;
        "symmetry_factor": the general subnet's weight at 20 and at 80 GeV, for networks that learn it.
    """
    ensemble = load_ensemble(run)
    measured = measure_ensemble(ensemble, evaluation, "all")
    table = read_metrics(run / "metrics.parquet")
    first, last = (table["epoch"] == epoch for epoch in (1, table["epoch"].max()))
    found: dict[str, Any] = {
        "auc": [row["auc"] for row in measured],
        "auc_uncertainty": sum(row["auc_uncertainty"] for row in measured) / len(measured),
        "held_out": table["auc"][last].tolist(),
        "held_out_uncertainty": float(table["auc_uncertainty"][last].mean()),
        "first_epoch": table["auc"][first].tolist(),
    }
    if ensemble.config.has_gate:
        found["symmetry_factor"] = ensemble.general_weight([LOW_PT, HIGH_PT]).tolist()
    return found
