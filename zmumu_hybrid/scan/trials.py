"""One trial of a scan: an ensemble in training that is ended where it has become hopeless."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zmumu_hybrid.jobs.train import read_rows, train
from zmumu_hybrid.nets.config import NetworkConfig
from zmumu_hybrid.scan.space import Axis, Outcome, Setting, State, pruner
from zmumu_hybrid.training.config import TrainingConfig
from zmumu_hybrid.training.trainer import Member, Row

__all__ = ["Trial", "run_trial"]


@dataclass(frozen=True, slots=True)
class Trial:
    """All that a worker needs for one trial.

    Attributes
    ----------
    setting : dict of str to float
        As in `zmumu_hybrid.scan.space`; it is in `model` and `training` already.
    model, training : NetworkConfig, TrainingConfig
    data, run : Path
        The table, in which the validation events are the held-out ones, and the folder of the run.
    axes : tuple of Axis
    known : tuple of Outcome
        The trials with which it is compared while it runs; none where nothing is pruned.
    threads : int, optional
        Cores to use; all by default.
    """

    setting: Setting
    model: NetworkConfig
    training: TrainingConfig
    data: Path
    run: Path
    axes: tuple[Axis, ...]
    known: tuple[Outcome, ...] = ()
    threads: int | None = None


class _Ended(Exception):  # noqa: N818
    """A trial that is not to go on."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state: State = state


class _Watch:
    """Follows the epochs of all members and ends the trial at the first epoch that says so.

    Members take their epochs on their own. An epoch is judged when all members have taken it, and epochs are judged in
    their order, so that the end does not depend on who was faster.
    """

    def __init__(self, epochs: int, hopeless: Callable[[int, float], bool]) -> None:
        self.curve: list[float] = []
        self._epochs, self._hopeless = epochs, hopeless
        self._reached: dict[int, int] = {}
        self._auc: dict[tuple[int, int], float] = {}

    def __call__(self, member: Member) -> None:
        """Add the epochs of a member."""
        self._reached[member.number] = member.epoch
        self._auc |= {(int(row["member"]), int(row["epoch"])): row["auc"] for row in member.rows}

    def judge(self, members: int) -> None:
        """Go through the epochs that all members have taken; raise `_Ended` at the first that is the last."""
        while len(self._reached) == members and (epoch := len(self.curve) + 1) <= min(self._reached.values()):
            values = [self._auc.get((member, epoch)) for member in self._reached]
            found = [value for value in values if value is not None]
            if len(found) < members:
                raise _Ended("diverged")
            self.curve.append(float(np.mean(found)))
            if epoch < self._epochs and self._hopeless(epoch, self.curve[-1]):
                raise _Ended("pruned")


def run_trial(trial: Trial) -> Outcome:
    """Train the ensemble of a trial, or go on with it; errors as `zmumu_hybrid.train`."""
    members, epochs = trial.training.members, trial.training.epochs
    hopeless = pruner(trial.axes, trial.known, warmup=epochs // 3) if trial.known else lambda _epoch, _value: False
    watch = _Watch(epochs, hopeless)

    def follow(member: Member) -> None:
        watch(member)
        watch.judge(members)

    try:
        train(trial.model, trial.data, trial.run, trial.training, threads=trial.threads, watch=follow)
    except _Ended as end:
        return Outcome(trial.setting, end.state, watch.curve)
    return _complete(trial.setting, read_rows(trial.run), epochs)


def _complete(setting: Setting, rows: Sequence[Row], epochs: int) -> Outcome:
    curve = [float(np.mean([row["auc"] for row in rows if row["epoch"] == epoch])) for epoch in range(1, epochs + 1)]
    last = [row for row in rows if row["epoch"] == epochs]
    uncertainty = float(np.mean([row["auc_uncertainty"] for row in last]))
    return Outcome(setting, "complete", curve, [row["auc"] for row in last], uncertainty)
