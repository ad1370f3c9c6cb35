"""What networks read of events: momenta, Lorentz invariants and context, as tensors; the names are in `variables`.

Shapes use B events, n particles per event, L labels of a particle, I invariants of an event, P pairs with Q invariants
each, C context variables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from zmumu_hybrid.learn.quantities import PairQuantities
from zmumu_hybrid.learn.variables import ETA_FLOOR, METRIC, ContextVariable, Product

__all__ = ["Features", "context_of", "invariants_of", "particles_of"]


class Features(NamedTuple):
    """What the stacks of a network read, computed from the momenta once.

    Attributes
    ----------
    particles : Tensor, shape (..., B, n, 4 + L)
        E, px, py, pz of each particle, in GeV, and its labels; or the F conditioned quantities that are read instead.
    invariants : Tensor, shape (..., B, I)
        The Lorentz invariants of the event, see `invariants_of`.
    context : Tensor, shape (..., B, C)
        What the symmetry factor depends on: for a muon pair the pT of the first muon, in GeV.
    pairs : Tensor, shape (..., B, P, Q + 2 L), optional
        The invariants of every pair, and the sums and products of its labels; None for networks that read none.
    mask : Tensor, shape (..., B, n), optional
        1 for particles, 0 for padding; None where all are there.
    """

    particles: Tensor
    invariants: Tensor
    context: Tensor
    pairs: Tensor | None = None
    mask: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Features:
        """Return the features with a function applied to each tensor."""
        rest = (None if values is None else function(values) for values in self[3:])
        return Features(*map(function, self[:3]), *rest)


def _signs(rows: Sequence[tuple[int, ...]], like: Tensor) -> Tensor:
    return torch.tensor(rows, dtype=like.dtype, device=like.device)


def invariants_of(p4: Tensor, invariants: Sequence[Product]) -> Tensor:
    """Return Lorentz invariants of events, each as sign(x) log(1 + abs(x)).

    Parameters
    ----------
    p4 : Tensor, shape (..., n, 4)
        E, px, py, pz in GeV, zero for padding; the products are taken in float64.
    invariants : sequence of Product
        Which.

    Returns
    -------
    Tensor of float64, shape (..., I)
        In GeV^2 before the logarithm.
    """
    p4 = p4.double()
    if not invariants:
        return p4.new_empty(*p4.shape[:-2], 0)
    left = _signs([each.left for each in invariants], p4) @ p4
    right = _signs([each.right for each in invariants], p4) @ p4
    x = ((left * right) * _metric(p4)).sum(-1)
    return x.sign() * x.abs().log1p()


def _pair(p4: Tensor) -> PairQuantities:
    """Return the conditioned quantities of muon pairs (..., 2, 4), in float64."""
    plus, minus = (p4.double()[..., place, :].unbind(-1) for place in (0, 1))
    return PairQuantities(plus, minus, torch.sqrt, torch.log)


def particles_of(p4: Tensor, names: Sequence[str]) -> Tensor:
    """Return conditioned quantities of each muon of pairs (..., 2, 4), shape (..., 2, F); see `quantities.PARTICLE`."""
    pair = _pair(p4)
    return torch.stack([torch.stack(pair.particle(name), -1) for name in names], -1)


def _metric(p4: Tensor) -> Tensor:
    return torch.tensor(METRIC, dtype=p4.dtype, device=p4.device)


def context_of(p4: Tensor, variables: Sequence[ContextVariable]) -> Tensor:
    """Return the context variables, shape (..., C), of momenta (..., n, 4), zero for padding; GeV."""
    columns: list[Tensor] = []
    pair = _pair(p4) if any(variable.kind == "pair" for variable in variables) else None
    for variable in variables:
        if pair is not None and variable.kind == "pair":
            column = pair.event(variable.name)
        elif variable.kind == "ht":
            column = torch.hypot(p4[..., 1], p4[..., 2]).sum(-1)
        elif variable.kind == "count":
            column = (p4[..., 0] > 0).sum(-1).to(p4.dtype)
        else:
            column = _of_momentum(variable.kind, (_signs([variable.signs], p4) @ p4).squeeze(-2))
        columns.append(column)
    return torch.stack(columns, -1) if columns else p4.new_empty(*p4.shape[:-2], 0)


def _of_momentum(kind: str, p: Tensor) -> Tensor:
    if kind == "mass":
        return (p.square() * _metric(p)).sum(-1).clamp(min=0).sqrt()
    if kind in ("energy", "pz"):
        return p[..., 0 if kind == "energy" else 3]
    pt = torch.hypot(p[..., 1], p[..., 2])
    return pt if kind == "pt" else torch.asinh(p[..., 3] / pt.clamp(min=ETA_FLOOR))
