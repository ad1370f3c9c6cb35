"""Names of kinematic quantities: Lorentz invariants, context variables, and conditioned ones of a muon pair.

A name is a small formula over the particles of an event, counted from 0 ("all" is every one of them)::

    m2(all)   m2(0+1)   m2(0-1)   m2(2)      squared Minkowski norm of a sum or difference of momenta, GeV^2
    dot(0,1)  dot(0+1,2+3)                   Minkowski product of two of them, GeV^2
    pt(0)  pz(all)  energy(all)  eta(0)  mass(0+1)      of a sum or difference, GeV and 1
    ht  count                                scalar sum of transverse momenta, GeV; number of particles

    log_pt_plus  balanced_peak  ...      of a muon pair, see `zmumu_hybrid.nets.conditioned`

Formulae are parsed, never evaluated; `zmumu_hybrid.nets.variables` computes them. This module knows no torch.
"""

from __future__ import annotations

import re

from zmumu_hybrid.errors import ConfigurationError

__all__ = [
    "CONDITIONED_EVENT",
    "CONDITIONED_INVARIANTS",
    "CONDITIONED_PARTICLE",
    "OF_SUM",
    "PAIR_INVARIANTS",
    "PRODUCT",
    "check_name",
    "signs_of",
]

PAIR_INVARIANTS = ("dot", "m2", "difference")
"""Invariants of two particles p and q: p.q, (p + q)^2 and (p - q)^2."""

CONDITIONED_INVARIANTS = ("mass_peak", "mass_tail")
"""Conditioned quantities of a muon pair that are functions of its mass."""

CONDITIONED_PARTICLE = ("log_pt", "peak_pt", "charge", "balanced_eta")
"""Conditioned quantities of each muon."""

CONDITIONED_EVENT = (
    *CONDITIONED_INVARIANTS,
    *(f"{name}_{muon}" for name in ("log_pt", "peak_pt") for muon in ("plus", "minus")),
    "log_balanced_pt",
    "log_balanced_mass",
    "balanced_peak",
    "balanced_tail",
    "response",
    "abs_rapidity",
    "edge",
)
"""Conditioned quantities of the pair: the ones of one muon, and the balanced ones."""

_SUM = r"all|\d+(?:[+-]\d+)*"
OF_SUM = re.compile(rf"(m2|pt|pz|energy|eta|mass)\(({_SUM})\)")
PRODUCT = re.compile(rf"dot\(({_SUM}),({_SUM})\)")


def check_name(name: object, particles: int, *, invariant: bool) -> None:
    """Raise `ConfigurationError` if there is no quantity of this name for events of so many particles."""
    what = "m2(all), m2(0+1), m2(0-1), m2(0) or dot(0,1)"
    if not invariant:
        what = "pt(0), pz(0), energy(0), eta(0), mass(0), of sums such as (all) or (0+1), ht, count"
    if isinstance(name, str):
        if not invariant and name in CONDITIONED_EVENT:
            if particles != 2:
                raise ConfigurationError(f"{name!r} is a quantity of two muons, not of {particles} particles")
            return
        if not invariant and name in ("ht", "count"):
            return
        product, of_sum = PRODUCT.fullmatch(name), OF_SUM.fullmatch(name)
        if of_sum and (of_sum[1] == "m2") == invariant:
            signs_of(of_sum[2], particles, name)
            return
        if product and invariant:
            for text in product.groups():
                signs_of(text, particles, name)
            return
    kind = "invariant" if invariant else "context variable"
    raise ConfigurationError(f"{name!r} is no {kind}: write {what}")


def signs_of(text: str, particles: int, name: str) -> list[int]:
    """Return the sign of each particle's momentum in a sum, 0 if it is not in it."""
    signs = [1 if text == "all" else 0] * particles
    for sign, number in re.findall(r"([+-]?)(\d+)", text):
        index = int(number)
        if index >= particles:
            raise ConfigurationError(f"{name!r}: there is no particle {index}, only 0 to {particles - 1}")
        if signs[index]:
            raise ConfigurationError(f"{name!r}: particle {index} is there twice")
        signs[index] = -1 if sign == "-" else 1
    return signs
