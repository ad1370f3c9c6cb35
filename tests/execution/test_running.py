from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from coffea.processor import ProcessorABC

from toyfiles import toy_root
from zmumu_hybrid.errors import IncompleteRunError, InputError, ZmumuError
from zmumu_hybrid.events.input_files import Source
from zmumu_hybrid.execution.runner import Batch, PoolExecutor, run
from zmumu_hybrid.execution.workers import Workers, worker_pool


class Sums(ProcessorABC):
    """Counts events and adds up momenta; does as it is told in the chunk that starts at entry `at`."""

    def __init__(self, told: str = "", at: int = 30) -> None:
        self._told, self._at = told, at

    def process(self, events: ak.Array) -> dict[str, Any]:
        if events.metadata["entrystart"] == self._at:
            if self._told == "bug":
                raise ZeroDivisionError("no such thing")
            if self._told == "input":
                raise InputError("event 7: pt is nan")
            if self._told == "unicode":
                b"\xff".decode()
            if self._told == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if self._told.startswith("die unless ") and not Path(marker := self._told[11:]).exists():
                Path(marker).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return {"events": {events.metadata["dataset"]: len(events)}, "pt": float(ak.sum(events.Muon.pt))}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        return accumulator


def source(path: Path, dataset: str, entries: int) -> Source:
    return Source(path, dataset, path, "root", "Events", entries, "")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    folder = tmp_path_factory.mktemp("events")
    return [
        source(toy_root(folder / f"{dataset}-{index}.root", 90, 10 * index + len(dataset)), dataset, 90)
        for dataset in ("signal", "background")
        for index in (1, 2)
    ]


@pytest.fixture(scope="module")
def pool() -> Any:
    with worker_pool(Workers("futures", 2)) as pool:
        yield pool


@pytest.mark.parametrize("where", ["here", "processes"])
def test_every_entry_is_processed_once_and_sums_do_not_depend_on_the_pool(
    sources: list[Source], pool: Any, where: str
) -> None:
    result = run(sources, Sums(), pool=pool if where == "processes" else None, chunksize=30)
    assert result["events"] == {"signal": 180, "background": 180}
    assert result["pt"] == run(sources, Sums(), chunksize=30)["pt"]


@pytest.mark.parametrize("where", ["here", "processes"])
@pytest.mark.parametrize(
    ("told", "kind", "text"),
    [
        ("bug", IncompleteRunError, "ZeroDivisionError: no such thing"),
        ("input", InputError, "event 7: pt is nan"),
        ("unicode", IncompleteRunError, "UnicodeDecodeError: 'utf-8' codec"),
    ],
)
def test_a_failed_chunk_names_file_and_entries(
    sources: list[Source], pool: Any, where: str, told: str, kind: type[Exception], text: str, capfd: Any
) -> None:
    with pytest.raises(kind) as caught:
        run(sources[:1], Sums(told), pool=pool if where == "processes" else None, chunksize=30)
    assert str(caught.value).startswith(f"{sources[0].path}, entries 30 to 60: {text}")
    assert "\n" not in str(caught.value)
    assert "in process" in str(caught.value.__cause__)
    assert capfd.readouterr() == ("", "")


def test_a_converted_file_is_called_by_the_name_it_was_given(sources: list[Source], tmp_path: Path) -> None:
    given = Path("events.lhe.gz")
    renamed = Source(given, "signal", sources[0].readable, "root", "Events", 90, "")
    with pytest.raises(InputError, match=r"^events.lhe.gz, entries 30 to 60: event 7"):
        run([renamed], Sums("input"), chunksize=30)


def test_the_first_failure_ends_the_run(sources: list[Source], pool: Any) -> None:
    finished: list[Any] = []

    def work(item: int) -> Any:
        if item == 3:
            raise ValueError("third")
        return {"sum": item}

    with pytest.raises(IncompleteRunError, match="3: ValueError: third"):
        PoolExecutor(advance=finished.append)([[k, 10 * k] for k in range(1, 1000)], work, lambda found, _batch: found)
    assert finished == [[1, 10], [2, 20]]


@dataclass(frozen=True)
class Counted:
    """Counts the batches of each data set."""

    def __call__(self, found: dict[str, Any], batch: Batch) -> dict[str, Any]:
        assert found["events"] == {batch.dataset: len(batch)}
        return {**found, "batches": {batch.dataset: 1}, "indices": {batch.index}}


@pytest.mark.parametrize("where", ["here", "processes"])
def test_small_chunks_are_worked_on_in_batches(sources: list[Source], pool: Any, where: str) -> None:
    where_pool = pool if where == "processes" else None
    found = run(sources, Sums(), pool=where_pool, chunksize=1, finish=Counted())
    assert found["events"] == {"signal": 180, "background": 180}
    assert 16 <= found["batches"]["signal"] == found["batches"]["background"] <= 60
    assert found["indices"] == set(range(2 * found["batches"]["signal"]))
    assert found["pt"] == pytest.approx(run(sources, Sums(), chunksize=90)["pt"], rel=1e-12)
    with pytest.raises(InputError, match=rf"^{sources[0].path}, entries 30 to 31: event 7"):
        run(sources, Sums("input"), pool=where_pool, chunksize=1)


def test_a_worker_that_dies_is_an_incomplete_run(sources: list[Source]) -> None:
    with worker_pool(Workers("futures", 2)) as pool, pytest.raises(IncompleteRunError, match="its worker was lost"):
        run(sources[:1], Sums("die"), pool=pool, chunksize=30)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_dask_gives_the_chunks_of_a_dead_worker_to_another(sources: list[Source], tmp_path: Path) -> None:
    with worker_pool(Workers("dask", 2)) as pool:
        result = run(sources, Sums(f"die unless {tmp_path / 'died'}"), pool=pool, chunksize=30)
    assert (tmp_path / "died").exists()
    assert result["events"] == {"signal": 180, "background": 180}
    assert result["pt"] == run(sources, Sums(), chunksize=30)["pt"]


def test_a_file_that_changed_meanwhile_is_an_incomplete_run(sources: list[Source]) -> None:
    longer = source(sources[0].path, "signal", 91)
    with pytest.raises(IncompleteRunError, match="entries 60 to 91: 90 of 91 entries are there: did the file change"):
        run([longer], Sums(), chunksize=30)


def test_a_chunk_that_is_not_reported_is_an_incomplete_run(
    sources: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = PoolExecutor._as_they_come

    def forget_one(self: PoolExecutor, items: Any, function: Any) -> Any:
        for index, outcome in original(self, items, function):
            yield index, {**outcome, "entries": {}} if items[index].chunks[0].start == 60 else outcome

    monkeypatch.setattr(PoolExecutor, "_as_they_come", forget_one)
    with pytest.raises(IncompleteRunError, match=r"signal-1.root: 60 of its 90 entries were processed"):
        run(sources[:1], Sums(), chunksize=30)


def test_a_corrupt_basket_names_file_and_entries(sources: list[Source], tmp_path: Path) -> None:
    path = tmp_path / "flipped.root"
    data = bytearray(sources[0].path.read_bytes())
    import uproot

    with uproot.open(sources[0].path) as file:
        seek = file["Events/Muon_pt"].basket_key(0).data_cursor.index
    data[seek + 20 : seek + 60] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(ZmumuError, match=r"flipped.root, entries 0 to 30: ") as caught:
        run([source(path, "signal", 90)], Sums(), chunksize=30)
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_processed(sources: list[Source], tmp_path: Path) -> None:
    from toyfiles import write_root
    from toys import toy_events

    path = write_root(tmp_path / "empty.root", toy_events(3)[:0])
    result = run([source(path, "signal", 0), sources[0]], Sums(), chunksize=50)
    assert result["events"] == {"signal": 90}
    assert np.isfinite(result["pt"])


class Plain(ProcessorABC):
    """A processor with coffea's own postprocess, which returns nothing."""

    def process(self, events: Any) -> Any:
        return {"events": len(events)}


def test_a_processor_needs_no_postprocess_of_its_own(sources: list[Source]) -> None:
    assert run(sources, Plain(), show_progress=False)["events"] == sum(source.entries for source in sources)
