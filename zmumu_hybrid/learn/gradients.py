"""The MLPs of one member and the pooling between them, forward and backward, on one core of a CPU.

All buffers, and all views of them, are made once: making one takes Python's lock, which is what the cores share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zmumu_hybrid.learn import kernels
from zmumu_hybrid.learn.configuration import POOLINGS, ModelConfig
from zmumu_hybrid.learn.layers import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Mlp
from zmumu_hybrid.learn.products import large, product

__all__ = ["Layer", "Matrix", "Pooling", "Stack"]

Array = NDArray[Any]

_MOMENTUM, _EPSILON = np.float32(BATCH_NORM_MOMENTUM), np.float32(BATCH_NORM_EPSILON)


class Matrix(NamedTuple):
    """A matrix as a tensor, transposed, and as an array of the same memory; bfloat16 as uint16."""

    tensor: Tensor
    transposed: Tensor
    array: Array

    @classmethod
    def of(cls, tensor: Tensor) -> Matrix:
        """Look at a tensor."""
        tensor = tensor.detach()
        plain = tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor
        return cls(tensor, tensor.t(), plain.numpy())

    @classmethod
    def empty(cls, rows: int, width: int, *, narrow: bool = False) -> Matrix:
        """Make a matrix of float32, or of bfloat16 if it is to be narrow."""
        return cls.of(torch.empty(rows, width, dtype=torch.bfloat16 if narrow else torch.float32))


class Layer:
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
        self.large = large(rows, inputs, outputs) and not narrow
        self.narrow, self.bottom = narrow, bottom
        self.weight = Matrix.of(weight)
        self.used = Matrix.empty(inputs, outputs, narrow=True) if narrow else self.weight
        self.bias, self.bias_gradient = vectors[0]
        self.linear = Matrix.empty(rows, outputs, narrow=narrow)
        self.out = Matrix.empty(rows, outputs, narrow=narrow_out)
        self.linear_gradient = Matrix.empty(rows, outputs, narrow=narrow)
        self.weight_gradient = Matrix.empty(inputs, outputs, narrow=narrow)
        self.input_gradient = Matrix.empty(rows, inputs, narrow=narrow)
        self.normalised = len(statistics) > 0
        norm, norm_gradient = ([pair[k].numpy() for pair in vectors[1:]] for k in (0, 1))
        moments = [np.empty(outputs, np.float32) for _ in range(2)]  # mean and inverse deviation
        running = [tensor.numpy() for tensor in statistics]
        self.rest: tuple[Any, ...] = (
            *(self.bias.numpy(), *norm, *running, _MOMENTUM, _EPSILON, *moments),
            self.out.array,
        )
        self.rest_backward: tuple[Any, ...] = (*moments, *norm, *norm_gradient, self.linear_gradient.array)
        self.refresh()

    def refresh(self) -> None:
        """Round the weight for its products, after each change of it."""
        if self.narrow:
            kernels.narrow(self.weight.array, self.used.array)

    def _product(self, a: Tensor, b: Tensor, out: Matrix) -> Matrix:
        if self.large:
            return Matrix.of(product(a, b))
        torch.mm(a, b, out=out.tensor)
        return out

    def forward(self, x: Matrix) -> Matrix:
        """Return the output for the input x (rows, I); both are remembered for `backward`."""
        self.input = x
        linear = self._product(x.tensor, self.used.tensor, self.linear)
        if self.normalised:
            self.before = linear.array
            kernels.normalise(self.before, *self.rest)
        else:
            torch.add(linear.tensor, self.bias, out=self.out.tensor)
        return self.out

    def backward(self, gradient: Matrix) -> Matrix:
        """Keep the gradients of the parameters, return that of the input (of no meaning at the bottom)."""
        if self.normalised:
            kernels.normalise_backward(gradient.array, self.before, *self.rest_backward)
            gradient = self.linear_gradient
        else:
            torch.sum(gradient.tensor, 0, out=self.bias_gradient)
        self.kept = self._product(self.input.transposed, gradient.tensor, self.weight_gradient).array
        if self.bottom:
            return self.input_gradient
        return self._product(gradient.tensor, self.used.transposed, self.input_gradient)


class Stack:
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
                Layer(
                    linear.get_parameter("weight").detach()[0],
                    [(parameter.detach()[0], gradients[parameter][0]) for parameter in parameters],
                    statistics,
                    rows,
                    narrow=narrows[place],
                    narrow_out=place < hidden and narrows[place + 1],
                    bottom=bottom and place == 0,
                )
            )

    def forward(self, x: Matrix) -> Matrix:
        """Return the output of the last layer."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, gradient: Matrix) -> Matrix:
        """Return the gradient of the input, from that of the output."""
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        return gradient


class Pooling:
    """From the output of the particle map to the input of the classifier, and back.

    Parameters
    ----------
    model : ModelConfig
    batch : int
        Events in a step.
    """

    def __init__(self, model: ModelConfig, batch: int) -> None:
        self.shape = batch, model.particles, model.latent
        self.hybrid = model.model == "hybrid"
        self.variant = POOLINGS.index(model.pooling)
        self.general = Matrix.empty(batch, model.latent)
        self.spread = Matrix.empty(batch * model.particles, model.latent)
        self.parts = Matrix.empty(batch, model.latent), Matrix.empty(batch, model.latent), Matrix.empty(batch, 2)
        self.weights = np.empty((batch, 2), np.float32)
        self.out = Matrix.empty(batch, model.stacks["classifier"][0]) if self.hybrid else self.general

    def forward(self, mapped: Matrix, symmetric: Matrix, side: Matrix) -> Matrix:
        """Sum over the particles; in a hybrid, join both latents, by the gate or else with the context."""
        torch.sum(mapped.tensor.view(self.shape), 1, out=self.general.tensor)
        if self.hybrid:
            self.symmetric = symmetric.array
            kernels.pool(self.general.array, self.symmetric, side.array, self.variant, self.weights, self.out.array)
        return self.out

    def backward(self, gradient: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """Return the gradients of the particle map's output, the symmetric latent and the gate's output."""
        general, symmetric, gate = self.parts
        if self.hybrid:
            kernels.pool_backward(
                gradient.array,
                self.general.array,
                self.symmetric,
                self.weights,
                self.variant,
                *(part.array for part in self.parts),
            )
        else:
            general = gradient
        self.spread.tensor.view(self.shape).copy_(general.tensor.unsqueeze(1))
        return self.spread, symmetric, gate
