"""Events for networks, networks whose statistics are no longer those of the start, and the paper's formula in numpy."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from toys import toy_momenta
from zmumu_hybrid.nets.config import EventShape, HybridConfig, Invariants, PairMap

Net = TypeVar("Net", bound=nn.Module)

COLLECTION = HybridConfig(
    particle_map=(12,),
    invariant_map=(10,),
    gate=(6,),
    classifier=(16, 8),
    latent=5,
    context=("ht", "count", "pt(all)"),
    invariants=Invariants(("m2(all)",), pairs=PairMap(("dot", "m2"), (9,), 7)),
    classes=3,
    events=EventShape(6, scalars=2, masked=True),
)
"""A hybrid of sets with a mask, particle scalars, pairs, three context variables and three classes."""


def muon_pairs(count: int, seed: int = 0) -> Tensor:
    """Return smeared muon pairs, (count, 2, 4) in float64, GeV; even ones from a Z boson, odd ones not."""
    rng = np.random.default_rng([seed, 5])
    classes = [np.stack(toy_momenta(count, seed, resonance=resonance), 1) for resonance in (True, False)]
    px, py, pz, mass = np.where(np.arange(count)[:, None, None] % 2 == 0, *classes).transpose(2, 0, 1)
    px, py = (1 + 0.1 * rng.normal(size=px.shape)) * (px, py)
    return torch.from_numpy(np.stack([np.sqrt(px**2 + py**2 + pz**2 + mass**2), px, py, pz], -1))


def collection(count: int, particles: int = 6, seed: int = 0) -> dict[str, Tensor]:
    """Return p4, a mask that leaves two particles or more, and two scalars of each; padding is zero."""
    rng = np.random.default_rng([seed, 6])
    p = rng.normal(0.0, 40.0, (count, particles, 3))
    p4 = np.concatenate([np.sqrt((p**2).sum(-1, keepdims=True) + 1.0), p], -1)
    mask = np.arange(particles) < rng.integers(2, particles + 1, (count, 1))
    scalars = rng.integers(-1, 2, (count, particles, 2)).astype(float)
    p4[~mask], scalars[~mask] = 0, 0
    return {"p4": torch.from_numpy(p4), "mask": torch.from_numpy(mask), "scalars": torch.from_numpy(scalars)}


def experienced(net: Net, **inputs: Tensor) -> Net:
    """Return a network in float64 whose batch normalisation has seen events, in evaluation mode."""
    net.double().train()
    for _ in range(3):
        net(**inputs)
    return net.eval()


def by_hand(state: dict[str, Any], prefix: str, x: np.ndarray, training: bool = False) -> np.ndarray:
    """Return linear layers, each but the last with BatchNorm1d over the last axis and ReLU (Appendix B)."""
    place = 0
    while f"{prefix}.linear_{place}.weight" in state:
        weight, bias = (state[f"{prefix}.linear_{place}.{name}"].numpy() for name in ("weight", "bias"))
        x = x @ weight.T + bias
        if f"{prefix}.linear_{place + 1}.weight" in state:
            norm = {
                name: state[f"{prefix}.norm_{place}.{name}"].numpy()
                for name in ("weight", "bias", "running_mean", "running_var")
            }
            rows = x.reshape(-1, x.shape[-1])
            mean, variance = (rows.mean(0), rows.var(0)) if training else (norm["running_mean"], norm["running_var"])
            x = np.maximum((x - mean) / np.sqrt(variance + 1e-5) * norm["weight"] + norm["bias"], 0)
        place += 1
    return x


def invariants_by_hand(p4: np.ndarray) -> np.ndarray:
    """Return the squared norm of the total momentum and the product of a pair, sign(x) log(1 + abs(x)) of each."""
    p, q = p4[:, 0], p4[:, 1]
    total = p + q
    norm = total[:, 0] ** 2 - total[:, 1] ** 2 - total[:, 2] ** 2 - total[:, 3] ** 2
    product = p[:, 0] * q[:, 0] - p[:, 1] * q[:, 1] - p[:, 2] * q[:, 2] - p[:, 3] * q[:, 3]
    x = np.stack([norm, product], 1)
    return np.sign(x) * np.log1p(np.abs(x))
