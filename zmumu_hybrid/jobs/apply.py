"""The job of `zmumu apply`: event files and a model to a ROOT file of scores, one row for each muon pair."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from zmumu_hybrid.candidates.shuffle import PartWriter, in_groups, merge_parts, written_parts
from zmumu_hybrid.candidates.table import Table
from zmumu_hybrid.candidates.training_events import TrainingEvents
from zmumu_hybrid.deploy.discriminant import Discriminant
from zmumu_hybrid.errors import ConfigurationError, IncompleteRunError, ModelError
from zmumu_hybrid.events.input_files import open_sources
from zmumu_hybrid.events.muon_pairs import IDENTITY
from zmumu_hybrid.events.repeats import located
from zmumu_hybrid.execution.options import RunOptions
from zmumu_hybrid.execution.workers import worker_pool
from zmumu_hybrid.measurement.training_sample import TrainingSample, read_training_sample, require_trained_on
from zmumu_hybrid.nets import ranges
from zmumu_hybrid.physics.smearing import SmearingMode
from zmumu_hybrid.support.files import atomic_path
from zmumu_hybrid.support.handles import recreate_root
from zmumu_hybrid.support.outputs import output_file, reading
from zmumu_hybrid.support.scratch import scratch_directory

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions(RunOptions):
    """All settings of a run.

    Parameters
    ----------
    executor, workers, scheduler, jobqueue, chunksize, cache, muons, branches, tree, pair, smearing, hold, width, seed
        See `zmumu_hybrid.execution.options.RunOptions`. By default the momenta of the files are taken as they are.
    trained_on : Path, optional
        Directory of `zmumu process` that the model was trained on: muons are smeared as there, and its training events
        count as the model's where it does not know them.
    dataset : str
        Name of the data set, part of the key of the smearing.

    Raises
    ------
    ConfigurationError
        If a value cannot be used, or two contradict each other.

    Examples
    --------
    >>> ApplyOptions().smearing_config.mode
    'none'
    >>> ApplyOptions(smearing="independent", width=0.05).smearing_config.width
    0.05
    """

    usual_smearing: ClassVar[SmearingMode] = "none"

    trained_on: Path | None = None
    dataset: str = "data"

    def __post_init__(self) -> None:
        RunOptions.__post_init__(self)
        self._refuse_two_smearings(self.trained_on)


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
    ConfigurationError
        If the output is a file that is read or has another ending, or the model was not trained on
        `options.trained_on`.
    MissingInputError, InputError
        If a file cannot be used, or is given twice.
    ModelError
        If the model cannot be used, or is not one of muon pairs with one class.
    OutputError
        If `output` cannot be written to, is the file of something else, or is being written by another process.
    IncompleteRunError
        If entries were lost on the way.

    Examples
    --------
    >>> import zmumu_hybrid as zh
    >>> for process in ("signal", "background"):
    ...     _ = zh.generate(process, 2000, 1, f"{process}.lhe.gz")
    >>> files = ["signal.lhe.gz"], ["background.lhe.gz"]
    >>> options = zh.ProcessOptions(reweighting_bins=5, cache="cache")
    >>> _ = zh.process(*files, "sample", options, show_progress=False)
    >>> _ = zh.train("pfn", "sample", "run", zh.TrainingConfig(members=1, epochs=1))
    >>> options = zh.ApplyOptions(trained_on="sample", dataset="signal", cache="cache")
    >>> summary = zh.apply("run", ["signal.lhe.gz"], "scores.root", options, show_progress=False)
    >>> summary.events, summary.pairs, summary.warnings
    (2000, 2000, ['1,617 of 2,000 rows are events that the model was trained on: their trained_on is 1'])
    """
    options = options or ApplyOptions()
    reads = [*inputs, model, options.branches, options.jobqueue]
    with output_file(output, "apply", reads) as place:
        return replace(_apply(model, inputs, place, options, show_progress), output=Path(output))


def _apply(
    model: str | os.PathLike[str], inputs: Paths, target: Path, options: ApplyOptions, show_progress: bool
) -> ApplySummary:
    """Do what `apply` does, with the output held."""
    from zmumu_hybrid.execution.runner import run
    from zmumu_hybrid.processors.discriminant import DiscriminantProcessor

    started = time.perf_counter()
    if not inputs:
        raise ConfigurationError("no input file is given: at least one is needed")
    options.execution.require()
    discriminant = _loaded(model)
    sample = _training_sample(options, discriminant)
    smearing = options.smearing_config if sample is None else sample.smearing
    noted = discriminant.card.data.get("training_events")
    known = None if noted is None else TrainingEvents.of_model(model, noted)
    if known is None and sample is not None:
        known = sample.events
    sources = open_sources(
        {options.dataset: inputs},
        options.cache,
        branches=options.declared,
        tree=options.tree,
        weights=False,
        show_progress=show_progress,
    )
    with scratch_directory(target.parent) as scratch:
        parts = scratch.resolve()
        processor = DiscriminantProcessor(discriminant, selection=options.selection, smearing=smearing, table=True)
        with worker_pool(options.execution) as pool:
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


def _training_sample(options: ApplyOptions, discriminant: Discriminant) -> TrainingSample | None:
    """Return what the model was trained on, if the options name it."""
    if options.trained_on is None:
        return None
    with reading(options.trained_on):
        sample = read_training_sample(options.trained_on)
    table = {discriminant.card.name: discriminant.card.data.get("sha256")}
    require_trained_on(table, sample, "give the smearing by --smearing, --hold, --width and --seed")
    return sample


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
