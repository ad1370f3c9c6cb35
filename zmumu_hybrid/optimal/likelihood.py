r"""The likelihood of the measured muons of a leading-order pair: the truth density, smeared.

Both muons have one true pT, and their smearing is Gaussian with a width proportional to it. In x = 1 / pT the two
Gaussians are one,

.. math:: N(p_0; p, wp)\,N(p_1; p, wp)\,dp \propto \exp\Bigl[-\frac{(x - \bar x)^2}{2\sigma_x^2}\Bigr]\,dx,\quad
          \bar x = \frac{p_0 + p_1}{p_0^2 + p_1^2},\quad \sigma_x = \frac{w}{\sqrt{p_0^2 + p_1^2}},

times a factor without x, so that the integral over the true pT has the same few nodes for every event. The truth cuts
are the ends of the integral. See `docs/optimal.md` for the Jacobians.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.optimal.density import TruthCuts, TruthDensity
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.physics.smearing import SmearingConfig

__all__ = ["MeasuredPairs", "log_likelihoods", "quadrature_nodes"]

Rule = tuple[Floats, Floats]

_REACH = 6.0
_CHUNK_NODES = 1 << 16
_TURNED = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredPairs:
    """What was measured of pairs whose truth has no transverse momentum; azimuth tells nothing but the side.

    Attributes
    ----------
    pt_0, pt_1 : ndarray, shape (n,)
        Transverse momenta of mu+ and mu- in GeV; pt_1 is negative where both muons are on one side, so that one of
        them was smeared to beyond zero.
    pz_0, pz_1 : ndarray, shape (n,)
        In GeV.
    muon_mass : float
        In GeV.
    """

    pt_0: Floats
    pt_1: Floats
    pz_0: Floats
    pz_1: Floats
    muon_mass: float

    @classmethod
    def from_columns(cls, columns: Mapping[str, NDArray[Any]], muon_mass: float) -> MeasuredPairs:
        """Take them from the columns px_0, py_0, pz_0, px_1, py_1, pz_1 (GeV) of a candidates table."""
        px_0, py_0, pz_0, px_1, py_1, pz_1 = (
            np.asarray(columns[name], np.float64) for name in ("px_0", "py_0", "pz_0", "px_1", "py_1", "pz_1")
        )
        side = np.where(px_0 * px_1 + py_0 * py_1 > 0.0, -1.0, 1.0)
        return cls(np.hypot(px_0, py_0), side * np.hypot(px_1, py_1), pz_0, pz_1, muon_mass)

    def __len__(self) -> int:
        return len(self.pt_0)

    def __getitem__(self, rows: Any) -> MeasuredPairs:
        """Return the pairs of some rows: a slice or a mask."""
        return MeasuredPairs(self.pt_0[rows], self.pt_1[rows], self.pz_0[rows], self.pz_1[rows], self.muon_mass)

    def with_opposite_signs(self) -> MeasuredPairs:
        """Return the other reading of the same measurement: each muon that went past zero did not, and conversely."""
        return MeasuredPairs(-self.pt_0, -self.pt_1, self.pz_0, self.pz_1, self.muon_mass)


def quadrature_nodes(width: float) -> int:
    """Return the default number of nodes for a relative smearing `width`; their spacing is below the width of the Z."""
    return 64 + round(1000.0 * width)


def log_likelihoods(
    densities: Sequence[TruthDensity],
    measured: MeasuredPairs,
    smearing: SmearingConfig,
    *,
    nodes: int | None = None,
    advance: Callable[[float], None] | None = None,
) -> Floats:
    """Return log p(measured | class) of each pair for each class, up to one constant a pair.

    Parameters
    ----------
    densities : sequence of TruthDensity
        One a class, with the same cuts.
    measured : MeasuredPairs
        n pairs.
    smearing : SmearingConfig
        How they were smeared: draws, what is held, width.
    nodes : int, optional
        Gauss-Legendre nodes in the integral over the true pT; `quadrature_nodes(width)` by default.
    advance : callable, optional
        Told the number of pairs done, now and then.

    Returns
    -------
    ndarray, shape (n, classes)
        Always finite: without smearing, the cuts are not looked at again.

    Raises
    ------
    ConfigurationError
        If the densities have different cuts, or there are fewer than two nodes.
    """
    cuts = densities[0].cuts
    if any(density.cuts != cuts for density in densities):
        raise ConfigurationError("the densities of the classes were learned with different cuts: learn them again")
    exact = smearing.mode == "none" or smearing.width == 0.0
    nodes = quadrature_nodes(smearing.width) if nodes is None or exact else nodes
    if nodes < 2:
        raise ConfigurationError(f"{nodes} nodes: at least two are needed for the integral over the true pT")
    rule = np.polynomial.legendre.leggauss(nodes)
    result = np.empty((len(measured), len(densities)))
    size = max(1, _CHUNK_NODES // nodes)
    for start in range(0, len(measured), size):
        rows = slice(start, start + size)
        part = measured[rows]
        if exact:
            result[rows] = np.log(_truth_at(densities, part, smearing.hold, 1.0 / part.pt_0[:, None])[..., 0])
        else:
            result[rows] = _log_smeared(densities, part, smearing, cuts, rule)
        if advance is not None:
            advance(len(part))
    return result


def _log_smeared(
    densities: Sequence[TruthDensity], pairs: MeasuredPairs, smearing: SmearingConfig, cuts: TruthCuts, rule: Rule
) -> Floats:
    """Add the likelihoods of the readings of the measurement: muons past zero or not."""
    total = _log_integral(densities, pairs, smearing, cuts, rule)
    possible = (pairs.pt_1 < 0.0) | (smearing.width > _TURNED)
    if possible.any():
        other = _log_integral(densities, pairs[possible].with_opposite_signs(), smearing, cuts, rule)
        total[possible] = np.logaddexp(total[possible], other)
    return total


def _log_integral(
    densities: Sequence[TruthDensity], pairs: MeasuredPairs, smearing: SmearingConfig, cuts: TruthCuts, rule: Rule
) -> Floats:
    """Integrate over x = 1 / pT; shape (n, classes)."""
    if smearing.mode == "shared":
        draws, total, squares = 1, pairs.pt_0, pairs.pt_0**2
    else:
        draws, total, squares = 2, pairs.pt_0 + pairs.pt_1, pairs.pt_0**2 + pairs.pt_1**2
    centre, sigma = total / squares, smearing.width / np.sqrt(squares)
    highest = _largest_inverse_pt(pairs, smearing.hold, cuts)
    lowest = np.minimum(highest, 1.0 / np.sqrt(squares)) / 50.0
    middle = np.clip(centre, lowest, highest)
    lower = np.maximum(lowest, middle - _REACH * sigma)
    upper = np.minimum(highest, middle + _REACH * sigma)
    node, weight = rule
    half = 0.5 * (upper - lower)
    x = 0.5 * (upper + lower)[:, None] + half[:, None] * node
    exponent = -0.5 * ((x - centre[:, None]) / sigma[:, None]) ** 2
    largest = exponent.max(axis=1)
    kernel = np.exp(exponent - largest[:, None]) * weight
    if draws == 1:
        kernel /= x
    integral = np.einsum("nq,ncq->nc", kernel, _truth_at(densities, pairs, smearing.hold, x))
    constant = largest - 0.5 * (draws - total * centre) / smearing.width**2 + np.log(half)
    return np.asarray(np.log(integral) + constant[:, None])


def _truth_at(densities: Sequence[TruthDensity], pairs: MeasuredPairs, hold: str, x: Floats) -> Floats:
    """Return f(m, y, c) |d(m, y, c) / d(pT, held)| at the true pT 1 / x, shape (n, q), as shape (n, classes, q)."""
    pt_squared = 1.0 / (x * x)
    transverse = pt_squared + pairs.muon_mass**2
    pz_0, pz_1 = pairs.pz_0[:, None], pairs.pz_1[:, None]
    if hold == "eta":
        pz_0, pz_1 = pz_0 / (np.abs(pairs.pt_0)[:, None] * x), pz_1 / (np.abs(pairs.pt_1)[:, None] * x)
    e_0, e_1 = np.sqrt(transverse + pz_0 * pz_0), np.sqrt(transverse + pz_1 * pz_1)
    product = e_0 * e_1
    squared_mass = 2.0 * (product + transverse - pz_0 * pz_1)
    cosine = 2.0 * (pz_0 * e_1 - pz_1 * e_0) / squared_mass
    rapidity = np.arctanh((pz_0 + pz_1) / (e_0 + e_1))
    mass = np.sqrt(squared_mass)
    jacobian = 2.0 / (x * mass * product)
    if hold == "eta":
        jacobian *= np.sqrt((pt_squared + pz_0 * pz_0) * (pt_squared + pz_1 * pz_1))
    return np.stack([density(mass, rapidity, cosine) * jacobian for density in densities], axis=1)


def _largest_inverse_pt(pairs: MeasuredPairs, hold: str, cuts: TruthCuts) -> Floats:
    """Return 1 over the least true pT that passes the cuts on pT, eta and mass, shape (n,)."""
    least = np.full(len(pairs), cuts.pt)
    if hold == "eta":
        difference = np.arcsinh(pairs.pz_0 / np.abs(pairs.pt_0)) - np.arcsinh(pairs.pz_1 / np.abs(pairs.pt_1))
        least = np.maximum(least, 0.5 * cuts.mass / np.cosh(0.5 * difference))
        return np.asarray(1.0 / least)
    for pz in (pairs.pz_0, pairs.pz_1):
        least = np.maximum(least, np.abs(pz) / np.sinh(cuts.abs_eta))
    squared_cut = cuts.mass**2
    total = pairs.pz_0 + pairs.pz_1
    squared = 0.25 * squared_cut * (squared_cut + 4.0 * pairs.pz_0 * pairs.pz_1) / (squared_cut + total**2)
    least = np.maximum(least, np.sqrt(np.maximum(squared - pairs.muon_mass**2, 0.0)))
    return np.asarray(1.0 / least)
