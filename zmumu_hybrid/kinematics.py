"""Kinematics on plain components: kernels that take and return numpy arrays and know no array library's records.

Every function works elementwise on float64 arrays of one shape; momenta, energies and masses are in GeV. A pair of
muons is written as its Cartesian components and masses, index 0 first: mu+ is 0 and mu- is 1 in this package.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "cartesian", "cos_theta_star", "energy", "pair_mass", "rapidity"]

Floats = NDArray[np.float64]


def cartesian(pt: Floats, eta: Floats, phi: Floats) -> tuple[Floats, Floats, Floats]:
    """Return px, py, pz (GeV) of transverse momentum `pt` (GeV), pseudorapidity `eta` and azimuth `phi` (rad)."""
    return pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)


def energy(px: Floats, py: Floats, pz: Floats, mass: Floats) -> Floats:
    """Return the energy (GeV) that puts the momentum on the shell of `mass`."""
    return np.asarray(np.sqrt(px * px + py * py + pz * pz + mass * mass))


def pair_mass(
    px_0: Floats, py_0: Floats, pz_0: Floats, mass_0: Floats, px_1: Floats, py_1: Floats, pz_1: Floats, mass_1: Floats
) -> Floats:
    """Return the invariant mass (GeV) of two particles, at full precision however large the boost of the pair.

    The product of the four-vectors, E0 E1 - p0.p1, loses all its digits for nearly parallel particles. Where the
    angle is acute it is taken as ``(|p0 x p1|^2 + m0^2 |p1|^2 + m1^2 |p0|^2 + m0^2 m1^2) / (E0 E1 + p0.p1)``, which is
    the same number and a sum of positive terms.
    """
    squared_0 = px_0 * px_0 + py_0 * py_0 + pz_0 * pz_0
    squared_1 = px_1 * px_1 + py_1 * py_1 + pz_1 * pz_1
    shell_0, shell_1 = mass_0 * mass_0, mass_1 * mass_1
    energies = np.sqrt((squared_0 + shell_0) * (squared_1 + shell_1))
    scalar = px_0 * px_1 + py_0 * py_1 + pz_0 * pz_1
    cross = (py_0 * pz_1 - pz_0 * py_1) ** 2 + (pz_0 * px_1 - px_0 * pz_1) ** 2 + (px_0 * py_1 - py_0 * px_1) ** 2
    positive = cross + shell_0 * squared_1 + shell_1 * squared_0 + shell_0 * shell_1
    total = energies + np.abs(scalar)
    acute = np.divide(positive, total, out=np.zeros_like(total), where=total > 0)
    product = np.where(scalar > 0, acute, energies - scalar)
    return np.asarray(np.sqrt(shell_0 + shell_1 + 2 * product))


def rapidity(e: Floats, pz: Floats) -> Floats:
    """Return the rapidity of energy `e` and longitudinal momentum `pz` (GeV); infinite for a massless beam particle."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.arctanh(pz / e))


def cos_theta_star(
    px_0: Floats, py_0: Floats, pz_0: Floats, e_0: Floats, px_1: Floats, py_1: Floats, pz_1: Floats, e_1: Floats
) -> Floats:
    """Return the cosine of the Collins-Soper polar angle of particle 0 (mu+) to the +z beam.

    cos theta* = 2 (p0+ p1- - p0- p1+) / (m sqrt(m^2 + pT^2)) with p+- = (E +- pz) / sqrt 2, m and pT of the pair
    (Collins, Soper, Phys. Rev. D 16, 2219). For a pair without transverse momentum it is the angle to the beam in
    the rest frame of the pair. The angle of the mu-, which is the more usual one, has the opposite sign; in
    proton-proton collisions the quark is more often along the pair, hence the sign of its rapidity beside it.
    """
    px, py, pz, e = px_0 + px_1, py_0 + py_1, pz_0 + pz_1, e_0 + e_1
    longitudinal = (e - pz) * (e + pz)  # m^2 + pT^2
    squared = np.maximum(longitudinal - px * px - py * py, np.finfo(np.float64).tiny)
    return np.asarray(2 * (pz_0 * e_1 - e_0 * pz_1) / np.sqrt(squared * longitudinal))
