"""Networks, their training and their use: the half of the package that needs torch."""

from zmumu_hybrid.learn.configuration import ModelConfig, TrainingConfig
from zmumu_hybrid.learn.ensemble import Ensemble, load_ensemble
from zmumu_hybrid.learn.evaluation import evaluate
from zmumu_hybrid.learn.networks import PFN, Hybrid, Invariant
from zmumu_hybrid.learn.presets import preset
from zmumu_hybrid.learn.training import train

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
