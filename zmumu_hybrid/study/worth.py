"""When the hybrid is worth it: the networks at other widths of the smearing, and the symmetry factor at the optimum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid.study.approaches import SMALL, Case, of_the_paper, reach_all, summarise
from zmumu_hybrid.study.conditions import PAPER
from zmumu_hybrid.study.trainings import MODELS, Training
from zmumu_hybrid.support.files import read_json, write_json

if TYPE_CHECKING:
    from zmumu_hybrid.study.journal import Journal
    from zmumu_hybrid.study.pipeline import Branch, Study

__all__ = ["FIGURES", "PT_EDGES", "weigh"]

FIGURES = {
    "widths": f"Headroom of the three networks against the width of the smearing, {SMALL:,} training events",
    "symmetry": "The general subnet's weight beside the share of the optimal score that the mass does not tell",
}
"""What is drawn, by the name of the file, with its title."""

WAYS = {"quick": ("paper",), "full": ("paper", "tuned")}
"""Presets that are compared at other widths, by the scale of a study."""

PT_EDGES = np.array([10.0, 15.0, 20.0, 25.0, 30.0, 34.0, 38.0, 42.0, 46.0, 50.0, 55.0, 60.0, 70.0, 80.0, 100.0])
"""Bins of the smeared pT of the mu+ (GeV) in which the symmetry factor is compared."""


def at_width(branch: Branch, journal: Journal, ways: tuple[str, ...]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield preset, model and what was reached at the width of a branch; the study's own trainings are used again."""
    own = branch.conditions == PAPER
    if own and "paper" in ways:
        limit = read_json(branch.path("limit.json"))
        for model, events, found in of_the_paper(journal.records, limit):
            if events == SMALL:
                yield "paper", model, found
    training = {"epochs": branch.study.scale.epochs}
    chosen = [Case("paper", model, SMALL, training=training, base="paper") for model in MODELS]
    chosen += [Case("tuned", model, SMALL) for model in MODELS]
    for case, found in reach_all(
        branch, journal, (case for case in chosen if case.base in ways and not (own and case.base == "paper"))
    ):
        yield case.approach, case.model, found


def tabulate(found: Mapping[str, Mapping[str, Mapping[float, list[float]]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return for each preset and model the table that `zmumu_hybrid.plots.comparisons` draws."""
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for way, models in found.items():
        for model, widths in models.items():
            members = min(len(shares) for shares in widths.values())
            rows = [
                (member, width, share)
                for width, shares in widths.items()
                for member, share in enumerate(shares[:members])
            ]
            member, width, share = (np.array(column) for column in zip(*rows, strict=True))
            tables.setdefault(way, {})[model] = {"member": member, "width": width, "headroom": share}
    return tables


def implied_shares(root: Path) -> list[float | None]:
    """Return in `PT_EDGES` what the optimal classifier of the evaluation sample has beyond the mass.

    At one pT the factor of the reweighting is one number; it is left out, as its steps inside a bin tell nothing.
    """
    from zmumu_hybrid.candidates import table as candidates
    from zmumu_hybrid.candidates.truth import read_sample, read_settings
    from zmumu_hybrid.optimal import beyond_invariants, learn_classifier

    truth, sample = read_sample(root / "study"), read_sample(root / "evaluation")
    smearing, _ = read_settings(root / "evaluation", sample)
    classifier = learn_classifier(truth, smearing, None)
    columns = candidates.read(root / "evaluation" / "candidates.parquet", ["pt_0", "mass", "weight"])
    shares = beyond_invariants(
        classifier.log_ratio(sample.columns), columns["mass"], columns["pt_0"], columns["weight"], PT_EDGES
    )
    return [float(share) if np.isfinite(share) else None for share in shares]


def symmetry(root: Path) -> dict[str, Any]:
    """Compare the symmetry factor of the paper's hybrids with what the optimum implies.

    Returns
    -------
    dict
        "pt_edges" (GeV) and "implied", the share of the optimal score's variance beyond the mass; by data set "weight",
        of the general subnet in the middle of each bin, a row a member, and "rank_correlation" of both, by member.
    """
    from scipy.stats import spearmanr

    from zmumu_hybrid.training.ensemble import load_ensemble

    implied = implied_shares(root)
    known = np.array([share is not None for share in implied])
    shares = np.array([share for share in implied if share is not None])
    centres = 0.5 * (PT_EDGES[1:] + PT_EDGES[:-1])
    found: dict[str, Any] = {"pt_edges": PT_EDGES.tolist(), "implied": implied}
    for training in (Training("hybrid", fraction) for fraction in (0.2, 1.0)):
        weights = load_ensemble(root / "runs" / training.name).symmetry_factor(centres)[..., 0]
        found[training.dataset] = {
            "weight": weights.tolist(),
            "rank_correlation": summarise([float(spearmanr(row[known], shares).statistic) for row in weights]),
        }
    return found


def draw_symmetry(root: Path, found: Mapping[str, Any], note: str) -> None:
    """Draw the learned weight and the implied share, a panel for each data set."""
    from zmumu_hybrid.candidates import histograms
    from zmumu_hybrid.plots import style, symmetry_factor
    from zmumu_hybrid.study.figures import PT_GRID
    from zmumu_hybrid.training.ensemble import load_ensemble

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


def weigh(study: Study, journal: Journal) -> dict[str, Any]:
    """Compare the networks at every width of the smearing of a study, and the symmetry factor with the optimum.

    Every width must be processed and have its limit. Nothing is done for a study of one width.

    Returns
    -------
    dict
        "widths": headroom by preset, model and width, each with "mean" and "std" over the members; "limits": by width
        the optimal AUC and the invariant ceiling; "symmetry": see `symmetry`; "figures": title, "png" and "pdf" by
        name. `worth.json` has it and "runs", the headroom of every member.

    Raises
    ------
    LeakError
        If a network does better than is possible.
    """
    if not study.widths:
        return {"figures": {}}
    root, scale = study.root, study.scale
    note = f"{scale.name} scale, seed {study.seed}"
    runs: dict[str, dict[str, dict[float, list[float]]]] = {}
    for branch in study.widths:
        for way, model, found in at_width(branch, journal, WAYS.get(scale.name, ("paper",))):
            runs.setdefault(way, {}).setdefault(model, {})[branch.conditions.width] = found["headroom"]

    def finish() -> dict[str, Any]:
        from zmumu_hybrid.plots import comparisons, style

        found = symmetry(root)
        titles = {"paper": "The paper's networks", "tuned": "Tuned"}
        panels = {titles[way]: tables for way, tables in tabulate(runs).items()}
        style.save(
            comparisons.draw(panels, x="width", metric="headroom", note=note).figure, root / "figures" / "widths"
        )
        draw_symmetry(root, found, note)
        result = {
            "widths": {
                way: {
                    model: {f"{width:g}": summarise(shares) for width, shares in widths.items()}
                    for model, widths in models.items()
                }
                for way, models in runs.items()
            },
            "limits": {
                f"{branch.conditions.width:g}": {
                    name: read_json(branch.path("limit.json"))[name]
                    for name in ("auc", "uncertainty", "invariant_ceiling", "invariant_ceiling_uncertainty")
                }
                for branch in study.widths
            },
            "symmetry": found,
        }
        write_json(root / "worth.json", {**result, "runs": runs})
        return result

    branches = [branch.stage("limit") for branch in study.widths]
    done = journal.do(
        "worth",
        finish,
        settings={},
        outputs=["worth.json", *(f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "pdf"))],
        needs=[*branches, *(name for name in journal.records if "approach-" in name or name.startswith("score-"))],
    )
    figures = {
        name: {"title": title, **{kind: f"figures/{name}.{kind}" for kind in ("png", "pdf")}}
        for name, title in FIGURES.items()
    }
    return {**done, "figures": figures}
