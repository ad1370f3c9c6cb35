from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from events.test_records import PAIR, both_orders, rows
from toyfiles import write_columns
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.events.branch_map import Branches
from zmumu_hybrid.events.pair_ntuples import cached_events

TREE = both_orders(rows(60))
COUNTS = {"rows": 120, "selected rows": 120}


def converted(path: Path, cache: Path, *, rows: int = 1000, **declared: Any) -> tuple[Path, dict[str, int]]:
    branches = Branches.from_mapping(PAIR | declared, "mine")
    format_ = "parquet" if path.suffix == ".parquet" else "root"
    return cached_events(path, branches, format_, "" if format_ == "parquet" else "pairs", cache, rows=rows)


def content(path: Path) -> dict[str, bytes]:
    """Return every column of a converted file as bytes."""
    with uproot.open(path) as file:
        events = file["Events"].arrays()
    return {name: ak.to_numpy(ak.flatten(events[name], axis=None)).tobytes() for name in events.fields}


@pytest.mark.parametrize("size", [1, 2, 3, 50, 1000])
def test_the_rows_read_at_a_time_do_not_show(tmp_path: Path, size: int) -> None:
    path = write_columns(tmp_path / "a.root", TREE)
    whole, counts = converted(path, tmp_path / "whole")
    pieces, again = converted(path, tmp_path / "pieces", rows=size)
    assert counts == again == COUNTS
    assert content(pieces) == content(whole)
    with uproot.open(whole) as file:
        assert file["Events"].num_entries == 60


@pytest.mark.parametrize("kind", ["RNTuple", "Parquet"])
def test_the_format_does_not_show(tmp_path: Path, kind: str) -> None:
    text = TREE | {"Type": ["GG", "GT"] * 60}
    tree = write_columns(tmp_path / "a.root", TREE)
    other = write_columns(tmp_path / ("b.parquet" if kind == "Parquet" else "b.root"), text, kind=kind)
    expected, _ = converted(tree, tmp_path / "cache")
    found, counts = converted(other, tmp_path / "cache")
    assert content(found) == content(expected)
    assert counts == COUNTS
    found, counts = converted(other, tmp_path / "cache", where={"Type": "GG"})
    assert counts == {"rows": 120, "selected rows": 60}
    assert content(found) == content(expected)


def test_a_converted_file_is_known_by_content_and_declaration(tmp_path: Path) -> None:
    path = write_columns(tmp_path / "a.root", TREE)
    first, _ = converted(path, tmp_path / "cache")
    made = first.stat().st_mtime_ns
    again, counts = converted(path, tmp_path / "cache")
    assert (again, again.stat().st_mtime_ns, counts) == (first, made, COUNTS)
    assert converted(path, tmp_path / "cache", unit="MeV")[0] != first


def test_an_error_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    path = write_columns(tmp_path / "a.root", TREE | {"Event": np.linspace(0, 1, 120)})
    with pytest.raises(
        InputError, match=r"a.root, row 1: Event is 0.0084\d*, not a whole number from 0 to 18446744073709551615"
    ):
        converted(path, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_conditions_that_nothing_meets_give_no_event(tmp_path: Path) -> None:
    path = write_columns(tmp_path / "a.root", TREE)
    found, counts = converted(path, tmp_path / "cache", where={"Q1": 5})
    assert counts == {"rows": 120, "selected rows": 0}
    with uproot.open(found) as file:
        assert file["Events"].num_entries == 0
