"""The whole study as one function: `reproduce`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zmumu_hybrid import keys
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.files import make_directory, write_json
from zmumu_hybrid.study.journal import Journal
from zmumu_hybrid.study.scales import Scale
from zmumu_hybrid.study.trainings import Training, plan

__all__ = ["Study", "reproduce"]

PROCESSES = ("signal", "background")
SAMPLES = ("study", "evaluation")
TABLES = ("candidates.parquet", "histograms.json", "histograms.root", "reweighting.json", "process.json")
RUN = ("config.json", "members.safetensors", "metrics.parquet")
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
        The seed of every draw; the evaluation sample's is derived from it, so that its events are others.
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
        if not 0 <= self.seed < MAX_SEED:
            raise ConfigurationError(f"--seed must lie in 0 to {MAX_SEED - 1}, not {self.seed}")
        if self.workers < 1:
            raise ConfigurationError(f"--workers must be at least 1, not {self.workers}")

    def sample_seed(self, sample: str) -> int:
        """Return the seed of a sample: the study's own for "study", a derived one for any other."""
        return self.seed if sample == "study" else keys.seed_from(self.seed, sample) % MAX_SEED

    def events(self, sample: str) -> int:
        """Return the number of events per class of a sample."""
        return self.scale.events if sample == "study" else self.scale.evaluation_events

    def lhe(self, sample: str, process: str) -> str:
        """Return the name of a generated file, relative to the root."""
        return f"events/{sample}-{process}.lhe.gz"

    def run(self, training: Training) -> str:
        """Return the name of a run's folder, relative to the root."""
        return f"runs/{training.name}"


def generate_sample(study: Study, sample: str, process: str) -> dict[str, Any]:
    """Generate the events of one process for one sample."""
    from zmumu_hybrid.generate import generate

    summary = generate(
        process,
        study.events(sample),
        study.sample_seed(sample),
        study.root / study.lhe(sample, process),
        workers=study.workers,
        show_progress=study.show_progress,
    )
    return {
        "events": summary.events,
        "cross_section_pb": summary.cross_section_pb,
        "cross_section_error_pb": summary.cross_section_error_pb,
    }


def process_sample(study: Study, sample: str) -> dict[str, Any]:
    """Smear the events of a sample and write its table; the evaluation sample takes the study's reweighting."""
    from zmumu_hybrid.processing import ProcessOptions, process

    summary = process(
        [study.root / study.lhe(sample, "signal")],
        [study.root / study.lhe(sample, "background")],
        study.root / sample,
        ProcessOptions(
            seed=study.sample_seed(sample),
            cache=study.root / "cache",
            reweighting=None if sample == "study" else study.root / "study" / "reweighting.json",
        ),
        show_progress=study.show_progress,
    )
    return {"pairs": summary.pairs}


def train_ensemble(study: Study, training: Training) -> dict[str, Any]:
    """Train one ensemble and score it on held-out and on independent events."""
    from zmumu_hybrid.study.scoring import score, train_as

    train_as(
        training,
        study.root / "study",
        study.root / study.run(training),
        members=study.scale.members,
        epochs=study.scale.epochs,
        seed=study.seed,
        show_progress=study.show_progress,
    )
    return score(study.root / study.run(training), study.root / "evaluation")


def measure_limit(study: Study) -> dict[str, Any]:
    """Compute the best possible AUC on the evaluation sample, with densities from the study sample."""
    from zmumu_hybrid.optimal import limit

    found = limit(study.root / "evaluation", truth=study.root / "study")
    write_json(study.root / "limit.json", found)
    return found


def draw_figures(
    study: Study, scores: Mapping[Training, Mapping[str, Any]], limit: Mapping[str, Any]
) -> dict[str, Any]:
    """Draw the paper's figures."""
    from zmumu_hybrid.study.figures import draw_all

    scale = study.scale
    note = (
        f"{scale.name} scale: {scale.members} members, {scale.epochs} epochs, {2 * scale.events:,} events, "
        f"seed {study.seed}"
    )
    return draw_all(study.root, scale, scores, limit, note=note)


def describe_inputs(study: Study, journal: Journal) -> list[dict[str, Any]]:
    """Return what is known of the generated files: path, checksum, events, cross section."""
    inputs = []
    for sample in SAMPLES:
        for process in PROCESSES:
            record = journal.records[f"generate-{sample}-{process}"]
            path = study.lhe(sample, process)
            inputs.append({"path": path, "sha256": record.outputs[path], "process": process, **record.result})
    return inputs


def reproduce(study: Study, announce: Callable[[str, str, float], None] | None = None) -> Path:
    """Run every stage of a study that is not done yet; return the path of its report.

    Parameters
    ----------
    study : Study
        What to run, and where.
    announce : callable, optional
        Is told of every stage; see `zmumu_hybrid.study.journal.Journal`.

    Returns
    -------
    Path
        `report.html`; `summary.json` and `figures/` lie beside it.
    """
    from zmumu_hybrid.study.figures import TITLES
    from zmumu_hybrid.study.report import write_report
    from zmumu_hybrid.study.summary import collect

    make_directory(study.root)
    journal = Journal(study.root, announce)
    for sample, process in itertools.product(SAMPLES, PROCESSES):
        journal.do(
            f"generate-{sample}-{process}",
            partial(generate_sample, study, sample, process),
            settings={"events": study.events(sample), "seed": study.sample_seed(sample)},
            outputs=[study.lhe(sample, process)],
        )
    for sample in SAMPLES:
        journal.do(
            f"process-{sample}",
            partial(process_sample, study, sample),
            settings={"seed": study.sample_seed(sample)},
            outputs=[f"{sample}/{name}" for name in TABLES],
            needs=[f"generate-{sample}-{process}" for process in PROCESSES]
            + ([] if sample == "study" else ["process-study"]),
        )
    tables = [f"process-{sample}" for sample in SAMPLES]
    limit = journal.do("limit", partial(measure_limit, study), settings={}, outputs=["limit.json"], needs=tables)
    scores = {
        training: journal.do(
            f"train-{training.name}",
            partial(train_ensemble, study, training),
            settings={
                **asdict(training),
                "members": study.scale.members,
                "epochs": study.scale.epochs,
                "seed": study.seed,
            },
            outputs=[f"{study.run(training)}/{name}" for name in RUN],
            needs=tables,
        )
        for training in plan(study.scale)
    }
    figures = journal.do(
        "figures",
        partial(draw_figures, study, scores, limit),
        settings={"scale": asdict(study.scale), "seed": study.seed},
        outputs=[f"figures/figure-{name}.{suffix}" for name in TITLES for suffix in ("png", "pdf")],
        needs=[*tables, "limit", *(f"train-{training.name}" for training in scores)],
    )
    inputs = describe_inputs(study, journal)
    seeds = {sample: study.sample_seed(sample) for sample in SAMPLES}
    summary = collect(study.root, study.scale, seeds, journal, scores, limit, inputs, figures)
    write_json(study.root / "summary.json", summary)
    write_report(summary, study.root, study.root / "report.html")
    return study.root / "report.html"
