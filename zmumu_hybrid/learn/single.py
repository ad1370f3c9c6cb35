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
from zmumu_hybrid.learn.layers import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Mlp
from zmumu_hybrid.learn.networks import Hybrid
from zmumu_hybrid.learn.products import large, product

__all__ = ["SingleEngine"]

Array = NDArray[Any]


def _array(tensor: Tensor) -> Array:
    """Return the memory of a tensor as an array; bfloat16 as uint16."""
    tensor = tensor.detach()
    return np.asarray((tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy())


class _Layer:
    """One linear layer of one member, with the normalisation and ReLU after it if it has them.

    Parameters
    ----------
    weight : Tensor, shape (I, O)
    vectors : sequence of (Tensor, Tensor)
        The vectors among the parameters with their gradients: the bias and, with normalisation, its weight and bias.
    statistics : sequence of Tensor
        Running mean and variance; empty without normalisation.
    rows : int
        Rows of the input.
    narrow, narrow_out : bool
        Whether the products are taken in bfloat16, and whether the next layer's are.
    bottom : bool
        Whether the input is data, which needs no gradient.
    """

    def __init__(
        self,
        weight: Tensor,
        vectors: Sequence[tuple[Tensor, Tensor]],
        statistics: Sequence[Tensor],
        rows: int,
        *,
        narrow: bool,
        narrow_out: bool,
        bottom: bool,
    ) -> None:
        inputs, outputs = weight.shape
        dtype = torch.bfloat16 if narrow else torch.float32
        self.large = large(rows, inputs, outputs) and not narrow
        self.narrow, self.bottom = narrow, bottom
        self.weight = weight
        self.used = torch.empty_like(weight, dtype=dtype) if narrow else weight
        self.weight_gradient = torch.empty(inputs, outputs, dtype=dtype)
        self.bias, self.bias_gradient = vectors[0]
        self.norm = [_array(tensor) for tensor, _ in vectors[1:]]
        self.norm_gradient = [_array(tensor) for _, tensor in vectors[1:]]
        self.statistics = [_array(tensor) for tensor in statistics]
        self.shift = _array(self.bias)
        self.linear = torch.empty(rows, outputs, dtype=dtype)
        self.linear_gradient = torch.empty(rows, outputs, dtype=dtype)
        self.input_gradient = torch.empty(rows, inputs, dtype=dtype)
        self.out = torch.empty(rows, outputs, dtype=torch.bfloat16 if narrow_out else torch.float32)
        self.moments = np.empty((2, outputs), np.float32)  # mean and inverse deviation
        self.out_array, self.gradient_array = _array(self.out), _array(self.linear_gradient)
        self.refresh()

    def refresh(self) -> None:
        """Round the weight for its products, after each change of it."""
        if self.narrow:
            kernels.narrow(_array(self.weight), _array(self.used))

    def _product(self, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
        return product(a, b) if self.large else torch.mm(a, b, out=out)

    def forward(self, x: Tensor) -> Tensor:
        self.input = x
        linear = self._product(x, self.used, self.linear)
        if not self.statistics:
            return torch.add(linear, self.bias, out=self.out)
        self.before = _array(linear)
        kernels.normalise(  # type: ignore[call-arg]
            self.before,
            self.shift,
            *self.norm,
            *self.statistics,
            np.float32(BATCH_NORM_MOMENTUM),
            np.float32(BATCH_NORM_EPSILON),
            *self.moments,
            self.out_array,
        )
        return self.out

    def backward(self, gradient: Tensor) -> Tensor:
        """Keep the gradients of the parameters, return that of the input (of no meaning at the bottom)."""
        if self.statistics:
            kernels.normalise_backward(  # type: ignore[call-arg]
                _array(gradient), self.before, *self.moments, *self.norm, *self.norm_gradient, self.gradient_array
            )
            gradient = self.linear_gradient
        else:
            torch.sum(gradient, 0, out=self.bias_gradient)
        self.kept = self._product(self.input.t(), gradient, self.weight_gradient)
        return gradient if self.bottom else self._product(gradient, self.used.t(), self.input_gradient)


class _Stack:
    """The layers of one MLP of one member."""

    def __init__(self, mlp: Mlp, rows: int, gradients: dict[Tensor, Tensor], *, narrow: bool, bottom: bool) -> None:
        hidden = len(mlp.norms)
        sizes = zip(mlp.widths[:-1], mlp.widths[1:], strict=True)
        narrows = [narrow and 0 < place < hidden and large(rows, *size) for place, size in enumerate(sizes)]
        self.layers = []
        for place, linear in enumerate(mlp.linears):
            parameters = [linear.get_parameter("bias")]
            statistics = []
            if place < hidden:
                norm = mlp.norms[place]
                parameters += [norm.get_parameter("weight"), norm.get_parameter("bias")]
                statistics = [norm.get_buffer("running_mean")[0], norm.get_buffer("running_var")[0]]
            self.layers.append(
                _Layer(
                    linear.get_parameter("weight").detach()[0],
                    [(parameter.detach()[0], gradients[parameter][0]) for parameter in parameters],
                    statistics,
                    rows,
                    narrow=narrows[place],
                    narrow_out=place < hidden and narrows[place + 1],
                    bottom=bottom and place == 0,
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, gradient: Tensor) -> Tensor:
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        return gradient


class SingleEngine(Engine):
    """One member on one core. Knows networks of ReLU and batch normalisation over features."""

    def __init__(self, model: ModelConfig, training: TrainingConfig, members: Sequence[int]) -> None:
        super().__init__(model, training, members)
        self.rate = training.rate(model.model)
        self.particles = model.particles
        self.pooling = model.pooling
        batch = training.batch_size
        gradients = self._flatten()
        self.stacks = {
            name: _Stack(
                stack,
                batch * (model.particles if name == "particle_map" else 1),
                gradients,
                narrow=training.precision == "bfloat16",
                bottom=name != "classifier" or model.model == "invariant",
            )
            for name, stack in self.network.named_children()
            if isinstance(stack, Mlp)
        }
        self._gradient = torch.empty(batch, 1)

    @staticmethod
    def supports(model: ModelConfig, training: TrainingConfig) -> bool:
        """Return whether this engine can train such networks so."""
        known = model.normalisation == "batch" and model.particle_norm == "feature"
        return known and model.context == 1 and training.device == "cpu"

    @torch.no_grad()
    def _flatten(self) -> dict[Tensor, Tensor]:
        """Lay all vectors among the parameters in one row, for one call of the optimiser; return their gradients."""
        named = dict(self.network.named_parameters())
        vectors = {name: parameter for name, parameter in named.items() if parameter.ndim == 2}
        sizes = [parameter.numel() for parameter in vectors.values()]
        self._row = [torch.zeros(1, sum(sizes)) for _ in range(4)]  # value, gradient, first, second
        gradients = {}
        for (name, parameter), *views in zip(vectors.items(), *(row[0].split(sizes) for row in self._row), strict=True):
            value, gradient, first, second = (view.view(parameter.shape) for view in views)
            value.copy_(parameter)
            parameter.data = value
            gradients[parameter] = gradient
            self.first[name], self.second[name] = first, second
        matrices = [name for name, parameter in named.items() if parameter.ndim == 3]
        self._matrices = [(_array(named[n][0]), _array(self.first[n][0]), _array(self.second[n][0])) for n in matrices]
        return gradients

    def refresh(self) -> None:
        """Round the changed weights."""
        for stack in self.stacks.values():
            for layer in stack.layers:
                layer.refresh()

    def run(self, epoch: Epoch, check: Callable[[], None]) -> NDArray[np.float64]:
        """Take the steps of one epoch; see `Engine.run`."""
        labels, weights = (values.unsqueeze(-1).numpy() for values in (epoch.labels, epoch.weights))
        features = [values.squeeze(1) for values in epoch.features]
        features[0] = features[0].flatten(1, 2)  # the particles of a batch as rows
        total = 0.0
        with torch.no_grad():
            for step in range(len(labels)):
                check()
                logits = self._forward(*(values[step] for values in features))
                total += kernels.binary_cross_entropy(
                    logits.numpy(), labels[step, 0], weights[step, 0], self._gradient.numpy()
                )
                self._backward(self._gradient)
                self._update()
        return np.array([total / epoch.labels.numel()])

    def _forward(self, particles: Tensor, invariants: Tensor, context: Tensor) -> Tensor:
        stacks = self.stacks
        if "particle_map" not in stacks:
            return stacks["classifier"].forward(invariants)
        mapped = stacks["particle_map"].forward(particles)
        pooled = mapped.view(-1, self.particles, mapped.shape[1]).sum(1)
        if isinstance(self.network, Hybrid):
            pooled = self._pool(pooled, stacks["invariant_map"].forward(invariants), context)
        return stacks["classifier"].forward(pooled)

    def _pool(self, general: Tensor, symmetric: Tensor, context: Tensor) -> Tensor:
        if self.pooling == "concatenation-with-pt":
            return torch.cat([general, symmetric, context], 1)
        weights = torch.softmax(self.stacks["gate"].forward(context), 1)
        self._pooled = general, symmetric, weights
        weight, rest = weights[:, :1], weights[:, 1:]
        if self.pooling == "weighted-sum":
            return torch.addcmul(weight * general, rest, symmetric)
        if self.pooling == "weighted-concatenation":
            return torch.cat([weight * general, rest * symmetric], 1)
        return torch.cat([general, symmetric, weight], 1)

    def _backward(self, gradient: Tensor) -> None:
        gradient = self.stacks["classifier"].backward(gradient)
        if "particle_map" not in self.stacks:
            return
        if isinstance(self.network, Hybrid):
            gradient = self._pool_backward(gradient)
        self.stacks["particle_map"].backward(gradient.repeat_interleave(self.particles, 0))

    def _pool_backward(self, gradient: Tensor) -> Tensor:
        """Send the gradient through the pooling into the symmetric subnet and the gate; return the general latent's."""
        width = self.network.config.latent
        parts = (gradient, gradient) if self.pooling == "weighted-sum" else gradient.split(width, 1)[:2]
        if self.pooling.startswith("weighted"):
            general, symmetric, weights = self._pooled
            along = torch.stack([(parts[0] * general).sum(1), (parts[1] * symmetric).sum(1)], 1)
            parts = parts[0] * weights[:, :1], parts[1] * weights[:, 1:]
        elif self.pooling == "concatenation-with-weight":
            weights = self._pooled[2]
            along = torch.cat([gradient[:, -1:], torch.zeros_like(gradient[:, -1:])], 1)
        if "gate" in self.stacks:
            self.stacks["gate"].backward(weights * (along - (weights * along).sum(1, keepdim=True)))
        self.stacks["invariant_map"].backward(parts[1].contiguous())
        return parts[0]

    def _update(self) -> None:
        """Take a step of AdamW."""
        self.steps += 1
        rate, (beta1, beta2) = self.rate, BETAS
        constants = (
            rate / (1 - beta1**self.steps),
            1 - rate * self.training.weight_decay,
            beta1,
            beta2,
            ADAM_EPSILON,
            1 / math.sqrt(1 - beta2**self.steps),
        )
        numbers = [np.float32(value) for value in constants]
        layers = [layer for stack in self.stacks.values() for layer in stack.layers]
        for layer, (value, first, second) in zip(layers, self._matrices, strict=True):
            kernels.adamw(value, _array(layer.kept), first, second, *numbers)
            layer.refresh()
        kernels.adamw(*(row.numpy() for row in self._row), *numbers)
