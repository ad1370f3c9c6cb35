"""The same events give the same numbers, bit for bit, however they are stored, cut, ordered and worked on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from toyfiles import toy_lhe_events, write_lhe
from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.candidates import shuffle as parts
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.events.lhe_to_root import convert
from zmumu_hybrid.events.schema import EVENT_COLUMNS, MUON_COLUMNS
from zmumu_hybrid.jobs.process import ProcessOptions, process

TEXTS = {"signal": toy_lhe_events(90, 5), "background": toy_lhe_events(70, 6, resonance=False)}
SETTINGS = {"seed": 3, "reweighting_bins": 4}


def as_lhe(texts: list[str], stem: Path) -> Path:
    return write_lhe(stem.with_suffix(".lhe"), texts)


def as_gz(texts: list[str], stem: Path) -> Path:
    return write_lhe(stem.with_suffix(".lhe.gz"), texts)


def as_root(texts: list[str], stem: Path) -> Path:
    path = stem.with_suffix(".root")
    convert([as_lhe(texts, stem)], path)
    return path


def columns_of(texts: list[str], stem: Path) -> dict[str, Any]:
    with uproot.open(as_root(texts, stem)) as file:
        return {name: file["Events"][name].array() for name in (*EVENT_COLUMNS, *(f"Muon_{m}" for m in MUON_COLUMNS))}


def as_rntuple(texts: list[str], stem: Path) -> Path:
    columns = columns_of(texts, stem)
    path = stem.with_suffix(".rntuple.root")
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", columns)
    return path


def as_parquet(texts: list[str], stem: Path) -> Path:
    columns = columns_of(texts, stem)
    path = stem.with_suffix(".parquet")
    ak.to_parquet(ak.zip({**columns, "nMuon": ak.num(columns["Muon_pt"])}, depth_limit=1), path, extensionarray=False)
    return path


Write = Callable[[list[str], Path], Path]
FORMATS: list[Write] = [as_lhe, as_gz, as_root, as_rntuple, as_parquet]


@pytest.fixture(scope="module", autouse=True)
def small_groups() -> Iterator[None]:
    """Let the 160 rows be four row groups, and a part three blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_GROUP", 50)
        patch.setattr(parts, "_BLOCK", 20)
        yield


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    files = {name: [as_lhe(texts, folder / name)] for name, texts in TEXTS.items()}
    options = ProcessOptions(**SETTINGS, cache=folder / "cache")
    process(files["signal"], files["background"], folder / "out", options, show_progress=False)
    return folder / "out"


def assert_same(folder: Path, reference: Path) -> None:
    """Compare tables byte for byte and histograms to rounding."""
    tables = [candidates.read(each / "candidates.parquet") for each in (folder, reference)]
    assert list(tables[0]) == list(tables[1])
    for name, values in tables[0].items():
        assert values.tobytes() == tables[1][name].tobytes(), name
    files = [each / "candidates.parquet" for each in (folder, reference)]
    assert pq.read_metadata(files[0]).num_row_groups == 4
    assert files[0].read_bytes() == files[1].read_bytes()
    filled = [histograms.read(each / "histograms.json") for each in (folder, reference)]
    for name, histogram in filled[0].items():
        np.testing.assert_allclose(histogram.values(flow=True), filled[1][name].values(flow=True), rtol=1e-12)


@examples(12)
@given(st.data(), st.integers(7, 200))
def test_how_events_are_stored_and_cut_does_not_show(reference: Path, data: st.DataObject, chunksize: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, files = Path(name), {}
        for dataset, texts in TEXTS.items():
            order = data.draw(st.permutations(range(len(texts))), label="order of events")
            cuts = sorted(data.draw(st.sets(st.integers(1, len(texts) - 1), max_size=2), label="cuts"))
            pieces = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(texts)], strict=True)]
            writers = data.draw(st.lists(st.sampled_from(FORMATS), min_size=len(pieces), max_size=len(pieces)))
            files[dataset] = [
                write([texts[i] for i in piece], folder / f"{dataset}-{k}")
                for k, (piece, write) in enumerate(zip(pieces, writers, strict=True))
            ]
        options = ProcessOptions(**SETTINGS, chunksize=chunksize, cache=folder / "cache")
        process(files["signal"], files["background"], folder / "out", options, show_progress=False)
        assert_same(folder / "out", reference)


@pytest.mark.parametrize("executor", ["futures", "dask"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_who_does_the_work_does_not_show(reference: Path, tmp_path: Path, executor: Any) -> None:
    files = {name: [as_root(texts, tmp_path / name)] for name, texts in TEXTS.items()}
    options = ProcessOptions(**SETTINGS, executor=executor, workers=2, chunksize=20)
    process(files["signal"], files["background"], tmp_path / "out", options, show_progress=False)
    assert_same(tmp_path / "out", reference)
