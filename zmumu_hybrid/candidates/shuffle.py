"""The candidate table in pieces: what each worker writes, and their merger into one sorted table in bounded memory.

A part is a sorted Parquet file that a worker has written whole, of one chunk or of several small ones. The merger goes
through ranges of event numbers, each about as many rows as fit well into memory, and takes from every part, block by
block, the rows of a range. Which rows a part holds and how many parts there are does not show in the result.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pyarrow as pa

from zmumu_hybrid.candidates.table import LABELS, Table, name_event
from zmumu_hybrid.errors import IncompleteRunError, RepeatedEventError
from zmumu_hybrid.physics.pair_arrays import Muon
from zmumu_hybrid.support.files import atomic_path
from zmumu_hybrid.support.handles import create_parquet, open_parquet

if TYPE_CHECKING:
    from zmumu_hybrid.execution.runner import Batch

__all__ = [
    "SORT_KEY",
    "PartWriter",
    "in_groups",
    "merge_parts",
    "read_columns",
    "repeated",
    "sort_table",
    "sorted_by",
    "write_part",
    "write_table",
    "written_parts",
]

SORT_KEY = ("run", "luminosityBlock", "event", "label", "px_0", "py_0", "pz_0")
"""The order of rows. The momentum decides between events of different samples that were given the same number."""

_IDENTITY = SORT_KEY[:3]
_BLOCK = 4096
_GROUP = 131_072


def sort_table(table: Table) -> Table:
    """Return the table with its rows in the order of `SORT_KEY`."""
    order = np.lexsort([table[name] for name in reversed(SORT_KEY[:4])])
    ties = _same_as_next(table, order, SORT_KEY[:4])
    if ties.any():
        order = np.lexsort([table[name] for name in reversed(SORT_KEY)])
    return {name: values[order] for name, values in table.items()}


def sorted_by(pairs: ak.Array, plus: ak.Array, label: int) -> Table:
    """Return the columns of `SORT_KEY` for pairs as from `select_pairs`: what `merge_parts` needs of them.

    `plus` are their mu+, before or after smearing: records with px, py and pz, of the length of `pairs`.
    """
    identity = {name: ak.to_numpy(pairs[name]) for name in _IDENTITY}
    momentum = dict(zip(SORT_KEY[4:], Muon.of(plus)[:3], strict=True))
    return identity | {"label": np.full(len(pairs), label, np.int8)} | momentum


def _same_as_next(table: Table, order: np.ndarray[Any, Any], names: Iterable[str]) -> np.ndarray[Any, Any]:
    same = np.ones(max(len(order) - 1, 0), bool)
    for name in names:
        values = table[name][order]
        same &= values[1:] == values[:-1]
    return same


@dataclass(frozen=True, slots=True)
class PartWriter:
    """What a worker does with the rows that several chunks add up to: they become one part, and need not be carried.

    Parameters
    ----------
    folder : Path
        An existing directory that all workers share.
    """

    folder: Path

    def __call__(self, found: dict[str, Any], batch: Batch) -> dict[str, Any]:
        """Return what was found with "parts", {name of a part: {"dataset", "file", "rows"}}, in place of "table"."""
        pieces, parts = found.pop("table"), {}
        if pieces:
            table = {name: np.concatenate([piece.pop(name) for piece in pieces]) for name in list(pieces[0])}
            name = f"{batch.index:08d}.parquet"
            write_part(table, self.folder / name)
            parts[name] = {"dataset": batch.dataset, "file": batch.file, "rows": len(table["run"])}
        return {**found, "parts": parts}


def _arrow(table: Table) -> pa.Table:
    """Return a table as Arrow's; `pa.table` would load pandas, which takes a second, to ask if columns are of it."""

    def column(values: np.ndarray[Any, Any]) -> pa.Array:
        data = np.packbits(values, bitorder="little") if values.dtype == bool else np.ascontiguousarray(values)
        return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(data)])

    return pa.Table.from_arrays([column(values) for values in table.values()], list(table))


def _columns(arrow: pa.Table) -> Table:
    """Return what `_arrow` was given, for the same reason without `to_numpy`."""

    def values(chunk: pa.Array) -> np.ndarray[Any, Any]:
        dtype, rows = np.dtype(chunk.type.to_pandas_dtype()), slice(chunk.offset, chunk.offset + len(chunk))
        data = np.frombuffer(chunk.buffers()[1] or b"", np.uint8)
        return (
            np.unpackbits(data, bitorder="little")[rows].astype(bool) if dtype.kind == "b" else data.view(dtype)[rows]
        )

    found = {}
    for name in arrow.column_names:
        empty = np.empty(0, arrow[name].type.to_pandas_dtype())
        found[name] = np.concatenate([empty, *(values(chunk) for chunk in arrow[name].chunks)])
    return found


def write_part(table: Table, path: Path) -> None:
    """Sort rows and write them, whole or not at all, for `merge_parts`."""
    with atomic_path(path) as temporary:
        arrow, options = _arrow(sort_table(table)), {"compression": "NONE", "write_statistics": False}
        with create_parquet(temporary, arrow.schema, use_dictionary=False, **options) as writer:
            writer.write_table(arrow, row_group_size=_BLOCK)


def written_parts(folder: Path, reports: Mapping[str, Any]) -> list[Path]:
    """Return the parts that `PartWriter` reported, by name; `IncompleteRunError` if one lacks rows."""
    for name, report in reports.items():
        path, found = folder / name, 0
        if path.exists():
            with open_parquet(path) as file:
                found = file.metadata.num_rows
        if found != report["rows"]:
            raise IncompleteRunError(
                f"{path}: has {found} of {report['rows']} rows of {report['file']}: do all workers see this directory?"
            )
    return [folder / name for name in sorted(reports)]


def read_columns(parts: Iterable[Path], names: Sequence[str]) -> Table:
    """Read some columns of all parts, one after the other."""
    tables = []
    for part in parts:
        with open_parquet(part) as file:
            tables.append(_columns(file.read(list(names), use_threads=False)))
    return {name: np.concatenate([table[name] for table in tables]) for name in names}


class _Cursor:
    """One part on its way through the merger: the rows that are held, and the blocks that follow them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with open_parquet(path) as file:
            self._metadata = file.metadata
        self._following = iter(range(self._metadata.num_row_groups))
        self._block: Table = {}

    def take(self, boundary: tuple[int, ...] | None) -> Iterator[Table]:
        """Yield the rows that are left up to the event `boundary`, all of them if it is None."""
        while self._rows or self._advance():
            count = self._rows if boundary is None else bisect_right(range(self._rows), boundary, key=self._event)
            yield {name: values[:count] for name, values in self._block.items()}
            self._block = {name: values[count:] for name, values in self._block.items()}
            if self._rows:
                return

    @property
    def _rows(self) -> int:
        return len(self._block["run"]) if self._block else 0

    def _event(self, row: int) -> tuple[int, ...]:
        return tuple(self._block[name][row] for name in _IDENTITY)

    def _advance(self) -> bool:
        group = next(self._following, None)
        if group is None:
            return False
        with open_parquet(self._path, metadata=self._metadata) as file:  # more parts than files may be open
            table = file.read_row_group(group, use_threads=False)
        self._block = _columns(table)
        return True


def merge_parts(parts: Sequence[Path]) -> Iterator[Table]:
    """Yield the rows of all parts in the order of `SORT_KEY`, in tables of about a hundred thousand rows.

    Raises
    ------
    RepeatedEventError
        If an event is there twice; the message names it.
    """
    cursors = [_Cursor(path) for path in parts]
    for boundary in [*_boundaries(parts), None]:
        taken = [table for cursor in cursors for table in cursor.take(boundary)]
        if taken:
            table = sort_table({name: np.concatenate([each[name] for each in taken]) for name in taken[0]})
            _refuse_duplicates(table)
            yield table


def _boundaries(parts: Iterable[Path]) -> list[tuple[int, ...]]:
    """Return event identities that divide the rows of all parts into ranges of about `_GROUP` rows, ascending."""
    step = max(_BLOCK // 4, 1)
    sampled: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in _IDENTITY}
    rows = 0
    for part in parts:
        table = read_columns([part], _IDENTITY)
        for name, values in table.items():
            sampled[name].append(values[-(rows + 1) % step :: step])  # every step-th row, counted over all parts
        rows += len(table["run"])
    if rows <= _GROUP:
        return []
    columns = [np.concatenate(sampled[name]) for name in _IDENTITY]
    chosen = np.lexsort(columns[::-1])[_GROUP // step - 1 :: _GROUP // step]
    return list(zip(*(column[chosen].tolist() for column in columns), strict=True))


def _refuse_duplicates(table: Table) -> None:
    """Raise `InputError` if two neighbours are the same event: same number and same momentum before smearing."""
    true = ("true_px_0", "true_py_0", "true_pz_0")
    momentum: Sequence[str] = true if true[0] in table else SORT_KEY[4:]
    same = _same_as_next(table, np.arange(len(table["run"])), [*_IDENTITY, *momentum])
    if same.any():
        row = int(np.argmax(same))
        datasets = [name for name, label in LABELS.items() if label in table["label"][row : row + 2]]
        held = f" ({' and '.join(datasets)})" if datasets else ""
        raise repeated(
            table, row, f"this event is in the input twice{held}: each event may be used once, so give each file once"
        )


def repeated(table: Table, row: int, said: str) -> RepeatedEventError:
    """Return the error for a row whose event is there twice."""
    error = RepeatedEventError(f"{name_event(table, row)}: {said}")
    error.identity = tuple(int(table[name][row]) for name in _IDENTITY)
    return error


def in_groups(tables: Iterable[Table]) -> Iterator[Table]:
    """Yield the rows of tables, one after the other, in tables of `_GROUP` rows, the last of what is left."""
    pending: Table = {}
    full = 0
    for table in tables:
        pending = {name: np.concatenate([pending[name], table[name]]) for name in table} if pending else table
        while len(pending["run"]) >= _GROUP:
            yield {name: values[:_GROUP] for name, values in pending.items()}
            pending = {name: values[_GROUP:] for name, values in pending.items()}
            full += 1
    if pending and (len(pending["run"]) or not full):
        yield pending


def write_table(tables: Iterable[Table], path: Path) -> int:
    """Write tables of the same columns one after the other to one Parquet file; return the number of rows.

    The bytes do not depend on how the rows are divided among the tables: the row groups have `_GROUP` rows.
    """
    rows = 0
    writer, options = None, {"compression": "zstd", "use_dictionary": False, "write_page_checksum": True}
    with atomic_path(path) as temporary, ExitStack() as stack:
        for table in in_groups(tables):
            arrow = _arrow(table)
            if writer is None:
                writer = stack.enter_context(create_parquet(temporary, arrow.schema, **options))
            writer.write_table(arrow, row_group_size=_GROUP)
            rows += arrow.num_rows
    return rows
