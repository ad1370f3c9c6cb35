from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import os
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

from lhe_samples import PLAIN_EVENT, REAL, document, real_text
from toyfiles import toy_lhe_events, write_lhe
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.errors import ConfigurationError, InputError, LHEError, MissingInputError, OutputError
from zmumu_hybrid.events import converted_files as converted
from zmumu_hybrid.events import lhe_to_root as conversion
from zmumu_hybrid.events.lhe_to_root import Content, convert, kind_of
from zmumu_hybrid.events.schema import EVENT_COLUMNS, MUON_COLUMNS
from zmumu_hybrid.jobs import process as processing
from zmumu_hybrid.lhe import read_lhe
from zmumu_hybrid.support.cache import default_cache_directory
from zmumu_hybrid.support.files import sha256

MADGRAPH, POWHEG, SIGNAL, WEAK = REAL


def tree_of(path: Path) -> ak.Array:
    with uproot.open(path) as file:
        return file["Events"].arrays()


def test_four_momenta_come_back(tmp_path: Path) -> None:
    summary = convert([MADGRAPH], tmp_path / "out.root")
    events = tree_of(tmp_path / "out.root")
    particles = read_lhe(MADGRAPH).particles
    muons = particles[(abs(particles.pdgId) == 13) & (particles.status == 1)]
    assert (summary.files, summary.events, summary.muons) == (1, 150, int(ak.sum(ak.num(muons))))
    pt, eta, phi = (events[f"Muon_{name}"] for name in ("pt", "eta", "phi"))
    size = np.sqrt(muons.px**2 + muons.py**2 + muons.pz**2)
    for back, name in ((pt * np.cos(phi), "px"), (pt * np.sin(phi), "py"), (pt * np.sinh(eta), "pz")):
        assert ak.max(abs(back - muons[name]) / size) < 1e-12
    assert events["Muon_genEnergy"].tolist() == muons.energy.tolist()
    assert events["Muon_mass"].tolist() == muons.genMass.tolist()
    assert events["nMuon"].tolist() == ak.num(muons).tolist()


def test_columns_and_their_types(tmp_path: Path) -> None:
    convert([WEAK], tmp_path / "out.root")
    with uproot.open(tmp_path / "out.root") as file:
        branches = {name: branch.interpretation for name, branch in file["Events"].items()}
    assert set(branches) == {*EVENT_COLUMNS, "nMuon", *(f"Muon_{name}" for name in MUON_COLUMNS)}
    for name, dtype in EVENT_COLUMNS.items():
        assert branches[name].to_dtype.newbyteorder("=") == dtype
    for name, dtype in MUON_COLUMNS.items():
        assert branches[f"Muon_{name}"].content.to_dtype.newbyteorder("=") == dtype


def test_files_follow_one_another_and_are_remembered(tmp_path: Path) -> None:
    summary = convert([SIGNAL, WEAK, POWHEG], tmp_path / "out.root")
    assert (summary.files, summary.events) == (3, 75)
    assert summary.events_per_second > 0
    events = tree_of(tmp_path / "out.root")
    expected = [event for path in (SIGNAL, WEAK, POWHEG) for event in read_lhe(path).event.tolist()]
    assert events["event"].tolist() == expected
    with uproot.open(tmp_path / "out.root") as file:
        note = json.loads(str(file["provenance"]))
    assert [source["sha256"] for source in note["sources"]] == [sha256(path) for path in (SIGNAL, WEAK, POWHEG)]
    assert note["sources"][0]["name"] == str(SIGNAL)
    assert note["sources"][2] | {"sha256": ""} == {
        "name": str(POWHEG),
        "sha256": "",
        "events": 20,
        "muons": 0,
        "version": "3.0",
        "beams": [2212, 2212],
        "beam_energies": [4000.0, 4000.0],
        "cross_section": 1205.36,
        "cross_section_error": 1.73235,
    }


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    """Column by column, and to the last bit of what is made of it."""
    tables = []
    for kind in ("root", "parquet"):
        path = tmp_path / f"events.{kind}"
        summary = convert([SIGNAL, WEAK], path)
        processing.process([path], [], tmp_path / kind, show_progress=False)
        tables.append(candidates.read(tmp_path / kind / "candidates.parquet"))
    held = pq.read_table(path)
    with uproot.open(tmp_path / "events.root") as file:
        tree = file["Events"]
        assert set(tree.keys(filter_name=lambda name: name != "Muon")) == set(held.column_names)
        for name in held.column_names:
            assert ak.array_equal(ak.from_arrow(held[name]), tree[name].array(), dtype_exact=True), name
        assert pq.read_metadata(path).metadata[b"provenance"].decode() == file["provenance"]
    assert summary.events == held.num_rows
    for name, values in tables[0].items():
        assert values.tobytes() == tables[1][name].tobytes(), name


def test_no_events_at_all(tmp_path: Path) -> None:
    (tmp_path / "none.lhe").write_bytes(document())
    assert convert([tmp_path / "none.lhe"], tmp_path / "out.root").events == 0
    assert len(tree_of(tmp_path / "out.root")) == 0


def test_chunks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert([MADGRAPH], tmp_path / "one.root")
    monkeypatch.setattr(conversion, "_EVENTS_PER_BASKET", 40)
    convert([MADGRAPH], tmp_path / "four.root")
    with uproot.open(tmp_path / "four.root") as file:
        assert file["Events"]["run"].num_baskets == 4
    assert ak.array_equal(tree_of(tmp_path / "one.root"), tree_of(tmp_path / "four.root"))


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(SIGNAL.read_bytes())))
    summary = convert(["-"], tmp_path / "out.root")
    assert summary.events == 25
    assert summary.sources[0]["name"] == "standard input"
    with pytest.raises(InputError, match="-: is given twice: give each file once"):
        convert(["-", "-"], tmp_path / "out.root")


def test_the_same_file_twice(tmp_path: Path) -> None:
    copy = tmp_path / "copy.lhe.gz"
    shutil.copy(SIGNAL, copy)
    link = tmp_path / "link.lhe.gz"
    link.symlink_to(copy)
    output = tmp_path / "out.root"
    with pytest.raises(InputError, match=r"copy\.lhe\.gz: is given twice: give each file once"):
        convert([copy, copy], output)
    with pytest.raises(InputError, match=r"link\.lhe\.gz: is given twice \(it is the same file as .*copy\.lhe\.gz\)"):
        convert([copy, link], output)
    with pytest.raises(InputError, match=r"copy\.lhe\.gz: has the same content as .*pythia-signal\.lhe\.gz"):
        convert([SIGNAL, WEAK, copy], output)
    assert sorted(path.name for path in tmp_path.iterdir()) == [copy.name, link.name]


def test_nothing_is_left_of_a_conversion_that_fails(tmp_path: Path) -> None:
    (tmp_path / "bad.lhe").write_bytes(document(PLAIN_EVENT, PLAIN_EVENT.replace("30.0", "nan")))
    (tmp_path / "out.root").write_bytes(b"root of before")
    with pytest.raises(LHEError, match=r"bad\.lhe: event 2, line .*: px of particle 3 is 'nan', not a finite number"):
        convert([SIGNAL, tmp_path / "bad.lhe"], tmp_path / "out.root")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.lhe", "out.root"]
    assert (tmp_path / "out.root").read_bytes() == b"root of before"


def test_what_cannot_be_converted(tmp_path: Path) -> None:
    output = tmp_path / "out.root"
    with pytest.raises(ConfigurationError, match="no file to convert: give at least one"):
        convert([], output)
    with pytest.raises(MissingInputError, match="none: no such file"):
        convert([tmp_path / "none"], output)
    convert([SIGNAL], output)
    with pytest.raises(InputError, match=r"out\.root: is a root file, not LHE: use it as it is"):
        convert([output], tmp_path / "again.root")
    mine = tmp_path / "mine.lhe.gz"
    shutil.copy(SIGNAL, mine)
    with pytest.raises(ConfigurationError, match=r"mine\.lhe\.gz: is to be both read and written"):
        convert([mine], mine)
    assert mine.read_bytes() == SIGNAL.read_bytes()
    with pytest.raises(OutputError, match="is a directory"):
        convert([SIGNAL], tmp_path)


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on the size of a file stands for a disk that is full."""
    many = tmp_path / "many.lhe"
    events = b"".join(real_text(MADGRAPH).split(b"</LesHouchesEvents>")[0].split(b"<event>", 1)[1:])
    many.write_bytes(document().replace(b"</LesHouchesEvents>", (b"<event>" + events) * 40 + b"</LesHouchesEvents>"))
    process = multiprocessing.get_context("fork").Process(target=_convert_with_little_space, args=(many, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.lhe"]


def _convert_with_little_space(path: Path, directory: Path) -> None:
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        convert([path], directory / "out.root")
    except OutputError as error:
        os._exit(0 if "out.root: cannot be written: File too large" in str(error) else 2)
    os._exit(1)


@pytest.mark.parametrize("path", [MADGRAPH, POWHEG, SIGNAL, WEAK])
def test_kind_of_lhe(path: Path) -> None:
    assert kind_of(path) == "lhe"


def test_kind_of_others(tmp_path: Path) -> None:
    assert kind_of(Path(__file__).parents[1] / "data" / "nano_dy.root") == "root"
    ak.to_parquet(ak.Array([{"x": 1}]), tmp_path / "some.parquet")
    assert kind_of(tmp_path / "some.parquet") == "parquet"


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b"\x89HDF\r\n\x1a\n", "looks like an HDF5 file"),
        (b"\xfd7zXZ\0", "looks like an xz file: decompress it"),
        (b"BZh91AY", "looks like a bz2 file: decompress it"),
        (b"\x28\xb5\x2f\xfd", "looks like a zstd file: decompress it"),
        (b"PK\x03\x04", "looks like a zip archive: unpack it"),
        (b"%PDF-1.7", "looks like a PDF document"),
        (b'{"a": 1}', "looks like JSON"),
        (b"<html>", "looks like XML or HTML that is not LHE"),
        (b"\0\1\2", "looks like binary data"),
        (b"run lumi event\n1 2 3", "looks like text that begins with 'run lumi event"),
        (gzip.compress(b"hello", mtime=0), "looks like text that begins with 'hello'"),
        (gzip.compress(b"hello", mtime=0)[:12], "the gz data end too early"),
        (b"", "the file is empty"),
    ],
)
def test_kind_of_anything_else(tmp_path: Path, content: bytes, looks: str) -> None:
    (tmp_path / "some").write_bytes(content)
    with pytest.raises(InputError, match=f"some: .*{looks}"):
        kind_of(tmp_path / "some")


def cached(path: Path, cache: Path | None = None, **known: Any) -> Path:
    """Return what one file is converted to."""
    (one,) = converted.cached([path], cache, **known)
    return one.readable


def test_a_file_is_converted_once(tmp_path: Path) -> None:
    source, cache = tmp_path / "a.lhe.gz", tmp_path / "cache"
    shutil.copy(SIGNAL, source)
    first = cached(source, cache)
    made = first.stat().st_mtime_ns
    source.rename(tmp_path / "b.lhe.gz")
    assert cached(tmp_path / "b.lhe.gz", cache) == first
    assert first.stat().st_mtime_ns == made
    assert tree_of(first)["event"].tolist() == read_lhe(SIGNAL).event.tolist()
    assert [path.name for path in cache.iterdir()] == [first.parent.name]


def test_changed_input_and_changed_converter_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a.lhe"
    source.write_bytes(document(PLAIN_EVENT))
    first = cached(source, tmp_path / "cache")
    source.write_bytes(document(PLAIN_EVENT, PLAIN_EVENT))
    assert len(tree_of(cached(source, tmp_path / "cache"))) == 2
    assert len(tree_of(first)) == 1
    monkeypatch.setattr(converted, "VERSION", 10**6)
    assert cached(source, tmp_path / "cache").parent.name.endswith("-v1000000")


def test_small_files_share_an_entry_and_few_change_with_one_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "_EVENTS_PER_BASKET", 7)
    monkeypatch.setattr(conversion, "_MOST_CHUNKS", 3)
    texts = toy_lhe_events(60)
    files = [write_lhe(tmp_path / f"{k}.lhe", texts[2 * k : 2 * k + 1 + k % 2]) for k in range(20)]
    monkeypatch.setattr(converted, "_BUNDLE_BYTES", sum(file.stat().st_size for file in files) // 3)
    found = converted.cached(files, tmp_path / "cache")
    for file, (readable, start, events) in zip(files, found, strict=True):
        tree = tree_of(readable)
        assert tree["event"][start : start + events].tolist() == read_lhe(file).event.tolist()
        with uproot.open(readable) as root:
            edges = root["Events"]["event"].entry_offsets
        assert max(np.diff(edges)) <= 7
        assert min(np.diff(edges)[:-1], default=7) >= 6
    entries = {one.readable for one in found}
    assert 1 < len(entries) < 20
    assert converted.cached(files[::-1], tmp_path / "cache") == found[::-1]
    again = converted.cached([*files, write_lhe(tmp_path / "more.lhe", texts[50:])], tmp_path / "cache")
    assert len({one.readable for one in again} - entries) == 1


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "note", "note removed"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, damage: str) -> None:
    file = cached(SIGNAL, tmp_path)
    data = bytearray(file.read_bytes())
    note = file.with_name("entry.json")
    if damage == "flip":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif damage == "truncate":
        file.write_bytes(data[:-100])
    elif damage == "remove":
        file.unlink()
    elif damage == "note":
        note.write_text("{}")
    else:
        note.unlink()
    assert cached(SIGNAL, tmp_path) == file
    assert len(tree_of(file)) == 25
    assert [path.name for path in tmp_path.iterdir()] == [file.parent.name]


def _convert_at_once(barrier: object, cache: Path) -> None:
    barrier.wait()
    os._exit(0 if len(tree_of(cached(MADGRAPH, cache))) == 150 else 1)


@pytest.mark.parametrize("damaged", [False, True])
def test_processes_at_once(tmp_path: Path, damaged: bool) -> None:
    if damaged:
        cached(MADGRAPH, tmp_path).write_bytes(b"root")
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    processes = [context.Process(target=_convert_at_once, args=(barrier, tmp_path)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_that_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, cache = tmp_path / "a.lhe", tmp_path / "cache"
    source.write_bytes(document(PLAIN_EVENT))
    before = Content.of(source)
    source.write_bytes(document(PLAIN_EVENT, PLAIN_EVENT))
    with pytest.raises(InputError, match=r"a\.lhe: changed while it was read: wait until it is complete"):
        cached(source, cache, known=[before])
    assert list(cache.iterdir()) == []

    def hash_slowly(path: Path) -> str:
        with path.open("ab") as file:
            file.write(b"# another line\n")
        return sha256(path)

    monkeypatch.setattr(conversion, "sha256", hash_slowly)
    with pytest.raises(InputError, match=r"a\.lhe: changed while it was read: wait until it is complete"):
        cached(source, cache)


def test_a_file_of_known_content_is_not_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = Content.of(SIGNAL)
    assert known.sha256 == sha256(SIGNAL)
    monkeypatch.setattr(conversion, "sha256", None)
    monkeypatch.setattr("zmumu_hybrid.lhe.byte_stream.hashlib.sha256", None)
    file = cached(SIGNAL, tmp_path, known=[known])
    assert len(tree_of(file)) == 25
    with uproot.open(file) as root:
        assert json.loads(str(root["provenance"]))["sources"][0]["sha256"] == known.sha256


def test_an_unusable_cache(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file: cannot make this directory"):
        cached(SIGNAL, tmp_path / "file")
    (tmp_path / "text").write_text("<LesHouchesEvents>")
    with pytest.raises(LHEError, match="text: line 1: the file ends inside what stands before the events"):
        cached(tmp_path / "text", tmp_path / "cache")


def test_the_entry_cannot_be_put_in_its_place(tmp_path: Path) -> None:
    entry = tmp_path / f"{sha256(SIGNAL)}-v{converted.VERSION}"
    entry.write_text("a file where the directory should be")
    assert len(tree_of(cached(SIGNAL, tmp_path))) == 25


def test_default_cache_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ZMUMU_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_directory() == tmp_path / ".cache" / "zmumu-hybrid"
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_cache_directory() == Path("/x/zmumu-hybrid")
    monkeypatch.setenv("ZMUMU_CACHE", str(tmp_path / "mine"))
    assert default_cache_directory() == tmp_path / "mine"
    assert cached(SIGNAL).parents[1] == tmp_path / "mine"
