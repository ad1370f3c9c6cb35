"""Small models that were never trained, and what they are made of."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import onnx
import torch
from torch import nn

from toys import toy_momenta
from zmumu_hybrid.deploy.model_file import ModelFile, seal
from zmumu_hybrid.deploy.onnx_export import to_model
from zmumu_hybrid.nets import ranges
from zmumu_hybrid.nets.approximate_symmetry import ApproximateSymmetry
from zmumu_hybrid.nets.config import EventShape, HybridConfig, Invariants, NetworkConfig, PairMap
from zmumu_hybrid.nets.dimuon import build
from zmumu_hybrid.nets.variables import minkowski_product, pt
from zmumu_hybrid.physics.kinematics import energy
from zmumu_hybrid.training.ensemble import Ensemble
from zmumu_hybrid.training.inference import observe

HYBRID = HybridConfig((8,), (8,), (6,), (12, 6), latent=4)
SETS = replace(
    HYBRID,
    invariants=Invariants(("m2(all)",), pairs=PairMap(("dot", "m2", "difference"), (7,))),
    context=("ht", "count", "eta(0)", "mass(all)"),
    classes=3,
    events=EventShape(5, scalars=1, masked=True),
)


class OwnNetwork(nn.Module):
    """A network of muon pairs that is made of anyone's own subnets, with the paper's idea between them."""

    def __init__(self) -> None:
        super().__init__()
        general = nn.Sequential(nn.Flatten(), nn.Linear(8, 12), nn.LayerNorm(12), nn.GELU(), nn.Linear(12, 4))
        symmetric = nn.Sequential(nn.Linear(1, 12), nn.BatchNorm1d(12), nn.SiLU(), nn.Linear(12, 4))
        gate = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 2))
        self.model = ApproximateSymmetry([general, symmetric], gate, classifier=nn.Linear(4, 1))

    def forward(self, p4: torch.Tensor) -> torch.Tensor:
        z = p4.sum(1)
        mass = minkowski_product(z, z).clamp(min=1e-6).sqrt()
        inputs = [p4 / 50, mass[:, None] / 50 - 1.8]
        return self.model(inputs, context=pt(p4[:, :1]) / 50)


def muon_pairs(count: int, seed: int = 0) -> np.ndarray:
    """Return E, px, py, pz of toy muons, (count, 2, 4)."""
    muons = toy_momenta(count, seed)
    return np.stack([np.column_stack([energy(*p.T), p[:, :3]]) for p in muons], 1)


def ensemble_of(config: NetworkConfig, members: int = 2, data: dict[str, object] | None = None) -> Ensemble:
    """Return networks with drawn weights whose normalisation has seen drawn momenta."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(5)
        modules = [build(config) for _ in range(members)]
        shape = (300, config.events.particles)
        momenta = 30 * torch.randn(*shape, 3, dtype=torch.float64)
        p4 = torch.cat([(momenta.square().sum(-1, keepdim=True) + 1).sqrt(), momenta], -1)
        scalars = torch.ones(*shape, config.events.scalars) if config.events.scalars else None
        given = getattr(config, "given_context", 0)
        for module in modules:
            module.train()(p4, None, scalars, torch.rand(300, given) * 50 if given else None)
    return Ensemble(modules, data=data)


@lru_cache
def muon_model() -> ModelFile:
    """Return a hybrid of muon pairs whose training saw 2,000 toys."""
    ensemble = ensemble_of(HYBRID)
    ensemble.ranges = ranges.describe(observe(ensemble[0], {"p4": muon_pairs(2000, 1)}))
    return to_model(ensemble, {"auc": {"mean": 0.8}})


@lru_cache
def blind_model() -> ModelFile:
    """Return the same without the ranges of its training."""
    model = onnx.load_model_from_string(muon_model().data)
    model.ClearField("metadata_props")
    return seal(model, replace(muon_model().card, limits={}))


@lru_cache
def set_model() -> ModelFile:
    """Return a model of sets of up to five particles, with three classes."""
    return to_model(ensemble_of(SETS), scalars=["charge"])
