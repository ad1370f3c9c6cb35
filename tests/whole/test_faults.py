"""Damage on purpose: files spoilt at random places, a full disk, processes killed at random moments.

What is asked is always the same: the right numbers or one clear error, and never a partial result that looks whole.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from killing import forked, once, stopped
from laws import examples
from toyfiles import toy_lhe_events, write_lhe, write_root
from toys import toy_events
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.errors import InputError, OutputError, ZmumuError
from zmumu_hybrid.events.input_files import open_sources
from zmumu_hybrid.events.lhe_to_root import convert
from zmumu_hybrid.execution.runner import run
from zmumu_hybrid.jobs.process import OUTPUTS, ProcessOptions, process
from zmumu_hybrid.processors.dimuon import DimuonProcessor
from zmumu_hybrid.support.files import compare_checksum, sha256, write_checksum

places = st.integers(0, 10**9)
spoilt = examples(25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as `zmumu convert` leaves it."""
    folder = tmp_path_factory.mktemp("converted")
    convert([write_lhe(folder / "toy.lhe", toy_lhe_events(300))], folder / "toy.root")
    write_checksum(folder / "toy.root")
    return folder / "toy.root"


def histograms_of(path: Path) -> Any:
    (source,) = open_sources({"signal": [path]}, show_progress=False)
    return run([source], DimuonProcessor(), show_progress=False)["histograms"]["mass_true"]


def flipped(path: Path, folder: Path, place: int, bit: int) -> Path:
    """Copy a file with one bit turned over."""
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    (folder / "flipped.root").write_bytes(data)
    return folder / "flipped.root"


@spoilt
@given(places, st.integers(0, 7))
def test_no_flipped_bit_of_a_converted_file_goes_unnoticed(
    converted: Path, tmp_path: Path, place: int, bit: int
) -> None:
    damaged = flipped(converted, tmp_path, place, bit)
    note = Path(f"{damaged}.sha256")
    note.write_text(Path(f"{converted}.sha256").read_text())
    with pytest.raises(InputError, match=r"flipped.root: its SHA-256 is not the one in .*damaged or was changed"):
        open_sources({"signal": [damaged]}, show_progress=False)


def test_a_note_is_made_and_read_as_sha256sum_does(converted: Path, tmp_path: Path) -> None:
    assert Path(f"{converted}.sha256").read_text() == f"{sha256(converted)}  toy.root\n"
    assert open_sources({"signal": [converted]}, show_progress=False)[0].entries == 300
    (tmp_path / "x").write_text("x")
    compare_checksum(tmp_path / "x", "0")
    (tmp_path / "x.sha256").write_text("")
    compare_checksum(tmp_path / "x", "0")


@spoilt
@given(places, st.integers(0, 7), st.sampled_from(["ZLIB", "LZMA", "LZ4"]))
def test_codecs_with_checksums_notice_a_flipped_bit(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int, codec: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{codec}.root"
    if not path.exists():
        with uproot.recreate(path, compression=getattr(uproot, codec)(4)) as file:
            file.mktree("Events", {"pt": np.float64}).extend({"pt": (np.arange(3000) // 7).astype(np.float64)})
    with uproot.open(path) as file:
        key = file["Events/pt"].basket_key(0)
        start, stop = key.data_cursor.index + 9, key.data_cursor.index + key.data_compressed_bytes
        right = file["Events/pt"].array(library="np")
    data = bytearray(path.read_bytes())
    data[start + place % (stop - start)] ^= 1 << bit
    damaged = tmp_path_factory.getbasetemp() / f"{codec}-flipped.root"
    damaged.write_bytes(data)
    try:
        with uproot.open(damaged) as file:
            found = file["Events/pt"].array(library="np")
    except Exception:  # whatever the codec says; test_running asks for its name
        return
    np.testing.assert_array_equal(found, right)


@spoilt
@given(places)
def test_a_file_cut_anywhere_is_refused(converted: Path, tmp_path: Path, place: int) -> None:
    data = converted.read_bytes()
    cut = tmp_path / "cut.root"
    cut.write_bytes(data[: place % len(data)])
    with pytest.raises(ZmumuError, match=r"cut.root: ") as caught:
        histograms_of(cut)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("pt", -20.0, "Muon_pt is -20.0, not a transverse momentum"),
        ("charge", 0, "Muon_charge is 0, not the charge of a muon"),
        ("charge", 1 << 24 | 1, "Muon_charge is 16777217, not the charge of a muon"),
        ("eta", 1e300, "Muon momentum is inf, not a finite number"),
        ("phi", np.nan, "Muon_phi is nan, not a finite number"),
    ],
)
def test_what_no_muon_has_is_named(tmp_path: Path, field: str, value: float, said: str) -> None:
    import awkward as ak

    events = toy_events(50)
    column = ak.flatten(events.Muon[field]).to_numpy().copy()
    column[61] = value
    events["Muon", field] = ak.unflatten(column, 2)
    with pytest.raises(InputError, match=rf"entries 0 to 50: run 1, .*event {events.event[30]}: {said}"):
        histograms_of(write_root(tmp_path / "odd.root", events))


@spoilt
@given(places, st.integers(0, 7))
def test_a_flipped_bit_of_a_table_is_noticed_or_harmless(
    converted: Path, tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "table"
    if not folder.exists():
        process([converted], [], folder, show_progress=False)
    right = candidates.read(folder / "candidates.parquet")
    damaged = flipped(folder / "candidates.parquet", folder.parent, place, bit)
    try:
        found = candidates.read(damaged)
    except InputError:
        return
    for name, values in right.items():
        assert found[name].tobytes() == values.tobytes(), name


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_full_disk_is_one_error_and_leaves_nothing(converted: Path, tmp_path: Path) -> None:
    limits = (2_000, 30_000, 50_000)
    run = f"zmumu('process', '--signal', {str(converted)!r}, '--output', {str(tmp_path)!r} + '/{{}}')"
    fill = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0})); "
    refused = forked(once(run.format("whole")), [fill.format(limit) + run.format(limit) for limit in limits])
    assert set(names(tmp_path / "whole")) <= set(OUTPUTS)
    for limit, ended in zip(limits, refused, strict=True):
        assert ended.status == 1, ended.err
        assert ended.err.startswith("zmumu: error: ")
        assert ended.err.count("\n") == 1
        assert names(tmp_path / str(limit)) == []


def test_a_disk_that_fills_while_a_part_is_written(
    converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    def no_space(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", no_space)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        process([converted], [], tmp_path / "out", show_progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_a_run_stopped_at_any_moment_can_be_run_again(tmp_path: Path, number: int) -> None:
    """Stop runs over an older result before their changes to it: the result is the old one or the new."""
    file = write_root(tmp_path / "a.root", toy_events(300))
    old, new = (ProcessOptions(seed=seed, chunksize=100) for seed in (1, 2))
    results = {}
    for name, chosen in (("out", old), ("new", new)):
        process([file], [], tmp_path / name, chosen, show_progress=False)
        results[name] = sha256(tmp_path / name / "candidates.parquet")
    run = f"zmumu('process', '--signal', {str(file)!r}, '--seed', '2', '--chunksize', '100', '--output', {{}})"
    runs = stopped(
        once(run.format(repr(str(tmp_path / "whole")))), run.format("output"), tmp_path / "out", number, every=3
    )
    *cut, last = (ended.status for ended in runs.values())
    assert (set(cut), last) == ({130 if number == signal.SIGINT else -number}, 0)
    assert len(runs) > 5
    for folder in runs:
        if (folder / "process.json").exists():
            assert sha256(folder / "candidates.parquet") in results.values()
        process([file], [], folder, new, show_progress=False)
        assert sha256(folder / "candidates.parquet") == results["new"]
        assert sorted(names(folder)) == sorted(set(OUTPUTS) - {"reweighting.json"})
