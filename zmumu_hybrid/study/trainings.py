"""One way to train an ensemble of the study and to score it on held-out and on independent events."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from zmumu_hybrid.jobs.limit import headroom
from zmumu_hybrid.rivals.contest import train_classifiers
from zmumu_hybrid.study.results import EnsembleResult
from zmumu_hybrid.study.specs import EnsembleSpec
from zmumu_hybrid.support.files import read_json
from zmumu_hybrid.training.data import load
from zmumu_hybrid.training.ensemble import Ensemble
from zmumu_hybrid.training.measures import SLICES, measure, read_metrics

__all__ = ["PT_POINTS", "RUN", "train_and_score"]

PT_POINTS = (20.0, 37.5, 45.0, 52.5, 80.0)
"""Where the symmetry factor is compared (GeV): far below and above the peak, on it, and on both of its sides."""

RUN = ("config.json", "members.safetensors", "metrics.parquet")
"""The files of the run of a network; `ranges.json` is beside them."""


def train_and_score(
    spec: EnsembleSpec, samples: Path, folder: Path, *, threads: int | None = None, show_progress: bool = False
) -> EnsembleResult:
    """Train an ensemble, or go on where its training was interrupted, and score it.

    Parameters
    ----------
    spec : EnsembleSpec
    samples : Path
        Has the directories `study` and `evaluation` of `zmumu process`, and `limit.json`.
    folder : Path
        Gets the folder `spec.run`.
    threads : int, optional
        Cores to train on; all by default. The numbers do not depend on it.
    show_progress : bool
        Show the members on a terminal.

    Raises
    ------
    InputError, ConfigurationError
        See `zmumu_hybrid.jobs.train.train`.
    """
    limit, run = read_json(samples / "limit.json"), folder / spec.run
    trained = train_classifiers(
        spec.network, samples / "study", run, spec.training, threads=threads, show_progress=show_progress
    )
    independent, held_out = load(samples / "evaluation", split="all"), load(samples / "study", split="test")
    first, weights = [], {}
    with one_thread():
        rows = [measure(member.logits(independent.p4), independent) for member in trained.members]
        if isinstance(trained.ensemble, Ensemble):
            table = read_metrics(run / "metrics.parquet")
            first = table["auc"][table["epoch"] == 1].tolist()
            last = trained.final
            if trained.ensemble.has_symmetry_factor and spec.approach != "rival":
                columns = trained.ensemble.symmetry_factor(PT_POINTS)[..., 0].T
                weights = {f"{pt:g}": column.tolist() for pt, column in zip(PT_POINTS, columns, strict=True)}
        else:
            last = [measure(member.logits(held_out.p4), held_out) for member in trained.members]
    aucs = [row["auc"] for row in rows]
    return EnsembleResult(
        approach=spec.approach,
        model=spec.model,
        fraction=spec.training.fraction,
        auc=aucs,
        pooling=spec.pooling,
        step=spec.step,
        sample=spec.sample,
        events=spec.events,
        dataset=spec.dataset,
        run=spec.run,
        epochs=spec.training.epochs,
        seed=spec.training.seed,
        headroom=[headroom(auc, limit) for auc in aucs],
        auc_uncertainty=float(np.mean([row["auc_uncertainty"] for row in rows])),
        held_out=[row["auc"] for row in last],
        held_out_uncertainty=float(np.mean([row["auc_uncertainty"] for row in last])),
        by_slice={
            name: {
                "auc": [plain(row[f"auc_{name}"]) for row in rows],
                "uncertainty": plain(float(np.mean([row[f"auc_{name}_uncertainty"] for row in rows]))),
            }
            for name in SLICES
        },
        first_epoch=first,
        symmetry_factor=weights,
        parameters=trained.members[0].parameters,
        seconds=round(trained.seconds, 1),
        member_seconds=round(trained.member_seconds, 2),
    )


def plain(value: float) -> float | None:
    """Return a number as JSON can say it."""
    return value if math.isfinite(value) else None


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one core, as a number of them must not show in a result."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
