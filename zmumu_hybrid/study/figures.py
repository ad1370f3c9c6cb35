"""The figures of a study, drawn from its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.plots import (
    architecture,
    comparisons,
    learning_curves,
    mass_slices,
    pt_reweighting,
    style,
    symmetry_factor,
)
from zmumu_hybrid.study.results import EnsembleResult, Outcome, find
from zmumu_hybrid.study.scales import SMALL, Scale
from zmumu_hybrid.study.specs import EVENTS, MODELS, POOLINGS
from zmumu_hybrid.training.ensemble import load_ensemble
from zmumu_hybrid.training.measures import read_metrics

__all__ = [
    "APPROACHES",
    "PT_EDGES",
    "TITLES",
    "WIDTHS",
    "draw_all",
    "draw_approaches",
    "draw_symmetry",
    "draw_widths",
    "tabulate",
    "tabulate_approaches",
]

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

APPROACHES = {
    "approaches": "AUC against the number of training events, for each way of training",
    "headrooms": "Headroom of the three networks against the number of training events",
}
WIDTHS = {
    "widths": f"Headroom of the three networks against the width of the smearing, {round(SMALL * EVENTS['paper']):,} "
    "training events",
    "symmetry": "The general subnet's weight beside the share of the optimal score that the mass does not tell",
}
"""What the comparisons draw, by the name of the file, with its title."""

PT_EDGES = np.array([10.0, 15.0, 20.0, 25.0, 30.0, 34.0, 38.0, 42.0, 46.0, 50.0, 55.0, 60.0, 70.0, 80.0, 100.0])
"""Bins of the smeared pT of the mu+ (GeV) in which the symmetry factor is compared."""

PT_GRID = np.linspace(5.0, 100.0, 96)
"""Where Fig. 5 asks for the symmetry factor (GeV)."""


def tabulate(column: str, rows: Mapping[float, Sequence[float]], metric: str) -> dict[str, np.ndarray[Any, Any]]:
    """Return the tidy table that `zmumu_hybrid.plots.comparisons` draws, a row for each value and member."""
    tidy = [(member, x, value) for x, members in rows.items() for member, value in enumerate(members)]
    return dict(zip(("member", column, metric), map(np.array, zip(*tidy, strict=True)), strict=True))


def limit_lines(limit: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lines of the best possible AUC and of the invariant ceiling."""
    return {
        "optimal": (limit["auc"], limit["uncertainty"]),
        "ceiling": (limit["invariant_ceiling"], limit["invariant_ceiling_uncertainty"]),
    }


def draw_all(
    root: Path,
    scale: Scale,
    outcome: Outcome,
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
    outcome : Outcome
        The results under the paper's conditions, with their limit.
    note : str
        Small type on each figure: the scale and the seed.

    Returns
    -------
    dict
        By figure number: "title", "png" and "pdf", relative to `root`.
    """
    filled = histograms.read(root / "study" / "histograms.json")
    lines = limit_lines(outcome.limit)

    def result(model: str, fraction: float, pooling: str = POOLINGS[0]) -> EnsembleResult:
        return find(outcome.results, model, fraction, pooling)

    def metrics(of: EnsembleResult) -> dict[str, np.ndarray[Any, Any]]:
        return read_metrics(root / of.run / "metrics.parquet")

    def curves(models: Sequence[str], fraction: float) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
        return {model: metrics(result(model, fraction)) for model in models}

    def scored(models: Sequence[str], fraction: float) -> dict[str, float]:
        return {model: float(np.mean(result(model, fraction).auc)) for model in models}

    written = {}
    hybrid = load_ensemble(root / result("hybrid", SMALL).run)
    fractions = sorted({each.fraction for each in outcome.results})
    by_model = {
        model: tabulate("fraction", {each: result(model, each).auc for each in fractions}, "auc") for model in MODELS
    }
    poolings = {pooling: result("hybrid", SMALL, pooling) for pooling in POOLINGS}
    pt = filled["pt_after"][{"dataset": "signal"}]
    independent = "independent events (headroom)"
    drawings = {
        "1": pt_reweighting.draw(filled["pt_before"], filled["pt_after"], note=note),
        "2": mass_slices.draw(filled["mass_true"], filled["mass_smeared"], note=note),
        "3": architecture.draw(architecture.describe(hybrid.modules[0]), note=note),
        "4": learning_curves.draw(
            curves(MODELS, SMALL),
            curves(MODELS, 1.0),
            note=note,
            scored=(scored(MODELS, SMALL), scored(MODELS, 1.0)),
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
            scored=scored(MODELS, 1.0),
            columns=2,
            **lines,
        ),
        "7": learning_curves.draw_panel(
            curves([*MODELS[1:], "enlarged"], 1.0),
            note=note,
            scored=scored([*MODELS[1:], "enlarged"], 1.0),
            title=f"Large data set: AUC on {independent}",
            columns=2,
            **lines,
        ),
        "8": learning_curves.draw_panel(
            {pooling: metrics(each) for pooling, each in poolings.items()},
            note=note,
            scored={pooling: float(np.mean(each.auc)) for pooling, each in poolings.items()},
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


def tabulate_approaches(
    results: Sequence[EnsembleResult], limit: Mapping[str, Any]
) -> dict[str, dict[str, dict[str, np.ndarray[Any, Any]]]]:
    """Return AUC and headroom against training events by model and approach.

    The AUC is the one that the headroom stands for at the limit given: that of another training sample, and so another
    reweighting, is a little different.
    """
    found: dict[str, dict[str, dict[float, list[float]]]] = {model: {} for model in MODELS}
    for each in results:
        if not each.step:
            found[each.model].setdefault(each.approach, {})[each.events] = each.headroom
    tables = {
        model: {approach: tabulate("events", shares, "headroom") for approach, shares in ways.items()}
        for model, ways in found.items()
    }
    span = limit["auc"] - limit["invariant_ceiling"]
    for table in (table for ways in tables.values() for table in ways.values()):
        table["auc"] = limit["invariant_ceiling"] + span * table["headroom"]
    return tables


def draw_approaches(results: Sequence[EnsembleResult], limit: Mapping[str, Any], folder: Path, note: str) -> None:
    """Draw `approaches`, AUC against training events for every approach, and `headrooms`, of the three networks."""
    tables = tabulate_approaches(results, limit)
    compared = comparisons.draw(
        {model: tables[model] for model in MODELS[:2]},
        looks=comparisons.APPROACHES,
        columns=2,
        note=note,
        **limit_lines(limit),
    )
    style.save(compared.figure, folder / "approaches")
    titles = {"paper": "The paper's networks", "tuned": "Tuned", "tuned fresh": "Tuned, fresh smearing"}
    panels = {
        title: {model: ways[approach] for model, ways in tables.items() if approach in ways}
        for approach, title in titles.items()
    }
    shown = {title: panel for title, panel in panels.items() if panel}
    style.save(comparisons.draw(shown, metric="headroom", note=note).figure, folder / "headrooms")


def draw_widths(headrooms: Mapping[str, Mapping[str, Mapping[str, list[float]]]], folder: Path, note: str) -> None:
    """Draw the headroom against the width of the smearing, given by preset, model and width."""
    titles = {"paper": "The paper's networks", "tuned": "Tuned"}
    panels = {}
    for way, models in headrooms.items():
        panels[titles[way]] = {
            model: tabulate(
                "width",
                {float(width): shares[: min(map(len, widths.values()))] for width, shares in widths.items()},
                "headroom",
            )
            for model, widths in models.items()
        }
    style.save(comparisons.draw(panels, x="width", metric="headroom", note=note).figure, folder / "widths")


def draw_symmetry(root: Path, found: Mapping[str, Any], note: str) -> None:
    """Draw the learned weight and the implied share, a panel for each data set."""
    pt = histograms.read(root / "study" / "histograms.json")["pt_after"][{"dataset": "signal"}]
    shares = [np.nan if share is None else share for share in found["implied"]]
    with style.canvas(None, 2, size=(8.0, 12.0)) as panels:
        for panel, dataset in zip(panels, ("small", "large"), strict=True):
            weights = load_ensemble(root / "runs" / f"{dataset}-hybrid").symmetry_factor(PT_GRID)[..., 0]
            drawing = symmetry_factor.draw(
                PT_GRID,
                weights,
                panel,
                events=pt,
                implied=(PT_EDGES, shares),
                title=f"Trained on the {dataset} data set",
            )
        style.note(panels[0], note)
    style.save(drawing.figure, root / "figures" / "symmetry")
