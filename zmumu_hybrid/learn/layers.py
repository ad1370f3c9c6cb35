"""The layers of an ensemble: as `nn.Linear` and `nn.BatchNorm1d`, with a leading axis of members."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zmumu_hybrid.learn.configuration import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM
from zmumu_hybrid.learn.products import affine

__all__ = ["BATCH_NORM_EPSILON", "BATCH_NORM_MOMENTUM", "Mlp", "StackedBatchNorm", "StackedLinear", "Standard"]


class StackedLinear(nn.Module):
    """M linear layers side by side: y[m] = x[m] W[m] + b[m].

    Parameters
    ----------
    inputs, outputs : int
        Width of input and output.
    members : int
        M.
    """

    def __init__(self, inputs: int, outputs: int, members: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    @torch.no_grad()
    def initialise(self, member: int, generator: torch.Generator) -> None:
        """Draw weight and bias of one member uniformly within 1/sqrt(inputs), in the order of `nn.Linear`."""
        inputs, outputs = self.weight.shape[1:]
        bound = 1 / math.sqrt(inputs)
        for parameter, shape in ((self.weight, (outputs, inputs)), (self.bias, (1, outputs))):
            drawn = torch.empty(shape, dtype=torch.float32).uniform_(-bound, bound, generator=generator)
            parameter[member].copy_(drawn.mT.reshape(parameter[member].shape))

    def forward(self, x: Tensor, *, relu: bool = False) -> Tensor:
        """Return y, or its positive part, of shape (M, R, outputs) for x of shape (M, R, inputs)."""
        return affine(x, self.weight, self.bias, relu=relu)


class StackedBatchNorm(nn.Module):
    """M batch normalisations side by side, each with its own statistics, as `nn.BatchNorm1d` in every respect.

    Parameters
    ----------
    channels : int
        Number of quantities that are normalised.
    members : int
        M.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, members: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(members, channels))
        self.bias = nn.Parameter(torch.zeros(members, channels))
        self.register_buffer("running_mean", torch.zeros(members, channels))
        self.register_buffer("running_var", torch.ones(members, channels))

    @torch.no_grad()
    def initialise(self, member: int) -> None:
        """Forget what one member has learned."""
        for tensor, value in ((self.weight, 1), (self.bias, 0), (self.running_mean, 0), (self.running_var, 1)):
            tensor[member].fill_(value)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise x of shape (M, R, channels) over R; in training also move the running statistics.

        The variance that normalises is the biased one, the one that is remembered the unbiased one. With a mask of
        shape (M, R, 1) or (M, R, channels), 1 and 0, elements at 0 do not count; statistics of fewer than two are not
        remembered.
        """
        if self.training and mask is not None:
            count = mask.sum(1)
            mean = (x * mask).sum(1) / count.clamp(min=1)
            variance = ((x - mean.unsqueeze(1)).square() * mask).sum(1) / count.clamp(min=1)
            with torch.no_grad():
                enough = (count > 1).to(x.dtype)
                momentum = BATCH_NORM_MOMENTUM * enough
                unbiased = variance * count / (count - 1).clamp(min=1)
                self.running_mean += momentum * (mean - self.running_mean)
                self.running_var += momentum * (unbiased - self.running_var)
        elif self.training:
            variance, mean = torch.var_mean(x, dim=1, correction=0)
            with torch.no_grad():
                rows = x.shape[1]
                self.running_mean.lerp_(mean, BATCH_NORM_MOMENTUM)
                self.running_var.lerp_(variance * (rows / (rows - 1)), BATCH_NORM_MOMENTUM)
        else:
            mean, variance = self.running_mean, self.running_var
        scale = self.weight * torch.rsqrt(variance + BATCH_NORM_EPSILON)
        return torch.addcmul((self.bias - mean * scale).unsqueeze(1), x, scale.unsqueeze(1))


class Standard(nn.Module):
    """Standardisation of inputs by constants: M times the same, so that members can be taken apart.

    Parameters
    ----------
    channels : int
        Number of quantities.
    members : int
        M.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, channels: int, members: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(members, channels))
        self.register_buffer("scale", torch.ones(members, channels))

    @torch.no_grad()
    def learn(self, x: Tensor) -> None:
        """Take mean and standard deviation of x (..., channels); what does not vary keeps its size."""
        variance, mean = torch.var_mean(x.double().flatten(0, -2), 0, correction=0)
        self.shift.copy_(mean)
        self.scale.copy_(torch.where(variance > 0, variance, 1).sqrt())

    def forward(self, x: Tensor) -> Tensor:
        """Return x of shape (M, ..., channels) less the mean, in units of the standard deviation."""
        shape = (len(x), *[1] * (x.ndim - 2), -1)
        return (x - self.shift.view(shape)) / self.scale.view(shape)


class Mlp(nn.Module):
    """Linear layers, each but the last followed by batch normalisation and an activation.

    Parameters
    ----------
    widths : sequence of int
        From input to output.
    members : int
        M.
    normalisation : str
        "batch" or "none".
    particles : int, optional
        If given, the normalisation is over this axis of the input instead of over the features.
    activation : str
        "relu" or "silu", x times the sigmoid of x.
    """

    def __init__(
        self,
        widths: Sequence[int],
        members: int,
        normalisation: str = "batch",
        particles: int | None = None,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.relu = activation == "relu"
        self.widths = tuple(widths)
        self.particles = particles
        steps = itertools.pairwise(widths)
        self.linears = nn.ModuleList(StackedLinear(before, after, members) for before, after in steps)
        hidden = widths[1:-1] if normalisation == "batch" else ()
        self.norms = nn.ModuleList(StackedBatchNorm(particles or width, members) for width in hidden)

    def initialise(self, member: int, generator: torch.Generator) -> None:
        """Draw the parameters of one member."""
        for linear in self.linears:
            linear.initialise(member, generator)  # type: ignore[operator]
        for norm in self.norms:
            norm.initialise(member)  # type: ignore[operator]

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return y of shape (M, ..., widths[-1]) for x of shape (M, ..., widths[0]).

        A mask of shape (M, ...), 1 and 0, says which rows count in a normalisation; what comes out for others means
        nothing.
        """
        shape = x.shape[:-1]
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        counted = None if mask is None else mask.reshape(x.shape[0], -1, 1)
        last = len(self.linears) - 1
        for place, linear in enumerate(self.linears):
            if place == last:
                x = linear(x)
            elif self.norms:
                x = self._activate(self._normalise(place, linear(x), counted))
            else:
                x = linear(x, relu=True) if self.relu else self._activate(linear(x))
        return x.reshape(*shape, self.widths[-1])

    def _activate(self, x: Tensor) -> Tensor:
        return x.relu() if self.relu else functional.silu(x)

    def _normalise(self, place: int, x: Tensor, mask: Tensor | None) -> Tensor:
        norm = self.norms[place]
        if self.particles is None:
            return norm(x, mask)  # type: ignore[no-any-return]
        if mask is not None:
            mask = _by_particle(mask.expand_as(x), self.particles)
        normed = norm(_by_particle(x, self.particles), mask)
        members, rows, width = x.shape
        back = normed.reshape(members, -1, width, self.particles)
        return back.transpose(2, 3).reshape(members, rows, width)  # type: ignore[no-any-return]


def _by_particle(x: Tensor, particles: int) -> Tensor:
    """Turn (M, B n, F) into (M, B F, n): the particle index is the channel, events and features are the rows."""
    members, _, width = x.shape
    return x.reshape(members, -1, particles, width).transpose(2, 3).reshape(members, -1, particles)
