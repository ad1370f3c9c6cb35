"""The candidate table in pieces: what each chunk writes, and their merger into one sorted table in bounded memory.

A part is a sorted Parquet file that one chunk has written whole. Parts are merged by a streaming k-way merge: of
every part one block of rows is held, and rows leave in order as soon as no block can still bring an earlier one.
Which rows a part holds and how many parts there are does not show in the result.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zmumu_hybrid.candidates import LABELS, Table, name_event
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.files import atomic_path

__all__ = ["SORT_KEY", "merge_parts", "read_columns", "sort_table", "write_part", "write_table"]

SORT_KEY = ("run", "luminosityBlock", "event", "label", "px_0", "py_0", "pz_0")
"""The order of rows. The momentum decides between events of different samples that were given the same number."""

_BLOCK = 16_384
_GROUP = 131_072


def sort_table(table: Table) -> Table:
    """Return the table with its rows in the order of `SORT_KEY`."""
    order = np.lexsort([table[name] for name in reversed(SORT_KEY[:4])])
    ties = _same_as_next(table, order, SORT_KEY[:4])
    if ties.any():
        order = np.lexsort([table[name] for name in reversed(SORT_KEY)])
    return {name: values[order] for name, values in table.items()}


def _same_as_next(table: Table, order: np.ndarray[Any, Any], names: Iterable[str]) -> np.ndarray[Any, Any]:
    same = np.ones(max(len(order) - 1, 0), bool)
    for name in names:
        values = table[name][order]
        same &= values[1:] == values[:-1]
    return same


def write_part(table: Table, path: Path) -> None:
    """Sort the rows of one chunk and write them, whole or not at all, for `merge_parts`."""
    with atomic_path(path) as temporary:
        pq.write_table(
            pa.table(sort_table(table)),
            temporary,
            row_group_size=_BLOCK,
            compression="NONE",
            use_dictionary=False,
            write_statistics=False,
        )


def read_columns(parts: Iterable[Path], names: Sequence[str]) -> Table:
    """Read some columns of all parts, one after the other."""
    tables = [pq.read_table(part, columns=list(names), use_threads=False, partitioning=None) for part in parts]
    return {name: np.concatenate([table[name].to_numpy() for table in tables]) for name in names}


class _Cursor:
    """One part on its way through the merger: the block of rows that is held, and what follows it."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        self._groups = iter(range(self._file.num_row_groups))
        self.block: Table = {}
        self.last = False
        self._left = self._file.num_row_groups
        self.advance()

    def advance(self) -> None:
        """Hold the next block; `block` is empty after the last."""
        group = next(self._groups, None)
        if group is None:
            self._file.close()
            self.block = {}
            return
        self._left -= 1
        table = self._file.read_row_group(group, use_threads=False)
        self.block = {name: table[name].to_numpy() for name in table.column_names}

    @property
    def more(self) -> bool:
        """Whether blocks follow the one that is held."""
        return self._left > 0

    def key(self, row: int) -> tuple[Any, ...]:
        return tuple(self.block[name][row] for name in SORT_KEY)

    def __len__(self) -> int:
        return len(self.block["run"]) if self.block else 0

    def take(self, boundary: tuple[Any, ...] | None) -> Table:
        """Remove and return the rows up to `boundary`, all of them if it is None."""
        count = len(self) if boundary is None else bisect_right(range(len(self)), boundary, key=self.key)
        taken = {name: values[:count] for name, values in self.block.items()}
        self.block = {name: values[count:] for name, values in self.block.items()}
        return taken


def merge_parts(parts: Iterable[Path]) -> Iterator[Table]:
    """Yield the rows of all parts in the order of `SORT_KEY`, in tables of some hundred thousand rows.

    Raises
    ------
    InputError
        If an event is there twice; the message names it.
    """
    cursors = [_Cursor(path) for path in parts]
    ready: list[Table] = []
    rows = 0
    former: Table | None = None
    while cursors:
        boundary = min((cursor.key(-1) for cursor in cursors if cursor.more), default=None)
        step = sort_table(_concatenated([cursor.take(boundary) for cursor in cursors]))
        _refuse_duplicates(step if former is None else _concatenated([former, step]))
        former = {name: values[-1:] for name, values in step.items()}
        ready.append(step)
        rows += len(step["run"])
        if rows >= _GROUP:
            yield _concatenated(ready)
            ready, rows = [], 0
        for cursor in cursors:
            if not len(cursor):
                cursor.advance()
        cursors = [cursor for cursor in cursors if len(cursor)]
    if ready:
        yield _concatenated(ready)


def _concatenated(tables: Sequence[Table]) -> Table:
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def _refuse_duplicates(table: Table) -> None:
    """Raise `InputError` if two neighbours are the same event: same number and same momentum before smearing."""
    true = ("true_px_0", "true_py_0", "true_pz_0")
    momentum: Sequence[str] = true if true[0] in table else SORT_KEY[4:]
    same = _same_as_next(table, np.arange(len(table["run"])), [*SORT_KEY[:3], *momentum])
    if same.any():
        row = int(np.argmax(same))
        datasets = [name for name, label in LABELS.items() if label in table["label"][row : row + 2]]
        raise InputError(
            f"{name_event(table, row)}: this event is in the input twice ({' and '.join(datasets)}): "
            "each event may be used once, so give each file once"
        )


def write_table(tables: Iterable[Table], path: Path) -> int:
    """Write tables of the same columns one after the other to one Parquet file; return the number of rows."""
    rows = 0
    writer: pq.ParquetWriter | None = None
    with atomic_path(path) as temporary:
        try:
            for table in tables:
                arrow = pa.table(table)
                if writer is None:
                    writer = pq.ParquetWriter(temporary, arrow.schema, compression="zstd", use_dictionary=False)
                writer.write_table(arrow, row_group_size=_GROUP)
                rows += arrow.num_rows
        finally:
            if writer is not None:
                writer.close()
    return rows
