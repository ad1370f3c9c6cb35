"""Evaluation of trained networks: batch normalisation folded into the products, events in chunks."""

from __future__ import annotations

import dataclasses
from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zmumu_hybrid.learn.layers import BATCH_NORM_EPSILON, Mlp
from zmumu_hybrid.learn.networks import Features, Network, build

__all__ = ["CHUNK", "fold", "logits"]

CHUNK = 1024
"""Events that go through a network at once: their activations stay in a core's cache."""


@torch.no_grad()
def fold(network: Network) -> Network:
    """Return a network with the same output in evaluation and no batch normalisation.

    Each normalisation goes into the linear layer before it. A network that normalises over the particle index is
    returned as it is, in evaluation mode.
    """
    if network.config.normalisation == "none" or network.config.particle_norm == "particle":
        return network.eval()
    bare = build(dataclasses.replace(network.config, normalisation="none"), network.members)
    bare.to(device=next(network.parameters()).device, dtype=network.dtype)
    for source, target in zip(network.children(), bare.children(), strict=True):
        if isinstance(source, Mlp) and isinstance(target, Mlp):
            _fold(source, target)
        else:
            target.load_state_dict(source.state_dict())
    return bare.eval()


def _fold(source: Mlp, target: Mlp) -> None:
    for place, (before, after) in enumerate(zip(source.linears, target.linears, strict=True)):
        weight: Tensor = before.get_parameter("weight")
        bias: Tensor = before.get_parameter("bias")
        if place < len(source.norms):
            norm = source.norms[place]
            scale = norm.get_parameter("weight") * torch.rsqrt(norm.get_buffer("running_var") + BATCH_NORM_EPSILON)
            bias = torch.addcmul(norm.get_parameter("bias"), bias - norm.get_buffer("running_mean"), scale)
            weight = weight * scale.unsqueeze(1)
        after.get_parameter("weight").copy_(weight)
        after.get_parameter("bias").copy_(bias)


@torch.no_grad()
def logits(network: Network, features: Features) -> NDArray[np.float32]:
    """Return the logits of events that all members share: (M, N), or (M, N, K) of several classes.

    Parameters
    ----------
    network : Network
        With M members; its mode does not matter, its statistics are those of training.
    features : Features
        Of N events, each of shape (N, ...).
    """
    training = network.training
    folded = fold(network)
    device = next(folded.parameters()).device
    count = len(features.context)
    classes = network.config.classes
    out = np.empty((network.members, count) + (() if classes == 1 else (classes,)), np.float32)
    for start in range(0, count, CHUNK):
        chosen = features.map(itemgetter(slice(start, start + CHUNK)))
        chunk = chosen.map(lambda values: values.to(device=device, dtype=folded.dtype))
        out[:, start : start + CHUNK] = folded.classify(chunk).float().cpu().numpy()
    network.train(training)
    return out
