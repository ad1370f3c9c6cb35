"""zmumu-hybrid: learning broken symmetries with approximate invariance, on the Scikit-HEP stack.

The names below are loaded when they are first used; `zmumu_hybrid.nets` and `zmumu_hybrid.training` need torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "PairSelection": "pairs",
    "ProcessOptions": "processing",
    "Reweighting": "reweighting",
    "SmearingConfig": "smearing",
    "ZmumuError": "errors",
    "iterate_lhe": "lhe",
    "read_lhe": "lhe",
    "select_pairs": "pairs",
    "smear": "smearing",
}

__all__ = [
    "PairSelection",
    "ProcessOptions",
    "Reweighting",
    "SmearingConfig",
    "ZmumuError",
    "iterate_lhe",
    "read_lhe",
    "select_pairs",
    "smear",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
