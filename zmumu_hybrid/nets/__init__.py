"""Networks as ordinary torch modules, batch first: the paper's idea, its three networks, and their parts.

>>> import torch
>>> from zmumu_hybrid.nets import DimuonHybrid
>>> DimuonHybrid()(torch.rand(3, 2, 4)).shape  # E, px, py, pz of mu+ and mu- in GeV
torch.Size([3])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmumu_hybrid.support.lazy import lazily

if TYPE_CHECKING:
    from zmumu_hybrid.nets.approximate_symmetry import ApproximateSymmetry
    from zmumu_hybrid.nets.dimuon import PFN, DimuonHybrid, InvariantNetwork
    from zmumu_hybrid.nets.presets import preset

__all__ = ["PFN", "ApproximateSymmetry", "DimuonHybrid", "InvariantNetwork", "preset"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "ApproximateSymmetry": "zmumu_hybrid.nets.approximate_symmetry",
        "DimuonHybrid": "zmumu_hybrid.nets.dimuon",
        "InvariantNetwork": "zmumu_hybrid.nets.dimuon",
        "PFN": "zmumu_hybrid.nets.dimuon",
        "preset": "zmumu_hybrid.nets.presets",
    },
)
