"""Networks, their training and their use: the half of the package that needs torch.

The names below are loaded when they are first used; the descriptions (`ModelConfig`, `TrainingConfig`, `preset`) do not
need torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zmumu_hybrid.extras import explained
from zmumu_hybrid.learn.configuration import ModelConfig, TrainingConfig
from zmumu_hybrid.learn.presets import preset

if TYPE_CHECKING:
    from zmumu_hybrid.learn.ensemble import Ensemble, load_ensemble
    from zmumu_hybrid.learn.evaluation import evaluate
    from zmumu_hybrid.learn.networks import PFN, Hybrid, Invariant
    from zmumu_hybrid.learn.training import train

_HOMES = {
    "PFN": "networks",
    "Ensemble": "ensemble",
    "Hybrid": "networks",
    "Invariant": "networks",
    "evaluate": "evaluation",
    "load_ensemble": "ensemble",
    "train": "training",
}

__all__ = [
    "PFN",
    "Ensemble",
    "Hybrid",
    "Invariant",
    "ModelConfig",
    "TrainingConfig",
    "evaluate",
    "load_ensemble",
    "preset",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        raise explained(error) from error


def __dir__() -> list[str]:
    return __all__
