"""The engine for CPUs: one member on one core, the gradient written out.

A step of these small networks is a handful of products of some tens of microseconds. Autograd, the optimiser and the
passes of normalisation and activation over memory cost more than these products; here each is one compiled loop
(`zmumu_hybrid.learn.kernels`), the products are the fastest there are (`zmumu_hybrid.learn.products`), and members run
on cores of their own instead of sharing each product between cores. A member's numbers therefore do not depend on
the company it is trained in, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zmumu_hybrid.learn import kernels
from zmumu_hybrid.learn.configuration import ModelConfig, TrainingConfig
from zmumu_hybrid.learn.engines import ADAM_EPSILON, BETAS, Engine, Epoch
from zmumu_hybrid.learn.gradients import Matrix, Pooling, Stack
from zmumu_hybrid.learn.layers import Mlp

__all__ = ["SingleEngine"]

Array = NDArray[Any]


class SingleEngine(Engine):
    """One member on one core. Knows networks of ReLU and batch normalisation over features."""

    def __init__(self, model: ModelConfig, training: TrainingConfig, members: Sequence[int]) -> None:
        super().__init__(model, training, members)
        self.particles = model.particles
        batch = training.batch_size
        gradients = self._flatten()
        self.stacks = {
            name: Stack(
                stack,
                batch * (model.particles if name == "particle_map" else 1),
                gradients,
                narrow=training.precision == "bfloat16",
                bottom=name != "classifier" or model.model == "invariant",
            )
            for name, stack in self.network.named_children()
            if isinstance(stack, Mlp)
        }
        self.layers = [layer for stack in self.stacks.values() for layer in stack.layers]
        self.pooling = Pooling(model, batch)
        self.gradient = Matrix.empty(batch, 1)

    @staticmethod
    def supports(model: ModelConfig, training: TrainingConfig) -> bool:
        """Return whether this engine can train such networks so."""
        known = model.normalisation == "batch" and model.particle_norm == "feature"
        plain = not (model.masked or model.pair_invariants) and model.classes == 1
        joined = model.symmetric_width == model.latent and (model.context == 1 or model.has_gate)
        tuned = model.activation != "relu" or model.standardised or model.particle_features is not None
        steady = training.averaging == 0 and training.doublings == 0
        return known and plain and joined and steady and not tuned and training.device == "cpu"

    @torch.no_grad()
    def _flatten(self) -> dict[Tensor, Tensor]:
        """Lay all vectors among the parameters in one row, for the optimiser; return their gradients."""
        named = dict(self.network.named_parameters())
        vectors = {name: parameter for name, parameter in named.items() if parameter.ndim == 2}
        sizes = [parameter.numel() for parameter in vectors.values()]
        rows = [torch.zeros(1, sum(sizes)) for _ in range(4)]  # value, gradient, first, second
        gradients = {}
        for (name, parameter), *views in zip(vectors.items(), *(row[0].split(sizes) for row in rows), strict=True):
            value, gradient, first, second = (view.view(parameter.shape) for view in views)
            value.copy_(parameter)
            parameter.data = value
            gradients[parameter] = gradient
            self.first[name], self.second[name] = first, second
        self.row: tuple[Array, ...] = tuple(row.numpy() for row in rows)
        self.matrices: list[tuple[Array, ...]] = [
            tuple(tensor[0].detach().numpy() for tensor in (parameter, self.first[name], self.second[name]))
            for name, parameter in named.items()
            if parameter.ndim == 3
        ]
        return gradients

    def refresh(self) -> None:
        """Round the changed weights."""
        for layer in self.layers:
            layer.refresh()

    def run(self, epoch: Epoch, check: Callable[[], None]) -> NDArray[np.float64]:
        """Take the steps of one epoch; see `Engine.run`."""
        labels, weights = (values.squeeze(1).unsqueeze(-1).numpy() for values in (epoch.labels, epoch.weights))
        particles, invariants, context = (values.squeeze(1) for values in epoch.features[:3])
        inputs = [particles.flatten(1, 2), invariants, context]  # the particles of a batch as rows
        total = 0.0
        with torch.no_grad():
            for step, rate in enumerate(self.rates(epoch)):
                check()
                logits = self._forward(*(Matrix.of(values[step]) for values in inputs))
                total += kernels.binary_cross_entropy(logits.array, labels[step], weights[step], self.gradient.array)
                self._backward(self.gradient)
                self._update(rate)
        return np.array([total / epoch.labels.numel()])

    def _forward(self, particles: Matrix, invariants: Matrix, context: Matrix) -> Matrix:
        stacks = self.stacks
        if "particle_map" not in stacks:
            return stacks["classifier"].forward(invariants)
        if "invariant_map" in stacks:
            invariants = stacks["invariant_map"].forward(invariants)
        if "gate" in stacks:
            context = stacks["gate"].forward(context)
        pooled = self.pooling.forward(stacks["particle_map"].forward(particles), invariants, context)
        return stacks["classifier"].forward(pooled)

    def _backward(self, gradient: Matrix) -> None:
        stacks = self.stacks
        gradient = stacks["classifier"].backward(gradient)
        if "particle_map" in stacks:
            parts = zip(("particle_map", "invariant_map", "gate"), self.pooling.backward(gradient), strict=True)
            for name, part in parts:
                if name in stacks:
                    stacks[name].backward(part)

    def _update(self, rate: float) -> None:
        """Take a step of AdamW: the matrices by the type of their gradient, the vectors with the first of them."""
        self.steps += 1
        beta1, beta2 = BETAS
        decay, root = 1 - rate * self.training.weight_decay, 1 / math.sqrt(1 - beta2**self.steps)
        constants = np.array([rate / (1 - beta1**self.steps), decay, beta1, beta2, ADAM_EPSILON, root], np.float32)
        groups: dict[bool, list[tuple[Array, ...]]] = {False: [self.row], True: []}
        for layer, (value, first, second) in zip(self.layers, self.matrices, strict=True):
            groups[layer.narrow].append((value, layer.kept, first, second))
        for group in groups.values():
            if group:
                values, gradients, means, squares = zip(*group, strict=True)
                kernels.adamw(values, gradients, means, squares, constants)
        self.refresh()
