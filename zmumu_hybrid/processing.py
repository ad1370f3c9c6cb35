"""The job of `zmumu process`: event files to histograms, candidate table and reweighting, in one directory.

The chunks of a run write sorted parts of the table; the parts are merged, the background is given the pT spectrum of
the signal, and the histograms are filled from the finished table, so that neither depends on how the work was cut.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid import histograms
from zmumu_hybrid.candidates import Table
from zmumu_hybrid.clusters import ExecutorName, Workers, worker_pool
from zmumu_hybrid.errors import ConfigurationError, IncompleteRunError, InputError
from zmumu_hybrid.files import write_json
from zmumu_hybrid.pairs import PairOrder, PairSelection
from zmumu_hybrid.parts import merge_parts, read_columns, write_table
from zmumu_hybrid.provenance import git_revision, versions
from zmumu_hybrid.reweighting import Binning, Reweighting, ReweightingConfig, final_weights
from zmumu_hybrid.smearing import Hold, SmearingConfig, SmearingMode
from zmumu_hybrid.sources import Source, open_sources
from zmumu_hybrid.splitting import SplitConfig
from zmumu_hybrid.staging import staging_directory

__all__ = ["OUTPUTS", "ProcessOptions", "ProcessSummary", "process"]

OUTPUTS = ("histograms.json", "histograms.root", "candidates.parquet", "reweighting.json", "process.json")
"""What a run writes. The last is the mark that the others are complete."""

_WEIGHT_COLUMNS = ("label", "is_test", "pt_0", "gen_weight")

Paths = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """All settings of a run.

    Parameters
    ----------
    executor, workers, scheduler, jobqueue
        Who does the work; see `zmumu_hybrid.clusters.Workers`.
    chunksize : int
        About how many events are worked on at a time.
    smearing, hold, width
        See `zmumu_hybrid.smearing.SmearingConfig`.
    seed : int
        Of the smearing and of the split.
    test_fraction : float
        Fraction of the events that is held out.
    pair : "leading" or "closest-to-z"
        Which two muons of an event make its pair.
    reweighting_bins, binning
        Bins of the pT reweighting of the background; see `zmumu_hybrid.reweighting.fit`.
    reweighting : Path, optional
        A `reweighting.json` of another run, to be applied instead of fitting one.
    cache : Path, optional
        Directory for converted LHE files; see `zmumu_hybrid.convert.cached`.

    Raises
    ------
    ConfigurationError
        If a value cannot be used.
    """

    executor: ExecutorName = "iterative"
    workers: int = 1
    chunksize: int = 100_000
    smearing: SmearingMode = "independent"
    hold: Hold = "pz"
    width: float = 0.1
    seed: int = 0
    test_fraction: float = 0.2
    pair: PairOrder = "leading"
    reweighting_bins: int = 100
    binning: Binning = "equal-content"
    reweighting: Path | None = None
    cache: Path | None = None
    scheduler: str | None = None
    jobqueue: Path | None = None

    def __post_init__(self) -> None:
        if self.chunksize < 1:
            raise ConfigurationError(f"the chunk size must be at least 1 event, not {self.chunksize}")
        _ = self.staff, self.smearing_config, self.split, self.selection, self.reweighting_config

    @property
    def staff(self) -> Workers:
        """Who does the work."""
        return Workers(self.executor, self.workers, self.scheduler, self.jobqueue)

    @property
    def smearing_config(self) -> SmearingConfig:
        """How muons are smeared."""
        return SmearingConfig(self.smearing, self.hold, self.width, self.seed)

    @property
    def split(self) -> SplitConfig:
        """Which events are held out."""
        return SplitConfig(self.test_fraction, self.seed)

    @property
    def selection(self) -> PairSelection:
        """Which muons make the pair."""
        return PairSelection(self.pair)

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
        Number of events after each step, by data set and step.
    reversed_muons : dict of str to int
        Muons whose transverse momentum was turned round by the smearing, by data set.
    seconds : dict of str to float
        Wall time of each stage.
    """

    output: Path
    files: dict[str, int]
    entries: dict[str, int]
    pairs: dict[str, int]
    cutflow: dict[str, dict[str, int]]
    reversed_muons: dict[str, int]
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
    show_progress: bool = True,
) -> ProcessSummary:
    """Process files of events into `OUTPUTS` in the directory `output`.

    Parameters
    ----------
    signal, background : sequence of path
        LHE (plain or gz), ROOT (TTree, RNTuple, NanoAOD) or Parquet files. `background` may be empty; every weight is
        then the generator's.
    output : path
        A directory, made if it does not exist. What an earlier run left in it is replaced when this one has ended
        well, and kept when it has not.
    options : ProcessOptions, optional
        All settings.
    show_progress : bool
        False silences the bars.

    Raises
    ------
    MissingInputError, InputError
        If a file cannot be used, is given twice, or no event of a data set has a muon pair.
    OutputError
        If `output` cannot be written to.
    IncompleteRunError
        If entries were lost on the way.
    """
    options = options or ProcessOptions()
    inputs = {"signal": signal, "background": background}
    if not signal:
        raise ConfigurationError("no signal file is given: at least one is needed")
    seconds: dict[str, float] = {}
    with staging_directory(output, OUTPUTS) as staging:
        known = None if options.reweighting is None else Reweighting.read(options.reweighting)
        with _timed(seconds, "checking and converting"):
            sources = open_sources(
                {name: paths for name, paths in inputs.items() if paths},
                options.cache,
                show_progress=show_progress,
            )
        with _timed(seconds, "processing"):
            result = _run(sources, options, staging, show_progress)
        _require_pairs(sources, result["cutflow"])
        parts = _checked_parts(staging, result)
        with _timed(seconds, "reweighting"):
            reweighting = known or _fit(parts, options.reweighting_config)
            if reweighting is not None:
                reweighting.write(staging / "reweighting.json")
        with _timed(seconds, "merging"):
            _write_results(parts, reweighting, staging)
        summary = _summary(Path(output), sources, result, seconds)
        write_json(staging / "process.json", _record(summary, sources, options))
    return summary


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - started, 3)


def _run(sources: Sequence[Source], options: ProcessOptions, staging: Path, show_progress: bool) -> dict[str, Any]:
    """Run the dimuon processor over all sources; its parts go to the folder "parts" of `staging`."""
    from zmumu_hybrid.processors.dimuon import DimuonConfig, DimuonProcessor
    from zmumu_hybrid.running import run

    parts = staging / "parts"
    parts.mkdir()
    config = DimuonConfig(options.selection, options.smearing_config, options.split, parts=parts.resolve())
    with worker_pool(options.staff) as pool:
        result: dict[str, Any] = run(
            sources, DimuonProcessor(config), pool=pool, chunksize=options.chunksize, show_progress=show_progress
        )
    return result


def _require_pairs(sources: Sequence[Source], cutflow: Mapping[str, Mapping[str, int]]) -> None:
    """Raise `InputError` for a data set in which no event has a muon pair."""
    for dataset, steps in cutflow.items():
        if steps["pairs"] == 0:
            files = ", ".join(str(source.path) for source in sources if source.dataset == dataset)
            counts = ", ".join(f"{step} {number}" for step, number in steps.items() if step != "pairs")
            raise InputError(f"{files}: no event has a muon pair ({dataset}: {counts})")


def _checked_parts(staging: Path, result: Mapping[str, Any]) -> list[Path]:
    """Return the parts, in the order of their names, after comparing what is on disk with what was reported."""
    import pyarrow.parquet as pq

    parts = sorted(result["parts"])
    rows = dict.fromkeys(result["cutflow"], 0)
    for name in parts:
        path, report = staging / "parts" / name, result["parts"][name]
        found = pq.read_metadata(path).num_rows if path.exists() else 0
        if found != report["rows"]:
            raise IncompleteRunError(
                f"{path}: has {found} of {report['rows']} rows of {report['file']}: do all workers see this directory?"
            )
        rows[report["dataset"]] += found
    for dataset, steps in result["cutflow"].items():
        if rows[dataset] != steps["pairs"]:
            raise IncompleteRunError(
                f"{dataset}: {steps['pairs']} pairs were found, {rows[dataset]} written: run again"
            )
    return [staging / "parts" / name for name in parts]


def _fit(parts: Iterable[Path], config: ReweightingConfig) -> Reweighting | None:
    """Fit the reweighting of the background on training rows; None if there is no background."""
    return _weights(read_columns(parts, _WEIGHT_COLUMNS), config)[1]


def _weights(
    table: Table, reweighting: ReweightingConfig | Reweighting | None
) -> tuple[NDArray[np.float64], Reweighting | None]:
    return final_weights(table["label"], table["is_test"], table["pt_0"], table["gen_weight"], reweighting)


def _write_results(parts: Sequence[Path], reweighting: Reweighting | None, staging: Path) -> None:
    """Write the merged table and the histograms that are filled from it."""
    filled = histograms.make()
    write_table(_finished(parts, reweighting, filled), staging / "candidates.parquet")
    histograms.write_json(filled, staging / "histograms.json")
    histograms.write_root(filled, staging / "histograms.root")


def _finished(parts: Sequence[Path], reweighting: Reweighting | None, filled: dict[str, Any]) -> Iterator[Table]:
    """Yield the table in order, with its final weights, filling histograms on the way."""
    for table in merge_parts(parts):
        table["weight"], _ = _weights(table, reweighting)
        histograms.fill(filled, table)
        yield table


def _summary(
    output: Path, sources: Sequence[Source], result: Mapping[str, Any], seconds: dict[str, float]
) -> ProcessSummary:
    cutflow = {dataset: dict(steps) for dataset, steps in result["cutflow"].items()}
    return ProcessSummary(
        output=output,
        files={name: sum(source.dataset == name for source in sources) for name in cutflow},
        entries={name: sum(source.entries for source in sources if source.dataset == name) for name in cutflow},
        pairs={name: steps["pairs"] for name, steps in cutflow.items()},
        cutflow=cutflow,
        reversed_muons=dict(result["reversed muons"]),
        seconds=seconds,
    )


def _record(summary: ProcessSummary, sources: Sequence[Source], options: ProcessOptions) -> dict[str, Any]:
    """Return what `process.json` holds: where the results come from and what was done."""
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()}
    inputs = [
        {"dataset": source.dataset, "path": str(source.path), "sha256": source.sha256, "events": source.entries}
        for source in sources
    ]
    counts = {name: getattr(summary, name) for name in ("files", "entries", "pairs", "cutflow", "reversed_muons")}
    return {
        "inputs": inputs,
        "options": settings,
        **counts,
        "versions": versions(),
        "git_revision": git_revision(),
        "seconds": summary.seconds,
    }
