"""Conditioned quantities of a muon pair: what the tuned networks read in place of momenta in GeV.

A network of limited size learns a density ratio well where its inputs are of order one and change as fast as the ratio
does. That is near the Z peak, in units of the resolution; near the Jacobian peak of the transverse momentum at half the
Z mass; and where the muons leave the acceptance. `bounded` and `tail` bring such distances u to order one:
u / sqrt(1 + u^2) resolves the centre, log(1 + u^2) the far sides.

At leading order the pair has no transverse momentum, so that both muons measure one true transverse momentum. For
errors in proportion to it the likelihood of 1/p is a Gaussian around (pT0 + pT1) / (pT0^2 + pT1^2) (`docs/optimal.md`):
the inverse of that is the *balanced* transverse momentum, and with it in place of both measured ones the pair has the
balanced mass and pseudorapidities, a kinematic fit in closed form. Only `CONDITIONED_INVARIANTS` are Lorentz invariant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zmumu_hybrid.nets.names import CONDITIONED_PARTICLE

__all__ = ["MuonPair"]

Z_MASS = 91.1876
"""GeV; Particle Data Group, Phys. Rev. D 110, 030001 (2024)."""

ACCEPTANCE = 2.5
"""Bound on the true pseudorapidities, as `zmumu generate` has it by default."""

PT_WIDTH = 8.0
"""GeV around the Jacobian peak."""

MASS_RESOLUTION = 0.09
"""Relative width of the measured peak in the mass, about: natural width and a smearing of 0.1 of each pT."""

BALANCED_RESOLUTION = 0.1 / 2**0.5
"""Relative error of the balanced transverse momentum at a smearing of 0.1."""

MIN_RESPONSE = 0.2
"""Keeps the unit of the balanced mass finite where it hardly depends on the transverse momentum."""

EDGE_WIDTH = 0.1
"""In pseudorapidity around the bound."""

TINY = 1e-12
"""GeV^2, below which squares of momenta and masses are not resolved."""


class _Once:
    """A property that is computed once: `functools.cached_property` without its lock, which `torch.compile` refuses."""

    def __init__(self, formula: Callable[[Any], Any]) -> None:
        self.formula, self.name, self.__doc__ = formula, formula.__name__, formula.__doc__

    def __get__(self, pair: Any, owner: type | None = None) -> Any:
        value = self.formula(pair)
        setattr(pair, self.name, value)  # which is found first from now on
        return value


class MuonPair:
    """The quantities of muon pairs, each computed when it is asked for, shape (B,).

    Parameters
    ----------
    p4 : Tensor, shape (B, 2, 4)
        E, px, py, pz in GeV, mu+ first; float64 keeps the masses exact.
    """

    def __init__(self, p4: Tensor) -> None:
        self._muons = p4[..., 0, :].unbind(-1), p4[..., 1, :].unbind(-1)

    def event(self, name: str) -> Tensor:
        """Return one of `CONDITIONED_EVENT`."""
        for place, muon in enumerate(("plus", "minus")):
            if name.endswith(f"_{muon}"):
                return self.particle(name.removesuffix(f"_{muon}"))[place]
        return getattr(self, name)

    def particle(self, name: str) -> tuple[Tensor, Tensor]:
        """Return one of `CONDITIONED_PARTICLE` for both muons, or one of `CONDITIONED_EVENT` twice."""
        if name in CONDITIONED_PARTICLE:
            plus, minus = getattr(self, name)
            return plus, minus
        return (self.event(name),) * 2

    @_Once
    def _pt(self) -> tuple[Tensor, Tensor]:
        plus, minus = (torch.sqrt(px * px + py * py + TINY) for _, px, py, _ in self._muons)
        return plus, minus

    @_Once
    def _mass(self) -> Tensor:
        energy, px, py, pz = (one + other for one, other in zip(*self._muons, strict=True))
        return torch.sqrt(_at_least(energy * energy - px * px - py * py - pz * pz, TINY))

    @_Once
    def _balanced_pt(self) -> Tensor:
        plus, minus = self._pt
        return (plus * plus + minus * minus) / (plus + minus)

    @_Once
    def _balanced_energy(self) -> tuple[Tensor, Tensor]:
        p = self._balanced_pt
        plus, minus = (
            torch.sqrt(_at_least(muon[0] * muon[0] - pt * pt + p * p, TINY))
            for muon, pt in zip(self._muons, self._pt, strict=True)
        )
        return plus, minus

    @_Once
    def _pz(self) -> Tensor:
        return self._muons[0][3] + self._muons[1][3]

    @_Once
    def _balanced_mass(self) -> Tensor:
        energy = self._balanced_energy[0] + self._balanced_energy[1]
        return torch.sqrt(_at_least(energy * energy - self._pz * self._pz, TINY))

    @_Once
    def _pull(self) -> Tensor:
        """Distance of the balanced mass from the Z in units of its resolution."""
        unit = torch.sqrt(self.response * self.response + MIN_RESPONSE**2) * BALANCED_RESOLUTION
        return torch.log(self._balanced_mass * (1 / Z_MASS)) / unit

    @_Once
    def _distance(self) -> Tensor:
        return torch.log(self._mass * (1 / Z_MASS)) * (1 / MASS_RESOLUTION)

    @_Once
    def mass_peak(self) -> Tensor:
        """Distance of the measured mass from the Z, bounded."""
        return _bounded(self._distance)

    @_Once
    def mass_tail(self) -> Tensor:
        """Distance of the measured mass from the Z, for the far sides."""
        return _tail(self._distance)

    @_Once
    def log_pt(self) -> tuple[Tensor, Tensor]:
        """log(pT / GeV)."""
        plus, minus = (torch.log(pt) for pt in self._pt)
        return plus, minus

    @_Once
    def peak_pt(self) -> tuple[Tensor, Tensor]:
        """Distance of pT from the Jacobian peak, bounded."""
        plus, minus = (_bounded((pt - 0.5 * Z_MASS) * (1 / PT_WIDTH)) for pt in self._pt)
        return plus, minus

    @_Once
    def charge(self) -> tuple[Tensor, Tensor]:
        """1 for the mu+, -1 for the mu-: the background is reweighted in the pT of the mu+."""
        one = self._pt[0] * 0.0 + 1.0
        return one, one * -1.0

    @_Once
    def balanced_eta(self) -> tuple[Tensor, Tensor]:
        """Size of the pseudorapidity at the balanced transverse momentum."""
        plus, minus = (_asinh(abs(muon[3]) / self._balanced_pt) for muon in self._muons)
        return plus, minus

    @_Once
    def log_balanced_pt(self) -> Tensor:
        """log(balanced pT / GeV)."""
        return torch.log(self._balanced_pt)

    @_Once
    def log_balanced_mass(self) -> Tensor:
        """log(balanced mass / GeV)."""
        return torch.log(self._balanced_mass)

    @_Once
    def balanced_peak(self) -> Tensor:
        """Distance of the balanced mass from the Z in units of its resolution, bounded."""
        return _bounded(self._pull)

    @_Once
    def balanced_tail(self) -> Tensor:
        """Distance of the balanced mass from the Z in units of its resolution, for the far sides."""
        return _tail(self._pull)

    @_Once
    def response(self) -> Tensor:
        """D log(balanced mass) / d log(balanced pT) with pz held: 1 for central pairs, less for others."""
        plus, minus = self._balanced_energy
        share = self._balanced_pt * (plus + minus) / self._balanced_mass
        return share * share / (plus * minus)

    @_Once
    def abs_rapidity(self) -> Tensor:
        """Size of the rapidity of the pair."""
        return _asinh(abs(self._pz) / self._balanced_mass)

    @_Once
    def edge(self) -> Tensor:
        """How far the outer muon is beyond the acceptance at the balanced transverse momentum, bounded."""
        plus, minus = self.balanced_eta
        return _bounded((_at_least(plus, minus) - ACCEPTANCE) * (1 / EDGE_WIDTH))


def _bounded(u: Tensor) -> Tensor:
    return u / torch.sqrt(u * u + 1.0)


def _tail(u: Tensor) -> Tensor:
    return torch.log(u * u + 1.0)


def _asinh(positive: Tensor) -> Tensor:
    return torch.log(positive + torch.sqrt(positive * positive + 1.0))


def _at_least(x: Tensor, least: Tensor | float) -> Tensor:
    return (x + least + abs(x - least)) * 0.5
