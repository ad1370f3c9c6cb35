"""How an ensemble is trained, as a plain validated description. Knows no torch."""

from __future__ import annotations

import dataclasses
import math

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.nets.config import choose, is_count

__all__ = ["COPIES", "SCHEDULES", "TrainingConfig"]

COPIES = ("none", "boosted-truth", "boosted-measurement")
SCHEDULES = ("constant", "one-cycle")
RISE = 0.3
"""Part of a one-cycle training in which the learning rate rises."""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


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
        bounds = (("members", 1, 10_000), ("epochs", 1, 10**7), ("batch_size", 2, 2**24), ("seed", 0, 2**63 - 1))
        for field, low, high in bounds:
            if not is_count(getattr(self, field), low, high):
                raise ConfigurationError(
                    f"training: {field} must be an integer from {low:,} to {high:,}, not {getattr(self, field)!r}"
                )
        rate = self.learning_rate
        if rate is not None and not (_is_number(rate) and rate > 0):
            raise ConfigurationError(f"training: learning_rate must be a positive number, not {rate!r}")
        if not (_is_number(self.weight_decay) and self.weight_decay >= 0):
            raise ConfigurationError(f"training: weight_decay must be zero or positive, not {self.weight_decay!r}")
        if not (_is_number(self.fraction) and 0 < self.fraction <= 1):
            raise ConfigurationError(f"training: fraction must lie in 0 < fraction <= 1, not {self.fraction!r}")
        choose("training", "sampling", self.sampling, ("weighted", "shuffle"))
        choose("training", "precision", self.precision, ("float32", "bfloat16"))
        choose("training", "device", self.device, ("cpu", "cuda"))
        choose("training", "schedule", self.schedule, SCHEDULES)
        clip = self.gradient_clip
        if clip is not None and not (_is_number(clip) and clip > 0):
            raise ConfigurationError(f"training: gradient_clip must be a positive number, not {clip!r}")
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
