"""Settings of hyperparameters side by side: the same members, the same events, and the held-out ones to judge."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zmumu_hybrid.execution.tasks import Task, TaskPool
from zmumu_hybrid.execution.workers import Workers
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.nets.config import NetworkConfig
from zmumu_hybrid.scan.space import Setting, apply
from zmumu_hybrid.training.config import TrainingConfig

__all__ = ["compare"]


def compare(
    settings: Mapping[str, Setting],
    model: NetworkConfig,
    training: TrainingConfig,
    data: Path,
    pool: TaskPool,
    *,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Train a network with each of two settings and compare their AUC on the held-out events.

    Parameters
    ----------
    settings : mapping of str to dict
        Two settings by name: the first is what the second is compared with.
    model : NetworkConfig
    training : TrainingConfig
        Members, epochs and seed of both.
    data : Path
        The table.
    pool : TaskPool
        A dask cluster trains both at once; else each is trained here on all cores. The runs go to "comparison" in its
        folder.
    show_progress : bool
        Show the members of a training here on a terminal.

    Returns
    -------
    dict
        By name: "setting", "run", "members" (their AUCs after the last epoch), "mean", "std" over members,
        "uncertainty" (statistical, of one member, from the held-out events, which the two share) and "stopped".
        "difference": "mean" of the second minus the first, and its "uncertainty" over members; null with one member.
    """
    folder = pool.folder
    elsewhere = pool.workers.executor == "dask"
    runs = {name: folder / "comparison" / _name(setting) for name, setting in settings.items()}
    wanted = {runs[name]: setting for name, setting in settings.items()}  # one training if both are the same
    tasks = [
        Task(
            f"comparison {run.name}",
            partial(
                _train,
                *apply(setting, model, training),
                data.resolve(),
                run.resolve(),
                threads=1 if elsewhere else None,
                show_progress=show_progress and not elsewhere,
            ),
        )
        for run, setting in wanted.items()
    ]
    results = list(wanted)
    with TaskPool(Workers(), folder) as here:
        trained = {results[done.index]: done.result for done in (pool if elsewhere else here).run(tasks)}
    found: dict[str, Any] = {
        name: {"setting": setting, "run": str(runs[name].relative_to(folder)), **trained[runs[name]]}
        for name, setting in settings.items()
    }
    first, second = (found[name] for name in settings)
    spread = [side["std"] / np.sqrt(len(side["members"])) for side in (first, second) if side["std"] is not None]
    found["difference"] = {
        "mean": second["mean"] - first["mean"],
        "uncertainty": float(np.hypot(*spread)) if len(spread) == 2 else None,
    }
    return found


def _train(
    model: NetworkConfig, training: TrainingConfig, data: Path, run: Path, *, threads: int | None, show_progress: bool
) -> dict[str, Any]:
    summary = train(model, data, run, training, threads=threads, show_progress=show_progress)
    members = [float(row["auc"]) for row in summary.final]
    return {
        "members": members,
        "mean": float(np.mean(members)),
        "std": float(np.std(members, ddof=1)) if len(members) > 1 else None,
        "uncertainty": float(np.mean([row["auc_uncertainty"] for row in summary.final])),
        "stopped": summary.stopped,
    }


def _name(setting: Setting) -> str:
    return "-".join(f"{name.replace('_', '-')}-{value:g}" for name, value in setting.items())
