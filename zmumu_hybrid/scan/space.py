"""What a scan searches: the paper's ranges of hyperparameters, and which setting is tried next.

A proposal is a function of the scan's seed, the number of the trial and the outcomes of trials before it, which are
given: nothing else enters, so that any process on any machine proposes the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from zmumu_hybrid.draws import keys
from zmumu_hybrid.nets.config import NetworkConfig
from zmumu_hybrid.training.config import TrainingConfig

__all__ = [
    "AXES",
    "Axis",
    "Outcome",
    "Setting",
    "apply",
    "axes_of",
    "nearest",
    "propose",
    "pruner",
    "quiet",
    "setting_of",
]

Setting = dict[str, float]
State = Literal["complete", "pruned", "diverged"]

STARTUP = 10
"""Trials with an outcome before the sampler learns from them; until then settings are drawn evenly."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One hyperparameter and its values, ascending; they are about evenly spaced in their logarithm."""

    name: str
    values: tuple[float, ...]

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return all(isinstance(value, int) for value in self.values)

    def place(self, value: float) -> int:
        """Return the place of the value that is nearest to `value` in its logarithm."""
        return min(range(len(self.values)), key=lambda i: abs(math.log(self.values[i] / value)))


AXES = (
    Axis("batch_size", tuple(2**power for power in range(3, 8))),
    Axis("learning_rate", (*(float(f"{digit}e{power}") for power in range(-6, 2) for digit in (1, 5)), 1e2)),
    Axis("weight_decay", tuple(float(f"1e{power}") for power in range(-3, 1))),
    Axis("latent", tuple(2**power for power in range(1, 6))),
)
"""The paper's ranges (Sec. IV): batch size and latent in powers of two, learning rate in powers of ten and their
fivefold, weight decay in powers of ten."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trial.

    Attributes
    ----------
    setting : dict of str to float
        Value by hyperparameter.
    state : str
        "complete"; "pruned" if it was ended early, being worse than most; "diverged" if a member's loss was not finite.
    curve : list of float
        The AUC on the validation events after each epoch, the mean over the members.
    members : list of float
        That of each member after the last epoch; empty unless complete.
    uncertainty : float, optional
        Mean statistical uncertainty of one member's AUC.
    """

    setting: Setting
    state: State
    curve: list[float] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    uncertainty: float | None = None

    @property
    def value(self) -> float | None:
        """What the scan maximises: the last value of the curve of a complete trial."""
        return self.curve[-1] if self.state == "complete" else None


def axes_of(model: NetworkConfig) -> tuple[Axis, ...]:
    """Return what can be varied for a network: the invariant one has no latent."""
    return tuple(axis for axis in AXES if axis.name != "latent" or hasattr(model, "latent"))


def setting_of(model: NetworkConfig, training: TrainingConfig) -> Setting:
    """Return the values of the hyperparameters that a training has."""
    values = {
        "batch_size": training.batch_size,
        "learning_rate": training.learning_rate or model.default_learning_rate,
        "weight_decay": training.weight_decay,
        "latent": getattr(model, "latent", 0),
    }
    return {axis.name: values[axis.name] for axis in axes_of(model)}


def nearest(axes: Sequence[Axis], setting: Setting) -> Setting:
    """Return the setting on the axes that is nearest to any other one."""
    return {axis.name: axis.values[axis.place(setting[axis.name])] for axis in axes}


def apply(
    setting: Mapping[str, float], model: NetworkConfig, training: TrainingConfig
) -> tuple[NetworkConfig, TrainingConfig]:
    """Return the descriptions of network and training with the values of a setting."""
    values: dict[str, Any] = dict(setting)
    latent = {"latent": values.pop("latent")} if "latent" in values else {}
    return replace(model, **latent), replace(training, **values)


def propose(
    axes: Sequence[Axis], first: Setting, known: Sequence[Outcome], pending: Sequence[Setting], seed: int
) -> Setting:
    """Propose the setting of the next trial: `first` for the first of all, else what Optuna's TPE sampler says.

    Parameters
    ----------
    axes : sequence of Axis
    first : dict
        On the axes.
    known : sequence of Outcome
        The trials that the proposal may know, in the order of their numbers.
    pending : sequence of dict
        The settings of trials after those, which are under way; the sampler keeps away from them.
    seed : int
        Of the scan.

    Returns
    -------
    dict of str to float
        A value of each axis.
    """
    import optuna

    number = len(known) + len(pending)
    if number == 0:
        return first
    with quiet():
        sampler = optuna.samplers.TPESampler(
            seed=keys.seed_from(seed, "scan", number) % 2**32, n_startup_trials=STARTUP, constant_liar=True
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials([_as_trial(axes, outcome) for outcome in known])
        study.add_trials([_as_trial(axes, setting) for setting in pending])
        params = study.ask(_places(axes)).params
    return {axis.name: axis.values[params[axis.name]] for axis in axes}


def pruner(axes: Sequence[Axis], known: Sequence[Outcome], warmup: int) -> Callable[[int, float], bool]:
    """Return what says after each epoch, told its AUC, whether a trial is to be ended: Optuna's median pruner.

    Parameters
    ----------
    axes : sequence of Axis
    known : sequence of Outcome
        The trials that it is compared with; at least five must be complete.
    warmup : int
        Epochs in which none is ended.
    """
    import optuna

    with quiet():
        median = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=warmup + 1)
        study = optuna.create_study(direction="maximize", pruner=median)
        study.add_trials([_as_trial(axes, outcome) for outcome in known])
        trial = study.ask()

    def hopeless(epoch: int, value: float) -> bool:
        trial.report(value, epoch)
        return trial.should_prune()

    return hopeless


def _places(axes: Sequence[Axis]) -> dict[str, Any]:
    """Return the axes as a sampler sees them: every value at a place of its own, none likelier than another."""
    from optuna.distributions import IntDistribution

    return {axis.name: IntDistribution(0, len(axis.values) - 1) for axis in axes}


def _as_trial(axes: Sequence[Axis], trial: Outcome | Setting) -> Any:
    import optuna
    from optuna.trial import TrialState

    outcome = trial if isinstance(trial, Outcome) else None
    setting = trial.setting if isinstance(trial, Outcome) else trial
    state = TrialState.RUNNING
    if outcome is not None:
        state = TrialState.COMPLETE if outcome.state == "complete" else TrialState.PRUNED
    return optuna.trial.create_trial(
        state=state,
        value=None if outcome is None else outcome.value,
        params={axis.name: axis.place(setting[axis.name]) for axis in axes},
        distributions=_places(axes),
        intermediate_values={} if outcome is None else dict(enumerate(outcome.curve, 1)),
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from reporting every study and trial on standard error while the block runs."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
