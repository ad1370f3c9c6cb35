"""Collisions for the examples: the final state of Pythia's hard processes, smeared, as an awkward array."""

from __future__ import annotations

from collections.abc import Sequence

import awkward as ak
import numpy as np
import pythia8mc

QUIET = (
    "Print:quiet = on",
    "Stat:showProcessLevel = off",
    "Stat:showPartonLevel = off",
    "Stat:showErrors = off",
    "Next:numberCount = 0",
)
NEUTRINOS = (12, 14, 16)


def generate(settings: Sequence[str], events: int, seed: int) -> ak.Array:
    """Return the visible final state: events * var * {pt, eta, phi, mass, pdgId, charge, lepton, muon}."""
    pythia = pythia8mc.Pythia("", False)
    always = ("Beams:eCM = 13000.", "PartonLevel:all = off", "Random:setSeed = on", f"Random:seed = {1 + seed}")
    for setting in (*QUIET, *always, *settings):
        if not pythia.readString(setting):
            raise ValueError(f"Pythia refuses {setting!r}")
    if not pythia.init():
        raise RuntimeError("Pythia cannot start")
    rows, counts = [], []
    while len(counts) < events:
        if not pythia.next():
            continue
        record = pythia.process
        final = [record[i] for i in range(record.size()) if record[i].isFinal() and record[i].idAbs() not in NEUTRINOS]
        rows += [(p.pT(), p.eta(), p.phi(), max(p.m(), 0.0), p.id(), p.charge()) for p in final]
        counts.append(len(final))
    flat = dict(zip(("pt", "eta", "phi", "mass", "pdgId", "charge"), np.array(rows, float).T, strict=True))
    flat["lepton"] = np.isin(np.abs(flat["pdgId"]), (11, 13)).astype(float)
    flat["muon"] = (np.abs(flat["pdgId"]) == 13).astype(float)
    return ak.zip({name: ak.unflatten(values, counts) for name, values in flat.items()})


def measure(particles: ak.Array, seed: int, *, width: float = 0.1, efficiency: float = 1.0) -> ak.Array:
    """Smear every pT by `width`, which breaks the Lorentz symmetry, and lose particles at random."""
    rng = np.random.default_rng([seed, 7])
    counts = ak.num(particles)
    total = int(ak.sum(counts))
    factor = ak.unflatten(np.abs(1 + width * rng.normal(size=total)), counts)
    found = ak.unflatten(rng.random(total) < efficiency, counts)
    return ak.with_field(particles, particles.pt * factor, "pt")[found]
