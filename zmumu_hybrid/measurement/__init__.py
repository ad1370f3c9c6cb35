"""An example analysis: from muon pairs to a signal strength, with systematic uncertainties."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmumu_hybrid.support.lazy import lazily

if TYPE_CHECKING:
    from zmumu_hybrid.measurement.fit import Fit, fit_signal_strength
    from zmumu_hybrid.measurement.observables import Observable
    from zmumu_hybrid.measurement.options import AnalysisOptions
    from zmumu_hybrid.measurement.results import Result
    from zmumu_hybrid.measurement.systematics import Systematics
    from zmumu_hybrid.measurement.templates import Templates, Yields, make_workspace

__all__ = [
    "AnalysisOptions",
    "Fit",
    "Observable",
    "Result",
    "Systematics",
    "Templates",
    "Yields",
    "fit_signal_strength",
    "make_workspace",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "AnalysisOptions": "zmumu_hybrid.measurement.options",
        "Fit": "zmumu_hybrid.measurement.fit",
        "Observable": "zmumu_hybrid.measurement.observables",
        "Result": "zmumu_hybrid.measurement.results",
        "Systematics": "zmumu_hybrid.measurement.systematics",
        "Templates": "zmumu_hybrid.measurement.templates",
        "Yields": "zmumu_hybrid.measurement.templates",
        "fit_signal_strength": "zmumu_hybrid.measurement.fit",
        "make_workspace": "zmumu_hybrid.measurement.templates",
    },
)
