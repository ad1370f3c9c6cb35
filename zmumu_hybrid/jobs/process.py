"""The job of `zmumu process`: event files to histograms, candidate table and reweighting, in one directory.

The chunks of a run write sorted parts of the table; the parts are merged, the background is given the pT spectrum of
the signal, and the histograms are filled from the finished table, so that neither depends on how the work was cut.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.candidates.finalise import checked_parts, fit_parts, write_results
from zmumu_hybrid.candidates.reweighting import Binning, Reweighting, ReweightingConfig
from zmumu_hybrid.candidates.shuffle import PartWriter
from zmumu_hybrid.draws.split import SplitConfig
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.events.branch_map import Branches
from zmumu_hybrid.events.input_files import Source, named_files, open_sources
from zmumu_hybrid.events.pair_ntuples import ROW_STEPS
from zmumu_hybrid.events.repeats import located
from zmumu_hybrid.execution.options import RunOptions
from zmumu_hybrid.execution.workers import worker_pool
from zmumu_hybrid.support.outputs import FOLDERS, output_folder, staged, write_mark
from zmumu_hybrid.support.provenance import git_revision, versions

__all__ = ["OUTPUTS", "ProcessOptions", "ProcessSummary", "process"]

OUTPUTS = FOLDERS["process"]
"""What a run writes. The last is the mark that the others are complete."""

Paths = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOptions(RunOptions):
    """All settings of a run.

    Parameters
    ----------
    executor, workers, scheduler, jobqueue, chunksize, cache, muons, branches, tree, pair, smearing, hold, width, seed
        See `zmumu_hybrid.execution.options.RunOptions`. By default the draws of the smearing are independent, and data
        are not smeared; `seed` is also that of the split.
    test_fraction : float
        Fraction of the events that is held out.
    reweighting_bins, binning
        Bins of the pT reweighting of the background; see `zmumu_hybrid.candidates.reweighting.fit`.
    reweighting : Path, optional
        A `reweighting.json` of another run, to be applied instead of fitting one.

    Raises
    ------
    ConfigurationError
        If a value cannot be used.

    Examples
    --------
    >>> options = ProcessOptions(seed=1, test_fraction=0.25)
    >>> options.smearing_config
    SmearingConfig(mode='independent', hold='pz', width=0.1, seed=1, draws='splitmix64')
    >>> options.split.fraction
    0.25
    """

    test_fraction: float = 0.2
    reweighting_bins: int = 100
    binning: Binning = "equal-content"
    reweighting: Path | None = None

    def __post_init__(self) -> None:
        RunOptions.__post_init__(self)
        _ = self.split, self.reweighting_config

    @property
    def split(self) -> SplitConfig:
        """Which events are held out."""
        return SplitConfig(self.test_fraction, self.smearing_config.seed)

    @property
    def reweighting_config(self) -> ReweightingConfig:
        """How the reweighting is fitted."""
        return ReweightingConfig(self.reweighting_bins, self.binning)


@dataclass(frozen=True, slots=True)
class ProcessSummary:
    """What a run did.

    Attributes
    ----------
    output : Path
        The directory that holds the files `OUTPUTS`.
    files, entries, pairs : dict of str to int
        Number of input files, of events in them and of muon pairs, by data set.
    cutflow : dict
        Number of events after each step, by data set and step; for trees of pairs the first steps count rows.
    negative_pt_muons : dict of str to int
        Muons that were smeared to a negative pT, by data set.
    seconds : dict of str to float
        Wall time of each stage.
    """

    output: Path
    files: dict[str, int]
    entries: dict[str, int]
    pairs: dict[str, int]
    cutflow: dict[str, dict[str, int]]
    negative_pt_muons: dict[str, int]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def events_per_second(self) -> float:
        """Events over the wall time of all stages."""
        return sum(self.entries.values()) / max(sum(self.seconds.values()), 1e-9)


def process(
    signal: Paths,
    background: Paths,
    output: str | os.PathLike[str],
    options: ProcessOptions | None = None,
    *,
    data: Paths = (),
    show_progress: bool = True,
) -> ProcessSummary:
    """Process files of events into `OUTPUTS` in the directory `output`.

    Parameters
    ----------
    signal, background : sequence of path
        LHE (plain or gz), ROOT (TTree, RNTuple, NanoAOD) or Parquet files, as `zmumu_hybrid.support.locations.find`
        takes them. `background` may be empty; every weight is then the generator's.
    output : path
        A directory, made if it does not exist. What an earlier run left in it is replaced when this one has ended
        well, all of it at once, and kept when it has not.
    options : ProcessOptions, optional
        All settings.
    data : sequence of path
        Files of collision data, or of any events of no known class, in place of signal and background. There is no
        truth then: the table has no columns of it, and nothing is smeared unless the options say so.
    show_progress : bool
        False silences the bars.

    Raises
    ------
    ConfigurationError
        If there is no signal and no data, or both, or options that data cannot have, or a file that is read would be
        overwritten.
    MissingInputError, InputError
        If a file cannot be used, is given twice, or no event of a data set has a muon pair.
    OutputError
        If `output` cannot be written to, or another process is writing to it.
    IncompleteRunError
        If entries were lost on the way.

    Examples
    --------
    >>> import zmumu_hybrid as zh
    >>> for process in ("signal", "background"):
    ...     _ = zh.generate(process, 2000, 1, f"{process}.lhe.gz")
    >>> files = ["signal.lhe.gz"], ["background.lhe.gz"]
    >>> options = zh.ProcessOptions(reweighting_bins=5, cache="cache")
    >>> summary = zh.process(*files, "sample", options, show_progress=False)
    >>> summary.pairs
    {'signal': 2000, 'background': 2000}
    """
    options = options or ProcessOptions()
    inputs = {"signal": signal, "background": background, "data": data}
    _check_inputs(inputs, options)
    options.execution.require()
    options = (replace(options, smearing=options.smearing or "none") if data else options).resolved()
    declared = options.declared
    seconds: dict[str, float] = {}
    reads = [*signal, *background, *data, options.reweighting, options.branches, options.jobqueue]
    with output_folder(output, "process", reads), staged(output, OUTPUTS[-1]) as staging:
        known = None if options.reweighting is None else Reweighting.read(options.reweighting)
        with _timed(seconds, "checking and converting"):
            sources = open_sources(
                {name: paths for name, paths in inputs.items() if paths},
                options.cache,
                branches=declared,
                tree=options.tree,
                show_progress=show_progress,
            )
        with _timed(seconds, "processing"):
            result = _run(sources, options, staging, show_progress)
        _require_pairs(sources, result["cutflow"])
        parts = checked_parts(staging, result)
        with _timed(seconds, "reweighting"):
            files = {name: named_files(sources, name) for name in inputs}
            reweighting = known or fit_parts(parts, options.reweighting_config, files)
            if reweighting is not None:
                reweighting.write(staging / "reweighting.json")
        with _timed(seconds, "merging"), located(sources):
            write_results(parts, reweighting, staging, ["data"] if data else histograms.DATASETS)
        summary = _summary(Path(output), sources, result, seconds)
        write_mark(staging / OUTPUTS[-1], _record(summary, sources, options, declared))
    return summary


def _check_inputs(inputs: Mapping[str, Paths], options: ProcessOptions) -> None:
    """Refuse data sets that cannot be processed together, or not as asked."""
    simulated = [name for name in ("signal", "background") if inputs[name]]
    if not inputs["data"]:
        if "signal" not in simulated:
            raise ConfigurationError("no signal file is given: at least one is needed, or data")
        return
    if simulated:
        raise ConfigurationError(
            f"data and {' and '.join(simulated)} are given: data have no truth, "
            "process them into a directory of their own"
        )
    if options.reweighting is not None:
        raise ConfigurationError("a reweighting is given with data: it is for the background alone, leave it out")


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - started, 3)


def _run(sources: Sequence[Source], options: ProcessOptions, staging: Path, show_progress: bool) -> dict[str, Any]:
    """Run the dimuon processor over all sources; its parts go to the folder "parts" of `staging`."""
    from zmumu_hybrid.execution.runner import run
    from zmumu_hybrid.processors.dimuon import DimuonConfig, DimuonProcessor

    parts = staging / "parts"
    parts.mkdir()
    config = DimuonConfig(options.selection, options.smearing_config, options.split, table=True, histograms=False)
    with worker_pool(options.execution) as pool:
        result: dict[str, Any] = run(
            sources,
            DimuonProcessor(config),
            pool=pool,
            chunksize=options.chunksize,
            finish=PartWriter(parts.resolve()),
            show_progress=show_progress,
        )
    return result


def _require_pairs(sources: Sequence[Source], cutflow: Mapping[str, Mapping[str, int]]) -> None:
    """Raise `InputError` for a data set in which no event has a muon pair."""
    for dataset, steps in cutflow.items():
        if steps["pairs"] == 0:
            counted = _rows(sources, dataset) | dict(steps)
            counts = ", ".join(f"{step} {number}" for step, number in counted.items() if step != "pairs")
            raise InputError(f"{named_files(sources, dataset)}: no event has a muon pair ({dataset}: {counts})")


def _summary(
    output: Path, sources: Sequence[Source], result: Mapping[str, Any], seconds: dict[str, float]
) -> ProcessSummary:
    cutflow = {name: _rows(sources, name) | dict(steps) for name, steps in result["cutflow"].items()}
    return ProcessSummary(
        output=output,
        files={name: sum(source.dataset == name for source in sources) for name in cutflow},
        entries={name: sum(source.entries for source in sources if source.dataset == name) for name in cutflow},
        pairs={name: steps["pairs"] for name, steps in cutflow.items()},
        cutflow=cutflow,
        negative_pt_muons=dict(result["negative pT muons"]),
        seconds=seconds,
    )


def _rows(sources: Sequence[Source], dataset: str) -> dict[str, int]:
    """Return the cutflow before events are events: rows of trees of pairs, where any source is one."""
    if not any(source.rows for source in sources):
        return {}
    chosen = [source for source in sources if source.dataset == dataset]
    return {step: sum(source.rows.get(step, source.entries) for source in chosen) for step in ROW_STEPS}


def _record(
    summary: ProcessSummary, sources: Sequence[Source], options: ProcessOptions, declared: Branches | None
) -> dict[str, Any]:
    """Return what `process.json` holds: where the results come from and what was done."""
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()}
    inputs = [
        {"dataset": source.dataset, "path": str(source.path), "sha256": source.sha256, "events": source.entries}
        | ({"rows": source.rows["rows"]} if source.rows else {})
        for source in sources
    ]
    counts = {name: getattr(summary, name) for name in ("files", "entries", "pairs", "cutflow", "negative_pt_muons")}
    return {
        "inputs": inputs,
        "options": settings,
        "branches": None if declared is None else asdict(declared),
        **counts,
        "versions": versions(),
        "git_revision": git_revision(),
        "seconds": summary.seconds,
    }
