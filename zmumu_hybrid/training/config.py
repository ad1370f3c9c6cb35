"""How an ensemble is trained, as a plain validated description. Knows no torch."""

from __future__ import annotations

import dataclasses
import math

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.nets.config import choose
from zmumu_hybrid.support.values import require_count, require_number, require_seed

__all__ = ["COPIES", "SCHEDULES", "TrainingConfig"]

COPIES = ("none", "boosted-truth", "boosted-measurement")
SCHEDULES = ("constant", "one-cycle")
RISE = 0.3
"""Part of a one-cycle training in which the learning rate rises."""


@dataclasses.dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How an ensemble is trained. The defaults are the paper's (Sec. IV).

    Attributes
    ----------
    members : int
        Networks in the ensemble, each with its own initialisation and order of events.
    epochs : int
        Passes over the training events.
    batch_size : int
        Events in a step.
    learning_rate : float, optional
        Of AdamW; by default that of the network: 1e-5, and 1e-6 for the invariant one, as in the authors' code; 1e-3
        for modules that name no `default_learning_rate`.
    weight_decay : float
        Of AdamW, decoupled.
    sampling : str
        "weighted" draws as many events as there are, with replacement and a probability proportional to the weight
        (the paper's way); "shuffle" takes every event once and multiplies its loss by its weight.
    precision : str
        "float32", or "bfloat16" for the large matrix products; everything else stays in float32.
    fraction : float
        The part of the training events to use, between 0 and 1; smaller parts are contained in larger ones.
    seed : int
        What every random draw is derived from.
    device : str
        "cpu" or "cuda".
    schedule : str
        "constant", or "one-cycle": the learning rate rises to `learning_rate` over the first three tenths of the
        training and falls to zero along a cosine (Smith, Topin, arXiv:1708.07120).
    gradient_clip : float, optional
        The norm that a step's gradient is scaled down to if it is larger; no bound by default.
    resmear : bool
        Whether the training events are smeared anew in every epoch, see `zmumu_hybrid.training.resmearing`.
    copies : str
        Data augmentation: "boosted-truth" or "boosted-measurement" replaces half of the events of every epoch by
        Lorentz-boosted copies, see `zmumu_hybrid.training.augmentation`; "none" does not.

    Examples
    --------
    >>> settings = TrainingConfig(members=2, epochs=20)
    >>> settings.epochs, settings.batch_size
    (20, 128)
    """

    members: int = 5
    epochs: int = 100
    batch_size: int = 128
    learning_rate: float | None = None
    weight_decay: float = 0.01
    sampling: str = "weighted"
    precision: str = "float32"
    fraction: float = 1.0
    seed: int = 0
    device: str = "cpu"
    schedule: str = "constant"
    gradient_clip: float | None = None
    resmear: bool = False
    copies: str = "none"

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with."""
        counts = {"members": (1, 10_000), "epochs": (1, 10**6), "batch_size": (2, 10**8)}
        for field, bounds in counts.items():
            require_count(f"training: {field}", getattr(self, field), *bounds)
        require_seed(self.seed, "training: seed")
        if self.learning_rate is not None:
            require_number("training: learning_rate", self.learning_rate, above=0)
        require_number("training: weight_decay", self.weight_decay, 0)
        require_number("training: fraction", self.fraction, above=0, maximum=1)
        choose("training", "sampling", self.sampling, ("weighted", "shuffle"))
        choose("training", "precision", self.precision, ("float32", "bfloat16"))
        choose("training", "device", self.device, ("cpu", "cuda"))
        choose("training", "schedule", self.schedule, SCHEDULES)
        if self.gradient_clip is not None:
            require_number("training: gradient_clip", self.gradient_clip, above=0)
        choose("training", "copies", self.copies, COPIES)
        if self.resmear and self.copies != "none":
            raise ConfigurationError("training: resmear and copies exclude each other")
        if not isinstance(self.resmear, bool):
            raise ConfigurationError(f"training: resmear must be true or false, not {self.resmear!r}")

    def rates(self, default: float, epoch: int, steps: int) -> list[float]:
        """Return the learning rate of each of the steps of an epoch, counted from 0, by the schedule.

        `default` is the network's own rate, which holds where none was set.
        """
        peak = default if self.learning_rate is None else self.learning_rate
        if self.schedule == "constant":
            return [peak] * steps
        done = [(epoch + (step + 0.5) / steps) / self.epochs for step in range(steps)]
        return [
            peak * (x / RISE if x < RISE else 0.5 * (1 + math.cos(math.pi * (x - RISE) / (1 - RISE)))) for x in done
        ]
