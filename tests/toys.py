"""A toy Z -> mu+ mu- in plain numpy: enough like the real process for tests, in milliseconds."""

from __future__ import annotations

import awkward as ak
import numpy as np
import vector.backends.awkward as vector_awkward

from zmumu_hybrid.physics.kinematics import Floats

MUON_MASS = 0.10566
Z_MASS, Z_WIDTH = 91.1876, 2.4955


def breit_wigner(uniform: Floats, low: float, high: float = np.inf) -> Floats:
    """Return masses of a Z between two edges (GeV) for numbers between 0 and 1."""
    first, last = (np.arctan(2 * (edge - Z_MASS) / Z_WIDTH) for edge in (low, high))
    return Z_MASS + Z_WIDTH / 2 * np.tan(first + uniform * (last - first))


def toy_momenta(events: int, seed: int = 0, *, resonance: bool = True, boost_pt: float = 0.0) -> tuple[Floats, Floats]:
    """Return mu+ and mu- as arrays of shape (events, 4) holding px, py, pz, mass (GeV), within pT > 10, |eta| < 2.5.

    The mass follows a Breit-Wigner (resonance) or 1/m^3 above 70 GeV, the rapidity a Gaussian, the decay is isotropic;
    the pair has a transverse momentum of exponential mean `boost_pt`.
    """
    generator = np.random.default_rng(seed)
    plus, minus = np.empty((0, 4)), np.empty((0, 4))
    while len(plus) < events:
        size = 3 * (events - len(plus)) + 100
        u = generator.uniform(size=size)
        mass = breit_wigner(u, 70) if resonance else 70 / np.sqrt(u)
        rapidity = generator.normal(0, 1.5, size)
        cosine, phi = generator.uniform(-1, 1, size), generator.uniform(-np.pi, np.pi, size)
        momentum = np.sqrt(mass**2 / 4 - MUON_MASS**2)
        sine = np.sqrt(1 - cosine**2)
        rest = momentum * np.array([sine * np.cos(phi), sine * np.sin(phi), cosine])
        gamma_t = np.sqrt(1 + (generator.exponential(boost_pt, size) / mass) ** 2 if boost_pt else np.ones(size))
        muons = []
        for sign in (1, -1):
            px, py, pz = sign * rest
            px, e = (
                gamma_t * px + np.sqrt(gamma_t**2 - 1) * mass / 2,
                gamma_t * mass / 2 + np.sqrt(gamma_t**2 - 1) * px,
            )
            pz = np.cosh(rapidity) * pz + np.sinh(rapidity) * e
            muons.append(np.stack([px, py, pz, np.full(size, MUON_MASS)], axis=1))
        keep = np.ones(size, bool)
        for p in muons:
            pt = np.hypot(p[:, 0], p[:, 1])
            keep &= (pt > 10) & (np.abs(p[:, 2]) < pt * np.sinh(2.5))
        plus, minus = np.concatenate([plus, muons[0][keep]]), np.concatenate([minus, muons[1][keep]])
    return plus[:events], minus[:events]


def toy_identity(events: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return run, luminosityBlock and event as the converter makes them: all bits random."""
    generator = np.random.default_rng([seed, 1])
    return {
        "run": np.ones(events, np.uint32),
        "luminosityBlock": generator.integers(1, 2**16, events, dtype=np.uint32),
        "event": generator.integers(0, 2**63, events, dtype=np.uint64),
    }


def toy_pairs(events: int, seed: int = 0, *, resonance: bool = True, weights: bool = False) -> ak.Array:
    """Return pairs as `select_pairs` does."""
    identity = toy_identity(events, seed)
    fields = ("px", "py", "pz", "mass")
    muons = [
        ak.zip(dict(zip(fields, p.T.copy(), strict=True)), with_name="Momentum4D", behavior=vector_awkward.behavior)
        for p in toy_momenta(events, seed, resonance=resonance)
    ]
    generator = np.random.default_rng([seed, 2])
    gen_weight = generator.uniform(0.5, 2, events) if weights else np.ones(events)
    return ak.zip(
        {**identity, "gen_weight": gen_weight, "plus": muons[0], "minus": muons[1]},
        depth_limit=1,
        behavior=vector_awkward.behavior,
    )


def toy_events(events: int, seed: int = 0, *, resonance: bool = True) -> ak.Array:
    """Return events with a `Muon` collection as the converter's files have it: pt, eta, phi, mass, charge."""
    muons = []
    for charge, p in zip((1, -1), toy_momenta(events, seed, resonance=resonance), strict=True):
        pt = np.hypot(p[:, 0], p[:, 1])
        muons.append([pt, np.arcsinh(p[:, 2] / pt), np.arctan2(p[:, 1], p[:, 0]), p[:, 3], np.full(events, charge)])
    columns = {
        name: ak.unflatten(np.stack([a, b], axis=1).ravel(), np.full(events, 2))
        for name, a, b in zip(("pt", "eta", "phi", "mass", "charge"), *muons, strict=True)
    }
    columns["charge"] = ak.values_astype(columns["charge"], np.int32)
    muon = ak.zip(columns, with_name="Momentum4D", behavior=vector_awkward.behavior)
    return ak.zip({**toy_identity(events, seed), "genWeight": np.ones(events), "Muon": muon}, depth_limit=1)
