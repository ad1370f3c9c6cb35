"""Running a processor over files: coffea's `Runner` on any pool of workers, with nothing lost in silence.

coffea decides what a chunk is and reads it; the executor here decides where a chunk runs and what becomes of its
errors. One class serves a single process, a pool of local processes and a dask cluster, because each is a
`concurrent.futures` pool or none. A chunk that fails is named by file and entries and stops the run at once; a run
that returns has processed every entry that it was asked to.
"""

from __future__ import annotations

import concurrent.futures
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, NoReturn

import awkward as ak
from coffea.nanoevents import BaseSchema
from coffea.nanoevents.methods import nanoaod
from coffea.processor import ProcessorABC, Runner, accumulate
from coffea.processor.executor import ExecutorBase, WorkItem
from uproot.source.file import MultithreadedFileSource

from zmumu_hybrid.branches import Branches
from zmumu_hybrid.errors import IncompleteRunError, ZmumuError
from zmumu_hybrid.parquet import ProcessRows, chunks
from zmumu_hybrid.progress import progress
from zmumu_hybrid.records import events_by_branches
from zmumu_hybrid.schema import EventSchema
from zmumu_hybrid.sources import Source

__all__ = ["PoolExecutor", "run"]


def _place(item: Any, names: Mapping[str, str]) -> tuple[str, str]:
    """Return the file of a coffea work item as the user knows it, and a phrase that also names its entries."""
    file = str(getattr(item, "filename", item))
    file = names.get(file, file)
    start, stop = getattr(item, "entrystart", None), getattr(item, "entrystop", None)
    return file, file if start is None else f"{file}, entries {start} to {stop}"


def _one_line(error: BaseException) -> str:
    """Return the first paragraph of an error's message on one line; awkward adds paragraphs on what it was doing."""
    return " ".join(str(error).split("\n\n", maxsplit=1)[0].split()) or type(error).__name__


@dataclass(frozen=True, slots=True)
class _Failure:
    """What is left of an exception after the way home from a worker: its type, its message and its traceback."""

    kind: type[Exception]
    message: str
    trace: str

    @classmethod
    def of(cls, error: Exception, item: Any, names: Mapping[str, str]) -> _Failure:
        trace = "".join(traceback.format_exception(error))
        while type(error) is Exception and isinstance(error.__cause__, Exception):
            error = error.__cause__  # coffea wraps what a chunk raises in a bare Exception with the same text
        file, place = _place(item, names)
        message = _one_line(error)
        if not isinstance(error, ZmumuError):
            message = f"{place}: {type(error).__name__}: {message}"
        elif file not in message:
            message = f"{place}: {message}"
        return cls(type(error), message, trace)

    def throw(self) -> NoReturn:
        """Raise an error of the same type that is also a `ZmumuError`; the worker's traceback is its cause."""
        kind: type[Exception] = self.kind
        if not issubclass(kind, ZmumuError):
            said = {"__init__": Exception.__init__, "__str__": Exception.__str__}
            try:
                kind = type(kind.__name__, (ZmumuError, kind), said)
            except TypeError:  # a base with a layout of its own
                kind = type(kind.__name__, (ZmumuError, RuntimeError), said)
        raise kind(self.message) from RuntimeError(f"in the worker:\n{self.trace}")


@dataclass(frozen=True, slots=True)
class _Caught:
    """A function of one work item that returns a `_Failure` instead of raising."""

    function: Callable[[Any], Any]
    names: Mapping[str, str]

    def __call__(self, item: Any) -> Any:
        try:
            return self.function(item)
        except Exception as error:  # carried home, and raised there
            return _Failure.of(error, item, self.names)


def _nothing(_amount: float) -> None:
    pass


@dataclass
class PoolExecutor(ExecutorBase):
    """A coffea executor over a `concurrent.futures` pool, or in this process.

    Results are added in the order of the items, whatever the order of their coming, so that sums do not depend on
    the pool. The first failure is raised with its file and entries; what is still in the pool ends with the pool, as
    that of `zmumu_hybrid.clusters.worker_pool` does when its block is left. Nothing is retried: a chunk that failed
    once fails again, and dask itself moves the chunks of a lost worker.

    Parameters
    ----------
    pool : concurrent.futures.Executor, optional
        Where chunks run; None runs them here, one after the other.
    advance : callable
        Called with the number of entries of each finished chunk, as it finishes.
    names : mapping of str to str
        What the user calls a file, where it is not the file that is read.
    """

    pool: concurrent.futures.Executor | None = None
    advance: Callable[[float], None] = _nothing
    names: Mapping[str, str] = field(default_factory=dict)
    retries: int = 0

    def __call__(self, items: Iterable[Any], function: Callable[[Any], Any], accumulator: Any) -> tuple[Any, int]:
        """Add ``function(item)`` over all items to `accumulator`."""
        return accumulate(self._in_order(list(items), _Caught(function, self.names)), accumulator), 0

    def _in_order(self, items: Sequence[Any], function: _Caught) -> Iterator[Any]:
        waiting: dict[int, Any] = {}
        following = 0
        for index, outcome in self._as_they_come(items, function):
            if isinstance(outcome, _Failure):
                outcome.throw()
            self.advance(len(items[index]) if hasattr(items[index], "__len__") else 0)
            waiting[index] = outcome
            while following in waiting:
                yield waiting.pop(following)
                following += 1

    def _as_they_come(self, items: Sequence[Any], function: _Caught) -> Iterator[tuple[int, Any]]:
        if self.pool is None:
            yield from enumerate(map(function, items))
            return
        futures = {self.pool.submit(function, item): index for index, item in enumerate(items)}
        for future in concurrent.futures.as_completed(list(futures)):
            index = futures.pop(future)
            try:
                outcome = future.result()
            except (Exception, concurrent.futures.CancelledError) as error:
                raise self._lost(error, items[index]) from error
            yield index, outcome

    def _lost(self, error: BaseException, item: Any) -> IncompleteRunError:
        """Return the error for a chunk whose worker never answered."""
        _, place = _place(item, self.names)
        return IncompleteRunError(
            f"{place}: its worker was lost ({_one_line(error)}); "
            "if it ran out of memory, try fewer workers or smaller chunks"
        )


def run(
    sources: Sequence[Source],
    processor: ProcessorABC,
    *,
    pool: concurrent.futures.Executor | None = None,
    chunksize: int = 250_000,
    schema: type[BaseSchema] = EventSchema,
    show_progress: bool = True,
) -> Any:
    """Run `processor` over every entry of `sources` and return what its chunks add up to.

    Parameters
    ----------
    sources : sequence of Source
        What to read; each data set's name is also its metadata "label".
    processor : coffea.processor.ProcessorABC
        Its `process` returns an accumulator.
    pool : concurrent.futures.Executor, optional
        See `PoolExecutor`.
    chunksize : int
        About how many entries a chunk has. The chunks of a ROOT file end where its clusters do, so that none is
        decompressed twice, unless a cluster alone is larger than that.
    schema : coffea schema
        How columns become events, of sources without declared branches.
    show_progress : bool
        False silences the bar.

    Raises
    ------
    IncompleteRunError
        If a worker was lost, or if the entries processed are not the entries of the files.
    ZmumuError
        Whatever a chunk raised, as its own type, naming file and entries.
    """
    total = sum(source.entries for source in sources)
    parts = []
    with progress("processing", total, unit="events", enabled=show_progress) as advance:
        names = {str(source.readable): str(source.path) for source in sources}
        executor = PoolExecutor(pool=pool, advance=advance, names=names)
        for format_, branches in dict.fromkeys((source.format, source.branches) for source in sources):
            chosen = [source for source in sources if (source.format, source.branches) == (format_, branches)]
            reader = Reader(executor, chunksize, schema if branches is None else BaseSchema)
            parts.append(
                _run_alike(chosen, processor if branches is None else _ByBranches(processor, branches), reader, format_)
            )
    return accumulate(parts)


class _ByBranches(ProcessorABC):
    """A processor that is given the events which declared branches mean, in place of the columns themselves."""

    def __init__(self, processor: ProcessorABC, branches: Branches) -> None:
        self._processor, self._branches = processor, branches

    def process(self, events: Any) -> Any:
        """Process one chunk of columns."""
        made = ak.with_name(events_by_branches(events, self._branches), "NanoEvents", behavior=nanoaod.behavior)
        return self._processor.process(ak.with_parameter(made, "metadata", events.metadata, behavior=nanoaod.behavior))

    def postprocess(self, accumulator: Any) -> Any:
        """Return what the processor makes of the sum."""
        return self._processor.postprocess(accumulator)


@dataclass(frozen=True, slots=True)
class Reader:
    """How files that are read alike become chunks, and what runs a processor over them."""

    executor: PoolExecutor
    chunksize: int
    schema: type[BaseSchema]

    def root(self, sources: Sequence[Source], processor: ProcessorABC) -> tuple[list[WorkItem], dict[str, Any]]:
        """Run over ROOT files with coffea's `Runner`; return the chunks, and their "out" and "processed"."""
        runner = Runner(
            executor=self.executor,
            chunksize=self.chunksize,
            format="root",
            schema=self.schema,
            metadata_cache={},
            skipbadfiles=False,
            align_clusters=True,
        )
        fileset: dict[str, dict[str, Any]] = {}
        for source in sources:
            dataset = fileset.setdefault(source.dataset, {"files": {}, "metadata": {"label": source.dataset}})
            dataset["files"][str(source.readable)] = source.tree
        requested = [piece for item in runner.preprocess(fileset) for piece in _split(item, self.chunksize)]
        options = {"handler": MultithreadedFileSource, "num_workers": 1}  # local files need no event loop
        return requested, runner.run(requested, processor, uproot_options=options)

    def parquet(self, sources: Sequence[Source], processor: ProcessorABC) -> tuple[list[WorkItem], dict[str, Any]]:
        """Run over Parquet files; return the chunks, and their "out" and "processed"."""
        requested = [item for each in sources for item in chunks(each.readable, each.dataset, self.chunksize)]
        result, _ = self.executor(requested, ProcessRows(processor, self.schema), None)
        return requested, {**result, "out": processor.postprocess(result["out"])}


def _run_alike(
    sources: Sequence[Source], processor: ProcessorABC, reader: Reader, format_: Literal["root", "parquet"]
) -> Any:
    """Run over sources that are read alike, and compare what was processed with what there is."""
    requested, result = (reader.parquet if format_ == "parquet" else reader.root)(sources, processor)
    _check_complete(sources, requested, result["processed"])
    return result["out"]


def _split(item: WorkItem, chunksize: int) -> list[WorkItem]:
    """Cut a chunk that is much larger than asked, as whole clusters of a ROOT file may be, into equal ones."""
    pieces = max(round(len(item) / chunksize), 1)
    edges = [item.entrystart + len(item) * index // pieces for index in range(pieces + 1)]
    return [replace(item, entrystart=start, entrystop=stop) for start, stop in pairwise(edges)]


def _check_complete(sources: Sequence[Source], requested: Iterable[Any], processed: set[Any]) -> None:
    """Raise `IncompleteRunError` unless every chunk was processed and the chunks are the whole files."""
    names = {str(source.readable): str(source.path) for source in sources}
    missing = sorted(_place(item, names)[1] for item in set(requested) - processed)
    if missing:
        raise IncompleteRunError(f"{missing[0]}: not processed ({len(missing)} chunks in all): run again")
    entries: dict[str, int] = {}
    for item in processed:
        entries[item.filename] = entries.get(item.filename, 0) + len(item)
    for source in sources:
        found = entries.get(str(source.readable), 0)
        if found != source.entries:
            raise IncompleteRunError(
                f"{source.path}: {found} of its {source.entries} entries were processed: did it change? run again"
            )
