"""Names for what a network reads besides the momenta: Lorentz invariants, and the context of the symmetry factor.

A name is a small formula over the particles of an event, counted from 0 ("all" is every one of them)::

    m2(all)   m2(0+1)   m2(0-1)   m2(2)      squared Minkowski norm of a sum or difference of momenta, GeV^2
    dot(0,1)  dot(0+1,2+3)                   Minkowski product of two of them, GeV^2
    pt(0)  pz(all)  energy(all)  eta(0)  mass(0+1)      of a sum or difference, GeV and 1
    ht  count                                scalar sum of transverse momenta, GeV; number of particles

    log_pt_plus  balanced_peak  ...      of a muon pair, see `zmumu_hybrid.learn.quantities`

A padded particle counts as a momentum of zero. Formulae are parsed, never evaluated; this module knows no torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.learn.quantities import EVENT, PairQuantities

__all__ = [
    "CONTEXT_KINDS",
    "ETA_FLOOR",
    "METRIC",
    "PAIR_INVARIANTS",
    "ContextVariable",
    "Product",
    "context_values",
    "invariant_values",
    "pair_indices",
    "parse_context",
    "parse_invariant",
]

Signs = tuple[int, ...]
Floats = NDArray[np.float64]

METRIC = (1.0, -1.0, -1.0, -1.0)
"""Of the Minkowski product of (E, px, py, pz)."""

ETA_FLOOR = 1e-6
"""The transverse momentum (GeV) that a pseudorapidity is taken at if it is lower."""

PAIR_INVARIANTS = {"dot": "dot({0},{1})", "m2": "m2({0}+{1})", "difference": "m2({0}-{1})"}
"""The invariants of a pair of particles, by the name that they have for every pair."""

CONTEXT_KINDS = ("pt", "pz", "energy", "eta", "mass")
_PLAIN = ("ht", "count")
_SUM = r"all|\d+(?:[+-]\d+)*"
_INVARIANT = re.compile(rf"(m2)\(({_SUM})\)|(dot)\(({_SUM}),({_SUM})\)")
_CONTEXT = re.compile(rf"({'|'.join(CONTEXT_KINDS)})\(({_SUM})\)|({'|'.join(_PLAIN)})")


@dataclass(frozen=True, slots=True)
class Product:
    """The Minkowski product of two signed sums of momenta.

    Attributes
    ----------
    name : str
    left, right : tuple of int, one for each particle
        The sign of each momentum in the two sums, 0 if it is not in it.
    """

    name: str
    left: Signs
    right: Signs


@dataclass(frozen=True, slots=True)
class ContextVariable:
    """A quantity of an event that need not be invariant.

    Attributes
    ----------
    name : str
    kind : str
        One of `CONTEXT_KINDS`, "ht", "count", or "pair" for those of `zmumu_hybrid.learn.quantities`.
    signs : tuple of int, one for each particle
        The sign of each momentum in the sum that it is of.
    """

    name: str
    kind: str
    signs: Signs


def _signs(text: str, particles: int, name: str) -> Signs:
    signs = [1 if text == "all" else 0] * particles
    for sign, number in re.findall(r"([+-]?)(\d+)", text):
        index = int(number)
        if index >= particles:
            raise ConfigurationError(f"{name!r}: there is no particle {index}, only 0 to {particles - 1}")
        if signs[index]:
            raise ConfigurationError(f"{name!r}: particle {index} is there twice")
        signs[index] = -1 if sign == "-" else 1
    return tuple(signs)


def parse_invariant(name: object, particles: int) -> Product:
    """Return the invariant of this name for events of so many particles; `ConfigurationError` if there is none."""
    found = _INVARIANT.fullmatch(name) if isinstance(name, str) else None
    if found is None or not isinstance(name, str):
        raise ConfigurationError(f"{name!r} is no invariant: write m2(all), m2(0+1), m2(0-1), m2(0) or dot(0,1)")
    if found[1]:
        signs = _signs(found[2], particles, name)
        return Product(name, signs, signs)
    return Product(name, _signs(found[4], particles, name), _signs(found[5], particles, name))


def parse_context(name: object, particles: int) -> ContextVariable:
    """Return the context variable of this name; `ConfigurationError` if there is none."""
    if name in EVENT and isinstance(name, str):
        if particles != 2:
            raise ConfigurationError(f"{name!r} is a quantity of two muons, not of {particles} particles")
        return ContextVariable(name, "pair", (1, 1))
    found = _CONTEXT.fullmatch(name) if isinstance(name, str) else None
    if found is None or not isinstance(name, str):
        kinds = ", ".join((*(f"{kind}(0)" for kind in CONTEXT_KINDS), *_PLAIN))
        raise ConfigurationError(f"{name!r} is no context variable: there are {kinds}, of sums such as (all) or (0+1)")
    if found[3]:
        return ContextVariable(name, found[3], (1,) * particles)
    return ContextVariable(name, found[1], _signs(found[2], particles, name))


def pair_indices(particles: int) -> list[tuple[int, int]]:
    """Return the unordered pairs of different particles, in the order in which networks have them."""
    return [(i, j) for i in range(particles) for j in range(i + 1, particles)]


def _sums(p4: Floats, signs: list[Signs]) -> Floats:
    return np.asarray(np.einsum("kn,...nd->...kd", np.array(signs, np.float64), p4))


def invariant_values(p4: Floats, invariants: list[Product]) -> Floats:
    """Return invariants (GeV^2), shape (..., I), of momenta (..., n, 4) in which padding is zero."""
    left, right = (_sums(p4, [getattr(each, side) for each in invariants]) for side in ("left", "right"))
    return np.asarray((left * right) @ np.array(METRIC))


def context_values(p4: Floats, variables: list[ContextVariable]) -> Floats:
    """Return context variables, shape (..., C), of momenta (..., n, 4) in which padding is zero."""
    columns = []
    for variable in variables:
        if variable.kind == "ht":
            column = np.hypot(p4[..., 1], p4[..., 2]).sum(-1)
        elif variable.kind == "count":
            column = (p4[..., 0] > 0).sum(-1).astype(np.float64)
        elif variable.kind == "pair":
            plus, minus = np.moveaxis(p4, (-2, -1), (0, 1))
            column = PairQuantities(plus, minus, np.sqrt, np.log).event(variable.name)
        else:
            column = _of_momentum(variable.kind, _sums(p4, [variable.signs])[..., 0, :])
        columns.append(column)
    return np.stack(columns, -1) if columns else np.empty((*p4.shape[:-2], 0))


def _of_momentum(kind: str, p: Floats) -> Floats:
    if kind == "mass":
        squared = (p * p) @ np.array(METRIC)
        return np.asarray(np.sqrt(np.maximum(squared, 0)))
    if kind == "pz":
        return p[..., 3]
    if kind == "energy":
        return p[..., 0]
    pt = np.hypot(p[..., 1], p[..., 2])
    return np.asarray(pt if kind == "pt" else np.arcsinh(p[..., 3] / np.maximum(pt, ETA_FLOOR)))
