"""Four leptons: H -> ZZ* -> 4l against q qbar -> ZZ -> 4l, with the hybrid, a PFN and a Lorentz-invariant network.

    python examples/four_leptons.py [events a class] [epochs]

Every event has four leptons, in any order. Each comes with two labels, its charge and whether it is a muon. The
symmetric subnet reads the mass of the four and, of each of the six pairs, the squared mass: through a map that is
summed over the pairs, so that no order and no pairing is chosen by hand. The symmetry factor depends on three
variables. The transverse momenta are smeared, which breaks the symmetry.
"""

from __future__ import annotations

import sys

import awkward as ak
import numpy as np
from collisions import generate, measure

from zmumu_hybrid.learn import ModelConfig, TrainingConfig
from zmumu_hybrid.learn.ensemble import Ensemble
from zmumu_hybrid.learn.general import Sample, fit
from zmumu_hybrid.learn.particles import pad
from zmumu_hybrid.metrics import auc_with_uncertainty

LABELS = ("charge", "muon")
HIGGS = ("HiggsSM:gg2H = on", "25:onMode = off", "25:onIfMatch = 23 23", "23:onMode = off", "23:onIfAny = 11 13")
CONTINUUM = ("WeakDoubleBoson:ffbar2gmZgmZ = on", "PhaseSpace:mHatMin = 100.", "PhaseSpace:mHatMax = 150.")
ZZ = ("WeakZ0:gmZmode = 0", "23:onMode = off", "23:onIfAny = 11 13", "23:mMin = 12.")


def network(model: str = "hybrid") -> ModelConfig:
    """Return one configuration of the general network."""
    return ModelConfig(
        model,
        particle_map=(64,),
        invariant_map=(64,),
        gate=(32, 32),
        classifier=(128, 64),
        particles=4,
        labels=len(LABELS),
        invariants=("m2(all)",),
        pair_invariants=("m2",),
        pair_map=(64,),
        context=3,
        context_variables=("pt(all)", "ht", "eta(all)"),
    )


def sample(events: int, seed: int) -> Sample:
    """Generate equally many events of both classes."""
    classes = [generate(HIGGS, events, seed), generate((*CONTINUUM, *ZZ), events, seed + 1)]
    leptons = measure(ak.concatenate(classes), seed)
    order = np.random.default_rng(seed).permutation(2 * events)
    return Sample(pad(leptons[order], 4, LABELS), np.repeat([1, 0], events)[order])


def run(events: int = 20_000, epochs: int = 20, seed: int = 0) -> dict[str, tuple[Ensemble, float]]:
    """Train the three networks; return each with its AUC on independent events."""
    training_events, test = sample(events, 100 * seed), sample(max(events // 4, 200), 100 * seed + 50)
    training = TrainingConfig(members=2, epochs=epochs, batch_size=128, learning_rate=1e-3)
    found = {}
    for model in ("hybrid", "pfn", "invariant"):
        config = network(model)
        ensemble = fit(config, training_events, training, labels=LABELS, show_progress=True)
        scores = ensemble.scores(test.particles.p4, **test.inputs(config)).mean(0)
        auc, error = auc_with_uncertainty(scores, test.target)
        print(f"{model:9s} {config.parameters:7,} parameters: AUC {auc:.4f} ± {error:.4f}")
        found[model] = ensemble, auc
    return found


if __name__ == "__main__":
    run(*map(int, sys.argv[1:3]))
