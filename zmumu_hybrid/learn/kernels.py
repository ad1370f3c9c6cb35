"""The elementwise work of a training step as compiled loops: normalisation, activation, loss and optimiser.

All arrays are C-contiguous matrices of one network; each loop runs on one core and releases the GIL. Matrices that
enter or leave a bfloat16 product are held as uint16, the upper half of a float32, and are converted where they are
read or written, so that no pass over memory is spent on it. No two arguments may overlap, or the loops would not
use vector instructions. NaN goes through all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numba.extending import overload

__all__ = [
    "adamw",
    "binary_cross_entropy",
    "narrow",
    "normalise",
    "normalise_backward",
    "pool",
    "pool_backward",
]

Function = TypeVar("Function", bound=Callable[..., object])
Matrix = np.ndarray[Any, Any]


def _compiled(function: Function) -> Function:
    """Compile at the first call, kept on disk where possible. Division follows IEEE, so that loops vectorise."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no place to write the cache to
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


def _float(x: Any) -> Any:
    """Return an element of a matrix as a float: itself, or the float32 whose upper half it is."""


def _like(x: Any, kind: Any) -> Any:
    """Return a float as an element of a matrix that holds elements like `kind`."""


@overload(_float, strict=False)
def _overload_float(x: Any) -> Callable[..., Any]:
    if x == numba.uint16:
        return lambda x: np.uint32(np.uint32(x) << np.uint32(16)).view(np.float32)
    return lambda x: x


@overload(_like, strict=False)
def _overload_like(x: Any, kind: Any) -> Callable[..., Any]:  # noqa: ARG001
    if kind != numba.uint16:
        return lambda x, kind: x  # noqa: ARG005

    def upper_half(x: Any, kind: Any) -> Any:  # noqa: ARG001
        bits = np.float32(x).view(np.uint32)
        # To nearest, ties to even. The NaN of arithmetic stays one.
        return np.uint16(
            np.uint32(bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
        )

    return upper_half


@_compiled
def narrow(values: Matrix, out: Matrix) -> None:
    """Round `values` (R, F) to bfloat16."""
    rows, width = values.shape
    kind = out[0, 0]
    for i in range(rows):
        for j in range(width):
            out[i, j] = _like(values[i, j], kind)


@_compiled
def normalise(
    z: Matrix,
    shift: Matrix,
    weight: Matrix,
    bias: Matrix,
    running_mean: Matrix,
    running_var: Matrix,
    momentum: Any,
    epsilon: Any,
    mean: Matrix,
    inverse: Matrix,
    out: Matrix,
) -> None:
    """Apply batch normalisation and ReLU, and move the running statistics.

    Parameters
    ----------
    z : (R, F)
        Output of a linear layer without its bias, which the normalisation takes out again.
    shift : (F,)
        That bias, for the running mean.
    weight, bias, running_mean, running_var : (F,)
        Of the normalisation; the last two are changed.
    momentum, epsilon : float
    mean, inverse : (F,)
        Are given the mean and 1 / sqrt(variance + epsilon) of z.
    out : (R, F)
        Is given the result.
    """
    rows, width = z.shape
    kind, zero = out[0, 0], weight.dtype.type(0)
    mean[:] = 0
    for i in range(rows):
        for j in range(width):
            mean[j] += _float(z[i, j])
    inverse[:] = 0
    for j in range(width):
        mean[j] /= rows
    for i in range(rows):
        for j in range(width):
            distance = _float(z[i, j]) - mean[j]
            inverse[j] += distance * distance
    for j in range(width):
        running_mean[j] += momentum * (mean[j] + shift[j] - running_mean[j])
        running_var[j] += momentum * (inverse[j] / (rows - 1) - running_var[j])
        inverse[j] = 1 / np.sqrt(inverse[j] / rows + epsilon)
    for i in range(rows):
        for j in range(width):
            y = (_float(z[i, j]) - mean[j]) * inverse[j] * weight[j] + bias[j]
            out[i, j] = _like(y - y if y < zero else y, kind)


@_compiled
def normalise_backward(
    gradient: Matrix,
    z: Matrix,
    mean: Matrix,
    inverse: Matrix,
    weight: Matrix,
    bias: Matrix,
    weight_gradient: Matrix,
    bias_gradient: Matrix,
    out: Matrix,
) -> None:
    """Give the gradients of `normalise`.

    Parameters
    ----------
    gradient : (R, F)
        With respect to the result.
    z, mean, inverse, weight, bias
        As `normalise` took and left them.
    weight_gradient, bias_gradient : (F,)
        Are given the gradients of weight and bias.
    out : (R, F)
        Is given the gradient with respect to z.
    """
    rows, width = z.shape
    kind, zero = out[0, 0], weight.dtype.type(0)
    weight_gradient[:] = 0
    bias_gradient[:] = 0
    for i in range(rows):
        for j in range(width):
            normed = (_float(z[i, j]) - mean[j]) * inverse[j]
            g = _float(gradient[i, j])
            g = g if normed * weight[j] + bias[j] > zero else g - g
            bias_gradient[j] += g
            weight_gradient[j] += g * normed
    scale = np.empty_like(weight)
    level = np.empty_like(weight)
    slope = np.empty_like(weight)
    for j in range(width):
        scale[j] = weight[j] * inverse[j]
        level[j] = bias_gradient[j] / rows
        slope[j] = weight_gradient[j] / rows
    for i in range(rows):
        for j in range(width):
            normed = (_float(z[i, j]) - mean[j]) * inverse[j]
            g = _float(gradient[i, j])
            g = g if normed * weight[j] + bias[j] > zero else g - g
            out[i, j] = _like(scale[j] * (g - level[j] - normed * slope[j]), kind)


@_compiled
def binary_cross_entropy(logits: Matrix, labels: Matrix, weights: Matrix, gradient: Matrix) -> float:
    """Return the sum of weights times binary cross-entropy over a batch; all arrays have shape (B, 1).

    `gradient` is given the gradient of that sum divided by B.
    """
    rows = len(logits)
    total = 0.0
    for i in range(rows):
        x = logits[i, 0]
        small = np.exp(-abs(x))
        positive = 1 / (1 + small) if x >= 0 else small / (1 + small)
        total += weights[i, 0] * (max(x, 0) - x * labels[i, 0] + np.log1p(small))
        gradient[i, 0] = weights[i, 0] * (positive - labels[i, 0]) / rows
    return total


@_compiled
def adamw(
    values: tuple[Matrix, ...],
    gradients: tuple[Matrix, ...],
    first: tuple[Matrix, ...],
    second: tuple[Matrix, ...],
    constants: Matrix,
) -> None:
    """Take one step of AdamW (Loshchilov, Hutter, arXiv:1711.05101) in place.

    Parameters
    ----------
    values, gradients, first, second : tuples of (R, C)
        The parameters, their gradients, and the running means and mean squares of these.
    constants : (6,)
        Learning rate divided by 1 - beta1^t; 1 - learning rate x weight decay; beta1; beta2; epsilon;
        1 / sqrt(1 - beta2^t).
    """
    rate, decay, beta1, beta2, epsilon, root = constants
    one = constants.dtype.type(1)
    keep1, keep2 = one - beta1, one - beta2
    for k in range(len(values)):
        value, gradient, mean, square = values[k], gradients[k], first[k], second[k]
        rows, width = value.shape
        for i in range(rows):
            for j in range(width):
                g = _float(gradient[i, j])
                m = mean[i, j] + keep1 * (g - mean[i, j])
                v = beta2 * square[i, j] + keep2 * g * g
                mean[i, j] = m
                square[i, j] = v
                value[i, j] = value[i, j] * decay - rate * m / (np.sqrt(v) * root + epsilon)


@_compiled
def pool(general: Matrix, symmetric: Matrix, side: Matrix, variant: int, weights: Matrix, out: Matrix) -> None:
    """Join the latents of a hybrid.

    Parameters
    ----------
    general, symmetric : (B, L)
        The latents g and s.
    side : (B, 2) or (B, 1)
        Output of the gate; for variant 3 the pT instead.
    variant : int
        Place of the pooling in `zmumu_hybrid.learn.configuration.POOLINGS`.
    weights : (B, 2)
        Is given the softmax of the gate, but not for variant 3.
    out : (B, L), (B, 2 L) or (B, 2 L + 1)
        Is given what the classifier reads.
    """
    rows, width = general.shape
    one = weights.dtype.type(1)
    for i in range(rows):
        w, r = one, one
        if variant < 3:
            top = max(side[i, 0], side[i, 1])
            w, r = np.exp(side[i, 0] - top), np.exp(side[i, 1] - top)
            w, r = w / (w + r), r / (w + r)
            weights[i, 0], weights[i, 1] = w, r
        if variant == 0:
            for j in range(width):
                out[i, j] = w * general[i, j] + r * symmetric[i, j]
            continue
        if variant > 1:
            out[i, 2 * width] = w if variant == 2 else side[i, 0]
            w, r = one, one
        for j in range(width):
            out[i, j] = w * general[i, j]
            out[i, width + j] = r * symmetric[i, j]


@_compiled
def pool_backward(
    gradient: Matrix,
    general: Matrix,
    symmetric: Matrix,
    weights: Matrix,
    variant: int,
    general_gradient: Matrix,
    symmetric_gradient: Matrix,
    gate_gradient: Matrix,
) -> None:
    """Give the gradients of `pool` with respect to both latents and the output of the gate, from that of its result."""
    rows, width = general.shape
    zero, one = weights.dtype.type(0), weights.dtype.type(1)
    offset = 0 if variant == 0 else width
    for i in range(rows):
        along_w, along_r = zero, zero
        w, r = (weights[i, 0], weights[i, 1]) if variant < 2 else (one, one)
        if variant < 2:
            for j in range(width):
                along_w += gradient[i, j] * general[i, j]
                along_r += gradient[i, offset + j] * symmetric[i, j]
        if variant == 2:
            along_w = gradient[i, 2 * width]
        for j in range(width):
            general_gradient[i, j] = w * gradient[i, j]
            symmetric_gradient[i, j] = r * gradient[i, offset + j]
        if variant < 3:
            slope = weights[i, 0] * weights[i, 1] * (along_w - along_r)
            gate_gradient[i, 0], gate_gradient[i, 1] = slope, -slope
