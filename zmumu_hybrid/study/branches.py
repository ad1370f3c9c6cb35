"""The branches of a study: under which conditions it asks, where each has its files, and its samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zmumu_hybrid.draws import keys
from zmumu_hybrid.generation.sample import generate
from zmumu_hybrid.jobs.limit import limit
from zmumu_hybrid.jobs.process import ProcessOptions, process
from zmumu_hybrid.study.conditions import PAPER, WIDTH, Conditions, of_width
from zmumu_hybrid.study.journal import Journal
from zmumu_hybrid.study.scales import Scale
from zmumu_hybrid.support.files import write_json
from zmumu_hybrid.support.values import require_count, require_seed

__all__ = ["SAMPLES", "Branch", "Study", "describe_inputs", "prepare"]

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

    def path(self, name: str) -> Path:
        """Return the place of something in the branch's folder."""
        return self.study.root / f"{self.folder}{name}"


def generate_sample(branch: Branch, sample: str, process: str) -> dict[str, Any]:
    """Generate the events of one process for one sample."""
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


def measure_limit(branch: Branch) -> dict[str, Any]:
    """Compute the best possible AUC on the evaluation sample, with densities from the study sample."""
    result = limit(branch.path("evaluation"), truth=branch.path("study"))
    write_json(branch.path("limit.json"), result)
    return result


def describe_inputs(branches: Sequence[Branch], journal: Journal) -> Iterator[dict[str, Any]]:
    """Yield what is known of each generated file: path, checksum, events, cross section."""
    for branch in branches:
        for sample, kind in itertools.product(SAMPLES, PROCESSES):
            if branch.owner(sample) == branch:
                record = journal.records[branch.generated(sample, kind)]
                path = branch.lhe(sample, kind)
                yield {"path": path, "sha256": record.outputs[path], "process": kind, **record.result}


def prepare(branch: Branch, journal: Journal) -> Mapping[str, Any]:
    """Generate and process the samples of a branch; return its limit."""
    for sample, kind in itertools.product(SAMPLES, PROCESSES):
        if branch.owner(sample) == branch:
            journal.do(
                branch.generated(sample, kind),
                partial(generate_sample, branch, sample, kind),
                settings={"events": branch.events(sample), "seed": branch.seed(sample)},
                outputs=[branch.lhe(sample, kind)],
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
            needs=[branch.generated(sample, kind) for kind in PROCESSES]
            + ([] if sample == "study" else [branch.stage("process-study")]),
        )
    return journal.do(
        branch.stage("limit"),
        partial(measure_limit, branch),
        settings={},
        outputs=[f"{branch.folder}limit.json"],
        needs=[branch.stage(f"process-{sample}") for sample in SAMPLES],
    )
