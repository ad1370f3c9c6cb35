"""Parquet files by chunks of rows: coffea reads every column of the whole file for each of them.

Each chunk opens the file for itself and decodes the row groups that it overlaps, so that neither time nor memory
depends on the rest of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from coffea.nanoevents import BaseSchema, NanoEventsFactory
from coffea.processor import ProcessorABC
from coffea.processor.executor import WorkItem

from zmumu_hybrid.errors import IncompleteRunError

__all__ = ["ProcessRows", "chunks"]


class Rows(pq.ParquetFile):
    """Some rows of a Parquet file as if they were the file: what coffea reads of it are they.

    Parameters
    ----------
    path : path-like
        Of the file.
    start, stop : int
        The rows.

    Raises
    ------
    IncompleteRunError
        If the file has fewer rows.
    """

    def __init__(self, path: str | os.PathLike[str], start: int, stop: int) -> None:
        super().__init__(path)
        edges = _edges(self)
        if stop > edges[-1]:
            self.close()
            raise IncompleteRunError(f"{path}: has {edges[-1]} rows, not {stop}: did it change? run again")
        first, last = np.searchsorted(edges, start, "right") - 1, np.searchsorted(edges, stop, "left")
        self._groups = list(range(int(first), int(last)))
        self._start, self._rows = start - int(edges[first]), stop - start

    def read(self, columns: list[str] | None = None, use_threads: bool = False, **options: Any) -> pa.Table:
        """Return the columns of these rows, each in one piece."""
        if self._rows == 0:
            return self.schema_arrow.empty_table().select(columns or self.schema_arrow.names)
        table = self.read_row_groups(self._groups, columns=columns, use_threads=use_threads, **options)
        return table.slice(self._start, self._rows).combine_chunks()


def _edges(file: pq.ParquetFile) -> np.ndarray[Any, Any]:
    """Return the row at which each row group begins, and the number of rows."""
    groups = (file.metadata.row_group(index).num_rows for index in range(file.num_row_groups))
    return np.cumsum([0, *groups])


def chunks(path: str | os.PathLike[str], dataset: str, chunksize: int) -> Iterator[WorkItem]:
    """Yield the chunks of a file, of about `chunksize` rows: whole row groups, or equal parts of a large one.

    A file without rows is one empty chunk.
    """
    with pq.ParquetFile(path) as file:
        edges = _edges(file).tolist()
    if edges[-1] == 0:
        yield _item(path, dataset, 0, 0)  # so that what is made of no events is made
    begin = 0
    for start, stop in pairwise(edges):
        if stop - begin < chunksize and stop != edges[-1]:
            continue
        if start > begin and stop - begin > 1.5 * chunksize:
            yield _item(path, dataset, begin, start)
            begin = start
        pieces = max(round((stop - begin) / chunksize), 1)
        cuts = [begin + (stop - begin) * index // pieces for index in range(pieces + 1)]
        yield from (_item(path, dataset, low, high) for low, high in pairwise(cuts) if high > low)
        begin = stop


def _item(path: str | os.PathLike[str], dataset: str, start: int, stop: int) -> WorkItem:
    return WorkItem(dataset, str(path), "", start, stop, b"", {"label": dataset})


@dataclass(frozen=True, slots=True)
class ProcessRows:
    """What a worker does with a chunk of a Parquet file, as coffea's `Runner` does it for ROOT.

    Attributes
    ----------
    processor : coffea.processor.ProcessorABC
        Its `process` is given the events.
    schema : coffea schema
        How columns become events.
    """

    processor: ProcessorABC
    schema: type[BaseSchema]

    def __call__(self, item: WorkItem) -> dict[str, Any]:
        """Return what the processor makes of a chunk, and that it was processed."""
        metadata = {
            "dataset": item.dataset,
            "filename": item.filename,
            "treename": item.treename,
            "entrystart": item.entrystart,
            "entrystop": item.entrystop,
            "fileuuid": "",
            **(item.usermeta or {}),
        }
        with Rows(item.filename, item.entrystart, item.entrystop) as rows:
            events = NanoEventsFactory.from_parquet(
                rows,
                schemaclass=self.schema,
                metadata=metadata,
                mode="virtual",
                entry_start=0,
                entry_stop=len(item),
            ).events()
            return {"out": self.processor.process(events), "processed": {item}}
