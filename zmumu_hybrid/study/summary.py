"""`summary.json`: every number that the report shows, with what made it."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.jobs.limit import headroom
from zmumu_hybrid.study.claims import judge, overtaking
from zmumu_hybrid.study.journal import Journal
from zmumu_hybrid.study.results import EnsembleResult, Outcome, find
from zmumu_hybrid.study.scales import SMALL, Scale
from zmumu_hybrid.study.specs import MODELS, POOLINGS
from zmumu_hybrid.training.measures import SLICES

__all__ = ["collect", "mass_widths"]


def mass_widths(table: Path) -> dict[str, Any]:
    """Measure the Z peak of the signal: where the true mass peaks, and how wide the masses are by slice.

    Returns
    -------
    dict
        "peak": the middle of the shortest interval with 30% of the true masses (GeV). "width": by slice the
        interquartile range / 1.349 (GeV) of the "true" and the "smeared" mass.
    """
    columns = candidates.read(table, ["label", "pt_0", "mass", "true_mass"])
    signal = columns["label"] == 1
    pt, true, smeared = (columns[name][signal] for name in ("pt_0", "true_mass", "mass"))

    def width(values: np.ndarray[Any, Any]) -> float:
        low, high = np.quantile(values, [0.25, 0.75])
        return float(high - low) / 1.349

    widths = {}
    for name, (low, high) in SLICES.items():
        chosen = (pt >= low) & (pt < high)
        widths[name] = {"true": width(true[chosen]), "smeared": width(smeared[chosen])}
    return {"peak": peak(true), "width": widths}


def peak(values: np.ndarray[Any, Any], share: float = 0.3) -> float:
    """Return where a sample peaks: the middle of the shortest interval that holds `share` of it."""
    ordered = np.sort(values)
    inside = max(2, round(share * len(ordered)))
    spans = ordered[inside - 1 :] - ordered[: len(ordered) - inside + 1]
    start = int(np.argmin(spans))
    return float(ordered[start] + ordered[start + inside - 1]) / 2


def describe_ensemble(
    members: list[float], uncertainty: float, limit: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return mean and standard deviation over the members, the statistical uncertainty, and the headroom."""
    mean = float(np.mean(members))
    described = {
        "mean": mean,
        "std": float(np.std(members, ddof=1)) if len(members) > 1 else None,
        "members": members,
        "uncertainty": uncertainty,
    }
    if limit is not None:
        described["headroom"] = headroom(mean, limit)
    return described


def collect(
    root: Path,
    scale: Scale,
    seeds: Mapping[str, int],
    journal: Journal,
    outcomes: Sequence[Outcome],
    inputs: list[dict[str, Any]],
    figures: Mapping[str, Any],
    comparisons: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Gather the summary of a study.

    Parameters
    ----------
    root : Path
        Folder of the study.
    scale, seeds : Scale, mapping
        What was run.
    journal : Journal
        Knows what each stage took.
    outcomes : sequence of Outcome
        What each branch found, that under the paper's conditions first.
    inputs : list of dict
        The generated files: path, SHA-256, events, cross section.
    figures : mapping
        By number: title and files.
    comparisons : mapping
        By the names in `zmumu_hybrid.study.comparisons.COMPARISONS`, what the report shows of each.

    Returns
    -------
    dict
        As `schemas.json` beside this module says. "origins" names the stages by what they were done with: revision and
        versions; several entries tell that the results are a mixture. "versions" and "git_revision" are those of the
        last run.
    """
    paper = outcomes[0]
    claims = judge(outcomes, epochs=scale.epochs)
    return {
        "schema": 3,
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "scale": asdict(scale),
        "seeds": dict(seeds),
        "versions": journal.versions,
        "git_revision": journal.git_revision,
        "origins": journal.origins(),
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "inputs": inputs,
        "limit": dict(paper.limit),
        "auc": performance(paper, "independent"),
        "held_out": performance(paper, "held_out"),
        "runs": {each.name: describe(paper, each) for each in paper.results},
        "conditions": {
            outcome.conditions.name: {
                "text": outcome.conditions.text,
                "limit": dict(outcome.limit),
                "auc": performance(outcome, "independent"),
            }
            for outcome in outcomes[1:]
        },
        "mass": mass_widths(root / "study" / "candidates.parquet"),
        "claims": [finite(asdict(claim)) for claim in claims],
        "poolings": sorted(POOLINGS, key=lambda name: -np.mean(find(paper.results, "hybrid", SMALL, name).auc)),
        "overtaking": overtaking(paper.results),
        "figures": dict(figures),
        **comparisons,
        "seconds": {name: record.seconds for name, record in journal.records.items()},
    }


def performance(outcome: Outcome, where: Literal["independent", "held_out"]) -> dict[str, Any]:
    """Return by data set of Fig. 4 and by model the AUC of the ensembles."""
    return {
        dataset: {
            each.model: describe(outcome, each, where)
            for model in (*MODELS, "enlarged")
            for each in outcome.results
            if (each.dataset, each.model, each.pooling) == (dataset, model, POOLINGS[0])
        }
        for dataset in ("small", "large")
    }


def describe(
    outcome: Outcome, result: EnsembleResult, where: Literal["independent", "held_out"] = "independent"
) -> dict[str, Any]:
    """Return the AUC of an ensemble; on independent events with the headroom and slices of pT."""
    if where == "held_out":
        return describe_ensemble(result.held_out, result.held_out_uncertainty)
    described = describe_ensemble(result.auc, result.auc_uncertainty, outcome.limit)
    described["by_slice"] = {
        name: describe_ensemble(values["auc"], values["uncertainty"], outcome.limit["by_slice"][name])
        for name, values in result.by_slice.items()
    }
    return described


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """Replace what JSON cannot say, an infinite uncertainty, by null, at any depth."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner) for inner in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {key: plain(value) for key, value in values.items()}


def processor() -> str:
    """Return the name of the processor, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
