"""Training of any torch module, and what is kept of it; the names are loaded when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmumu_hybrid.support.lazy import lazily

if TYPE_CHECKING:
    from zmumu_hybrid.training.config import TrainingConfig
    from zmumu_hybrid.training.data import TrainingTable
    from zmumu_hybrid.training.ensemble import Ensemble, load_ensemble

__all__ = ["Ensemble", "TrainingConfig", "TrainingTable", "load_ensemble"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Ensemble": "zmumu_hybrid.training.ensemble",
        "TrainingConfig": "zmumu_hybrid.training.config",
        "TrainingTable": "zmumu_hybrid.training.data",
        "load_ensemble": "zmumu_hybrid.training.ensemble",
    },
)
