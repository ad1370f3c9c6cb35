"""Training of any torch module, and what is kept of it; the names are loaded when they are first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zmumu_hybrid.extras import explained

if TYPE_CHECKING:
    from zmumu_hybrid.training.config import TrainingConfig
    from zmumu_hybrid.training.data import TrainingTable
    from zmumu_hybrid.training.ensemble import Ensemble, load_ensemble
    from zmumu_hybrid.training.evaluation import evaluate
    from zmumu_hybrid.training.run import RunSummary, train

_HOMES = {
    "Ensemble": "ensemble",
    "RunSummary": "run",
    "TrainingConfig": "config",
    "TrainingTable": "data",
    "evaluate": "evaluation",
    "load_ensemble": "ensemble",
    "train": "run",
}

__all__ = ["Ensemble", "RunSummary", "TrainingConfig", "TrainingTable", "evaluate", "load_ensemble", "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        raise explained(error) from error


def __dir__() -> list[str]:
    return __all__
