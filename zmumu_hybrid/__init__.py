"""zmumu-hybrid: learning broken symmetries with approximate invariance, on the Scikit-HEP stack.

All that most users need is here, and loaded when it is first used; `nets`, `train` and what is trained need torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmumu_hybrid.support.lazy import lazily

if TYPE_CHECKING:
    from zmumu_hybrid import nets
    from zmumu_hybrid.candidates.reweighting import Reweighting
    from zmumu_hybrid.deploy.discriminant import Discriminant
    from zmumu_hybrid.deploy.onnx_export import export
    from zmumu_hybrid.errors import ZmumuError
    from zmumu_hybrid.events.lhe_to_root import convert
    from zmumu_hybrid.events.muon_pairs import PairSelection, select_pairs
    from zmumu_hybrid.generation.sample import generate
    from zmumu_hybrid.jobs.analyse import analyse
    from zmumu_hybrid.jobs.apply import ApplyOptions, apply
    from zmumu_hybrid.jobs.evaluate import evaluate
    from zmumu_hybrid.jobs.limit import limit
    from zmumu_hybrid.jobs.process import ProcessOptions, process
    from zmumu_hybrid.jobs.train import train
    from zmumu_hybrid.lhe.reader import iterate_lhe, read_lhe
    from zmumu_hybrid.measurement.options import AnalysisOptions
    from zmumu_hybrid.physics.smearing import SmearingConfig, smear
    from zmumu_hybrid.training.config import TrainingConfig
    from zmumu_hybrid.training.data import TrainingTable
    from zmumu_hybrid.training.ensemble import Ensemble, load_ensemble

__all__ = [
    "AnalysisOptions",
    "ApplyOptions",
    "Discriminant",
    "Ensemble",
    "PairSelection",
    "ProcessOptions",
    "Reweighting",
    "SmearingConfig",
    "TrainingConfig",
    "TrainingTable",
    "ZmumuError",
    "analyse",
    "apply",
    "convert",
    "evaluate",
    "export",
    "generate",
    "iterate_lhe",
    "limit",
    "load_ensemble",
    "nets",
    "process",
    "read_lhe",
    "select_pairs",
    "smear",
    "train",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "AnalysisOptions": "zmumu_hybrid.measurement.options",
        "ApplyOptions": "zmumu_hybrid.jobs.apply",
        "Discriminant": "zmumu_hybrid.deploy.discriminant",
        "Ensemble": "zmumu_hybrid.training.ensemble",
        "PairSelection": "zmumu_hybrid.events.muon_pairs",
        "ProcessOptions": "zmumu_hybrid.jobs.process",
        "Reweighting": "zmumu_hybrid.candidates.reweighting",
        "SmearingConfig": "zmumu_hybrid.physics.smearing",
        "TrainingConfig": "zmumu_hybrid.training.config",
        "TrainingTable": "zmumu_hybrid.training.data",
        "ZmumuError": "zmumu_hybrid.errors",
        "analyse": "zmumu_hybrid.jobs.analyse",
        "apply": "zmumu_hybrid.jobs.apply",
        "convert": "zmumu_hybrid.events.lhe_to_root",
        "evaluate": "zmumu_hybrid.jobs.evaluate",
        "export": "zmumu_hybrid.deploy.onnx_export",
        "generate": "zmumu_hybrid.generation.sample",
        "iterate_lhe": "zmumu_hybrid.lhe.reader",
        "limit": "zmumu_hybrid.jobs.limit",
        "load_ensemble": "zmumu_hybrid.training.ensemble",
        "nets": "",
        "process": "zmumu_hybrid.jobs.process",
        "read_lhe": "zmumu_hybrid.lhe.reader",
        "select_pairs": "zmumu_hybrid.events.muon_pairs",
        "smear": "zmumu_hybrid.physics.smearing",
        "train": "zmumu_hybrid.jobs.train",
    },
)
