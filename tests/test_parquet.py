from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from coffea.processor import ProcessorABC
from hypothesis import given
from hypothesis import strategies as st

from toyfiles import write_parquet
from toys import toy_events
from zmumu_hybrid import parquet
from zmumu_hybrid.clusters import Workers, worker_pool
from zmumu_hybrid.errors import IncompleteRunError, InputError
from zmumu_hybrid.parquet import Rows, chunks
from zmumu_hybrid.running import run
from zmumu_hybrid.sources import open_sources


class Collect(ProcessorABC):
    """Gathers event numbers and momenta, or fails at an entry."""

    def __init__(self, fails_at: int = -1) -> None:
        self._fails_at = fails_at

    def process(self, events: ak.Array) -> dict[str, Any]:
        if events.metadata["entrystart"] == self._fails_at:
            raise InputError("pt is nan")
        return {"event": events.event.to_list(), "pt": events.Muon.pt.to_list()}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        return {**accumulator, "ended": True}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("parquet")
    table = pq.read_table(write_parquet(folder / "whole.parquet", toy_events(100)))
    pq.write_table(table, folder / "groups.parquet", row_group_size=13)
    return [folder / "whole.parquet", folder / "groups.parquet"]


@pytest.mark.parametrize("workers", [Workers(), Workers("futures", 2)], ids=["iterative", "futures"])
@pytest.mark.parametrize("chunksize", [7, 13, 40, 1000])
def test_every_row_is_processed_once_and_in_order(files: list[Path], chunksize: int, workers: Workers) -> None:
    expected = ak.from_parquet(files[0])
    for path in files:
        with worker_pool(workers) as pool:
            found = run(open_sources({"signal": [path]}), Collect(), pool=pool, chunksize=chunksize)
        assert found["event"] == expected["event"].to_list()
        assert found["pt"] == expected["Muon_pt"].to_list()
        assert found["ended"]


def test_a_chunk_that_fails_is_named(files: list[Path]) -> None:
    with pytest.raises(InputError, match=rf"{files[1].name}, entries 52 to 78: pt is nan"):
        run(open_sources({"signal": [files[1]]}), Collect(fails_at=52), chunksize=26)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(1, 60), st.data())
def test_rows_are_those_of_the_whole_table_and_only_their_groups_are_read(
    sizes: list[int], chunksize: int, data: st.DataObject
) -> None:
    total = sum(sizes)
    sink = pa.BufferOutputStream()
    table = pa.table({"x": np.arange(total), "y": pa.array([[i, i] for i in range(total)], pa.list_(pa.int64()))})
    with pq.ParquetWriter(sink, table.schema) as writer:
        start = 0
        for size in sizes:
            writer.write_table(table.slice(start, size))
            start += size
    start = data.draw(st.integers(0, max(total - 1, 0)))
    stop = data.draw(st.integers(start, total))
    if stop > start:
        with Rows(pa.BufferReader(sink.getvalue()), start, stop) as rows:
            assert rows.read(["x", "y"]).equals(table.slice(start, stop - start))
            assert rows.read(["x"]).column(0).num_chunks == 1
    items = list(chunks(pa.BufferReader(sink.getvalue()), "signal", chunksize))
    assert [row for item in items for row in range(item.entrystart, item.entrystop)] == list(range(total))
    assert items
    assert all(len(item) <= 1.5 * chunksize + 1 for item in items)


def test_the_row_groups_of_a_chunk_are_the_only_ones_that_are_decoded(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    original = parquet.Rows.read_row_groups

    def spy(self: Rows, groups: list[int], **options: Any) -> pa.Table:
        decoded.extend(groups)
        return original(self, groups, **options)

    monkeypatch.setattr(parquet.Rows, "read_row_groups", spy)
    with Rows(files[1], 20, 30) as rows:
        assert rows.read(["event"]).num_rows == 10
    assert decoded == [1, 2]


def test_a_file_that_became_shorter_is_an_incomplete_run(files: list[Path]) -> None:
    with pytest.raises(IncompleteRunError, match=r"groups\.parquet: has 100 rows, not 101: did it change"):
        Rows(files[1], 90, 101)


def test_a_file_without_rows_is_processed(files: list[Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty.parquet"
    pq.write_table(pq.read_table(files[0]).slice(0, 0), empty)
    found = run(open_sources({"signal": [empty, files[0]]}), Collect())
    assert len(found["event"]) == 100
    assert run(open_sources({"signal": [empty]}), Collect())["event"] == []
