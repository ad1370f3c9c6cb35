"""Running a coffea processor over files on any pool of workers, with nothing lost in silence.

The events are those of `zmumu_hybrid.events.ntuples`, whose columns are checked, with coffea's behaviours and metadata.
One executor serves a single process, a pool of local processes and a dask cluster, because each is a
`concurrent.futures` pool or none. A chunk that fails is named by file and entries and ends the run; a run that returns
has processed every entry that it was asked to.
"""

from __future__ import annotations

import concurrent.futures
import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import awkward as ak
from coffea.nanoevents.methods import nanoaod
from coffea.processor import ProcessorABC, accumulate

from zmumu_hybrid.errors import IncompleteRunError, ZmumuError
from zmumu_hybrid.events.column_checks import Place
from zmumu_hybrid.events.input_files import Source
from zmumu_hybrid.events.ntuples import events_by_branches
from zmumu_hybrid.events.reader import chunks, forget, read_chunk
from zmumu_hybrid.execution.workers import as_finished, describe_loss
from zmumu_hybrid.support.progress import progress

__all__ = ["Batch", "PoolExecutor", "run"]

_log = logging.getLogger(__name__)

Finish = Callable[[Any, Any], Any]

_BATCH = 50_000
"""Events of small chunks that make a batch at most,"""
_COST = 1000
"""a chunk being counted as so many more,"""
_LEAST_BATCHES = 64
"""and how many batches there should at least be to divide among workers."""


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
    def of(cls, error: Exception, item: Any) -> _Failure:
        trace = "".join(traceback.format_exception(error))
        message = _one_line(error)
        if not isinstance(error, ZmumuError):
            message = f"{item}: {type(error).__name__}: {message}"
        elif str(getattr(item, "file", item)) not in message:
            message = f"{item}: {message}"
        return cls(type(error), message, trace)

    def throw(self) -> NoReturn:
        """Raise a `ZmumuError` again, or `IncompleteRunError` for any other; the worker's traceback is its cause."""
        kind = self.kind if issubclass(self.kind, ZmumuError) else IncompleteRunError
        raise kind(self.message) from RuntimeError(f"in the worker:\n{self.trace}")


@dataclass(frozen=True, slots=True)
class _Caught:
    """The sum of a function over the items of a batch, finished; or a `_Failure` instead of an exception."""

    function: Callable[[Any], Any]
    finish: Finish

    def __call__(self, batch: Any) -> Any:
        item = batch

        def outcomes() -> Iterator[Any]:
            nonlocal item
            for item in batch:
                yield self.function(item)

        try:
            return self.finish(accumulate(outcomes()), batch)
        except Exception as error:  # carried home, and raised there
            return _Failure.of(error, item)


def _nothing(_batch: Any) -> None:
    pass


@dataclass
class PoolExecutor:
    """An executor of batches of work items over a `concurrent.futures` pool, or in this process.

    Results are added in the order of the batches, whatever the order of their coming, so that sums do not depend on
    the pool. The first failure is raised with its file and entries; what is still in the pool ends with the pool, as
    that of `zmumu_hybrid.execution.workers.worker_pool` does when its block is left. Nothing is retried: a chunk that
    failed once fails again, and dask itself moves the batches of a lost worker.

    Parameters
    ----------
    pool : concurrent.futures.Executor, optional
        Where batches run; None runs them here, one after the other.
    advance : callable
        Called with each finished batch, as it finishes.
    """

    pool: concurrent.futures.Executor | None = None
    advance: Callable[[Any], None] = _nothing

    def __call__(self, batches: Sequence[Any], function: Callable[[Any], Any], finish: Finish) -> Any:
        """Return the sum over all batches of ``finish(sum of function(item) over its items, batch)``."""
        return accumulate(self._in_order(batches, _Caught(function, finish)))

    def _in_order(self, batches: Sequence[Any], function: _Caught) -> Iterator[Any]:
        waiting: dict[int, Any] = {}
        following = 0
        for index, outcome in self._as_they_come(batches, function):
            if not isinstance(outcome, _Failure):
                self.advance(batches[index])
            waiting[index] = outcome
            while following in waiting:
                if isinstance(outcome := waiting.pop(following), _Failure):
                    outcome.throw()  # the first in the order of the batches, however fast the others were
                yield outcome
                following += 1

    def _as_they_come(self, batches: Sequence[Any], function: _Caught) -> Iterator[tuple[int, Any]]:
        if self.pool is None:
            yield from enumerate(map(function, batches))
            return
        futures = {self.pool.submit(function, batch): index for index, batch in enumerate(batches)}
        for future in as_finished(self.pool, futures):
            index = futures.pop(future)
            try:
                outcome = future.result()
            except (Exception, concurrent.futures.CancelledError) as error:
                raise self._lost(error, batches[index]) from error
            yield index, outcome

    def _lost(self, error: BaseException, batch: Any) -> IncompleteRunError:
        """Return the error for a batch whose worker never answered."""
        said = describe_loss(error) or f"its worker did not answer: {type(error).__name__}: {_one_line(error)}"
        return IncompleteRunError(f"{batch}: {said}")


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some entries of a file."""

    source: Source
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __str__(self) -> str:
        return f"{self.file}, entries {self.start} to {self.stop}"

    @property
    def file(self) -> str:
        """The file as it was given."""
        return str(self.source.path)

    @property
    def metadata(self) -> dict[str, Any]:
        """What coffea's `Runner` says of a chunk, with the data set's name as its label."""
        source = self.source
        return {
            "dataset": source.dataset,
            "label": source.dataset,
            "filename": self.file,
            "treename": source.tree,
            "entrystart": self.start,
            "entrystop": self.stop,
            "fileuuid": "",
        }


@dataclass(frozen=True, slots=True)
class Batch:
    """Chunks of one data set that a worker processes one after the other.

    Attributes
    ----------
    index : int
        Its place among the batches of a run.
    chunks : tuple
    """

    index: int
    chunks: tuple[_Chunk, ...]

    def __iter__(self) -> Iterator[_Chunk]:
        return iter(self.chunks)

    def __len__(self) -> int:
        return sum(map(len, self.chunks))

    def __str__(self) -> str:
        first, last = self.chunks[0], self.chunks[-1]
        return f"{first}, to {last}" if last.file != first.file else str(replace(first, stop=last.stop))

    @property
    def dataset(self) -> str:
        """The data set of all of its events."""
        return self.chunks[0].source.dataset

    @property
    def file(self) -> str:
        """The first of its files."""
        return self.chunks[0].file


def _batches(chunks: Sequence[_Chunk]) -> list[Batch]:
    """Return chunks in batches: small ones in fewer, as to send, add and write what comes of one costs more than it."""
    most = min(_BATCH, sum(len(chunk) + _COST for chunk in chunks) // _LEAST_BATCHES)
    groups: list[list[_Chunk]] = []
    size, former = 0, None
    for chunk in chunks:
        if size >= most or chunk.source.dataset != former:
            groups.append([])
            size, former = 0, chunk.source.dataset
        groups[-1].append(chunk)
        size += len(chunk) + _COST
    return [Batch(index, tuple(group)) for index, group in enumerate(groups)]


@dataclass(frozen=True, slots=True)
class _Process:
    """What a worker does with a chunk, and with what the chunks of a batch add up to."""

    processor: ProcessorABC
    finish: Finish | None

    def __call__(self, chunk: _Chunk) -> dict[str, Any]:
        """Return what the processor makes of a chunk, and how many entries of its file were processed."""
        source = chunk.source
        start, stop = (source.start + edge for edge in (chunk.start, chunk.stop))
        columns = read_chunk(source.readable, source.format, source.tree, source.columns, start, stop)
        place = Place(chunk.file, chunk.start, "row" if source.format == "parquet" else "entry")
        events = events_by_branches(columns, source.branches, place, source.counters)
        events = ak.with_name(events, "NanoEvents", behavior=nanoaod.behavior)
        events = ak.with_parameter(events, "metadata", chunk.metadata, behavior=nanoaod.behavior)
        return {"out": self.processor.process(events), "entries": {_key(source): len(events)}}

    def end(self, found: dict[str, Any], batch: Batch) -> dict[str, Any]:
        """Return the sum of a batch, finished."""
        return found if self.finish is None else found | {"out": self.finish(found["out"], batch)}


def _key(source: Source) -> tuple[Any, ...]:
    """Return what tells the events of a source from those of any other."""
    return source.readable, source.tree, source.start, source.entries  # where one is empty, another begins there too


def run(
    sources: Sequence[Source],
    processor: ProcessorABC,
    *,
    pool: concurrent.futures.Executor | None = None,
    chunksize: int = 100_000,
    finish: Finish | None = None,
    show_progress: bool = True,
) -> Any:
    """Run `processor` over every entry of `sources` and return what its chunks add up to.

    Parameters
    ----------
    sources : sequence of Source
        What to read; each data set's name is also its metadata "label".
    processor : coffea.processor.ProcessorABC
        Its `process` is given events with the columns of `zmumu_hybrid.events.schema`, and returns an accumulator.
    pool : concurrent.futures.Executor, optional
        See `PoolExecutor`.
    chunksize : int
        About how many entries a chunk has. Chunks end where the clusters of a ROOT file or the row groups of a Parquet
        file do, unless one alone is larger than that.
    finish : callable, optional
        Is given what the chunks of a `Batch` add up to, and the batch, where these were processed; what it returns
        takes the place of the former.
    show_progress : bool
        False silences the bar.

    Raises
    ------
    InputError
        If a column of a file is not what it should be; see `zmumu_hybrid.events.ntuples`.
    IncompleteRunError
        If a worker was lost, or if the entries processed are not the entries of the files; also for whatever a chunk
        raised that is no error of this package: the message names it, with file and entries.
    ZmumuError
        Whatever of this package's errors a chunk raised, as its own type, naming file and entries.
    """
    order = {key: index for index, key in enumerate(dict.fromkeys((each.dataset, each.readable) for each in sources))}
    requested = [
        _Chunk(replace(source, edges=()), start, stop)
        for source in sorted(sources, key=lambda source: (order[source.dataset, source.readable], source.start))
        for start, stop in chunks(source.edges or (0, source.entries), chunksize)
    ]
    total = sum(source.entries for source in sources)
    _log.info("processing %d events of %d files in %d chunks", total, len(sources), len(requested))
    try:
        with progress("processing", total, unit="events", enabled=show_progress) as advance:
            executor = PoolExecutor(pool, lambda batch: advance(len(batch)))
            work = _Process(processor, finish)
            result = executor(_batches(requested), work, work.end)
    finally:
        forget()
    for source in sources:
        if (found := result["entries"].get(_key(source), 0)) != source.entries:
            raise IncompleteRunError(
                f"{source.path}: {found} of its {source.entries} entries were processed: did it change? run again"
            )
    ended = processor.postprocess(result["out"])
    return result["out"] if ended is None else ended  # coffea's own postprocess returns nothing
