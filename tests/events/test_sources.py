from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.processor import ProcessorABC

from toyfiles import toy_lhe_events, toy_root, write_lhe, write_parquet, write_root
from toys import toy_events
from zmumu_hybrid.errors import InputError, LHEError, MissingInputError
from zmumu_hybrid.events.branch_map import NANOAOD, PRESETS, Branches
from zmumu_hybrid.events.input_files import Source, open_sources
from zmumu_hybrid.execution.runner import run
from zmumu_hybrid.lhe import read_lhe
from zmumu_hybrid.support.files import sha256

EVENTS = toy_events(20)
DATA = Path(__file__).parents[1] / "data"
CMS = Branches.read(Path(__file__).parents[2] / "examples" / "branches" / "cms-dimuon.toml")


def open_one(path: Path, tmp_path: Path) -> Source:
    (source,) = open_sources({"signal": [path]}, tmp_path / "cache")
    return source


def test_root_and_parquet_are_read_as_they_are(tmp_path: Path) -> None:
    for path, tree, format_ in (
        (write_root(tmp_path / "ttree.root", EVENTS), "Events", "root"),
        (write_root(tmp_path / "named.root", EVENTS, tree="dimuons"), "dimuons", "root"),
        (write_root(tmp_path / "rntuple.root", EVENTS, kind="RNTuple"), "Events", "root"),
        (write_parquet(tmp_path / "flat.parquet", EVENTS), "", "parquet"),
    ):
        assert open_one(path, tmp_path) == Source(path, "signal", path, format_, tree, 20, sha256(path))


@pytest.mark.parametrize("name", ["toy.lhe", "toy.lhe.gz"])
def test_lhe_is_converted_once(tmp_path: Path, name: str) -> None:
    path = write_lhe(tmp_path / name, toy_lhe_events(7))
    source = open_one(path, tmp_path)
    assert (source.path, source.format, source.tree, source.entries) == (path, "root", "Events", 7)
    made = source.readable.stat().st_mtime_ns
    assert open_one(path, tmp_path).readable.stat().st_mtime_ns == made


class Events(ProcessorABC):
    """Says which events came as those of which file."""

    def process(self, events: ak.Array) -> dict[str, list[tuple[int, int]]]:
        first = events.metadata["entrystart"]
        return {
            str(events.metadata["filename"]): list(zip(range(first, first + len(events)), events.event, strict=True))
        }

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


def test_small_lhe_files_share_what_they_are_converted_to_and_keep_their_names(tmp_path: Path) -> None:
    texts = toy_lhe_events(40)
    files = [write_lhe(tmp_path / f"{k}.lhe", texts[5 * k : 5 * k + 1 + k % 5]) for k in range(8)]
    sources = open_sources({"signal": files[:6], "background": files[6:]}, tmp_path / "cache")
    assert [source.path for source in sources] == files
    assert [source.sha256 for source in sources] == [sha256(file) for file in files]
    assert len({source.readable for source in sources}) == 2
    found = run(sources, Events(), chunksize=3, show_progress=False)
    assert {name: sorted(events) for name, events in found.items()} == {
        str(file): list(enumerate(read_lhe(file).event.tolist())) for file in files
    }


def test_data_sets_keep_their_order(tmp_path: Path) -> None:
    paths = [toy_root(tmp_path / f"{seed}.root", 5, seed) for seed in range(3)]
    found = open_sources({"signal": paths[:2], "background": paths[2:]}, tmp_path)
    assert [(source.dataset, source.path) for source in found] == [
        ("signal", paths[0]),
        ("signal", paths[1]),
        ("background", paths[2]),
    ]


@pytest.mark.parametrize("how", ["same name", "link", "hard link", "copy"])
@pytest.mark.parametrize("second", ["signal", "background"])
def test_a_file_given_twice_is_refused(tmp_path: Path, how: str, second: str) -> None:
    first, again = toy_root(tmp_path / "a.root", 5), tmp_path / "b.root"
    if how == "link":
        again.symlink_to(first)
    elif how == "hard link":
        os.link(first, again)
    elif how == "copy":
        shutil.copy(first, again)
    else:
        again = first
    inputs = {"signal": [first, again]} if second == "signal" else {"signal": [first], "background": [again]}
    said = "is given twice" if how == "same name" else rf"is the same file as {first} \(signal\)"
    with pytest.raises(InputError, match=rf"^{again} \({second}\): {said}: each event may be used once"):
        open_sources(inputs, tmp_path)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    def bad(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    whole = toy_root(tmp_path / "whole.root", 500).read_bytes()
    parquet = write_parquet(tmp_path / "whole.parquet", EVENTS).read_bytes()
    lhe = write_lhe(tmp_path / "whole.lhe.gz", toy_lhe_events(50)).read_bytes()
    for path, kind, message in (
        (tmp_path / "missing.root", MissingInputError, "no such file"),
        (tmp_path, MissingInputError, "is a directory"),
        (bad("empty.root", b""), InputError, "the file is empty"),
        (bad("text.lhe", b"Dear Sir or Madam"), InputError, "not an LHE, ROOT or Parquet file"),
        (bad("cut.root", whole[: len(whole) // 2]), InputError, "cut short: [0-9]+ of its [0-9]+ bytes are there"),
        (bad("stub.root", whole[:100]), InputError, "not a readable ROOT file"),
        (bad("cut.parquet", parquet[: len(parquet) // 2]), InputError, "not a readable Parquet file"),
        (bad("cut.lhe.gz", lhe[: len(lhe) // 2]), LHEError, "the gz data end too early"),
    ):
        with pytest.raises(kind, match=message) as caught:
            open_one(path, tmp_path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)


def test_root_files_without_the_events_are_refused(tmp_path: Path) -> None:
    def make(name: str, **trees: dict[str, np.ndarray]) -> Path:
        with uproot.recreate(tmp_path / name) as file:
            for tree, columns in trees.items():
                file.mktree(tree, {key: value.dtype for key, value in columns.items()})
                file[tree].extend(columns)
        return tmp_path / name

    numbers = {"x": np.arange(3.0)}
    for path, message in (
        (make("none.root"), "has no tree: one named 'Events' is needed"),
        (make("two.root", a=numbers, b=numbers), r"has 2 trees \(a, b\): one named 'Events'"),
        (make("other.root", a=numbers), "tree 'a' has no column run, luminosityBlock, .* Muon_charge: needed are"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            open_one(path, tmp_path)
        assert str(caught.value).startswith(f"{path}: ")


def test_a_parquet_file_without_a_column_is_refused(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = write_parquet(tmp_path / "flat.parquet", EVENTS)
    pq.write_table(pq.read_table(path).drop(["Muon_mass"]), path)
    with pytest.raises(InputError, match=r"flat.parquet: has no column Muon_mass: needed are run"):
        open_one(path, tmp_path)


def test_a_declared_collection_is_read_as_it_is(tmp_path: Path) -> None:
    path = DATA / "nano_dy.root"
    (source,) = open_sources({"signal": [path]}, tmp_path, branches=PRESETS["GenPart"])
    assert (source.readable, source.tree, source.entries, source.branches) == (path, "Events", 40, PRESETS["GenPart"])


def test_a_declared_tree_of_pairs_is_converted_to_events(tmp_path: Path) -> None:
    (source,) = open_sources({"data": [DATA / "zmumu-tree.root"]}, tmp_path, branches=CMS)
    assert (source.tree, source.entries, source.branches) == ("Events", 500, NANOAOD)
    assert source.rows == {"rows": 2304, "selected rows": 516}
    assert source.readable.is_relative_to(tmp_path)


def test_a_declaration_is_not_for_lhe(tmp_path: Path) -> None:
    path = write_lhe(tmp_path / "toy.lhe", toy_lhe_events(7))
    (source,) = open_sources({"signal": [path]}, tmp_path, branches=PRESETS["GenPart"])
    assert (source.entries, source.branches) == (7, NANOAOD)


def test_files_that_are_not_as_declared_are_named(tmp_path: Path) -> None:
    nano, tree = DATA / "nano_dy.root", DATA / "zmumu-tree.root"
    parquet = write_parquet(tmp_path / "flat.parquet", EVENTS)
    without = Branches(kind="pair", muons=CMS.muons, name="mine.toml")
    for path, branches, message in (
        (nano, CMS, r"has 2 trees \(Events, Runs\): one named 'events' is needed"),
        (tree, PRESETS["GenPart"], r"has 1 tree \(events\): one named 'Events' is needed"),
        (nano, without, "tree 'Events' has no branch E1, E2, Q1, .*, which mine.toml declares; it has: .*CaloMET"),
        (parquet, without, "has no branch E1, E2, .*; it has: Muon_charge, "),
        (tree, None, "no column run, .*; if it has them by other names, declare these with --branches"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            open_sources({"signal": [path]}, tmp_path / "cache", branches=branches)
        assert str(caught.value).startswith(f"{path}: ")
