"""What a study compares beyond the paper's claims, each as a query on its results, a JSON file and some figures.

Headroom, the place of an AUC between the invariant ceiling and the optimal AUC (`zmumu_hybrid.optimal`), measures how
close a network comes to the best possible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.truth import read_sample, read_settings
from zmumu_hybrid.optimal import beyond_invariants, learn_classifier
from zmumu_hybrid.rivals import RIVALS
from zmumu_hybrid.rivals.contest import events_per_second, load_member
from zmumu_hybrid.study import figures, specs
from zmumu_hybrid.study.branches import Study
from zmumu_hybrid.study.conditions import PAPER
from zmumu_hybrid.study.figures import PT_EDGES
from zmumu_hybrid.study.results import EnsembleResult, find, summarise
from zmumu_hybrid.study.scales import SMALL
from zmumu_hybrid.support.files import write_json
from zmumu_hybrid.training.data import load
from zmumu_hybrid.training.ensemble import load_ensemble

__all__ = [
    "COMPARISONS",
    "Comparison",
    "add_result",
    "compare_approaches",
    "compare_rivals",
    "compare_symmetry",
    "compare_widths",
    "plain_networks",
]

Limits = Mapping[str, Mapping[str, Any]]
"""The limits by the name of the conditions."""
Compared = tuple[dict[str, Any], dict[str, Any]]
"""What the report shows, and what its JSON file has besides."""


def add_result(compared: dict[str, Any], result: EnsembleResult) -> None:
    """Put the headroom of an ensemble into the tables of `optimal.json`."""
    share, events = summarise(result.headroom), str(result.events)
    if result.step:
        compared.setdefault("ablation", {}).setdefault(result.step, {})[events] = share
    else:
        compared.setdefault("headroom", {}).setdefault(result.approach, {}).setdefault(result.model, {})[events] = share
    words = f"{result.approach} {result.step}".strip().replace(",", "").replace(" ", "-")
    compared.setdefault("runs", {})[f"{words}-{result.model}-{events}"] = asdict(result)


def plain_networks(results: Iterable[EnsembleResult]) -> list[EnsembleResult]:
    """Return the results of the three networks with the paper's pooling."""
    return [each for each in results if each.model in specs.MODELS and each.pooling == specs.POOLINGS[0]]


def compare_approaches(study: Study, results: Sequence[EnsembleResult], limits: Limits) -> Compared:
    """Compare ways of training, by network and training events.

    Returns
    -------
    dict, dict
        "headroom" by approach, model and training events, each with "mean" and "std", and "ablation" by step and
        training events; "runs" by name, and "limits".
    """
    chosen, compared = plain_networks(results), dict[str, Any]()
    for each in chosen:
        add_result(compared, each)
    limit = limits[PAPER.name]
    figures.draw_approaches(chosen, limit, study.root / "figures", note_of(study))
    return compared, {"runs": compared.pop("runs"), "limits": {str(specs.EVENTS[PAPER.name]): dict(limit)}}


def compare_widths(study: Study, results: Sequence[EnsembleResult], limits: Limits) -> Compared:
    """Compare the networks at every width of the smearing, and the symmetry factor with the optimum.

    Returns
    -------
    dict, dict
        "widths": headroom by preset, model and width, each with "mean" and "std" over the members; "limits": by width
        the optimal AUC and the invariant ceiling; "symmetry": see `compare_symmetry`; "runs", the headroom of every
        member.
    """
    headrooms: dict[str, dict[str, dict[str, list[float]]]] = {}
    by_width = {f"{branch.conditions.width:g}": branch for branch in study.widths}
    for width, branch in by_width.items():
        wanted = {spec.run for spec in specs.compared_at(study.scale, branch.conditions, seed=branch.seed("study"))}
        for each in results:
            if each.sample == branch.conditions.name and each.run in wanted:
                headrooms.setdefault(each.approach, {}).setdefault(each.model, {})[width] = each.headroom
    symmetry = compare_symmetry(study, results)
    figures.draw_widths(headrooms, study.root / "figures", note_of(study))
    figures.draw_symmetry(study.root, symmetry, note_of(study))
    keys = ("auc", "uncertainty", "invariant_ceiling", "invariant_ceiling_uncertainty")
    shown = {
        "widths": {
            way: {
                model: {width: summarise(shares) for width, shares in widths.items()}
                for model, widths in models.items()
            }
            for way, models in headrooms.items()
        },
        "limits": {
            width: {key: limits[branch.conditions.name][key] for key in keys} for width, branch in by_width.items()
        },
        "symmetry": symmetry,
    }
    return shown, {"runs": headrooms}


def compare_symmetry(study: Study, results: Sequence[EnsembleResult]) -> dict[str, Any]:
    """Compare the symmetry factor of the paper's hybrids with what the optimum implies.

    Returns
    -------
    dict
        "pt_edges" (GeV) and "implied", the share of the optimal score's variance beyond the mass; by data set "weight",
        of the general subnet in the middle of each bin, a row a member, and "rank_correlation" of both, by member.
    """
    implied = implied_shares(study)
    known = np.array([share is not None for share in implied])
    shares = np.array([share for share in implied if share is not None])
    centres = 0.5 * (PT_EDGES[1:] + PT_EDGES[:-1])
    compared: dict[str, Any] = {"pt_edges": PT_EDGES.tolist(), "implied": implied}
    for fraction in (SMALL, 1.0):
        hybrid = find((each for each in results if each.sample == PAPER.name), "hybrid", fraction)
        weights = load_ensemble(study.root / hybrid.run).symmetry_factor(centres)[..., 0]
        compared[hybrid.dataset] = {
            "weight": weights.tolist(),
            "rank_correlation": summarise([float(spearmanr(row[known], shares).statistic) for row in weights]),
        }
    return compared


def implied_shares(study: Study) -> list[float | None]:
    """Return in `PT_EDGES` what the optimal classifier of the evaluation sample has beyond the mass.

    At one pT the factor of the reweighting is one number; it is left out, as its steps inside a bin tell nothing.
    """
    evaluation = study.root / "evaluation"
    truth, sample = read_sample(study.root / "study"), read_sample(evaluation)
    smearing, _ = read_settings(evaluation, sample)
    classifier = learn_classifier(truth, smearing, None)
    columns = candidates.read(evaluation / "candidates.parquet", ["pt_0", "mass", "weight"])
    shares = beyond_invariants(
        classifier.log_ratio(sample.columns), columns["mass"], columns["pt_0"], columns["weight"], PT_EDGES
    )
    return [float(share) if np.isfinite(share) else None for share in shares]


def compare_rivals(study: Study, results: Sequence[EnsembleResult], _limits: Limits) -> Compared:
    """Compare the rivals with this package's networks on the small data set: AUC, size and cost.

    Returns
    -------
    dict, dict
        "rules", and "table": by name "text", "auc" and "headroom", each with "mean" and "std" over the members,
        "auc_uncertainty", "parameters", "seconds" of training a member, "events_per_second" of scoring with one;
        "runs", the results of the rivals.
    """
    p4 = load(study.root / "study", split="test").p4
    trained = {(spec.sample, spec.run): spec for spec in planned(study)}
    table: dict[str, Any] = {}
    for each in results:
        spec = trained[each.sample, each.run]
        network = each.model if each.approach == "rival" else f"{each.approach} {each.model}"
        owner = "paper's" if each.approach == "paper" else each.approach
        member = load_member(spec.network, study.root / "study", study.root / each.run, spec.training)
        table[network] = {
            "text": RIVALS[each.model] if each.approach == "rival" else f"The {owner} {each.model}",
            "auc": summarise(each.auc),
            "auc_uncertainty": each.auc_uncertainty,
            "headroom": summarise(each.headroom),
            "parameters": each.parameters,
            "seconds": each.member_seconds,
            "events_per_second": events_per_second(member, p4),
        }
    rules = asdict(specs.rules_of(study.scale, study.seed))
    runs = {each.model: asdict(each) for each in results if each.approach == "rival"}
    return {"rules": rules, "table": table}, {"runs": runs}


def planned(study: Study) -> list[specs.EnsembleSpec]:
    """Return what is trained on the study's own sample."""
    scale, seed = study.scale, study.seed
    return [*specs.papers(scale, seed=seed), *specs.approaches(scale, seed=seed), *specs.rivals(scale, seed)]


def note_of(study: Study) -> str:
    """Return the small type of a figure."""
    return f"{study.scale.name} scale, seed {study.seed}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: its name in `summary.json`, its file, its figures, what it takes, and the query.

    Attributes
    ----------
    name, file : str
    compare : callable
        Takes the study, results and limits by conditions.
    takes : callable
        Tells whether it reads a result.
    figures : mapping
        What it draws, by the name of the file, with its title.
    """

    name: str
    file: str
    compare: Callable[[Study, Sequence[EnsembleResult], Limits], Compared]
    takes: Callable[[EnsembleResult], bool]
    figures: Mapping[str, str]

    def asked(self, study: Study, results: Sequence[EnsembleResult]) -> bool:
        """Tell whether a study has it: several widths of the smearing, or rivals, where those are what it compares."""
        if self.compare is compare_rivals:
            return any(each.approach == "rival" for each in results)
        return self.compare is not compare_widths or bool(study.widths)

    @property
    def outputs(self) -> list[str]:
        """Its files, relative to the root."""
        return [self.file, *(f"figures/{name}.{kind}" for name in self.figures for kind in ("png", "pdf"))]

    def write(self, study: Study, results: Sequence[EnsembleResult], limits: Limits) -> dict[str, Any]:
        """Compare, draw and write the file; return what the report shows."""
        shown, more = self.compare(study, results, limits)
        write_json(study.root / self.file, {**shown, **more})
        drawn = {
            name: {"title": title, **{kind: f"figures/{name}.{kind}" for kind in ("png", "pdf")}}
            for name, title in self.figures.items()
        }
        return {**shown, **({"figures": drawn} if drawn else {})}


COMPARISONS = (
    Comparison(
        "approaches",
        "optimal.json",
        compare_approaches,
        lambda each: each.sample == PAPER.name and each.approach != "rival",
        figures.APPROACHES,
    ),
    Comparison("worth", "worth.json", compare_widths, lambda each: each.approach in ("paper", "tuned"), figures.WIDTHS),
    Comparison(
        "rivals",
        "rivals.json",
        compare_rivals,
        lambda each: (
            each.sample == PAPER.name
            and each.fraction == SMALL
            and (
                each.approach == "rival"
                or (
                    each.approach in ("paper", "tuned")
                    and each.model in specs.MODELS
                    and each.pooling == specs.POOLINGS[0]
                )
            )
        ),
        {},
    ),
)
