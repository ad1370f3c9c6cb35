"""Networks as ordinary torch modules, batch first: the paper's idea, its three networks, and their parts.

>>> import torch
>>> from zmumu_hybrid.nets import DimuonHybrid
>>> DimuonHybrid()(torch.rand(3, 2, 4)).shape  # E, px, py, pz of mu+ and mu- in GeV
torch.Size([3])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zmumu_hybrid.extras import explained

if TYPE_CHECKING:
    from zmumu_hybrid.nets.approximate_symmetry import ApproximateSymmetry
    from zmumu_hybrid.nets.dimuon import PFN, DimuonHybrid, InvariantNetwork
    from zmumu_hybrid.nets.presets import preset

_HOMES = {
    "ApproximateSymmetry": "approximate_symmetry",
    "DimuonHybrid": "dimuon",
    "InvariantNetwork": "dimuon",
    "PFN": "dimuon",
    "preset": "presets",
}

__all__ = ["PFN", "ApproximateSymmetry", "DimuonHybrid", "InvariantNetwork", "preset"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        raise explained(error) from error


def __dir__() -> list[str]:
    return __all__
