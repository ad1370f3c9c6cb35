"""What a study measures, as typed records: an ensemble's numbers, those of a branch, and the guard on their honesty."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zmumu_hybrid.errors import LeakError
from zmumu_hybrid.nets.config import POOLINGS
from zmumu_hybrid.study.conditions import Conditions

__all__ = ["MAX_SIGMAS", "EnsembleResult", "Outcome", "find", "refuse_leaks", "summarise"]

MAX_SIGMAS = 4.0
"""How many standard deviations an AUC may lie above the best possible one."""


@dataclass(frozen=True, slots=True)
class EnsembleResult:
    """The numbers of one ensemble; lists have a value for each member.

    Attributes
    ----------
    approach, model, step, sample, pooling, events : str, int
        See `zmumu_hybrid.study.specs.EnsembleSpec`.
    run, dataset : str
        Its folder, relative to that of its conditions, and the paper's name of its data set.
    fraction, epochs, seed : float, int
        See `zmumu_hybrid.training.config.TrainingConfig`.
    auc, headroom, held_out : list of float
        The AUC on the evaluation sample, its place between the invariant ceiling and the optimum, and the AUC on the
        held-out events.
    auc_uncertainty, held_out_uncertainty : float
        The mean statistical uncertainty of one member.
    by_slice : dict of str to dict
        By slice of pT: "auc" and "uncertainty" on the evaluation sample; null where they mean nothing.
    first_epoch : list of float
        The AUC on the held-out events after one epoch; empty for trees.
    symmetry_factor : dict of str to list of float
        The general subnet's weight by pT (GeV), for networks that learn it.
    parameters : int
        Numbers that a member has learned.
    seconds, member_seconds : float
        Wall time of the training, and seconds of one core that a member takes.
    """

    approach: str
    model: str
    fraction: float
    auc: list[float]
    pooling: str = POOLINGS[0]
    step: str = ""
    sample: str = ""
    events: int = 0
    dataset: str = ""
    run: str = ""
    epochs: int = 0
    seed: int = 0
    headroom: list[float] = field(default_factory=list)
    auc_uncertainty: float = 0.0
    held_out: list[float] = field(default_factory=list)
    held_out_uncertainty: float = 0.0
    by_slice: dict[str, dict[str, Any]] = field(default_factory=dict)
    first_epoch: list[float] = field(default_factory=list)
    symmetry_factor: dict[str, list[float]] = field(default_factory=dict)
    parameters: int = 0
    seconds: float = 0.0
    member_seconds: float = 0.0

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.run.rpartition("/")[2]


def find(
    results: Iterable[EnsembleResult], model: str, fraction: float, pooling: str = POOLINGS[0], approach: str = "paper"
) -> EnsembleResult:
    """Return the result of one ensemble; KeyError where it is not there."""
    wanted = (approach, model, fraction, pooling)
    for each in results:
        if (each.approach, each.model, each.fraction, each.pooling) == wanted:
            return each
    raise KeyError(wanted)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The numbers of one branch: how its events were made, its limit, and the results of the paper's ensembles."""

    conditions: Conditions
    limit: Mapping[str, Any]
    results: Sequence[EnsembleResult]


def summarise(shares: Sequence[float]) -> dict[str, float | None]:
    """Return mean and standard deviation over the members."""
    spread = round(float(np.std(shares, ddof=1)), 4) if len(shares) > 1 else None
    return {"mean": round(float(np.mean(shares)), 4), "std": spread}


def refuse_leaks(result: EnsembleResult, limit: Mapping[str, Any]) -> None:
    """Stop if the AUC of an ensemble lies above the optimum by more than `MAX_SIGMAS` standard deviations.

    Parameters
    ----------
    result : EnsembleResult
    limit : mapping
        "auc" and "uncertainty" of the best possible classifier on the same events.

    Raises
    ------
    LeakError
        With the run, the sample and the numbers.
    """
    for aucs, uncertainty, words in (
        (result.auc, result.auc_uncertainty, "independent"),
        (result.held_out, result.held_out_uncertainty, "held-out"),
    ):
        mean, sigma = float(np.mean(aucs)), math.hypot(uncertainty, float(limit["uncertainty"]))
        if mean - limit["auc"] > MAX_SIGMAS * sigma:
            excess = (mean - limit["auc"]) / sigma if sigma > 0 else math.inf
            raise LeakError(
                f"{result.sample}: {result.run}: the AUC on {words} events is {mean:.4f}, {excess:.1f} standard "
                f"deviations above the best possible {limit['auc']:.4f}: training events are in the test part"
            )
