"""How close networks come to the best possible: the tuned ones, step by step, and rivals that augment the data.

Every case is an ensemble that is trained on the study sample and scored on the evaluation sample; headroom is its place
between the invariant ceiling and the optimal AUC (`zmumu_hybrid.optimal`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid.jobs.limit import headroom
from zmumu_hybrid.nets.config import NetworkConfig
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.study.leaks import refuse_leaks
from zmumu_hybrid.study.trainings import MODELS, RUN
from zmumu_hybrid.support.files import read_json, write_json
from zmumu_hybrid.training.config import TrainingConfig
from zmumu_hybrid.training.settings import configure

if TYPE_CHECKING:
    from zmumu_hybrid.study.journal import Journal, Record
    from zmumu_hybrid.study.pipeline import Branch

__all__ = [
    "FIGURES",
    "LARGE",
    "LARGEST",
    "PLANS",
    "SMALL",
    "STEPS",
    "Case",
    "cases",
    "compare",
    "draw",
    "enter",
    "of_the_paper",
    "reach",
    "reach_all",
    "summarise",
    "tables",
]

SMALL, LARGE, LARGEST = 16_000, 80_000, 1_000_000
FRACTIONS = {SMALL: 0.2, LARGE: 1.0, LARGEST: 1.0}
FRESH = {"resmear": True}
ABLATION = "ablation "
FIGURES = {
    "approaches": "AUC against the number of training events, for each way of training",
    "headrooms": "Headroom of the three networks against the number of training events",
}
"""What is drawn, by the name of the file, with its title."""

RIVALS: dict[str, dict[str, Any]] = {
    "paper fresh": FRESH,
    "paper boosted truth": {"copies": "boosted-truth"},
    "paper boosted measurement": {"copies": "boosted-measurement"},
}
"""The paper's networks, each with a way to augment the data."""

PLANS = {
    "quick": ("tuned-hybrid-16000", "tuned-fresh-hybrid-16000"),
    "full": ("tuned-*-16000", "tuned-*-80000", "paper-*", "ablation-*"),
}
"""Names of the cases that a study has, by its scale."""

EPOCHS = {SMALL: (20, 50), LARGE: (10, 40), LARGEST: (5, 10)}
"""Of the tuned networks, trained on one measurement of each event and with fresh ones."""


@dataclass(frozen=True, slots=True)
class Case:
    """An ensemble to train.

    Attributes
    ----------
    approach : str
        What it is an example of; cases of one approach differ in model and events.
    model : str
        "hybrid", "pfn" or "invariant".
    events : int
        Training events, about.
    network, training : mapping
        What is other than in the preset, fields of the network's configuration and of `TrainingConfig`.
    members : int
        Of the ensemble.
    base : str
        The preset, "tuned" or "paper"; with the latter goes the paper's training.
    """

    approach: str
    model: str
    events: int
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    members: int = 5
    base: str = "tuned"

    @property
    def name(self) -> str:
        """Return the name of its folder."""
        return f"{_plain(self.approach)}-{self.model}-{self.events}"

    def describe(self) -> tuple[NetworkConfig, TrainingConfig]:
        """Return the network and how it is trained."""
        settings: dict[str, Any] = {"fraction": FRACTIONS[self.events]}
        if self.base == "tuned":
            settings["epochs"] = EPOCHS[self.events][1 if self.training.get("resmear") else 0]
        model, training = configure(self.model, self.base, {"members": self.members})
        return replace(model, **self.network), replace(training, **(settings | dict(self.training)))


def _plain(approach: str) -> str:
    return approach.replace(",", "").replace(" ", "-")


def changes(**fields: Any) -> dict[str, Any]:
    """Return the fields of the paper's hybrid that are named, with other values for some."""
    paper = preset("hybrid")
    return {name: getattr(paper, name) if value is ... else value for name, value in fields.items()}


def without(*words: str) -> dict[str, Any]:
    """Return the inputs of the tuned hybrid's particle map without those whose name has one of the words."""
    read = preset("hybrid", "tuned").particle_features  # type: ignore[union-attr]
    return {"particle_features": tuple(name for name in read if not any(word in name for word in words))}


BALANCED = ("balanced", "response", "rapidity", "edge")
MOMENTA = changes(particle_features=..., invariants=..., context=...)
STEPS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "+ one-cycle rate to 5e-3, 256 events a step": ({**MOMENTA, **changes(standardised=..., normalisation=...)}, {}),
    "+ standardised inputs, no BatchNorm": (MOMENTA, {}),
    "+ conditioned inputs": (without(*BALANCED), {}),
    "+ balanced pair": (without("edge"), {}),
    "+ edge of the acceptance (tuned)": ({}, {}),
    "tuned, constant rate of 1e-3": ({}, {"schedule": "constant", "learning_rate": 1e-3}),
    "tuned, no charge": (without("charge"), {}),
    "tuned, no Jacobian peak": (without("peak_pt"), {}),
}
"""The ablation: what each step adds to the one before, and what the tuned network is without one of them."""


def cases() -> Iterator[Case]:
    """Yield every case: the tuned networks, the ablation, and the rivals that augment the data."""
    for model in MODELS:
        for events in (SMALL, LARGE):
            yield Case("tuned", model, events)
            yield Case("tuned fresh", model, events, training=FRESH)
    yield Case("tuned fresh", "hybrid", LARGEST, training=FRESH)
    for (step, (network, training)), events in itertools.product(STEPS.items(), (SMALL, LARGE)):
        yield Case(f"{ABLATION}{step}", "hybrid", events, network, training, members=2)
    for events, model, (approach, change) in itertools.product((SMALL, LARGE), ("hybrid", "pfn"), RIVALS.items()):
        yield Case(approach, model, events, training=change, members=2, base="paper")


def reach(case: Case, root: Path, folder: Path, *, seed: int = 0, threads: int | None = None) -> dict[str, Any]:
    """Train a case into `folder` and score it.

    Parameters
    ----------
    case : Case
    root : Path
        Holds the directories `study` and `evaluation` of `zmumu process`, and `limit.json`.
    folder : Path
        Gets a folder for the case.
    seed : int
        Of the training.
    threads : int, optional
        Cores to use; by default all.

    Returns
    -------
    dict
        "auc" and "headroom" of every member on the evaluation sample, "held_out", its AUC on the held-out events, the
        mean statistical "..._uncertainty" of both; "seconds" of the training, "epochs", "seed".
    """
    from zmumu_hybrid.jobs.evaluate import measure_ensemble
    from zmumu_hybrid.jobs.train import train

    limit = read_json(root / "limit.json")
    model, training = case.describe()
    summary = train(model, root / "study", folder / case.name, replace(training, seed=seed), threads=threads)
    measured = measure_ensemble(summary.ensemble, root / "evaluation", "all")
    aucs = [row["auc"] for row in measured]
    return {
        "auc": aucs,
        "headroom": [headroom(auc, limit) for auc in aucs],
        "auc_uncertainty": float(np.mean([row["auc_uncertainty"] for row in measured])),
        "held_out": [row["auc"] for row in summary.final],
        "held_out_uncertainty": float(np.mean([row["auc_uncertainty"] for row in summary.final])),
        "seconds": round(summary.seconds, 1),
        "epochs": training.epochs,
        "seed": seed,
    }


def of_the_paper(records: Mapping[str, Record], limit: Mapping[str, Any]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yield model, training events and results of the study's own trainings that are scored: the preset `paper`."""
    for name in sorted(name for name in records if name.startswith("score-")):
        training = name.removeprefix("score-")
        dataset, _, model = training.rpartition("-")
        fraction = {"small": "0.2", "large": "1"}.get(dataset, dataset.removeprefix("fraction-"))
        if model in MODELS and fraction.replace(".", "").isdigit():
            aucs, seconds = records[name].result["auc"], records[f"train-{training}"].seconds
            shares = [headroom(auc, limit) for auc in aucs]
            yield model, round(float(fraction) * LARGE), {"auc": aucs, "headroom": shares, "seconds": seconds}


def summarise(shares: Sequence[float]) -> dict[str, float | None]:
    """Return mean and standard deviation over the members."""
    spread = round(float(np.std(shares, ddof=1)), 4) if len(shares) > 1 else None
    return {"mean": round(float(np.mean(shares)), 4), "std": spread}


def tables(results: Mapping[str, Any], models: Sequence[str], limit: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return for each model and approach the table that `zmumu_hybrid.plots.comparisons` draws.

    The AUC is the one that the headroom stands for at the limits given: those of another training sample, and so
    another reweighting, are a little different.
    """
    found: dict[str, dict[str, Any]] = {model: {} for model in models}
    span = limit["auc"] - limit["invariant_ceiling"]
    for name, run in results["runs"].items():
        approach, model, events = name.rsplit("-", 2)
        approach = approach.replace("-", " ")
        if model not in found or approach.startswith(ABLATION):
            continue
        table = found[model].setdefault(approach, {"member": [], "events": [], "headroom": []})
        table["member"] += range(len(run["headroom"]))
        table["events"] += [int(events)] * len(run["headroom"])
        table["headroom"] += run["headroom"]
    for table in itertools.chain.from_iterable(each.values() for each in found.values()):
        table |= {column: np.array(values) for column, values in table.items()}
        table["auc"] = limit["invariant_ceiling"] + span * table["headroom"]
    return found


def enter(results: dict[str, Any], approach: str, model: str, events: int, found: Mapping[str, Any]) -> None:
    """Put what a case has reached into the results: headroom by approach, model and events, or the ablation's table."""
    share = summarise(found["headroom"])
    if approach.startswith(ABLATION):
        results.setdefault("ablation", {}).setdefault(approach.removeprefix(ABLATION), {})[str(events)] = share
    else:
        results.setdefault("headroom", {}).setdefault(approach, {}).setdefault(model, {})[str(events)] = share
    results.setdefault("runs", {})[f"{_plain(approach)}-{model}-{events}"] = dict(found)


def draw(results: Mapping[str, Any], limit: Mapping[str, Any], folder: Path, note: str) -> None:
    """Draw `approaches`, AUC against training events for every approach, and `headrooms`, of the three networks."""
    from zmumu_hybrid.plots import comparisons, style

    found = tables(results, MODELS, limit)
    compared = comparisons.draw(
        {model: found[model] for model in ("hybrid", "pfn")},
        looks=comparisons.APPROACHES,
        columns=2,
        optimal=(limit["auc"], limit["uncertainty"]),
        ceiling=(limit["invariant_ceiling"], limit["invariant_ceiling_uncertainty"]),
        note=note,
    )
    style.save(compared.figure, folder / "approaches")
    titles = {"paper": "The paper's networks", "tuned": "Tuned", "tuned fresh": "Tuned, fresh smearing"}
    panels = {
        title: {model: each[approach] for model, each in found.items() if approach in each}
        for approach, title in titles.items()
    }
    style.save(
        comparisons.draw(
            {title: panel for title, panel in panels.items() if panel}, metric="headroom", note=note
        ).figure,
        folder / "headrooms",
    )


def reach_all(branch: Branch, journal: Journal, chosen: Iterable[Case]) -> Iterator[tuple[Case, dict[str, Any]]]:
    """Train and score cases on the samples of a branch, a stage for each; yield each with what `reach` returns.

    Raises
    ------
    LeakError
        If a network does better than is possible.
    """
    seed, limit = branch.seed("study"), read_json(branch.path("limit.json"))
    for case in (replace(case, members=min(case.members, branch.members)) for case in chosen):
        found = journal.do(
            branch.stage(f"approach-{case.name}"),
            partial(reach, case, branch.path(""), branch.path("approaches"), seed=seed),
            settings={**asdict(case), "seed": seed},
            outputs=[f"{branch.folder}approaches/{case.name}/{name}" for name in RUN],
            folder=f"{branch.folder}approaches/{case.name}",
            needs=[branch.stage(name) for name in ("process-study", "process-evaluation", "limit")],
        )
        refuse_leaks({branch.stage(case.name): found}, limit)
        yield case, found


def compare(branch: Branch, journal: Journal) -> dict[str, Any]:
    """Train and score the approaches that a study of this scale compares, and draw them: a stage for each.

    Returns
    -------
    dict
        "headroom" by approach, model and training events, each with "mean" and "std"; "ablation"; "runs"; all of it is
        in `optimal.json`, with the limits; and "figures", what was drawn of it: title, "png" and "pdf" by name.

    Raises
    ------
    LeakError
        If a network does better than is possible.
    """
    study, results = branch.study, dict[str, Any]()
    limit = read_json(branch.path("limit.json"))
    chosen = [case for case in cases() if any(fnmatch(case.name, each) for each in PLANS.get(study.scale.name, ()))]
    for case, found in reach_all(branch, journal, chosen):
        enter(results, case.approach, case.model, case.events, found)
    for model, events, found in of_the_paper(journal.records, limit):
        enter(results, "paper", model, events, found)

    def finish() -> dict[str, Any]:
        write_json(study.root / "optimal.json", {**results, "limits": {str(LARGE): limit}})
        draw(results, limit, study.root / "figures", f"{study.scale.name} scale, seed {study.seed}")
        return {}

    journal.do(
        "approaches",
        finish,
        settings={},
        outputs=["optimal.json", *(f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "pdf"))],
        needs=["limit", *(name for name in journal.records if name.startswith(("approach-", "score-")))],
    )
    figures = {
        name: {"title": title, **{kind: f"figures/{name}.{kind}" for kind in ("png", "pdf")}}
        for name, title in FIGURES.items()
    }
    return {**results, "figures": figures}
