"""A toy Drell-Yan process whose density is known exactly, and directories of it as `zmumu process` leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from toys import MUON_MASS, Z_MASS, Z_WIDTH, breit_wigner
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.reweighting import Reweighting, ReweightingConfig, final_weights
from zmumu_hybrid.candidates.shuffle import sort_table, write_table
from zmumu_hybrid.draws.split import SplitConfig
from zmumu_hybrid.events.muon_pairs import make_muons, make_pairs
from zmumu_hybrid.physics.smearing import SmearingConfig, smear
from zmumu_hybrid.support.files import write_json

PT, ETA, MASS = 10.0, 2.5, 70.0
RAPIDITY_WIDTH = 1.5
ASYMMETRY = {1: -0.5, 0: 0.0}
"""a(m, y) = ASYMMETRY[label] y / 2.5."""


def density(label: int, mass, rapidity, cosine):
    """f(m, y, c) up to a factor, inside the cuts."""
    spectrum = 1 / ((mass - Z_MASS) ** 2 + Z_WIDTH**2 / 4) if label else mass**-3.0
    angular = 1 + cosine**2 + ASYMMETRY[label] * rapidity / ETA * cosine
    return spectrum * np.exp(-0.5 * (rapidity / RAPIDITY_WIDTH) ** 2) * angular


def truth(label: int, events: int, seed: int = 0):
    """Draw mass, rapidity and cos theta* of the mu+, inside the cuts."""
    generator = np.random.default_rng([seed, label])
    found = np.empty((0, 3))
    while len(found) < events:
        size = 4 * (events - len(found)) + 100
        u = generator.uniform(size=size)
        mass = breit_wigner(u, MASS, 3000) if label else MASS / np.sqrt(u)
        rapidity = generator.normal(0, RAPIDITY_WIDTH, size)
        cosine = generator.uniform(-1, 1, size)
        angular = 1 + cosine**2 + ASYMMETRY[label] * rapidity / ETA * cosine
        keep = generator.uniform(0, 2.6, size) < angular
        keep &= mass / 2 * np.sqrt(1 - cosine**2) > PT
        keep &= np.abs(rapidity) + np.arctanh(np.abs(cosine)) < ETA
        found = np.concatenate([found, np.stack([mass, rapidity, cosine], axis=1)[keep]])
    return tuple(found[:events].T.copy())


def muons(mass, rapidity, cosine, seed: int = 0):
    """Return mu+ and mu- as arrays of shape (n, 4): px, py, pz, mass."""
    phi = np.random.default_rng([seed, 9]).uniform(-np.pi, np.pi, len(mass))
    half = np.arctanh(cosine)
    transverse = mass / (2 * np.cosh(half))
    pt = np.sqrt(transverse**2 - MUON_MASS**2)
    return [
        np.stack(
            [
                sign * pt * np.cos(phi),
                sign * pt * np.sin(phi),
                transverse * np.sinh(rapidity + sign * half),
                np.full(len(mass), MUON_MASS),
            ],
            axis=1,
        )
        for sign in (1, -1)
    ]


def table(label: int, events: int, smearing: SmearingConfig, seed: int = 0, boost: float = 0.0) -> candidates.Table:
    """Return a candidate table without final weights; `boost` is a transverse momentum (GeV) given to every mu+."""
    plus, minus = muons(*truth(label, events, seed), seed)
    plus[:, 0] += boost
    generator = np.random.default_rng([seed, label, 7])
    identity = {
        "run": np.ones(events, np.uint32),
        "luminosityBlock": generator.integers(1, 2**16, events, dtype=np.uint32),
        "event": generator.integers(0, 2**63, events, dtype=np.uint64),
    }
    pairs = make_pairs(identity, np.ones(events), make_muons(*plus.T.copy()), make_muons(*minus.T.copy()))
    name = "signal" if label else "background"
    return candidates.build(pairs, smear(pairs, smearing, name), label, name, SplitConfig(0.3, seed))


def write_directory(
    path: Path,
    events: int = 4000,
    smearing: SmearingConfig | None = None,
    reweighting: Reweighting | ReweightingConfig | None = None,
    seed: int = 0,
    labels: tuple[int, ...] = (1, 0),
    boost: float = 0.0,
) -> Path:
    """Write candidates.parquet, reweighting.json and process.json."""
    smearing = smearing or SmearingConfig()
    tables = [table(label, events, smearing, seed, boost) for label in labels]
    merged = sort_table({name: np.concatenate([each[name] for each in tables]) for name in tables[0]})
    columns = (merged[name] for name in ("label", "is_test", "pt_0", "gen_weight"))
    merged["weight"], fitted = final_weights(*columns, reweighting or ReweightingConfig(bins=20))
    path.mkdir()
    write_table(iter([merged]), path / "candidates.parquet")
    if fitted is not None:
        fitted.write(path / "reweighting.json")
    options = {"smearing": smearing.mode, "hold": smearing.hold, "width": smearing.width, "seed": smearing.seed}
    write_json(path / "process.json", {"options": options})
    return path
