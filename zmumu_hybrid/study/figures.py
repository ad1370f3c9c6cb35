"""The figures of a study, drawn from its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.study.scales import SMALL
from zmumu_hybrid.study.trainings import MODELS, POOLINGS, Training, by_fraction

__all__ = ["TITLES", "draw_all"]

TITLES = {
    "1": "Spectrum of the first muon's pT: signal, and background before and after reweighting",
    "2": "Mass of the muon pair in three pT slices, before and after smearing",
    "3": "The hybrid network, drawn from the model that was trained",
    "4": "AUC on the held-out events against the epoch, small and large data set",
    "5": "Weight of the general subnet against pT, trained on the small data set",
    "6": "AUC on independent events against the fraction of the data set",
    "7": "AUC on the held-out events against the epoch, with the enlarged hybrid, large data set",
    "8": "AUC on the held-out events against the epoch for the poolings, small data set",
}
"""What each figure shows, by its number in the paper."""

PT_GRID = np.linspace(5.0, 100.0, 96)
"""Where Fig. 5 asks for the symmetry factor (GeV)."""


def fraction_table(aucs: Mapping[float, Sequence[float]]) -> dict[str, np.ndarray[Any, Any]]:
    """Return a tidy table of the AUC of every member at every fraction."""
    rows = [(member, fraction, auc) for fraction, members in aucs.items() for member, auc in enumerate(members)]
    member, fraction, auc = zip(*rows, strict=True)
    return {"member": np.array(member), "fraction": np.array(fraction), "auc": np.array(auc)}


def draw_all(
    root: Path,
    scale: Any,
    scores: Mapping[Training, Mapping[str, Any]],
    limit: Mapping[str, Any],
    *,
    note: str,
) -> dict[str, dict[str, str]]:
    """Draw Figs. 1 to 8 into `root/figures` as PNG and PDF.

    Parameters
    ----------
    root : Path
        Folder of the study.
    scale : Scale
        Its sizes.
    scores : mapping of Training to mapping
        What every training returned, with "auc" (one value a member, on the evaluation sample).
    limit : mapping
        The best possible AUC and the invariant ceiling.
    note : str
        Small type on each figure: the scale and the seed.

    Returns
    -------
    dict
        By figure number: "title", "png" and "pdf", relative to `root`.
    """
    from zmumu_hybrid.plots import (
        architecture,
        comparisons,
        learning_curves,
        mass_slices,
        pt_reweighting,
        style,
        symmetry_factor,
    )
    from zmumu_hybrid.training.ensemble import load_ensemble
    from zmumu_hybrid.training.measures import read_metrics

    filled = histograms.read(root / "study" / "histograms.json")
    lines: dict[str, Any] = {
        "optimal": (limit["auc"], limit["uncertainty"]),
        "ceiling": (limit["invariant_ceiling"], limit["invariant_ceiling_uncertainty"]),
    }

    def run(model: str, fraction: float, pooling: str = POOLINGS[0]) -> Path:
        return root / "runs" / Training(model, fraction, pooling).name

    def tables(models: Sequence[str], fraction: float) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
        return {model: read_metrics(run(model, fraction) / "metrics.parquet") for model in models}

    def reached(models: Sequence[str], fraction: float) -> dict[str, float]:
        return {model: float(np.mean(scores[Training(model, fraction)]["auc"])) for model in models}

    written = {}
    hybrid = load_ensemble(run("hybrid", SMALL))
    by_model = {
        model: fraction_table({f: scores[Training(model, f)]["auc"] for f in by_fraction(scale)}) for model in MODELS
    }
    pt = filled["pt_after"][{"dataset": "signal"}]
    independent = "independent events (headroom)"
    drawings = {
        "1": pt_reweighting.draw(filled["pt_before"], filled["pt_after"], note=note),
        "2": mass_slices.draw(filled["mass_true"], filled["mass_smeared"], note=note),
        "3": architecture.draw(architecture.describe(hybrid.modules[0]), note=note),
        "4": learning_curves.draw(
            tables(MODELS, SMALL),
            tables(MODELS, 1.0),
            note=note,
            scored=(reached(MODELS, SMALL), reached(MODELS, 1.0)),
            titles=(f"Small data set: AUC on {independent}", f"Large data set: AUC on {independent}"),
            columns=2,
            **lines,
        ),
        "5": symmetry_factor.draw(PT_GRID, hybrid.symmetry_factor(PT_GRID)[..., 0], note=note, events=pt),
        "6": comparisons.draw(
            {f"All data: AUC on {independent}": by_model},
            x="fraction",
            note=note,
            events=2 * scale.events,
            scored=reached(MODELS, 1.0),
            columns=2,
            **lines,
        ),
        "7": learning_curves.draw_panel(
            tables([*MODELS[1:], "enlarged"], 1.0),
            note=note,
            scored=reached([*MODELS[1:], "enlarged"], 1.0),
            title=f"Large data set: AUC on {independent}",
            columns=2,
            **lines,
        ),
        "8": learning_curves.draw_panel(
            {pooling: read_metrics(run("hybrid", SMALL, pooling) / "metrics.parquet") for pooling in POOLINGS},
            note=note,
            scored={pooling: float(np.mean(scores[Training("hybrid", SMALL, pooling)]["auc"])) for pooling in POOLINGS},
            title=f"Small data set: AUC on {independent}",
            looks=style.POOLINGS,
            columns=1,
            **lines,
        ),
    }
    for name, drawing in drawings.items():
        png, pdf = style.save(drawing.figure, root / "figures" / f"figure-{name}")
        written[name] = {
            "title": TITLES[name],
            "png": str(png.relative_to(root)),
            "pdf": str(pdf.relative_to(root)),
        }
    return written
