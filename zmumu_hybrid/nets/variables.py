"""Kinematic quantities as tensors, by the names of `zmumu_hybrid.nets.names`.

This is the one place where they are computed: training, export and the check of ranges all use it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import torch
from torch import Tensor

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.nets.conditioned import MuonPair
from zmumu_hybrid.nets.config import HybridConfig, PFNConfig
from zmumu_hybrid.nets.names import CONDITIONED_EVENT, OF_SUM, PRODUCT, signs_of
from zmumu_hybrid.nets.shapes import EventShape, Invariants

__all__ = [
    "checked",
    "context_of",
    "eta",
    "evaluate",
    "invariants_of",
    "kinematics_of",
    "log_scale",
    "minkowski_product",
    "pair_invariants",
    "pair_places",
    "particles_of",
    "pt",
    "require_shape",
]

ETA_FLOOR = 1e-6
"""The transverse momentum (GeV) that a pseudorapidity is taken at if it is lower."""


def minkowski_product(p: Tensor, q: Tensor) -> Tensor:
    """Return E E' - p.p' of four-momenta (..., 4) as E, px, py, pz, shape (...).

    Examples
    --------
    >>> p = torch.tensor([5.0, 0.0, 3.0, 0.0])
    >>> float(minkowski_product(p, p))
    16.0
    """
    product = p * q
    return product[..., 0] - product[..., 1] - product[..., 2] - product[..., 3]


def pt(p: Tensor) -> Tensor:
    """Return the transverse momentum of four-momenta (..., 4), shape (...), in their unit."""
    return (p[..., 1] * p[..., 1] + p[..., 2] * p[..., 2]).sqrt()


def eta(p: Tensor) -> Tensor:
    """Return the pseudorapidity of four-momenta (..., 4), shape (...)."""
    ratio = p[..., 3] / pt(p).clamp(min=ETA_FLOOR)
    size = ratio.abs()
    return ratio.sign() * torch.log(size + (size * size + 1.0).sqrt())


def log_scale(x: Tensor) -> Tensor:
    """Return sign(x) log(1 + abs(x)), which brings products of momenta to order one."""
    return x.sign() * torch.log(x.abs() + 1.0)


def pair_places(particles: int) -> tuple[list[int], list[int]]:
    """Return first and second of all unordered pairs of different particles."""
    places = list(combinations(range(particles), 2))
    return [first for first, _ in places], [second for _, second in places]


def pair_invariants(p4: Tensor, names: Sequence[str]) -> Tensor:
    """Return `PAIR_INVARIANTS` of all pairs of particles, shape (B, P, Q) in GeV^2, of momenta (B, n, 4)."""
    first, second = pair_places(p4.shape[-2])
    p, q = p4[..., first, :], p4[..., second, :]
    formula = {
        "dot": lambda: minkowski_product(p, q),
        "m2": lambda: minkowski_product(p + q, p + q),
        "difference": lambda: minkowski_product(p - q, p - q),
    }
    return torch.stack([formula[name]() for name in names], -1)


def evaluate(names: Sequence[str], p4: Tensor) -> Tensor:
    """Return named quantities of events, in the type of the momenta.

    Parameters
    ----------
    names : sequence of str
        As above.
    p4 : Tensor, shape (B, n, 4)
        E, px, py, pz in GeV, zero for padding.

    Returns
    -------
    Tensor, shape (B, len(names))

    Examples
    --------
    >>> p4 = torch.tensor([[[5.0, 3.0, 4.0, 0.0], [5.0, -3.0, -4.0, 0.0]]], dtype=torch.float64)
    >>> evaluate(["m2(all)", "pt(0)", "mass(0+1)"], p4).tolist()
    [[100.0, 5.0, 10.0]]
    """
    pair = MuonPair(p4) if any(name in CONDITIONED_EVENT for name in names) else None
    columns = [_one(name, p4, pair) for name in names]
    return torch.stack(columns, -1) if columns else p4.new_empty(p4.shape[0], 0)


def _one(name: str, p4: Tensor, pair: MuonPair | None) -> Tensor:
    if pair is not None and name in CONDITIONED_EVENT:
        return pair.event(name)
    if name == "ht":
        return pt(p4).sum(-1)
    if name == "count":
        return (p4[..., 0] > 0).to(p4.dtype).sum(-1)
    if product := PRODUCT.fullmatch(name):
        return minkowski_product(*(_sum(text, p4, name) for text in product.groups()))
    kind, text = OF_SUM.fullmatch(name).groups()  # type: ignore[union-attr]
    return _OF_MOMENTUM[kind](_sum(text, p4, name))


_OF_MOMENTUM: dict[str, Callable[[Tensor], Tensor]] = {
    "energy": lambda p: p[..., 0],
    "pz": lambda p: p[..., 3],
    "pt": pt,
    "eta": eta,
    "m2": lambda p: minkowski_product(p, p),
    "mass": lambda p: minkowski_product(p, p).clamp(min=0.0).sqrt(),
}


def _sum(text: str, p4: Tensor, name: str) -> Tensor:
    """Return a signed sum of momenta, shape (B, 4)."""
    signs = signs_of(text, p4.shape[-2], name)
    first, *others = [p if sign > 0 else -p for sign, p in zip(signs, p4.unbind(-2), strict=True) if sign]
    return sum(others, first)


def kinematics_of(p4: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
    """Return "pt" and "energy" (GeV) and "eta" of particles (B, n, 4), each (B, n), NaN for padding."""
    found = {"pt": pt(p4), "eta": eta(p4), "energy": p4[..., 0]}
    if mask is None:
        return found
    return {name: torch.where(mask > 0, values, torch.nan) for name, values in found.items()}


def checked(
    events: EventShape, p4: Tensor, mask: Tensor | None, scalars: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return momenta and scalars with zeros for padding, and the mask, of the shapes that the events have."""
    if p4.ndim != 3 or tuple(p4.shape[1:]) != (events.particles, 4):
        raise InputError(f"p4 must have the shape (B, {events.particles}, 4), not {tuple(p4.shape)}")
    if (scalars is None) != (events.scalars == 0):
        given = "none are given" if scalars is None else f"given are {tuple(scalars.shape)}"
        raise InputError(f"the network reads {events.scalars} scalars of each particle: {given}")
    if scalars is not None:
        require_shape("scalars", scalars, (p4.shape[0], events.particles, events.scalars))
    if mask is not None and not events.masked:
        raise InputError("the network knows no mask: its events have all their particles")
    if not events.masked:
        return p4, None, scalars
    if mask is not None:
        require_shape("mask", mask, (p4.shape[0], events.particles))
    mask = torch.ones_like(p4[..., 0]) if mask is None else (mask > 0).to(p4.dtype)
    there = mask.unsqueeze(-1) > 0
    p4 = torch.where(there, p4, torch.zeros_like(p4))
    return p4, mask, None if scalars is None else torch.where(there, scalars, torch.zeros_like(scalars))


def require_shape(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
    """Raise `InputError` if a tensor has another shape."""
    if values.shape != shape:
        raise InputError(f"{name} must have the shape {tuple(shape)}, not {tuple(values.shape)}")


def particles_of(config: PFNConfig | HybridConfig, p4: Tensor, scalars: Tensor | None) -> Tensor:
    """Return what is read of each particle, (B, n, F)."""
    if config.particle_features:
        pair = MuonPair(p4.double())
        p4 = torch.stack([torch.stack(pair.particle(name), -1) for name in config.particle_features], -1)
    return p4 if scalars is None else torch.cat([p4, scalars.to(p4.dtype)], -1)


def invariants_of(invariants: Invariants, p4: Tensor, scalars: Tensor | None) -> dict[str, Tensor]:
    """Return "invariants" and "pairs" of momenta in float64."""
    found = {
        "invariants": torch.cat([log_scale(evaluate(invariants.names, p4)), evaluate(invariants.conditioned, p4)], -1)
    }
    if invariants.pairs:
        found["pairs"] = log_scale(pair_invariants(p4, invariants.pairs.names))
        if scalars is not None:
            first, second = pair_places(p4.shape[1])
            one, other = scalars[:, first].double(), scalars[:, second].double()
            found["pairs"] = torch.cat([found["pairs"], one + other, one * other], -1)
    return found


def context_of(config: HybridConfig, p4: Tensor, context: Tensor | None) -> Tensor:
    """Return the context variables, (B, C); `InputError` if they do not fit."""
    if (context is None) != (config.given_context == 0):
        raise InputError(f"the network takes {config.given_context} context variables with the events")
    if context is None:
        return evaluate(config.context, p4)
    require_shape("context", context, (p4.shape[0], config.given_context))
    return context
