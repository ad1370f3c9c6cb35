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

from toyfiles import write_parquet, write_root
from toys import toy_events
from zmumu_hybrid.errors import IncompleteRunError, InputError
from zmumu_hybrid.events.input_files import open_sources
from zmumu_hybrid.events.reader import chunks, forget, open_file, read_chunk
from zmumu_hybrid.execution.runner import run
from zmumu_hybrid.execution.workers import Workers, worker_pool
from zmumu_hybrid.jobs.process import process


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


@pytest.mark.parametrize(
    ("chunksize", "workers"),
    [*((size, Workers()) for size in (7, 13, 40, 1000)), (13, Workers("futures", 2))],
    ids=["7", "13", "40", "1000", "13 in processes"],
)
def test_every_row_is_processed_once_and_in_order(files: list[Path], chunksize: int, workers: Workers) -> None:
    expected = ak.from_parquet(files[0])
    with worker_pool(workers) as pool:
        for path in files:
            found = run(open_sources({"signal": [path]}), Collect(), pool=pool, chunksize=chunksize)
            assert found["event"] == expected["event"].to_list()
            assert found["pt"] == expected["Muon_pt"].to_list()
            assert found["ended"]


def test_a_chunk_that_fails_is_named(files: list[Path]) -> None:
    with pytest.raises(InputError, match=rf"{files[1].name}, entries 52 to 78: pt is nan"):
        run(open_sources({"signal": [files[1]]}), Collect(fails_at=52), chunksize=26)


@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=12), chunksize=st.integers(1, 60), data=st.data())
def test_rows_are_those_of_the_whole_table_and_chunks_are_all_of_them(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], chunksize: int, data: st.DataObject
) -> None:
    total = sum(sizes)
    path = tmp_path_factory.getbasetemp() / "groups.parquet"
    table = pa.table({"x": np.arange(total), "y": pa.array([[i, i] for i in range(total)], pa.list_(pa.int64()))})
    with pq.ParquetWriter(path, table.schema) as writer:
        start = 0
        for size in sizes:
            writer.write_table(table.slice(start, size))
            start += size
    file = open_file(path, "parquet", "")
    start = data.draw(st.integers(0, max(total - 1, 0)))
    stop = data.draw(st.integers(start, total))
    read = file.read(["x", "y"], start, stop)
    assert read["x"].to_list() == list(range(start, stop))
    assert read["y"].to_list() == [[i, i] for i in range(start, stop)]
    items = list(chunks(file.edges(["x"]), chunksize))
    assert [row for low, high in items for row in range(low, high)] == list(range(total))
    assert items
    assert all(high - low <= 1.5 * chunksize + 1 for low, high in items)
    file.close()


@pytest.mark.parametrize("kind", ["TTree", "RNTuple", "Parquet"])
def test_small_chunks_are_read_together_and_are_those_of_the_file(tmp_path: Path, kind: str) -> None:
    events = toy_events(30)
    path = write_parquet(tmp_path / "a", events) if kind == "Parquet" else write_root(tmp_path / "a", events, kind=kind)
    format_, tree = ("parquet", "") if kind == "Parquet" else ("root", "Events")
    for start, stop in ((0, 7), (7, 14), (20, 30), (3, 9), (30, 30)):
        found = read_chunk(path, format_, tree, ["event", "Muon_eta"], start, stop)
        assert found.event.to_list() == events.event[start:stop].to_list()
        assert found.Muon_eta.to_list() == events.Muon.eta[start:stop].to_list()
    with pytest.raises(IncompleteRunError, match="30 of 31 entries are there: did the file change"):
        read_chunk(path, format_, tree, ["event"], 20, 31)
    forget()


def test_of_an_rntuple_with_many_columns_only_those_that_are_read_are_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them would take uproot half a minute."""
    from uproot.behaviors.RNTuple import HasFields

    original, seen = HasFields.iteritems, []

    def iteritems(self: Any, **options: Any) -> Any:
        seen.append(self.name)
        return original(self, **options)

    monkeypatch.setattr(HasFields, "iteritems", iteritems)
    path = Path(__file__).parents[1] / "data" / "faults" / "nanoaod-10-events-rntuple.root"
    summary = process([path], [], tmp_path / "out", show_progress=False)
    assert (summary.entries, summary.pairs) == ({"signal": 10}, {"signal": 1})
    assert "Events" not in seen
    assert len(set(seen)) < 20


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path = write_root(tmp_path / "a.root", toy_events(3, 1))
    first = read_chunk(path, "root", "Events", ["event"], 0, 3)
    path.unlink()
    again = read_chunk(write_root(path, toy_events(3, 2)), "root", "Events", ["event"], 0, 3)
    forget()
    assert first.event.to_list() == toy_events(3, 1).event.to_list()
    assert again.event.to_list() == toy_events(3, 2).event.to_list()


def test_a_file_without_rows_is_processed(files: list[Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty.parquet"
    pq.write_table(pq.read_table(files[0]).slice(0, 0), empty)
    found = run(open_sources({"signal": [empty, files[0]]}), Collect())
    assert len(found["event"]) == 100
    assert run(open_sources({"signal": [empty]}), Collect())["event"] == []
