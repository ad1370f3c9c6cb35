"""An example analysis: from muon pairs to a signal strength, with systematic uncertainties."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zmumu_hybrid.analysis.fit import Fit, fit_signal_strength
    from zmumu_hybrid.analysis.job import AnalysisSummary, analyse
    from zmumu_hybrid.analysis.observables import Observable
    from zmumu_hybrid.analysis.options import AnalysisOptions
    from zmumu_hybrid.analysis.results import Result
    from zmumu_hybrid.analysis.systematics import Systematics
    from zmumu_hybrid.analysis.workspace import Templates, Yields, make_workspace

_HOMES = {
    "AnalysisOptions": "options",
    "AnalysisSummary": "job",
    "Fit": "fit",
    "Observable": "observables",
    "Result": "results",
    "Systematics": "systematics",
    "Templates": "workspace",
    "Yields": "workspace",
    "analyse": "job",
    "fit_signal_strength": "fit",
    "make_workspace": "workspace",
}

__all__ = [
    "AnalysisOptions",
    "AnalysisSummary",
    "Fit",
    "Observable",
    "Result",
    "Systematics",
    "Templates",
    "Yields",
    "analyse",
    "fit_signal_strength",
    "make_workspace",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
