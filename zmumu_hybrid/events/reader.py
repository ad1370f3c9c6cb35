"""Columns of event files, a chunk of entries at a time: TTree, RNTuple and Parquet in one way.

Only the columns that are asked for are described and decoded, whatever else a file holds. A worker keeps the file of
its last chunk open, and where chunks are much smaller than what a file is compressed in, the entries that follow: many
small chunks cost little more than a few large ones.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import unquote

import awkward as ak
import numpy as np

from zmumu_hybrid.errors import IncompleteRunError
from zmumu_hybrid.events.column_checks import Place
from zmumu_hybrid.support.handles import open_parquet, open_root

__all__ = [
    "EventFile",
    "Format",
    "chunks",
    "file_behind",
    "forget",
    "keep_open",
    "open_file",
    "read_chunk",
    "records",
]

Format = Literal["root", "parquet"]
Arrays = dict[str, ak.Array]

_AHEAD = 50_000
"""Entries that are read at once, where chunks are much smaller;"""
_PIECE = 500_000
"""and those that are decompressed together, if they are no more."""


class EventFile(Protocol):
    """An open file of events; `unit` is what an entry of it is called."""

    entries: int
    unit: str

    def names(self, wanted: Iterable[str] = ()) -> set[str]:
        """Return the names of its columns, and those wanted that are columns within columns."""

    def edges(self, columns: Iterable[str]) -> tuple[int, ...]:
        """Return the entries at which what these columns are compressed in begins, and the number of entries."""

    def counters(self, columns: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Return the columns that say how long the lists of these are, each with the column of lists."""

    def read(self, columns: Iterable[str], start: int, stop: int) -> Arrays:
        """Return the values of columns in a range of entries."""

    def close(self) -> None:
        """Close the file."""


def open_file(path: Path, format_: Format, tree: str) -> EventFile:
    """Open a file to read its columns: the tree of that name, of Parquet all."""
    return _Table.open(path) if format_ == "parquet" else _Tree.open(path, tree)


class _Tree:
    """A TTree or an RNTuple."""

    unit = "entry"

    def __init__(self, tree: Any, name: str = "", file: Any = None) -> None:
        self._tree, self._place, self._file = tree, Place(name), file
        self.entries = int(tree.num_entries)

    @classmethod
    def open(cls, path: Path, tree: str) -> _Tree:
        file = open_root(path, array_cache=None)
        return cls(file[tree], str(path), file)

    @property
    def _is_ntuple(self) -> bool:
        return hasattr(self._tree, "cluster_summaries")

    def names(self, wanted: Iterable[str] = ()) -> set[str]:
        if not self._is_ntuple:
            return set(self._tree.keys())
        # to list all subfields takes uproot seconds
        return {field.name for field in self._tree.fields} | {name for name in wanted if name in self._tree}

    def edges(self, columns: Iterable[str]) -> tuple[int, ...]:
        if self._is_ntuple:
            starts = {cluster.num_first_entry for cluster in self._tree.cluster_summaries}
        else:
            offsets = [self._tree[name].entry_offsets for name in columns]
            starts = set(offsets[0]).intersection(*offsets) if offsets else set()
        return tuple(sorted({int(start) for start in starts if start < self.entries} | {0, self.entries}))

    def counters(self, columns: Iterable[str]) -> tuple[tuple[str, str], ...]:
        columns, names = list(columns), self.names()
        found = dict(_named_counters(columns, names))
        for column in [] if self._is_ntuple else columns:
            counter = self._tree[column].count_branch
            if counter is not None and counter.name in names:
                found.setdefault(counter.name, column)
        return tuple(found.items())

    def read(self, columns: Iterable[str], start: int, stop: int) -> Arrays:
        chosen = {name: self._tree[name] for name in columns}
        for name, column in chosen.items():
            if (entries := int(column.num_entries)) != self.entries:
                raise self._place.all(f"{name} has {entries} entries, and its tree {self.entries}; make the file again")
        return {name: column.array(entry_start=start, entry_stop=stop) for name, column in chosen.items()}

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class _Table:
    """A Parquet file: row groups are decoded, not the whole file."""

    unit = "row"

    def __init__(self, file: Any, name: str = "", stack: ExitStack | None = None) -> None:
        self._file, self._place, self._stack = file, Place(name, unit=self.unit), stack
        self.entries = int(file.metadata.num_rows)

    @classmethod
    def open(cls, path: Path) -> _Table:
        stack = ExitStack()
        return cls(stack.enter_context(open_parquet(path)), str(path), stack)

    def names(self, wanted: Iterable[str] = ()) -> set[str]:  # noqa: ARG002
        return set(self._file.schema_arrow.names)

    def edges(self, columns: Iterable[str]) -> tuple[int, ...]:  # noqa: ARG002
        groups = (self._file.metadata.row_group(index).num_rows for index in range(self._file.num_row_groups))
        return tuple(int(edge) for edge in np.unique(np.cumsum([0, *groups])))

    def counters(self, columns: Iterable[str]) -> tuple[tuple[str, str], ...]:
        return _named_counters(columns, self.names())

    def read(self, columns: Iterable[str], start: int, stop: int) -> Arrays:
        columns, groups = list(columns), range(self._file.num_row_groups)
        if twice := [name for name in columns if self._file.schema_arrow.names.count(name) > 1]:
            raise self._place.all(f"has more than one column {twice[0]}: rename or drop the others")
        edges = np.cumsum([0, *(self._file.metadata.row_group(index).num_rows for index in groups)])
        chosen = [index for index in groups if edges[index] < stop and edges[index + 1] > start]
        table = self._file.read_row_groups(chosen, columns=columns, use_threads=False)
        offset = start - int(edges[chosen[0]]) if chosen else 0
        return {name: self._array(table.column(name).slice(offset, stop - start), name, start) for name in columns}

    def _array(self, column: Any, name: str, start: int) -> ak.Array:
        import pyarrow as pa

        try:
            return ak.from_arrow(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0))
        except (pa.ArrowException, ValueError, TypeError, AssertionError, NotImplementedError) as error:
            said = f"{name} is {column[0]} ({column.type}): a number, or a list of numbers, is needed"
            raise self._place.error(start, said) from error

    def close(self) -> None:
        if self._stack is not None:
            self._stack.close()


def _named_counters(columns: Iterable[str], names: set[str]) -> tuple[tuple[str, str], ...]:
    """Return the counters that are called as in NanoAOD: nMuon counts Muon_pt."""
    found: dict[str, str] = {}
    for column in columns:
        prefix, separator, _ = column.partition("_")
        if separator and f"n{prefix}" in names:
            found.setdefault(f"n{prefix}", column)
    return tuple(found.items())


def chunks(edges: Sequence[int], chunksize: int) -> Iterator[tuple[int, int]]:
    """Yield the first entry of each chunk and that after its last: about `chunksize` entries.

    A chunk is whole pieces between `edges`, so that nothing is decompressed twice, or an equal part of a piece that is
    larger. Without entries between the first edge and the last there is one empty chunk, so that what is made of no
    events is made.
    """
    begin = edges[0]
    if edges[-1] == begin:
        yield begin, begin
    for start, stop in pairwise(edges):
        if stop - begin < chunksize and stop != edges[-1]:
            continue
        if start > begin and stop - begin > 1.5 * chunksize:
            yield begin, start
            begin = start
        pieces = max(round((stop - begin) / chunksize), 1)
        cuts = [begin + (stop - begin) * index // pieces for index in range(pieces + 1)]
        yield from ((low, high) for low, high in pairwise(cuts) if high > low)
        begin = stop


class _Last(threading.local):
    """The file that this thread read last, and some of its entries."""

    key: Any = None
    file: EventFile | None = None
    start = stop = 0
    columns: Mapping[str, ak.Array] = {}


_LAST = _Last()


def keep_open(path: Path, format_: Format, tree: str) -> EventFile:
    """Open a file as `open_file` does, or give it as it was left open by the last call in this thread."""
    status = path.stat()
    key = (path, tree, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if key != _LAST.key or _LAST.file is None:
        forget()
        _LAST.file, _LAST.key = open_file(path, format_, tree), key
    return _LAST.file


def read_chunk(path: Path, format_: Format, tree: str, columns: Sequence[str], start: int, stop: int) -> ak.Array:
    """Return a range of entries of a file, as records of these columns.

    Raises
    ------
    IncompleteRunError
        If the file has fewer entries.
    """
    file = keep_open(path, format_, tree)
    if stop > file.entries:
        raise IncompleteRunError(f"{file.entries} of {stop} entries are there: did the file change? run again")
    if not (_LAST.start <= start and stop <= _LAST.stop and set(columns) <= set(_LAST.columns)):
        ahead = _AHEAD if 8 * (stop - start) < _AHEAD else 0
        end = max(stop, min(start + ahead, file.entries))
        edge = next(edge for edge in file.edges(columns) if edge >= end)
        end = edge if edge - start <= _PIECE else end
        _LAST.columns, _LAST.stop = {}, 0
        _LAST.columns, _LAST.start, _LAST.stop = file.read(columns, start, end), start, end
    rows = slice(start - _LAST.start, stop - _LAST.start)
    return records({name: _LAST.columns[name][rows] for name in columns})


def forget() -> None:
    """Close the file that was left open in this thread."""
    file, _LAST.file, _LAST.key, _LAST.columns, _LAST.stop = _LAST.file, None, None, {}, 0
    if file is not None:
        file.close()


def records(columns: Mapping[str, ak.Array]) -> ak.Array:
    """Return one record for each event from columns, whatever their lists are."""
    return ak.Array(ak.contents.RecordArray([column.layout for column in columns.values()], list(columns)))


def file_behind(events: ak.Array) -> tuple[EventFile, int, int] | None:
    """Return the file that coffea reads events from, and the range of entries; None if they are from elsewhere."""
    factory = events.attrs.get("@events_factory")
    try:
        uuid, path, entries = factory._partition_key.rsplit("/", 2)
        source = factory._mapping._column_source(uuid, unquote(path))
        start, stop = (int(edge) for edge in entries.split("-"))
    except (AttributeError, ValueError, KeyError):  # made by hand, or by another coffea
        return None
    if hasattr(source, "num_entries"):
        return _Tree(source), start, stop
    return (_Table(source.file), start, stop) if hasattr(source, "file") else None
