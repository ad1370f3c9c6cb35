"""The job of `zmumu apply`: event files and a model to a ROOT file of scores, one row for each muon pair."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zmumu_hybrid.candidates.shuffle import PartWriter, in_groups, merge_parts, written_parts
from zmumu_hybrid.candidates.table import Table
from zmumu_hybrid.candidates.training_events import TrainingEvents
from zmumu_hybrid.deploy.discriminant import Discriminant
from zmumu_hybrid.errors import ConfigurationError, IncompleteRunError, ModelError, OutputError
from zmumu_hybrid.events.branch_map import PRESETS, Branches, MuonsFrom
from zmumu_hybrid.events.input_files import open_sources
from zmumu_hybrid.events.muon_pairs import IDENTITY, PairOrder, PairSelection
from zmumu_hybrid.events.repeats import located
from zmumu_hybrid.execution.workers import ExecutorName, Workers, worker_pool
from zmumu_hybrid.nets import ranges
from zmumu_hybrid.physics.smearing import Hold, SmearingConfig, SmearingMode
from zmumu_hybrid.support.files import atomic_path, make_directory
from zmumu_hybrid.support.handles import recreate_root
from zmumu_hybrid.support.scratch import scratch_directory
from zmumu_hybrid.support.values import MAX_EVENTS, require_count

__all__ = ["COLUMNS", "TREE", "ApplyOptions", "ApplySummary", "apply"]

TREE = "scores"
"""Name of the tree in the output."""

COLUMNS: dict[str, np.dtype[Any]] = {
    **IDENTITY,
    "score": np.dtype(np.float64),
    "score_std": np.dtype(np.float64),
    "general_weight": np.dtype(np.float64),
    "trained_on": np.dtype(np.int8),
}
"""The columns of the output: the event, the fields of `zmumu_hybrid.deploy.discriminant.Scores`, and whether the model
was trained on the event: 1 for yes, 0 for no, -1 where that is not known."""

Paths = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """All settings of a run.

    Parameters
    ----------
    executor, workers, scheduler, jobqueue
        Who does the work; see `zmumu_hybrid.execution.workers.Workers`.
    chunksize : int
        About how many events are worked on at a time.
    pair : "leading" or "closest-to-z"
        Which two muons of an event make its pair.
    smearing, hold, width, seed
        See `zmumu_hybrid.physics.smearing.SmearingConfig`. The momenta of the files are taken as they are by default.
    dataset : str
        Name of the data set, part of the key of the smearing.
    cache : Path, optional
        Directory for converted files.
    branches : Path, optional
        A declaration of the branches of ROOT and Parquet files, where they have not NanoAOD's names; see
        `zmumu_hybrid.events.branch_map`.
    tree : str
        Name of the tree in ROOT files with several; that of a file named as ``FILE:TREE`` comes first.
    muons : "Muon", "GenPart" or "LHEPart"
        The collection of NanoAOD that holds the muons.

    Raises
    ------
    ConfigurationError
        If a value cannot be used.
    """

    executor: ExecutorName = "iterative"
    workers: int = 1
    chunksize: int = 100_000
    pair: PairOrder = "leading"
    smearing: SmearingMode = "none"
    hold: Hold = "pz"
    width: float = 0.1
    seed: int = 0
    dataset: str = "data"
    cache: Path | None = None
    scheduler: str | None = None
    jobqueue: Path | None = None
    branches: Path | None = None
    tree: str = ""
    muons: MuonsFrom = "Muon"

    def __post_init__(self) -> None:
        require_count("chunksize", self.chunksize, 1, MAX_EVENTS)
        if self.branches is not None and self.muons != "Muon":
            raise ConfigurationError(f"give either --branches or --muons {self.muons}: the branches say the muons")
        _ = self.staff, self.smearing_config, self.selection

    @property
    def staff(self) -> Workers:
        """Who does the work."""
        return Workers(self.executor, self.workers, self.scheduler, self.jobqueue)

    @property
    def smearing_config(self) -> SmearingConfig:
        """How muons are smeared."""
        return SmearingConfig(self.smearing, self.hold, self.width, self.seed)

    @property
    def declared(self) -> Branches | None:
        """What the branches of ROOT and Parquet files are; None for NanoAOD's `Muon`."""
        return PRESETS.get(self.muons) if self.branches is None else Branches.read(self.branches)

    @property
    def selection(self) -> PairSelection:
        """Which muons make the pair."""
        return PairSelection(self.pair)


@dataclass(frozen=True, slots=True)
class ApplySummary:
    """What a run did.

    Attributes
    ----------
    output : Path
    events, pairs : int
        Events in the files, and muon pairs, each a row of the output.
    cutflow : dict of str to int
        Number of events after each step.
    warnings : list of str
        What lies outside the range of the training, with numbers, and how many rows are training events.
    seconds : float
        Wall time.
    """

    output: Path
    events: int
    pairs: int
    cutflow: dict[str, int]
    warnings: list[str]
    seconds: float


def apply(
    model: str | os.PathLike[str],
    inputs: Paths,
    output: str | os.PathLike[str],
    options: ApplyOptions | None = None,
    *,
    show_progress: bool = True,
) -> ApplySummary:
    """Apply a model to files of events and write ``OUT.root`` with the tree `TREE` of `COLUMNS`, sorted by event.

    Parameters
    ----------
    model : path
        Model file of `zmumu export`, or the folder of a run of `zmumu train`.
    inputs : sequence of path
        LHE (plain or gz), ROOT (TTree, RNTuple, NanoAOD) or Parquet files, as `zmumu_hybrid.support.locations.find`
        takes them.
    output : path
        Name of the ROOT file. It is replaced when the run has ended well, and kept when it has not.
    options : ApplyOptions, optional
        All settings.
    show_progress : bool
        False silences the bars.

    Raises
    ------
    MissingInputError, InputError
        If a file cannot be used, or is given twice.
    ModelError
        If the model cannot be used, or is not one of muon pairs with one class.
    OutputError
        If `output` cannot be written to.
    IncompleteRunError
        If entries were lost on the way.
    """
    from zmumu_hybrid.execution.runner import run
    from zmumu_hybrid.processors.discriminant import DiscriminantProcessor

    options = options or ApplyOptions()
    started = time.perf_counter()
    if not inputs:
        raise ConfigurationError("no input file is given: at least one is needed")
    target = Path(output)
    if target.is_dir():
        raise OutputError(f"{target}: is a directory, the name of a ROOT file is needed")
    options.staff.require()
    discriminant = _loaded(model)
    noted = discriminant.card.data.get("training_events")
    known = None if noted is None else TrainingEvents.of_model(model, noted)
    sources = open_sources(
        {options.dataset: inputs},
        options.cache,
        branches=options.declared,
        tree=options.tree,
        weights=False,
        show_progress=show_progress,
    )
    with scratch_directory(make_directory(target.parent)) as scratch:
        parts = scratch.resolve()
        processor = DiscriminantProcessor(
            discriminant, selection=options.selection, smearing=options.smearing_config, table=True
        )
        with worker_pool(options.staff) as pool:
            result = run(
                sources,
                processor,
                pool=pool,
                chunksize=options.chunksize,
                finish=PartWriter(parts),
                show_progress=show_progress,
            )
        tables = merge_parts(written_parts(parts, result["parts"]))
        with located(sources):
            written, seen = _write(tables, target, known)
    expected = sum(part["rows"] for part in result["parts"].values())
    if written != expected:
        raise IncompleteRunError(
            f"{target}: {written} rows were written for {expected} pairs: do all workers see its folder?"
        )
    return ApplySummary(
        output=target,
        events=result["cutflow"]["events"],
        pairs=written,
        cutflow=dict(result["cutflow"]),
        warnings=[*_warnings(discriminant.card.limits, result["counts"]), *seen],
        seconds=time.perf_counter() - started,
    )


def _loaded(model: str | os.PathLike[str]) -> Discriminant:
    """Load a model; refuse one whose scores are not those of muon pairs."""
    discriminant = Discriminant.load(model, out_of_range="ignore")
    card = discriminant.card
    if card.task != "muon pair" or card.classes != 1:
        raise ModelError(
            f"{model}: a model of {card.task} with {card.classes} classes: `zmumu apply` scores muon pairs, "
            "use zmumu_hybrid.deploy.Discriminant"
        )
    return discriminant


def _warnings(limits: dict[str, dict[str, Any]], counts: ranges.Counts) -> list[str]:
    if not limits:
        return ["the model does not know the ranges of its training: events outside them are not noticed"]
    return ranges.warnings_of(limits, counts)


def _write(tables: Iterator[Table], path: Path, known: TrainingEvents | None) -> tuple[int, list[str]]:
    """Write tables to a ROOT file, whole or not at all; return the number of rows, and a warning of those known."""
    rows = seen = 0
    with atomic_path(path) as temporary, recreate_root(temporary) as file:
        tree = file.mktree(TREE, dict(COLUMNS))
        for table in in_groups(tables):
            trained_on = np.full(len(table["run"]), -1) if known is None else known.include(table)
            table["trained_on"] = trained_on.astype(np.int8)
            tree.extend({name: table[name] for name in COLUMNS})
            rows += len(table["run"])
            seen += int(np.count_nonzero(table["trained_on"] == 1))
    said = f"{seen:,} of {rows:,} rows are events that the model was trained on: their trained_on is 1"
    if known is None:
        said = "which events the model was trained on is not known (no training_events.parquet): trained_on is -1"
    return rows, [said] if seen or known is None else []
