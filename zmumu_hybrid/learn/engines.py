"""What takes the steps of a training: a group of members, their parameters and their optimiser.

`BatchedEngine` trains any network on any device: all members of the group in one batched product, gradients by
autograd. `zmumu_hybrid.learn.single` has the engine for CPUs, one member on one core, for the networks it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.learn.configuration import ModelConfig, TrainingConfig
from zmumu_hybrid.learn.inference import logits
from zmumu_hybrid.learn.networks import Features, build

__all__ = ["ADAM_EPSILON", "BETAS", "BatchedEngine", "Engine", "Epoch", "require_resources"]

BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8


class Epoch(NamedTuple):
    """The events of one epoch in the order of their use: S steps of B events for each of M members.

    Attributes
    ----------
    features : Features
        Each of shape (S, M, B, ...).
    labels, weights : Tensor of float32, shape (S, M, B)
    rates : sequence of float
        The learning rate of each step; empty for the same in all, `TrainingConfig.rate`.
    newest : float
        The share that the newest weights have in their running mean, see `TrainingConfig.newest`.
    """

    features: Features
    labels: Tensor
    weights: Tensor
    rates: Sequence[float] = ()
    newest: float = 0.0


MAX_STATE = 10**9
"""Parameters of all members, more than any machine can train."""


def require_resources(model: ModelConfig, training: TrainingConfig) -> None:
    """Raise `ConfigurationError` where an ensemble cannot be trained: it is too large, or there is no such device."""
    if training.device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device 'cuda': torch finds no GPU that it can use here: take the device 'cpu'")
    if training.members * model.parameters > MAX_STATE:
        raise ConfigurationError(
            f"{training.members:,} members of {model.parameters:,} parameters: more than {MAX_STATE:,} in all"
        )


class Engine:
    """A group of members in training.

    Parameters
    ----------
    model : ModelConfig
    training : TrainingConfig
    members : sequence of int
        The members of the group, by their number in the ensemble.

    Attributes
    ----------
    network : Network
        The members' networks, in the order of `members`.
    first, second : dict of str to Tensor
        The optimiser's running mean of the gradient and of its square, by the name of the parameter.
    steps : int
        Steps taken so far.
    result : Network
        What the training gives: the network, or the running mean of its weights.
    """

    def __init__(self, model: ModelConfig, training: TrainingConfig, members: Sequence[int]) -> None:
        self.members = tuple(members)
        self.training = training
        self.network = build(model, len(self.members)).to(training.device)
        self.network.initialise(training.seed, self.members)
        self.first = {name: torch.zeros_like(p) for name, p in self.network.named_parameters()}
        self.second = {name: torch.zeros_like(p) for name, p in self.network.named_parameters()}
        self.steps = 0
        self.result = self.network
        if training.averaging:
            self.result = build(model, len(self.members)).to(training.device)
            self.result.load_state_dict(self.network.state_dict())

    def standardise(self, features: Features) -> None:
        """Take the standardisation of the inputs from the training events, where the network has one."""
        self.network.standardise(features)
        self.result.standardise(features)

    def rates(self, epoch: Epoch) -> Sequence[float]:
        """Return the learning rate of each step of an epoch."""
        return epoch.rates or [self.training.rate(self.network.config.model)] * len(epoch.labels)

    @torch.no_grad()
    def average(self, newest: float) -> None:
        """Move the running mean of the weights towards them, at first by more than the share that it has then."""
        if self.result is not self.network:
            share = max(newest, 9 / (9 + self.steps))
            for mean, value in zip(self.result.state_dict().values(), self.network.state_dict().values(), strict=True):
                mean.lerp_(value, share)

    def state(self) -> dict[str, Tensor]:
        """Return everything that training changes, each tensor with the axis of members first. Not copies."""
        weights = {f"weights.{name}": value for name, value in self.network.state_dict().items()}
        first = {f"first.{name}": value for name, value in self.first.items()}
        second = {f"second.{name}": value for name, value in self.second.items()}
        averaged = {} if self.result is self.network else self.result.state_dict()
        return weights | first | second | {f"averaged.{name}": value for name, value in averaged.items()}

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor], places: Sequence[int] | None = None) -> None:
        """Copy a state in, for all members or for those at `places` of the group."""
        for name, value in self.state().items():
            chosen = slice(None) if places is None else list(places)
            value[chosen] = state[name][chosen].to(value)
        self.refresh()

    def refresh(self) -> None:
        """Take notice that the parameters were changed from outside."""

    def run(self, epoch: Epoch, check: Callable[[], None]) -> NDArray[np.float64]:
        """Take the steps of one epoch; return the mean training loss of each member, shape (M,).

        `check` is called before every step: what it raises ends the epoch.
        """
        raise NotImplementedError

    def logits(self, features: Features) -> NDArray[np.float32]:
        """Return the logits (M, N) of events (N, ...) that all members share, with the statistics of training."""
        return logits(self.result, features)


def _losses(predicted: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted cross-entropy (M, B) of logits (M, B), or (M, B, K) of several classes 0 to K - 1."""
    if predicted.ndim == labels.ndim:
        return functional.binary_cross_entropy_with_logits(predicted, labels, weights, reduction="none")
    return weights * functional.cross_entropy(predicted.movedim(-1, 1), labels.long(), reduction="none")


class BatchedEngine(Engine):
    """All members of the group in one batched product, on any device; the gradient is autograd's."""

    def __init__(self, model: ModelConfig, training: TrainingConfig, members: Sequence[int]) -> None:
        super().__init__(model, training, members)
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=training.rate(model.model),
            betas=BETAS,
            eps=ADAM_EPSILON,
            weight_decay=training.weight_decay,
            fused=True,
        )
        self.refresh()

    def refresh(self) -> None:
        """Give the optimiser its state."""
        for name, parameter in self.network.named_parameters():
            self._optimizer.state[parameter] = {
                "step": torch.tensor(float(self.steps), device=self.training.device),
                "exp_avg": self.first[name],
                "exp_avg_sq": self.second[name],
            }

    def run(self, epoch: Epoch, check: Callable[[], None]) -> NDArray[np.float64]:
        """Take the steps of one epoch; see `Engine.run`."""
        self.network.train()
        narrow = self.training.precision == "bfloat16"
        total = torch.zeros(len(self.members), device=self.training.device)
        for step, rate in enumerate(self.rates(epoch)):
            check()
            self._optimizer.zero_grad()
            self._optimizer.param_groups[0]["lr"] = rate
            features = epoch.features.map(itemgetter(step))
            with torch.autocast(self.training.device, torch.bfloat16, enabled=narrow):
                predicted = self.network.classify(features)
            loss = _losses(predicted.float(), epoch.labels[step], epoch.weights[step]).mean(1)
            loss.sum().backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            self.steps += 1
            self.average(epoch.newest)
            total += loss.detach()
        return np.asarray((total / len(epoch.labels)).cpu().numpy(), np.float64)
