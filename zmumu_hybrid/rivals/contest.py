"""One comparison for all: each rival is trained on the same table by the same trainer, scored on the same events."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from zmumu_hybrid.draws import keys
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.rivals.networks import NETWORKS
from zmumu_hybrid.rivals.trees import Trees
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.values import require_count, require_seed
from zmumu_hybrid.training.config import TrainingConfig
from zmumu_hybrid.training.data import TrainingTable, load
from zmumu_hybrid.training.ensemble import Ensemble
from zmumu_hybrid.training.measures import measure

__all__ = ["RIVALS", "Rules", "Scorer", "contest", "require_packages", "timed"]

RIVALS = {
    "lgatr": "L-GATr with reference multivectors",
    "lloca": "LLoCa transformer with reference vectors",
    "modern-hybrid": "Hybrid of a transformer and L-GATr",
    "pelican": "PELICAN with beams",
    "residual-pathway": "Residual pathway prior",
    "trees": "Gradient-boosted trees",
}
"""What is compared, by name."""


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
    rounds: int = 300
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


class Scorer(Protocol):
    """What can be measured."""

    @property
    def parameters(self) -> int:
        """Numbers that were learned."""

    def logits(self, p4: Floats) -> Floats:
        """Return the score of each event."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an ensemble as something that can be measured."""

    ensemble: Ensemble
    number: int = 0

    @property
    def parameters(self) -> int:
        """Numbers that were learned."""
        return sum(values.numel() for values in self.ensemble[self.number].parameters())

    def logits(self, p4: Floats) -> Floats:
        """Return the logits of events, shape (N,)."""
        return Ensemble([self.ensemble[self.number]]).logits(p4=p4)[0].astype(np.float64)


def require_packages() -> None:
    """Raise `MissingDependencyError`, naming all of them, if packages of the rivals are not installed."""
    require("lgatr", "lloca", "pelican", "sklearn")


def timed(scorer: Scorer, p4: Floats) -> float:
    """Return the events a second that are scored, on all cores that torch or scikit-learn take, the better of two."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        scorer.logits(p4)
        seconds.append(time.perf_counter() - start)
    return len(p4) / min(seconds)


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
    ConfigurationError
        If there is no such rival.
    MissingDependencyError
        If its packages are not installed.
    """
    rules = rules or Rules()
    if name not in RIVALS:
        raise ConfigurationError(f"no rival {name!r}: there are {', '.join(RIVALS)}")
    require_packages()
    begin = time.perf_counter()
    scorers: list[Scorer]
    if name == "trees":
        training = load(data, fraction=rules.fraction, seed=rules.seed)
        scorers = [_trees(rules, training, member) for member in range(rules.members)]
        seconds = time.perf_counter() - begin
    else:
        summary = train(NETWORKS[name], data, folder / name, rules.training, show_progress=show_progress)
        scorers = [Member(summary.ensemble, place) for place in range(len(summary.ensemble))]
        seconds = summary.seconds * min(rules.members, len(os.sched_getaffinity(0)))
    held_out, independent = load(data, split="test"), load(evaluation, split="all")
    there, here = ([measure(each.logits(table.p4), table) for each in scorers] for table in (independent, held_out))
    return {
        "auc": [row["auc"] for row in there],
        "held_out": [row["auc"] for row in here],
        "auc_uncertainty": float(np.mean([row["auc_uncertainty"] for row in there])),
        "held_out_uncertainty": float(np.mean([row["auc_uncertainty"] for row in here])),
        "parameters": scorers[0].parameters,
        "seconds": round(seconds / rules.members, 2),
        "events_per_second": round(timed(scorers[0], held_out.p4)),
        "rules": asdict(rules),
    }


def _trees(rules: Rules, table: TrainingTable, member: int) -> Trees:
    trees = Trees(rules.rounds, keys.seed_from(rules.seed, "rival", "trees", member) % 2**32)
    trees.fit(table)
    return trees
