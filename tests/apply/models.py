"""Small models that were never trained, and what they are made of."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch

from toys import toy_momenta
from zmumu_hybrid.apply.exporting import to_model
from zmumu_hybrid.apply.modelfile import ModelFile
from zmumu_hybrid.kinematics import energy
from zmumu_hybrid.learn import ranges
from zmumu_hybrid.learn.configuration import ModelConfig, TrainingConfig
from zmumu_hybrid.learn.ensemble import Ensemble
from zmumu_hybrid.learn.networks import build

HYBRID = ModelConfig("hybrid", (8,), (8,), (6,), (12, 6), latent=4)
SETS = replace(
    HYBRID,
    particles=5,
    masked=True,
    labels=1,
    invariants=("m2(all)",),
    pair_invariants=("dot", "m2", "difference"),
    pair_map=(7,),
    context=4,
    context_variables=("ht", "count", "eta(0)", "mass(all)"),
    classes=3,
)


def muon_pairs(count: int, seed: int = 0) -> np.ndarray:
    """Return E, px, py, pz of toy muons, (count, 2, 4)."""
    muons = toy_momenta(count, seed)
    return np.stack([np.column_stack([energy(*p.T), p[:, :3]]) for p in muons], 1)


def ensemble_of(config: ModelConfig, members: int = 2, data: dict[str, object] | None = None) -> Ensemble:
    """Return networks with drawn weights whose normalisation has seen drawn momenta."""
    network = build(config, members)
    network.initialise(5)
    generator = torch.Generator().manual_seed(1)
    shape = (300, config.particles)
    momenta = 30 * torch.randn(*shape, 3, generator=generator, dtype=torch.float64)
    p4 = torch.cat([(momenta.square().sum(-1, keepdim=True) + 1).sqrt(), momenta], -1)
    labels = torch.ones(*shape, config.labels, dtype=torch.float64) if config.labels else None
    context = None if config.context_definitions else torch.rand(300, config.context, generator=generator) * 50
    with torch.no_grad():
        network.train()(p4, context, None, labels)
    return Ensemble(network, config, TrainingConfig(members=members), data)


@lru_cache
def muon_model(*, limits: bool = True, members: int = 2) -> ModelFile:
    """Return a hybrid of muon pairs whose training saw 2,000 toys."""
    known = ranges.describe(ranges.observables(HYBRID, muon_pairs(2000, 1))) if limits else {}
    ensemble = ensemble_of(HYBRID, members)
    ensemble.ranges = known
    return to_model(ensemble, {"auc": {"mean": 0.8}})


@lru_cache
def set_model() -> ModelFile:
    """Return a model of sets of up to five particles, with three classes."""
    return to_model(ensemble_of(SETS, 2, {"task": "particles", "labels": ["charge"]}))
