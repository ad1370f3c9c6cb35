"""One comparison for all: each rival is trained on the same table by the same trainer, scored on the same events."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import nn

from zmumu_hybrid.draws import keys
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.nets.config import NetworkConfig
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.rivals.networks import NETWORKS
from zmumu_hybrid.rivals.trees import Trees
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.values import require_count, require_seed
from zmumu_hybrid.training.config import TrainingConfig
from zmumu_hybrid.training.data import TrainingTable, load
from zmumu_hybrid.training.ensemble import Ensemble, load_ensemble
from zmumu_hybrid.training.measures import measure

__all__ = [
    "RIVALS",
    "Classifier",
    "Rules",
    "TrainedClassifiers",
    "contest",
    "events_per_second",
    "load_member",
    "require_packages",
    "train_classifiers",
]

RIVALS = {
    "lgatr": "L-GATr with reference multivectors",
    "lloca": "LLoCa transformer with reference vectors",
    "modern-hybrid": "Hybrid of a transformer and L-GATr",
    "pelican": "PELICAN with beams",
    "residual-pathway": "Residual pathway prior",
    "trees": "Gradient-boosted trees",
}
"""What is compared, by name."""

ROUNDS = 300
"""Trees of a member, one after the other."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is the same for all.

    Attributes
    ----------
    fraction : float
        Of the training events.
    epochs : int
        Of the networks.
    rounds : int
        Trees, one after the other.
    members : int
        Trainings of each, that differ in their draws.
    batch_size : int
        Events of a step.
    learning_rate : float
        The highest, of AdamW with a one-cycle schedule.
    seed : int
        Of every draw.
    """

    fraction: float = 1.0
    epochs: int = 20
    rounds: int = ROUNDS
    members: int = 3
    batch_size: int = 256
    learning_rate: float = 2e-3
    seed: int = 0

    @property
    def training(self) -> TrainingConfig:
        """How the networks are trained."""
        return TrainingConfig(
            members=self.members,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=0.1,
            sampling="shuffle",
            schedule="one-cycle",
            gradient_clip=1.0,
            fraction=self.fraction,
            seed=self.seed,
        )

    def __post_init__(self) -> None:
        """Refuse numbers that make no contest."""
        for name in ("epochs", "rounds", "members", "batch_size"):
            require_count(f"{name} of the rivals", getattr(self, name), 1, 10**6)
        require_seed(self.seed, "seed of the rivals")


class Classifier(Protocol):
    """What can be measured."""

    @property
    def parameters(self) -> int:
        """Numbers that were learned."""

    def logits(self, p4: Floats) -> Floats:
        """Return the score of each event."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an ensemble as something that can be measured."""

    module: nn.Module

    @property
    def parameters(self) -> int:
        """Numbers that were learned."""
        return sum(values.numel() for values in self.module.parameters())

    def logits(self, p4: Floats) -> Floats:
        """Return the logits of events, shape (N,)."""
        return Ensemble([self.module]).logits(p4=p4)[0].astype(np.float64)


@dataclass(frozen=True, slots=True)
class TrainedClassifiers:
    """An ensemble after its training.

    Attributes
    ----------
    members : list of Classifier
    seconds, member_seconds : float
        Wall time of this call, and seconds of one core that a member took.
    ensemble : Ensemble, optional
        The networks; None for trees.
    final : list of dict
        The metrics of each network on the held-out events after its last epoch.
    """

    members: list[Classifier]
    seconds: float
    member_seconds: float
    ensemble: Ensemble | None = None
    final: list[dict[str, Any]] = field(default_factory=list)


def require_packages() -> None:
    """Raise `MissingDependencyError`, naming all of them, if packages of the rivals are not installed."""
    require("lgatr", "lloca", "pelican", "sklearn")


def events_per_second(classifier: Classifier, p4: Floats) -> float:
    """Return the events a second that are scored, on all cores that torch or scikit-learn take, the better of two."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        classifier.logits(p4)
        seconds.append(time.perf_counter() - start)
    return round(len(p4) / min(seconds))


def train_classifiers(
    network: NetworkConfig | str,
    data: Path,
    run: Path,
    training: TrainingConfig,
    *,
    rounds: int = ROUNDS,
    threads: int | None = None,
    show_progress: bool = False,
) -> TrainedClassifiers:
    """Train an ensemble of this package or of a rival on the training events of a directory of `zmumu process`.

    Parameters
    ----------
    network : NetworkConfig or str
        The description of a network, or the name of a rival.
    data, run : Path
        Where the events are, and the folder of the run; trees leave nothing there.
    training : TrainingConfig
        Trees take its members, fraction and seed, and `rounds`.
    threads : int, optional
        Cores that members are trained on; by default all.
    show_progress : bool
        Show the members on a terminal.

    Raises
    ------
    ConfigurationError
        If there is no such rival.
    MissingDependencyError
        If its packages are not installed.
    """
    begin = time.perf_counter()
    if isinstance(network, str):
        if network not in RIVALS:
            raise ConfigurationError(f"no rival {network!r}: there are {', '.join(RIVALS)}")
        require_packages()
    if network == "trees":
        table = load(data, fraction=training.fraction, seed=training.seed)
        trees: list[Classifier] = [fit_trees(table, training.seed, place, rounds) for place in range(training.members)]
        seconds = time.perf_counter() - begin
        return TrainedClassifiers(trees, seconds, seconds / training.members)
    described = NETWORKS[network] if isinstance(network, str) else network
    summary = train(described, data, run, training, threads=threads, show_progress=show_progress)
    at_once = min(training.members, threads or len(os.sched_getaffinity(0)))
    return TrainedClassifiers(
        [Member(module) for module in summary.ensemble],
        summary.seconds,
        summary.seconds * at_once / training.members,
        summary.ensemble,
        summary.final,
    )


def fit_trees(table: TrainingTable, seed: int, member: int, rounds: int = ROUNDS) -> Trees:
    """Return a member of an ensemble of trees."""
    trees = Trees(rounds, keys.seed_from(seed, "rival", "trees", member) % 2**32)
    trees.fit(table)
    return trees


def load_member(network: NetworkConfig | str, data: Path, run: Path, training: TrainingConfig) -> Classifier:
    """Return the first member of a trained ensemble; trees, which leave no files, are grown again."""
    if network == "trees":
        return fit_trees(load(data, fraction=training.fraction, seed=training.seed), training.seed, 0)
    return Member(load_ensemble(run, NETWORKS[network] if isinstance(network, str) else None)[0])


def contest(
    name: str,
    data: Path,
    evaluation: Path,
    folder: Path,
    rules: Rules | None = None,
    *,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Train the members of one rival and measure them.

    Parameters
    ----------
    name : str
        Of `RIVALS`.
    data : Path
        Directory of `zmumu process`: its training events are learned from, its held-out events scored.
    evaluation : Path
        Another one, all of whose events are scored.
    folder : Path
        Gets a folder for the run of each network, with which a training that was interrupted goes on.
    rules : Rules, optional
        What is the same for all rivals.
    show_progress : bool
        Show the members on a terminal.

    Returns
    -------
    dict
        "auc" and "held_out" by member, with the statistical "..._uncertainty" of one; "parameters"; "seconds" of one
        core that a member takes to train, "events_per_second" scored; "rules".

    Raises
    ------
    ConfigurationError, MissingDependencyError
        See `train_classifiers`.
    """
    rules = rules or Rules()
    trained = train_classifiers(
        name, data, folder / name, rules.training, rounds=rules.rounds, show_progress=show_progress
    )
    held_out, independent = load(data, split="test"), load(evaluation, split="all")
    there, here = ([measure(each.logits(t.p4), t) for each in trained.members] for t in (independent, held_out))
    return {
        "auc": [row["auc"] for row in there],
        "held_out": [row["auc"] for row in here],
        "auc_uncertainty": float(np.mean([row["auc_uncertainty"] for row in there])),
        "held_out_uncertainty": float(np.mean([row["auc_uncertainty"] for row in here])),
        "parameters": trained.members[0].parameters,
        "seconds": round(trained.member_seconds, 2),
        "events_per_second": events_per_second(trained.members[0], held_out.p4),
        "rules": asdict(rules),
    }
