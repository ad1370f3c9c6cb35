"""How a module is called: by the names of its inputs, with its features computed once where it can do that.

A module may have two methods besides `forward`: `features(**inputs)`, which has no parameters and returns a dict of
tensors, and `classify(features)`. Then features are computed once for a table instead of once for each batch, and
`forward(**inputs)` must be `classify(features(**inputs))`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zmumu_hybrid.errors import InputError, ModelError
from zmumu_hybrid.nets.variables import kinematics_of

__all__ = ["CHUNK", "Inputs", "forward", "logits_of", "named_inputs", "observables", "observe", "prepare", "read"]

Inputs = dict[str, Tensor]

CHUNK = 2048
"""Events that go through a network at once: their activations stay in a core's cache."""


def _has_features(module: nn.Module) -> bool:
    return hasattr(module, "features") and hasattr(module, "classify")


def named_inputs(module: nn.Module, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs with the name of the first argument of `forward` in place of an empty one."""
    if "" not in inputs:
        return dict(inputs)
    names = [
        name
        for name, parameter in inspect.signature(module.forward).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.POSITIONAL_ONLY)
    ]
    if not names:
        raise InputError(f"{type(module).__name__}.forward names no argument: give the inputs as a mapping")
    return {(name or names[0]): values for name, values in inputs.items()}


def read(module: nn.Module, inputs: Inputs) -> Inputs:
    """Return what is handed to the module: its features, or the inputs in the type of its parameters."""
    if _has_features(module):
        return module.features(**inputs)  # type: ignore[operator, no-any-return]
    kind = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    return {name: values.to(kind) if values.is_floating_point() else values for name, values in inputs.items()}


def observables(module: nn.Module, inputs: Inputs) -> Inputs:
    """Return the quantities of events whose range is kept: the module's own, or kinematics where there are momenta."""
    if hasattr(module, "observables"):
        return module.observables(**inputs)  # type: ignore[operator, no-any-return]
    p4 = inputs.get("p4")
    known = p4 is not None and p4.ndim == 3 and p4.shape[-1] == 4
    return kinematics_of(p4, inputs.get("mask")) if known else {}  # type: ignore[arg-type]


@torch.no_grad()
def observe(module: nn.Module, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the same of arrays."""
    given = {name: torch.as_tensor(values) for name, values in named_inputs(module, inputs).items()}
    return {name: values.numpy() for name, values in observables(module, given).items()}


@torch.no_grad()
def prepare(module: nn.Module, inputs: Mapping[str, Any]) -> Inputs:
    """Return what is handed to the module batch by batch, for all events."""
    given = {name: torch.as_tensor(values) for name, values in named_inputs(module, inputs).items()}
    if not _has_features(module):
        return read(module, given)
    starts = range(0, max(len(next(iter(given.values()))), 1), 2**16)
    chunks = [read(module, {name: values[at : at + 2**16] for name, values in given.items()}) for at in starts]
    return {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}


def forward(module: nn.Module, batch: Inputs) -> Tensor:
    """Return the logits of events as from `prepare`."""
    if _has_features(module):
        return module.classify(batch)  # type: ignore[operator, no-any-return]
    return module(**batch)  # type: ignore[no-any-return]


@torch.no_grad()
def logits_of(module: nn.Module, inputs: Inputs) -> NDArray[np.float32]:
    """Return the logits of events as from `prepare`, in evaluation mode: (N,), or (N, K) of several classes."""
    was_training = module.training
    module.eval()
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    count = len(next(iter(inputs.values())))
    found = []
    for start in range(0, count, CHUNK):
        chunk = {name: values[start : start + CHUNK].to(device) for name, values in inputs.items()}
        found.append(forward(module, chunk).float().cpu())
    module.train(was_training)
    if not found:
        raise ModelError(f"{type(module).__name__}: no events to score")
    return np.asarray(torch.cat(found).numpy())
