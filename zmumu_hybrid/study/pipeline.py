"""The whole study as one function: `reproduce`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from zmumu_hybrid.draws import keys
from zmumu_hybrid.execution.tasks import Crew
from zmumu_hybrid.execution.workers import Workers
from zmumu_hybrid.study.conditions import PAPER, WIDTH, Conditions, of_width
from zmumu_hybrid.study.journal import Journal, Stage
from zmumu_hybrid.study.leaks import refuse_leaks
from zmumu_hybrid.study.outcome import Outcome
from zmumu_hybrid.study.scales import Scale
from zmumu_hybrid.study.trainings import RUN, Training, plan
from zmumu_hybrid.support.files import make_directory, write_json
from zmumu_hybrid.support.values import require_count, require_seed

__all__ = ["Branch", "Study", "reproduce"]

PROCESSES = ("signal", "background")
SAMPLES = ("study", "evaluation")
TABLES = ("candidates.parquet", "histograms.json", "histograms.root", "reweighting.json", "process.json")
MAX_SEED = 2**31


@dataclass(frozen=True, slots=True)
class Study:
    """Where a study lies, how large it is, and what its random draws start from.

    Attributes
    ----------
    scale : Scale
        The sizes of its parts.
    root : Path
        The folder of all its results.
    seed : int
        The seed of every draw; the seeds of the evaluation sample and of other data sets are derived from it.
    workers : int
        Processes that generate events.
    show_progress : bool
        Whether the stages show bars on a terminal.
    """

    scale: Scale
    root: Path
    seed: int
    workers: int
    show_progress: bool = False

    def __post_init__(self) -> None:
        """Refuse a seed that is out of range and less than one worker."""
        require_seed(self.seed)
        require_count("workers", self.workers, 1, 1024)

    @property
    def branches(self) -> list[Branch]:
        """The study under the paper's conditions, and under each of the others."""
        return [Branch(self, conditions) for conditions in (PAPER, *self.scale.conditions)]

    @property
    def widths(self) -> list[Branch]:
        """The study at each width of the smearing, ascending, the paper's included; empty if that is the only one."""
        others = [of_width(width, members=3) for width in self.scale.widths]
        return [Branch(self, each) for each in sorted([PAPER, *others], key=lambda each: each.width)] if others else []


@dataclass(frozen=True, slots=True)
class Branch:
    """A study under one set of conditions: the names of its stages and files, and its seeds.

    The paper's conditions have the study's folder for themselves; others have a folder each in "conditions", and read
    the events that they share from where the paper's conditions put them.
    """

    study: Study
    conditions: Conditions = PAPER

    @property
    def members(self) -> int:
        """Members of each ensemble."""
        return min(self.conditions.members or self.study.scale.members, self.study.scale.members)

    @property
    def folder(self) -> str:
        """Of its results, relative to the root: empty, or with a slash at the end."""
        return "" if self.conditions == PAPER else f"conditions/{self.conditions.name}/"

    def stage(self, name: str) -> str:
        """Return the name of a stage in the journal."""
        return name if self.conditions == PAPER else f"{self.conditions.name}.{name}"

    def owner(self, sample: str) -> Branch:
        """Return the branch that generates the events of a sample."""
        own = sample == "study" and self.conditions.replica
        return self if own else Branch(self.study)

    def seed(self, sample: str) -> int:
        """Return the seed of a sample: the study's own for "study", a derived one for any other."""
        if sample != "study":
            return keys.seed_from(self.study.seed, sample) % MAX_SEED
        if self.conditions.replica:
            return keys.seed_from(self.study.seed, "replica", self.conditions.replica) % MAX_SEED
        return self.study.seed

    def events(self, sample: str) -> int:
        """Return the number of events per class of a sample."""
        return self.study.scale.events if sample == "study" else self.study.scale.evaluation_events

    def lhe(self, sample: str, process: str) -> str:
        """Return the name of a generated file, relative to the root."""
        return f"{self.owner(sample).folder}events/{sample}-{process}.lhe.gz"

    def generated(self, sample: str, process: str) -> str:
        """Return the name of the stage that generates a file."""
        return self.owner(sample).stage(f"generate-{sample}-{process}")

    def run(self, training: Training) -> str:
        """Return the name of a run's folder, relative to the root."""
        return f"{self.folder}runs/{training.name}"

    def path(self, name: str) -> Path:
        """Return the place of something in the branch's folder."""
        return self.study.root / f"{self.folder}{name}"


def generate_sample(branch: Branch, sample: str, process: str) -> dict[str, Any]:
    """Generate the events of one process for one sample."""
    from zmumu_hybrid.generation.sample import generate

    study = branch.study
    summary = generate(
        process,
        branch.events(sample),
        branch.seed(sample),
        study.root / branch.lhe(sample, process),
        workers=study.workers,
        show_progress=study.show_progress,
    )
    return {
        "events": summary.events,
        "cross_section_pb": summary.cross_section_pb,
        "cross_section_error_pb": summary.cross_section_error_pb,
    }


def process_sample(branch: Branch, sample: str) -> dict[str, Any]:
    """Smear the events of a sample and write its table; the evaluation sample takes the study's reweighting."""
    from zmumu_hybrid.jobs.process import ProcessOptions, process

    root = branch.study.root
    summary = process(
        [root / branch.lhe(sample, "signal")],
        [root / branch.lhe(sample, "background")],
        branch.path(sample),
        ProcessOptions(
            seed=branch.seed(sample),
            smearing=branch.conditions.smearing,
            width=branch.conditions.width,
            binning=branch.conditions.binning,
            cache=root / "cache",
            reweighting=None if sample == "study" else branch.path("study/reweighting.json"),
        ),
        show_progress=branch.study.show_progress,
    )
    return {"pairs": summary.pairs}


def train_ensemble(branch: Branch, training: Training, threads: int | None = None) -> dict[str, Any]:
    """Train one ensemble, on `threads` cores or on all of them."""
    from zmumu_hybrid.study.scoring import train_as

    study = branch.study
    train_as(
        training,
        branch.path("study"),
        study.root / branch.run(training),
        members=branch.members,
        epochs=study.scale.epochs,
        seed=branch.seed("study"),
        threads=threads,
        show_progress=study.show_progress,
    )
    return {}


def score_ensemble(branch: Branch, training: Training) -> dict[str, Any]:
    """Score one ensemble on held-out and on independent events."""
    from zmumu_hybrid.study.scoring import score

    return score(branch.study.root / branch.run(training), branch.path("evaluation"))


def measure_limit(branch: Branch) -> dict[str, Any]:
    """Compute the best possible AUC on the evaluation sample, with densities from the study sample."""
    from zmumu_hybrid.jobs.limit import limit

    found = limit(branch.path("evaluation"), truth=branch.path("study"))
    write_json(branch.path("limit.json"), found)
    return found


def draw_figures(study: Study, outcome: Outcome) -> dict[str, Any]:
    """Draw the paper's figures."""
    from zmumu_hybrid.study.figures import draw_all

    scale = study.scale
    note = (
        f"{scale.name} scale: {scale.members} members, {scale.epochs} epochs, {2 * scale.events:,} events, "
        f"seed {study.seed}"
    )
    return draw_all(study.root, scale, outcome.scores, outcome.limit, note=note)


def describe_inputs(branches: Sequence[Branch], journal: Journal) -> Iterator[dict[str, Any]]:
    """Yield what is known of each generated file: path, checksum, events, cross section."""
    for branch in branches:
        for sample, process in itertools.product(SAMPLES, PROCESSES):
            if branch.owner(sample) == branch:
                record = journal.records[branch.generated(sample, process)]
                path = branch.lhe(sample, process)
                yield {"path": path, "sha256": record.outputs[path], "process": process, **record.result}


def prepare(branch: Branch, journal: Journal) -> Mapping[str, Any]:
    """Generate and process the samples of a branch; return its limit."""
    for sample, process in itertools.product(SAMPLES, PROCESSES):
        if branch.owner(sample) == branch:
            journal.do(
                branch.generated(sample, process),
                partial(generate_sample, branch, sample, process),
                settings={"events": branch.events(sample), "seed": branch.seed(sample)},
                outputs=[branch.lhe(sample, process)],
            )
    conditions = branch.conditions
    options: dict[str, Any] = {}
    if conditions != PAPER:
        options |= {"smearing": conditions.smearing, "binning": conditions.binning}
    if conditions.width != WIDTH:
        options |= {"width": conditions.width}
    for sample in SAMPLES:
        journal.do(
            branch.stage(f"process-{sample}"),
            partial(process_sample, branch, sample),
            settings={"seed": branch.seed(sample), **options},
            outputs=[f"{branch.folder}{sample}/{name}" for name in TABLES],
            needs=[branch.generated(sample, process) for process in PROCESSES]
            + ([] if sample == "study" else [branch.stage("process-study")]),
        )
    return journal.do(
        branch.stage("limit"),
        partial(measure_limit, branch),
        settings={},
        outputs=[f"{branch.folder}limit.json"],
        needs=[branch.stage(f"process-{sample}") for sample in SAMPLES],
    )


def train_and_score(branch: Branch, journal: Journal, crew: Crew) -> dict[Training, Mapping[str, Any]]:
    """Train every ensemble of a branch, each on one core of a worker if the crew has some, and score it."""
    study = branch.study
    tables = [branch.stage(f"process-{sample}") for sample in SAMPLES]
    there = branch
    if crew.elsewhere:
        there = replace(branch, study=replace(study, root=study.root.resolve(), show_progress=False))
    stages = {
        training: Stage(
            branch.stage(f"train-{training.name}"),
            partial(train_ensemble, there, training, 1 if crew.elsewhere else None),
            settings={
                **asdict(training),
                "members": branch.members,
                "epochs": study.scale.epochs,
                "seed": branch.seed("study"),
            },
            outputs=[f"{branch.run(training)}/{name}" for name in RUN],
            folder=branch.run(training),
            needs=tables,
        )
        for training in plan(study.scale, branch.conditions)
    }
    journal.do_all(list(stages.values()), crew)
    return {
        training: journal.do(
            branch.stage(f"score-{training.name}"),
            partial(score_ensemble, branch, training),
            settings={},
            outputs=[],
            needs=[stage.name, *tables],
        )
        for training, stage in stages.items()
    }


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
        Where the networks are trained, one training a task; by default here, on all cores.
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
    from zmumu_hybrid.study.approaches import compare
    from zmumu_hybrid.study.claims_page import write_claims
    from zmumu_hybrid.study.figures import TITLES
    from zmumu_hybrid.study.report import write_report
    from zmumu_hybrid.study.summary import collect
    from zmumu_hybrid.study.worth import weigh

    if rivals:
        from zmumu_hybrid.rivals import require_packages

        require_packages()
    trainers = trainers or Workers()
    trainers.require()
    make_directory(study.root)
    journal = Journal(study.root, announce)
    branches = study.branches
    outcomes = []
    with Crew(trainers, study.root) as crew:
        for branch in branches:
            limit = prepare(branch, journal)
            scores = train_and_score(branch, journal, crew)
            refuse_leaks({branch.run(training): score for training, score in scores.items()}, limit)
            outcomes.append(Outcome(branch.conditions, limit, scores))
    paper = outcomes[0]
    figures = journal.do(
        "figures",
        partial(draw_figures, study, paper),
        settings={"scale": asdict(study.scale), "seed": study.seed},
        outputs=[f"figures/figure-{name}.{suffix}" for name in TITLES for suffix in ("png", "pdf")],
        needs=["process-study", "limit", *(f"score-{training.name}" for training in paper.scores)],
    )
    comparisons = {"approaches": compare(branches[0], journal)}
    for branch in study.widths:
        if branch.conditions != PAPER:
            prepare(branch, journal)
    comparisons["worth"] = weigh(study, journal)
    if rivals:
        from zmumu_hybrid.study.rivals import hold

        comparisons["rivals"] = hold(study, journal)
    inputs = list(describe_inputs(branches, journal))
    seeds = {branch.stage(sample): branch.seed(sample) for branch in branches for sample in SAMPLES}
    summary = collect(study.root, study.scale, seeds, journal, outcomes, inputs, figures, comparisons)
    write_json(study.root / "summary.json", summary)
    write_claims(summary, study.root / "claims.md")
    write_report(summary, study.root, study.root / "report.html")
    return study.root / "report.html"
