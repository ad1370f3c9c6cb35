"""Four leptons: H -> ZZ* -> 4l against q qbar -> ZZ -> 4l, with the hybrid, a PFN and a Lorentz-invariant network.

    python examples/four_leptons.py [events a class] [epochs]

Every event has four leptons, in any order. Each comes with two scalars, its charge and whether it is a muon. The
symmetric subnet reads the mass of the four and, of each of the six pairs, the squared mass: through a map that is
summed over the pairs, so that no order and no pairing is chosen by hand. The symmetry factor depends on three
variables. The transverse momenta are smeared, which breaks the symmetry.
"""

from __future__ import annotations

import sys

import awkward as ak
import numpy as np
from collisions import generate, measure

from zmumu_hybrid import Ensemble, TrainingConfig, TrainingTable, train
from zmumu_hybrid.metrics import auc_with_uncertainty
from zmumu_hybrid.nets.config import (
    EventShape,
    HybridConfig,
    InvariantNetworkConfig,
    Invariants,
    NetworkConfig,
    PairMap,
    PFNConfig,
)
from zmumu_hybrid.nets.padding import pad

SCALARS = ("charge", "muon")
HIGGS = ("HiggsSM:gg2H = on", "25:onMode = off", "25:onIfMatch = 23 23", "23:onMode = off", "23:onIfAny = 11 13")
CONTINUUM = ("WeakDoubleBoson:ffbar2gmZgmZ = on", "PhaseSpace:mHatMin = 100.", "PhaseSpace:mHatMax = 150.")
ZZ = ("WeakZ0:gmZmode = 0", "23:onMode = off", "23:onIfAny = 11 13", "23:mMin = 12.")


EVENTS = EventShape(particles=4, scalars=len(SCALARS))
INVARIANTS = Invariants(("m2(all)",), pairs=PairMap(("m2",), (64,)))
NETWORKS: dict[str, NetworkConfig] = {
    "hybrid": HybridConfig(
        particle_map=(64,),
        invariant_map=(64,),
        gate=(32, 32),
        classifier=(128, 64),
        context=("pt(all)", "ht", "eta(all)"),
        invariants=INVARIANTS,
        events=EVENTS,
    ),
    "pfn": PFNConfig(particle_map=(64,), classifier=(128, 64), events=EVENTS),
    "invariant": InvariantNetworkConfig(classifier=(128, 64), invariants=INVARIANTS, events=EVENTS),
}


def sample(events: int, seed: int) -> TrainingTable:
    """Generate equally many events of both classes."""
    classes = [generate(HIGGS, events, seed), generate((*CONTINUUM, *ZZ), events, seed + 1)]
    leptons = measure(ak.concatenate(classes), seed)
    order = np.random.default_rng(seed).permutation(2 * events)
    found = pad(leptons[order], 4, SCALARS)
    return TrainingTable.of({"p4": found.p4, "scalars": found.scalars}, np.repeat([1, 0], events)[order])


def run(events: int = 20_000, epochs: int = 20, seed: int = 0) -> dict[str, tuple[Ensemble, float]]:
    """Train the three networks; return each with its AUC on independent events."""
    training_events, test = sample(events, 100 * seed), sample(max(events // 4, 200), 100 * seed + 50)
    settings = TrainingConfig(members=2, epochs=epochs, batch_size=128, learning_rate=1e-3)
    found = {}
    for name, config in NETWORKS.items():
        ensemble = train(config, training_events, training=settings, held_out=test, show_progress=True).ensemble
        auc, error = auc_with_uncertainty(ensemble.scores(**test.inputs).mean(0), test.label)
        parameters = sum(values.numel() for values in ensemble[0].parameters())
        print(f"{name:9s} {parameters:7,} parameters: AUC {auc:.4f} ± {error:.4f}")
        found[name] = ensemble, auc
    return found


if __name__ == "__main__":
    run(*map(int, sys.argv[1:3]))
