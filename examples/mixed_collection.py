"""Leptons and jets in any number, three classes: gamma* -> mu mu + jet, Z -> mu mu + jet, and top pairs.

    python examples/mixed_collection.py [events a class] [epochs]

The final state of the hard process stands in for reconstructed leptons and jets. Each particle is lost with a
probability of 15%, so that events have from one to six of them: they are padded, and a mask says which are there. The
network has three classes, trained with the cross-entropy, and a symmetry factor that depends on three variables.
"""

from __future__ import annotations

import sys

import awkward as ak
import numpy as np
from collisions import generate, measure

from zmumu_hybrid import Ensemble, TrainingConfig, TrainingTable, train
from zmumu_hybrid.nets.config import EventShape, HybridConfig, Invariants, PairMap
from zmumu_hybrid.nets.padding import pad

SCALARS = ("charge", "lepton")
WITH_JET = (
    "WeakBosonAndParton:qqbar2gmZg = on",
    "WeakBosonAndParton:qg2gmZq = on",
    "PhaseSpace:pTHatMin = 20.",
    "23:onMode = off",
    "23:onIfAny = 13",
    "23:mMin = 50.",
)
CLASSES = {
    "photon and jet": (*WITH_JET, "WeakZ0:gmZmode = 1"),
    "Z and jet": (*WITH_JET, "WeakZ0:gmZmode = 2"),
    "top pair": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", "24:onMode = off", "24:onIfAny = 11 13 1 2 3 4"),
}


HYBRID = HybridConfig(
    particle_map=(64,),
    invariant_map=(64,),
    gate=(32,),
    classifier=(128, 64),
    latent=24,
    context=("ht", "count", "pt(all)"),
    invariants=Invariants(("m2(all)",), pairs=PairMap(("m2", "dot"), (64,))),
    events=EventShape(particles=6, scalars=len(SCALARS), masked=True),
    classes=len(CLASSES),
)


def sample(events: int, seed: int) -> TrainingTable:
    """Generate equally many events of each class, and leave out those of which nothing is found."""
    collections = [generate(settings, events, seed + k) for k, settings in enumerate(CLASSES.values())]
    found = measure(ak.concatenate(collections), seed, efficiency=0.85)
    target = np.repeat(np.arange(len(CLASSES)), events)
    order = np.random.default_rng(seed).permutation(len(target))
    order = order[ak.to_numpy(ak.num(found))[order] > 0]
    padded = pad(found[order], 6, SCALARS)
    return TrainingTable.of({"p4": padded.p4, "mask": padded.mask, "scalars": padded.scalars}, target[order])


def run(events: int = 20_000, epochs: int = 20, seed: int = 0) -> tuple[Ensemble, np.ndarray]:
    """Train the hybrid; return it with the fractions of each class that are taken for each, on independent events."""
    training_events, test = sample(events, 100 * seed), sample(max(events // 4, 200), 100 * seed + 50)
    settings = TrainingConfig(members=2, epochs=epochs, batch_size=128, learning_rate=1e-3)
    ensemble = train(HYBRID, training_events, training=settings, held_out=test, show_progress=True).ensemble
    chosen = ensemble.scores(**test.inputs).mean(0).argmax(-1)
    confusion = np.array([[np.mean(chosen[test.label == k] == j) for j in range(3)] for k in range(3)])
    print(f"{'taken for':16s} {' '.join(f'{name:>15s}' for name in CLASSES)}")
    for name, row in zip(CLASSES, confusion, strict=True):
        print(f"{name:16s} {' '.join(f'{value:15.1%}' for value in row)}")
    return ensemble, confusion


if __name__ == "__main__":
    run(*map(int, sys.argv[1:3]))
