"""Conditioned quantities of a muon pair: what the tuned networks read in place of momenta in GeV.

A network of limited size learns a density ratio well where its inputs are of order one and change as fast as the ratio
does. That is near the Z peak, in units of the resolution; near the Jacobian peak of the transverse momentum at half the
Z mass; and where the muons leave the acceptance. `bounded` and `tail` bring such distances u to order one:
u / sqrt(1 + u^2) resolves the centre, log(1 + u^2) the far sides.

At leading order the pair has no transverse momentum, so that both muons measure one true transverse momentum. For
errors in proportion to it the likelihood of 1/p is a Gaussian around (pT0 + pT1) / (pT0^2 + pT1^2) (`docs/optimal.md`):
the inverse of that is the *balanced* transverse momentum, and with it in place of both measured ones the pair has the
balanced mass and pseudorapidities, a kinematic fit in closed form. Only `INVARIANTS` are Lorentz invariant.

The formulae are written once, for numpy, torch and the writer of ONNX graphs: all they ask of a number is arithmetic,
`abs`, and a square root and a logarithm that are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

__all__ = ["EVENT", "INVARIANTS", "PARTICLE", "PairQuantities"]

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

LEAST_RESPONSE = 0.2
"""Keeps the unit of the balanced mass finite where it hardly depends on the transverse momentum."""

EDGE_WIDTH = 0.1
"""In pseudorapidity around the bound."""

TINY = 1e-12
"""GeV^2, below which squares of momenta and masses are not resolved."""

INVARIANTS = ("mass_peak", "mass_tail")
"""Of the pair, functions of its mass."""

PARTICLE = ("log_pt", "peak_pt", "charge", "balanced_eta")
"""Of each muon."""

EVENT = (
    *INVARIANTS,
    *(f"{name}_{muon}" for name in ("log_pt", "peak_pt") for muon in ("plus", "minus")),
    "log_balanced_pt",
    "log_balanced_mass",
    "balanced_peak",
    "balanced_tail",
    "response",
    "abs_rapidity",
    "edge",
)
"""Of the pair: the `PARTICLE` ones of one muon, and the balanced ones."""


class PairQuantities:
    """The quantities of muon pairs, each computed when it is asked for.

    Parameters
    ----------
    plus, minus : sequence of four numbers
        E, px, py, pz in GeV of the mu+ and the mu-, anything that knows arithmetic.
    sqrt, log : callable
        Square root and natural logarithm of such.
    """

    def __init__(
        self, plus: Sequence[Any], minus: Sequence[Any], sqrt: Callable[[Any], Any], log: Callable[[Any], Any]
    ) -> None:
        self._muons = tuple(plus), tuple(minus)
        self._sqrt, self._log = sqrt, log

    def event(self, name: str) -> Any:
        """Return one of `EVENT`."""
        for place, muon in enumerate(("plus", "minus")):
            if name.endswith(f"_{muon}"):
                return self.particle(name.removesuffix(f"_{muon}"))[place]
        return getattr(self, name)

    def particle(self, name: str) -> tuple[Any, Any]:
        """Return one of `PARTICLE` for both muons, or one of `EVENT` twice."""
        if name in PARTICLE:
            plus, minus = getattr(self, name)
            return plus, minus
        return (self.event(name),) * 2

    def _bounded(self, u: Any) -> Any:
        return u / self._sqrt(u * u + 1.0)

    def _tail(self, u: Any) -> Any:
        return self._log(u * u + 1.0)

    def _asinh(self, positive: Any) -> Any:
        return self._log(positive + self._sqrt(positive * positive + 1.0))

    def _at_least(self, x: Any, least: Any) -> Any:
        return (x + least + abs(x - least)) * 0.5

    @cached_property
    def _pt(self) -> tuple[Any, Any]:
        plus, minus = (self._sqrt(px * px + py * py + TINY) for _, px, py, _ in self._muons)
        return plus, minus

    @cached_property
    def _mass(self) -> Any:
        energy, px, py, pz = (one + other for one, other in zip(*self._muons, strict=True))
        return self._sqrt(self._at_least(energy * energy - px * px - py * py - pz * pz, TINY))

    @cached_property
    def _balanced_pt(self) -> Any:
        plus, minus = self._pt
        return (plus * plus + minus * minus) / (plus + minus)

    @cached_property
    def _balanced_energy(self) -> tuple[Any, Any]:
        p = self._balanced_pt
        plus, minus = (
            self._sqrt(self._at_least(muon[0] * muon[0] - pt * pt + p * p, TINY))
            for muon, pt in zip(self._muons, self._pt, strict=True)
        )
        return plus, minus

    @cached_property
    def _pz(self) -> Any:
        return self._muons[0][3] + self._muons[1][3]

    @cached_property
    def _balanced_mass(self) -> Any:
        energy = self._balanced_energy[0] + self._balanced_energy[1]
        return self._sqrt(self._at_least(energy * energy - self._pz * self._pz, TINY))

    @cached_property
    def _pull(self) -> Any:
        """Distance of the balanced mass from the Z in units of its resolution."""
        unit = self._sqrt(self.response * self.response + LEAST_RESPONSE**2) * BALANCED_RESOLUTION
        return self._log(self._balanced_mass * (1 / Z_MASS)) / unit

    @cached_property
    def _distance(self) -> Any:
        return self._log(self._mass * (1 / Z_MASS)) * (1 / MASS_RESOLUTION)

    @cached_property
    def mass_peak(self) -> Any:
        """Distance of the measured mass from the Z, bounded."""
        return self._bounded(self._distance)

    @cached_property
    def mass_tail(self) -> Any:
        """The same, for the far sides."""
        return self._tail(self._distance)

    @cached_property
    def log_pt(self) -> tuple[Any, Any]:
        """log(pT / GeV)."""
        plus, minus = (self._log(pt) for pt in self._pt)
        return plus, minus

    @cached_property
    def peak_pt(self) -> tuple[Any, Any]:
        """Distance of pT from the Jacobian peak, bounded."""
        plus, minus = (self._bounded((pt - 0.5 * Z_MASS) * (1 / PT_WIDTH)) for pt in self._pt)
        return plus, minus

    @cached_property
    def charge(self) -> tuple[Any, Any]:
        """1 for the mu+, -1 for the mu-: the background is reweighted in the pT of the mu+."""
        one = self._pt[0] * 0.0 + 1.0
        return one, one * -1.0

    @cached_property
    def balanced_eta(self) -> tuple[Any, Any]:
        """Size of the pseudorapidity at the balanced transverse momentum."""
        plus, minus = (self._asinh(abs(muon[3]) / self._balanced_pt) for muon in self._muons)
        return plus, minus

    @cached_property
    def log_balanced_pt(self) -> Any:
        """log(balanced pT / GeV)."""
        return self._log(self._balanced_pt)

    @cached_property
    def log_balanced_mass(self) -> Any:
        """log(balanced mass / GeV)."""
        return self._log(self._balanced_mass)

    @cached_property
    def balanced_peak(self) -> Any:
        """Distance of the balanced mass from the Z in units of its resolution, bounded."""
        return self._bounded(self._pull)

    @cached_property
    def balanced_tail(self) -> Any:
        """The same, for the far sides."""
        return self._tail(self._pull)

    @cached_property
    def response(self) -> Any:
        """D log(balanced mass) / d log(balanced pT) with pz held: 1 for central pairs, less for others."""
        plus, minus = self._balanced_energy
        share = self._balanced_pt * (plus + minus) / self._balanced_mass
        return share * share / (plus * minus)

    @cached_property
    def abs_rapidity(self) -> Any:
        """Size of the rapidity of the pair."""
        return self._asinh(abs(self._pz) / self._balanced_mass)

    @cached_property
    def edge(self) -> Any:
        """How far the outer muon is beyond the acceptance at the balanced transverse momentum, bounded."""
        plus, minus = self.balanced_eta
        return self._bounded((self._at_least(plus, minus) - ACCEPTANCE) * (1 / EDGE_WIDTH))
