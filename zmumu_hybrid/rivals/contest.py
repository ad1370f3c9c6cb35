"""One contest for all: each rival is trained on the same table, scored on the same events, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from zmumu_hybrid import keys
from zmumu_hybrid.errors import ConfigurationError, ModelError
from zmumu_hybrid.extras import require
from zmumu_hybrid.kinematics import Floats
from zmumu_hybrid.learn.measures import measure
from zmumu_hybrid.learn.tensors import TrainingTable, load
from zmumu_hybrid.progress import progress
from zmumu_hybrid.rivals.networks import NETWORKS
from zmumu_hybrid.rivals.trees import Trees
from zmumu_hybrid.values import require_count, require_seed

__all__ = ["RIVALS", "Rules", "Scorer", "compete", "gather", "require_packages", "train_network"]

RIVALS = {
    "lgatr": "L-GATr with reference multivectors",
    "pelican": "PELICAN with beams",
    "residual-pathway": "Residual pathway prior",
    "trees": "Gradient-boosted trees",
}
"""What is compared, by name."""

PULL = 1.0
"""Weight decay of the general pathway of the residual pathway prior; all else has the paper's 0.1."""

_PIECE = 4096


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
class Trained:
    """A trained network that scores arrays."""

    network: nn.Module

    @property
    def parameters(self) -> int:
        """Numbers that were learned."""
        return sum(values.numel() for values in self.network.parameters())

    def logits(self, p4: Floats) -> Floats:
        """Return the logits of events in pieces, shape (N,)."""
        with torch.no_grad():
            pieces = torch.split(torch.from_numpy(np.asarray(p4, np.float32)), _PIECE)
            return np.concatenate([self.network(piece).double().numpy() for piece in pieces])


def require_packages() -> None:
    """Raise `MissingDependencyError`, naming all packages of the rivals that are not installed."""
    require("lgatr", "pelican", "sklearn")


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Return what AdamW takes: a general pathway is pulled to zero more strongly than all else."""
    general = {name for name, _ in network.named_parameters() if name.startswith("general.")}
    strong = [values for name, values in network.named_parameters() if name in general]
    other = [values for name, values in network.named_parameters() if name not in general]
    groups: list[dict[str, Any]] = [{"params": other, "weight_decay": 0.1}]
    return groups + ([{"params": strong, "weight_decay": PULL}] if strong else [])


def train_network(
    name: str,
    table: TrainingTable,
    rules: Rules,
    member: int = 0,
    advance: Callable[[float], None] = lambda _steps: None,
) -> Trained:
    """Train one network on the weighted events of a table, shuffled in every epoch.

    Raises
    ------
    ModelError
        If a loss is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(keys.seed_from(rules.seed, "rival", name, member))
        network = NETWORKS[name]()
        steps = max(len(table) // rules.batch_size, 1)
        optimiser = torch.optim.AdamW(parameter_groups(network), lr=rules.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, rules.learning_rate, total_steps=steps * rules.epochs, pct_start=0.2
        )
        p4 = torch.from_numpy(table.p4.astype(np.float32))
        label = torch.from_numpy(table.label.astype(np.float32))
        weight = torch.from_numpy((table.weight / table.weight.mean()).astype(np.float32))
        for epoch in range(rules.epochs):
            for rows in torch.split(torch.randperm(len(table)), rules.batch_size)[:steps]:
                losses = nn.functional.binary_cross_entropy_with_logits(
                    network(p4[rows]), label[rows], reduction="none"
                )
                loss: Tensor = (losses * weight[rows]).mean()
                if not torch.isfinite(loss):
                    raise ModelError(f"{name}, member {member}, epoch {epoch + 1}: the loss is not finite")
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                schedule.step()
            advance(1)
    return Trained(network.eval())


def timed(scorer: Scorer, p4: Floats) -> float:
    """Return the events a second that are scored, on all cores that torch or scikit-learn take, the better of two."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        scorer.logits(p4)
        seconds.append(time.perf_counter() - start)
    return len(p4) / min(seconds)


def compete(
    name: str, data: Path, evaluation: Path, member: int, rules: Rules | None = None, *, show_progress: bool = False
) -> dict[str, Any]:
    """Train one member of a rival and measure it.

    Parameters
    ----------
    name : str
        Of `RIVALS`.
    data : Path
        Directory of `zmumu process`: its training events are learned from, its held-out events scored.
    evaluation : Path
        Another one, all of whose events are scored.
    member : int
        Which one, from 0 on.
    rules : Rules, optional
        What is the same for all rivals.
    show_progress : bool
        Show a bar on a terminal.

    Returns
    -------
    dict
        "auc" and "held_out", with the statistical "..._uncertainty"; "parameters"; "seconds" of the training,
        "events_per_second" scored.

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
    training = load(data, fraction=rules.fraction, seed=rules.seed, batch_size=rules.batch_size)
    held_out, independent = load(data, part="test"), load(evaluation, part="all")
    begin = time.perf_counter()
    scorer: Scorer
    with progress(f"training {name}, member {member}", rules.epochs, unit="epochs", enabled=show_progress) as advance:
        if name == "trees":
            scorer = Trees(rules.rounds, keys.seed_from(rules.seed, "rival", name, member) % 2**32)
            scorer.fit(training)
            advance(rules.epochs)
        else:
            scorer = train_network(name, training, rules, member, advance)
    seconds = time.perf_counter() - begin
    there, here = (measure(scorer.logits(part.p4), part) for part in (independent, held_out))
    return {
        "auc": there["auc"],
        "auc_uncertainty": there["auc_uncertainty"],
        "held_out": here["auc"],
        "held_out_uncertainty": here["auc_uncertainty"],
        "parameters": scorer.parameters,
        "seconds": round(seconds, 2),
        "events_per_second": round(timed(scorer, held_out.p4)),
    }


def gather(rows: Sequence[Mapping[str, Any]], rules: Rules) -> dict[str, Any]:
    """Return what the members of a rival have reached, each as from `compete`.

    "auc" and "held_out" are lists by member, the other numbers means; "parameters" are those of one, "rules" are added.
    """
    means = ("auc_uncertainty", "held_out_uncertainty", "seconds", "events_per_second")
    return {
        **{key: [row[key] for row in rows] for key in ("auc", "held_out")},
        **{key: float(np.mean([row[key] for row in rows])) for key in means},
        "parameters": rows[0]["parameters"],
        "rules": asdict(rules),
    }
