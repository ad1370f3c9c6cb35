"""The whole study as one function: `reproduce`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from zmumu_hybrid.execution.tasks import TaskPool
from zmumu_hybrid.execution.workers import Workers
from zmumu_hybrid.rivals import require_packages
from zmumu_hybrid.study import specs
from zmumu_hybrid.study.branches import SAMPLES, Branch, Study, describe_inputs, prepare
from zmumu_hybrid.study.comparisons import COMPARISONS
from zmumu_hybrid.study.figures import TITLES, draw_all
from zmumu_hybrid.study.journal import Journal, Stage
from zmumu_hybrid.study.pages import write_pages
from zmumu_hybrid.study.results import EnsembleResult, Outcome, refuse_leaks
from zmumu_hybrid.study.specs import EnsembleSpec
from zmumu_hybrid.study.summary import collect
from zmumu_hybrid.study.trainings import RUN, train_and_score
from zmumu_hybrid.support.files import make_directory, read_json, write_json

__all__ = ["Branch", "Study", "plan", "reproduce", "train_all"]


def plan(study: Study, *, rivals: bool = False) -> list[EnsembleSpec]:
    """Return every ensemble that a study trains, each once."""
    scale = study.scale
    chosen = [
        spec for branch in study.branches for spec in specs.papers(scale, branch.conditions, seed=branch.seed("study"))
    ]
    chosen += specs.approaches(scale, seed=study.seed)
    for branch in study.widths:
        chosen += specs.compared_at(scale, branch.conditions, seed=branch.seed("study"))
    chosen += specs.rivals(scale, study.seed) if rivals else []
    return list({(spec.sample, spec.run): spec for spec in chosen}.values())


def stage_of(branch: Branch, spec: EnsembleSpec, threads: int | None, *, show_progress: bool) -> Stage:
    """Return the stage that trains and scores an ensemble on the samples of its branch."""
    folder = f"{branch.folder}{spec.run}"
    samples = branch.path("").resolve()
    return Stage(
        branch.stage(f"train-{spec.name}"),
        partial(as_record, spec, samples, threads, show_progress=show_progress),
        settings={"spec": spec.key},
        outputs=[] if spec.network == "trees" else [f"{folder}/{name}" for name in RUN],
        folder=folder,
        needs=[branch.stage(name) for name in ("process-study", "process-evaluation", "limit")],
    )


def as_record(spec: EnsembleSpec, samples: Path, threads: int | None, *, show_progress: bool) -> dict[str, Any]:
    """Train and score an ensemble in the folder of its samples; return what the journal keeps."""
    return asdict(train_and_score(spec, samples, samples, threads=threads, show_progress=show_progress))


def train_all(
    study: Study, chosen: Sequence[EnsembleSpec], journal: Journal, pool: TaskPool
) -> dict[EnsembleSpec, EnsembleResult]:
    """Train and score ensembles, a stage for each: side by side on the workers of the pool, if it has some.

    The longest trainings are begun first, so that all workers have work until the end. Samples and limits of all
    branches must be there.

    Raises
    ------
    LeakError
        If a network does better than is possible.
    """
    branches = {branch.conditions.name: branch for branch in (*study.branches, *study.widths)}
    ordered = sorted(chosen, key=lambda spec: -spec.cost)
    local = pool.workers.workers if pool.workers.executor == "futures" else 1
    threads = max(1, local // max(1, len(ordered))) if pool.elsewhere else None
    stages = [
        stage_of(branches[spec.sample], spec, threads, show_progress=study.show_progress and not pool.elsewhere)
        for spec in ordered
    ]
    done = journal.do_all(stages, pool, show_progress=study.show_progress)
    results = {spec: EnsembleResult(**result) for spec, result in zip(ordered, done, strict=True)}
    for result in results.values():
        refuse_leaks(result, read_json(branches[result.sample].path("limit.json")))
    return {spec: results[spec] for spec in chosen}


def draw_figures(study: Study, outcome: Outcome) -> dict[str, Any]:
    """Draw the paper's figures."""
    scale = study.scale
    note = (
        f"{scale.name} scale: {scale.members} members, {scale.epochs} epochs, {2 * scale.events:,} events, "
        f"seed {study.seed}"
    )
    return draw_all(study.root, scale, outcome, note=note)


def compare_all(
    study: Study, results: Sequence[EnsembleResult], limits: Mapping[str, Mapping[str, Any]], journal: Journal
) -> dict[str, Any]:
    """Compare whatever the results allow to compare, a stage for each; return what the report shows, by name."""
    branches = {branch.conditions.name: branch for branch in (*study.branches, *study.widths)}
    compared: dict[str, Any] = {"worth": {"figures": {}}}
    for comparison in COMPARISONS:
        taken = [each for each in results if comparison.takes(each)]
        if comparison.asked(study, taken):
            compared[comparison.name] = journal.do(
                comparison.name,
                partial(comparison.write, study, taken, limits),
                settings={"scale": study.scale.name, "seed": study.seed},
                outputs=comparison.outputs,
                needs=[branches[each.sample].stage(f"train-{each.name}") for each in taken],
            )
    return compared


def reproduce(
    study: Study,
    announce: Callable[[str, str, float], None] | None = None,
    trainers: Workers | None = None,
    *,
    rivals: bool = False,
) -> Path:
    """Run every stage of a study that is not done yet; return the path of its report.

    Parameters
    ----------
    study : Study
        What to run, and where.
    announce : callable, optional
        Is told of every stage; see `zmumu_hybrid.study.journal.Journal`.
    trainers : Workers, optional
        Where the networks are trained, one ensemble a task; by default here, one ensemble after the other.
    rivals : bool
        Compare with the networks of others, too; see `zmumu_hybrid.rivals`.

    Returns
    -------
    Path
        `report.html`; `claims.md`, `summary.json` and `figures/` lie beside it.

    Raises
    ------
    LeakError
        If a network does better than is possible.
    MissingDependencyError
        If there are to be rivals and their packages are not installed.
    """
    if rivals:
        require_packages()
    trainers = trainers or Workers()
    trainers.require()
    make_directory(study.root)
    journal = Journal(study.root, announce)
    branches = study.branches
    limits: dict[str, Mapping[str, Any]] = {}
    for branch in (*branches, *study.widths):
        if branch.conditions.name not in limits:
            limits[branch.conditions.name] = prepare(branch, journal)
    with TaskPool(trainers, study.root) as pool:
        results = list(train_all(study, plan(study, rivals=rivals), journal, pool).values())
    outcomes = [
        Outcome(
            branch.conditions,
            limits[branch.conditions.name],
            [each for each in results if each.approach == "paper" and each.sample == branch.conditions.name],
        )
        for branch in branches
    ]
    figures = journal.do(
        "figures",
        partial(draw_figures, study, outcomes[0]),
        settings={"scale": asdict(study.scale), "seed": study.seed},
        outputs=[f"figures/figure-{name}.{suffix}" for name in TITLES for suffix in ("png", "pdf")],
        needs=["process-study", "limit", *(f"train-{each.name}" for each in outcomes[0].results)],
    )
    compared = compare_all(study, results, limits, journal)
    inputs = list(describe_inputs(branches, journal))
    seeds = {branch.stage(sample): branch.seed(sample) for branch in branches for sample in SAMPLES}
    summary = collect(study.root, study.scale, seeds, journal, outcomes, inputs, figures, compared)
    write_json(study.root / "summary.json", summary)
    write_pages(summary, study.root)
    return study.root / "report.html"
