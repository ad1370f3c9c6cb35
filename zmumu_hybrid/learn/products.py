"""Matrix products, each by the fastest routine that there is for its size.

PyTorch multiplies float32 matrices on CPUs with MKL, which uses half of the vector width on processors that are not
Intel's. oneDNN, which PyTorch carries too and uses for bfloat16, does not: for products of more than two million
multiplications it is up to twice as fast there, and not slower elsewhere. Below that its preparation costs more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["LARGE", "affine", "large", "product"]

LARGE = 2_000_000
"""Multiplications from which on a product is large."""


def _find() -> Callable[..., Tensor] | None:
    """Return PyTorch's linear layer by oneDNN: the operator that its own compiler puts into float32 graphs."""
    if not torch.backends.mkldnn.is_available():
        return None
    try:
        return torch.ops.mkldnn._linear_pointwise.default  # type: ignore[no-any-return]
    except (AttributeError, RuntimeError):
        return None


_ONEDNN: Any = _find()


def large(rows: int, inner: int, columns: int) -> bool:
    """Return whether a product of (rows, inner) and (inner, columns) counts as large."""
    return rows * inner * columns >= LARGE


def product(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix product of float32 matrices a (R, K) and b (K, C) on a CPU, without a gradient."""
    if _ONEDNN is None:
        return torch.mm(a, b)
    return _ONEDNN(a, b.t(), None, "none", (), "")  # type: ignore[no-any-return]


def affine(x: Tensor, weight: Tensor, bias: Tensor, *, relu: bool = False) -> Tensor:
    """Return x W + b for every member, or its positive part.

    Parameters
    ----------
    x : Tensor, shape (M, R, I)
    weight : Tensor, shape (M, I, O)
    bias : Tensor, shape (M, O)
    relu : bool
        Whether negative results become zero.

    Returns
    -------
    Tensor, shape (M, R, O)
    """
    plain = _ONEDNN is not None and x.dtype == torch.float32 and x.device.type == "cpu" and not torch.is_grad_enabled()
    if plain and large(x.shape[1], x.shape[2], weight.shape[2]):
        after = "relu" if relu else "none"
        parts = [_ONEDNN(a, w.t(), b, after, (), "") for a, w, b in zip(x, weight, bias, strict=True)]
        return torch.stack(parts) if len(parts) > 1 else parts[0].unsqueeze(0)
    y = torch.baddbmm(bias.unsqueeze(1), x, weight)
    return y.relu() if relu else y
