"""The networks that the authors of the paper published, taken over from the state of their modules.

Their modules are those of the "released" presets in other conventions: momenta are (px, py, pz, E); the invariants are
the inner product and then the squared norm of p1 - p0; sums are means times the number of terms. In a stack of theirs
linear layers, batch normalisations and activations are numbered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from zmumu_hybrid.errors import ModelError
from zmumu_hybrid.nets.dimuon import ParticleNetwork, build
from zmumu_hybrid.nets.presets import PRESETS

__all__ = ["STACKS", "from_published"]

STACKS: dict[str, dict[str, str]] = {
    "hybrid": {
        "particle_map": "general_p_map.stack",
        "invariant_map": "invariant_p_map.stack",
        "gate": "weight_network",
        "classifier": "stack",
    },
    "pfn": {"particle_map": "p_map.stack", "classifier": "stack"},
    "invariant": {"classifier": "stack"},
}
"""What the stacks are called in their modules, by network and by the name in `ParticleNetwork.stacks`."""

_E_FIRST, _NORM_FIRST = [3, 0, 1, 2], [1, 0]

_OURS: dict[str, dict[str, tuple[str, list[int] | None]]] = {
    "hybrid": {
        "particle_map": ("joined.subnets.0.map", _E_FIRST),
        "invariant_map": ("joined.subnets.1.map", _NORM_FIRST),
        "gate": ("joined.gate", None),
        "classifier": ("joined.classifier", None),
    },
    "pfn": {"particle_map": ("particle_map.map", _E_FIRST), "classifier": ("classifier", None)},
    "invariant": {"classifier": ("classifier", _NORM_FIRST)},
}
"""What the stacks are called here, and where the inputs that they read are among theirs."""


def from_published(state: Mapping[str, Tensor], stacks: Mapping[str, str] | None = None) -> ParticleNetwork:
    """Return the network of this package that is the same function as a module of the authors.

    Parameters
    ----------
    state : mapping of str to Tensor
        Their module's `state_dict()`. Nothing is unpickled here: their files hold whole modules, which run code when
        they are loaded; take the state out of one where you trust it.
    stacks : mapping of str to str, optional
        What the stacks are called in it, if not as in `STACKS`.

    Returns
    -------
    ParticleNetwork
        `DimuonHybrid`, `PFN` or `InvariantNetwork` in the state's precision and in training mode. In training and in
        evaluation it gives for p4 (B, 2, 4) as E, px, py, pz what theirs gives for px, py, pz, E, to rounding.

    Raises
    ------
    ModelError
        If something in the state is no tensor, missing, superfluous or of another shape than the network needs.
    """
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise ModelError(f"{key!r} is of type {type(value).__name__}, not a tensor: give their state_dict()")
    called = dict(stacks) if stacks is not None else _called(state)
    model = next((model for model, names in STACKS.items() if set(names) == set(called)), None)
    if model is None:
        raise ModelError(f"stacks must be those of one network in STACKS, not {', '.join(sorted(called))}")
    found = {name: _layers(state, prefix) for name, prefix in called.items()}
    used = {key for layers in found.values() for key, _ in layers.values()}
    if superfluous := sorted(set(state) - used):
        raise ModelError(f"{superfluous[0]!r} belongs to none of the stacks {', '.join(called.values())}")
    widths = {
        name: [values.shape[0] for kind, (_, values) in layers.items() if "linear" in kind and values.ndim == 2]
        for name, layers in found.items()
    }
    changes: dict[str, Any] = {name: outputs[:-1] for name, outputs in widths.items()}
    if "particle_map" in widths:
        changes["latent"] = widths["particle_map"][-1]
    net = build(replace(PRESETS["released"][model], **changes))
    expected, taken = net.state_dict(), {}
    for name, (prefix, columns) in _OURS[model].items():
        for kind in [key.removeprefix(f"{prefix}.") for key in expected if key.startswith(f"{prefix}.")]:
            if kind not in found[name]:
                raise ModelError(f"{called[name]!r} has no {kind}")
            key, values = found[name][kind]
            wanted = expected[f"{prefix}.{kind}"].shape
            if values.shape != wanted:
                raise ModelError(f"{key!r}: {kind} has the shape {tuple(values.shape)}, not {tuple(wanted)}")
            taken[f"{prefix}.{kind}"] = values[:, columns] if columns and kind == "linear_0.weight" else values
    net.to(torch.promote_types(next(iter(taken.values())).dtype, torch.float32)).load_state_dict(taken)
    return net


def _called(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the names of the stacks in a state as the authors have them."""
    for names in STACKS.values():
        if all(any(key.startswith(f"{prefix}.") for key in state) for prefix in names.values()):
            return names
    listed = ", ".join(sorted({re.sub(r"\.\d.*", "", key) for key in state}))
    raise ModelError(f"the state has stacks that are called {listed}: say with `stacks` which is which")


def _layers(state: Mapping[str, Tensor], prefix: str) -> dict[str, tuple[str, Tensor]]:
    """Return keys and tensors of a numbered stack, by the names that they have here: linear_0.weight, norm_0.bias..."""
    numbered = [re.fullmatch(rf"{re.escape(prefix)}\.(\d+)\.(\w+)", key) for key in state]
    layers: dict[int, dict[str, tuple[str, Tensor]]] = {}
    for match in sorted((each for each in numbered if each), key=lambda each: int(each[1])):
        layers.setdefault(int(match[1]), {})[match[2]] = match[0], state[match[0]]
    named, counts = {}, {"linear": 0, "norm": 0}
    for layer in layers.values():
        kind = "norm" if "running_mean" in layer else "linear"
        named.update({f"{kind}_{counts[kind]}.{name}": found for name, found in layer.items()})
        counts[kind] += 1
    if "linear_0.weight" not in named:
        raise ModelError(f"the state has no numbered layers that are called {prefix}.0.weight and so on")
    return named
