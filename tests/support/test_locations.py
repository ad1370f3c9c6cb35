"""Inputs by any name: odd names, trees in files, pipes, standard input and addresses."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import awkward as ak
import pytest
import uproot
from typer.testing import CliRunner

from toyfiles import columns, toy_lhe_events, toy_root, write_lhe, write_parquet, write_root
from toys import toy_events
from zmumu_hybrid.cli.main import app
from zmumu_hybrid.errors import ConfigurationError, InputError, MissingDependencyError, MissingInputError
from zmumu_hybrid.events.input_files import open_sources
from zmumu_hybrid.jobs.process import ProcessOptions, process
from zmumu_hybrid.support import locations
from zmumu_hybrid.support.locations import find

EVENTS = toy_events(30, 1)
NAMES = {
    "colons": b"d::x:1",
    "address": b"http:",
    "not ASCII": "Zµµ→ll".encode(),
    "not UTF-8": b"\xff\xfe",
    "newline": b"a\nb\t ",
    "brackets": b"[bold]*?{a}[red]:smile:",
    "percent": b"%41#frag?x=1&y;~",
    "dash": b"-o",
    "long": b"x" * 240,
}
"""Of files and folders."""


class Requests(SimpleHTTPRequestHandler):
    """Serves a folder, and counts what is asked of it."""

    seen: list[str]

    def __init__(self, *arguments: object, seen: list[str], **options: object) -> None:
        self.seen = seen
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        super().do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """Yield the address of a server, its folder, and the requests that it got."""
    folder, seen = tmp_path / "served", list[str]()
    folder.mkdir()
    with ThreadingHTTPServer(("localhost", 0), partial(Requests, seen=seen, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://localhost:{httpd.server_port}", folder, seen
        httpd.shutdown()
        thread.join()


def event_numbers(folder: Path) -> list[int]:
    import pyarrow.parquet as pq

    with (folder / "candidates.parquet").open("rb") as stream:
        return pq.read_table(stream)["event"].to_pylist()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """Return the event numbers of a run over the same events under plain names."""
    folder = tmp_path_factory.mktemp("plain")
    write_lhe(folder / "toy.lhe", toy_lhe_events(20))
    write_root(folder / "toy.root", EVENTS)
    inputs = [folder / "toy.lhe", folder / "toy.root"]
    process(inputs, [], folder / "out", ProcessOptions(cache=folder / "cache"), show_progress=False)
    return event_numbers(folder / "out")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_any_name_is_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: list[int], name: str, relative: bool
) -> None:
    """Inputs, output, cache and home are all called so; nothing is written anywhere else."""
    odd = os.fsdecode(NAMES[name])
    monkeypatch.chdir(tmp_path)
    folder = Path(odd) if relative else tmp_path / odd
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder / "home"))
    write_lhe(tmp_path / "toy.lhe", toy_lhe_events(20)).rename(folder / odd)
    with (folder / "toy.root").open("wb") as stream:
        stream.write(write_root(tmp_path / "toy.root", EVENTS).read_bytes())
    (tmp_path / "toy.root").unlink()
    inputs = [folder / odd, folder / "toy.root"]
    process(inputs, [], folder / "out", ProcessOptions(cache=folder / "cache"), show_progress=False)
    assert event_numbers(folder / "out") == expected
    with (folder / "out" / "histograms.root").open("rb") as stream, uproot.open(stream) as file:
        assert "pt" in " ".join(file.keys())
    assert [entry["path"] for entry in json.loads((folder / "out" / "process.json").read_bytes())["inputs"]] == [
        str(path) for path in inputs
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [odd]
    assert sorted(path.name for path in folder.iterdir()) == sorted([odd, "toy.root", "out", "cache"])


def trees(path: Path) -> Path:
    """Write a file with two trees of events in folders, and one of another kind."""
    with uproot.recreate(path) as file:
        for name, events in (("one/Events", EVENTS[:10]), ("two/Events", EVENTS[10:])):
            flat = columns(events)
            muons = ak.zip({key.removeprefix("Muon_"): flat.pop(key) for key in list(flat) if key.startswith("Muon_")})
            file.mktree(
                name, {**{key: ak.to_numpy(value).dtype for key, value in flat.items()}, "Muon": muons.type.content}
            )
            file[name].extend({**flat, "Muon": muons})
        file["Runs"] = {"run": [1]}
    return path


def test_a_tree_is_named_by_an_option_or_behind_the_file(tmp_path: Path) -> None:
    path = trees(tmp_path / "trees.root")

    def entries(*names: str, **options: str) -> list[tuple[str, int]]:
        return [(each.tree, each.entries) for each in open_sources({"signal": names}, tmp_path / "c", **options)]

    assert entries(str(path), tree="two/Events") == [("two/Events", 20)]
    assert entries(f"{path}:one/Events") == [("one/Events", 10)]
    assert entries(f"{path}:/one/Events", f"{path}:two/Events") == [("one/Events", 10), ("two/Events", 20)]
    assert entries(f"{path}:one/Events", tree="two/Events") == [("one/Events", 10)]
    with pytest.raises(InputError, match=r"has 3 trees \(Runs, one/Events, two/Events\): .*--tree, or as FILE:TREE"):
        entries(str(path))
    with pytest.raises(InputError, match=r"has 3 trees .*: one named 'three' is needed"):
        entries(f"{path}:three")
    with pytest.raises(InputError, match="is given twice"):
        entries(f"{path}:one/Events", f"{path}:one/Events")
    parquet = write_parquet(tmp_path / "flat.parquet", EVENTS)
    with pytest.raises(InputError, match="has no tree 'Events': it is a file of the kind parquet"):
        entries(f"{parquet}:Events")
    with pytest.raises(ConfigurationError, match="--tree Events: none of the files is a ROOT file"):
        entries(str(parquet), tree="Events")


def test_an_ntuple_is_a_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uproot reads a TNtuple as a TTree, but cannot write one."""
    path = write_root(tmp_path / "a.root", EVENTS, tree="ntuple")
    monkeypatch.setattr(uproot.ReadOnlyDirectory, "classnames", lambda _file, **_options: {"ntuple": "TNtuple"})
    (source,) = open_sources({"signal": [path]}, tmp_path / "cache")
    assert (source.tree, source.entries) == ("ntuple", 30)


def test_both_trees_of_a_file_are_read(tmp_path: Path) -> None:
    path = trees(tmp_path / "trees.root")
    inputs = [f"{path}:one/Events", f"{path}:two/Events"]
    summary = process(inputs, [], tmp_path / "out", ProcessOptions(cache=tmp_path / "c"), show_progress=False)
    assert summary.entries == {"signal": 30}


def test_a_file_whose_name_looks_like_something_else_is_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    toy_root(Path("a.root"), 5)
    Path("http:/localhost").mkdir(parents=True)
    for name in ("a.root:Events", "http:/localhost/b.root", "-"):
        Path(name).write_bytes(Path("a.root").read_bytes())
    assert find("a.root:Events").path == Path("a.root:Events")
    assert find("http://localhost/b.root").path == Path("http:/localhost/b.root")
    assert find("./-").path == Path("-")
    with pytest.raises(MissingInputError, match=r"b.root:Events: no such file"):
        find("b.root:Events")


def test_pipes_and_standard_input_are_read_once_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, root = tmp_path / "cache", write_root(tmp_path / "toy.root", EVENTS)
    lhe = write_lhe(tmp_path / "toy.lhe", toy_lhe_events(20)).read_bytes()
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(root.read_bytes(),))
    writer.start()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(gzip.compress(lhe))))
    sources = open_sources({"signal": [str(tmp_path / "pipe"), "-"]}, cache)
    writer.join()
    assert [(str(each.path), each.entries) for each in sources] == [
        (str(tmp_path / "pipe"), 30),
        ("standard input", 20),
    ]
    with pytest.raises(InputError, match="standard input: is empty"):
        find("-", cache)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(lhe[: len(lhe) // 2])))
    with pytest.raises(InputError, match=r"^standard input: line \d+: the file ends inside event \d+"):
        open_sources({"signal": ["-"]}, cache)


def test_an_open_file_is_given_as_a_file(tmp_path: Path) -> None:
    root = write_root(tmp_path / "toy.root", EVENTS)
    with root.open("rb") as stream:
        (source,) = open_sources({"signal": [f"/dev/fd/{stream.fileno()}"]}, tmp_path / "cache")
    assert source.entries == 30
    assert source.readable.read_bytes() == root.read_bytes()


def test_files_behind_addresses(server: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, seen = server
    cache = tmp_path / "cache"
    trees(folder / "trees.root")
    write_lhe(folder / "a:b.lhe.gz", toy_lhe_events(20))
    names = [f"{address}/trees.root:two/Events", f"{address}/a:b.lhe.gz"]
    for _ in range(2):
        sources = open_sources({"signal": names}, cache, show_progress=False)
        assert [(str(each.path), each.tree, each.entries) for each in sources] == [
            (f"{address}/trees.root", "two/Events", 20),
            (f"{address}/a:b.lhe.gz", "Events", 20),
        ]
        assert seen == ["/trees.root", "/a:b.lhe.gz"]  # once, as they have not changed since
    with pytest.raises(MissingInputError, match=rf"{address}/none.root: cannot be read: .*404"):
        open_sources({"signal": [f"{address}/none.root"]}, cache)
    (folder / "trees.root").write_bytes(b"other")
    with pytest.raises(InputError, match=rf"^{address}/trees.root: not an LHE, ROOT or Parquet file"):
        open_sources({"signal": [names[0]]}, cache)


def test_a_server_that_never_answers_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locations, "_ANSWERING", 0.4)
    with socket.create_server(("localhost", 0)) as silent:
        address = f"http://localhost:{silent.getsockname()[1]}/a.root"
        with pytest.raises(MissingInputError, match=rf"^{address}: cannot be read: SocketTimeoutError"):
            find(address, tmp_path)
        done = CliRunner().invoke(app, ["process", "--signal", address, "--output", str(tmp_path / "out")])
        assert isinstance(done.exception, MissingInputError)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_reached_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingInputError, match=r"^http://localhost:9/a.root: cannot be read: ClientConnectorError"):
        find("http://user:secret@localhost:9/a.root", tmp_path)
    with pytest.raises(MissingInputError, match=r"foo://host/a.root: no such file, nor an address"):
        find("foo://host/a.root", tmp_path)
    monkeypatch.setattr("zmumu_hybrid.support.extras.find_spec", lambda _name: None)
    wanted = r"root://host//a.root: fsspec-xrootd, xrootd are not installed: pip install 'zmumu-hybrid\[remote\]'"
    with pytest.raises(MissingDependencyError, match=wanted):
        find("root://host//a.root:Events", tmp_path)
