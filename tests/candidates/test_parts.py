from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from zmumu_hybrid.candidates import shuffle as parts
from zmumu_hybrid.candidates.table import Table
from zmumu_hybrid.errors import InputError

ROWS = st.integers(1, 300)


def toy_table(rows: int, seed: int = 0) -> Table:
    """Return rows with few different event numbers, so that ties and label pairs occur, and no duplicates."""
    generator = np.random.default_rng(seed)
    table: Table = {
        "run": np.ones(rows, np.uint32),
        "luminosityBlock": generator.integers(1, 3, rows).astype(np.uint32),
        "event": generator.integers(0, 2**63, rows, dtype=np.uint64) >> np.uint64(56),
        "label": generator.integers(0, 2, rows).astype(np.int8),
        "is_test": generator.random(rows) < 0.2,
    }
    for name in ("px_0", "py_0", "pz_0", "true_px_0", "true_py_0", "true_pz_0"):
        table[name] = generator.normal(size=rows)
    return table


def merged(paths: list[Path]) -> Table:
    tables = list(parts.merge_parts(paths))
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_BLOCK", 7)
    monkeypatch.setattr(parts, "_GROUP", 50)


@examples(25)
@given(rows=ROWS, pieces=st.integers(1, 6), seed=st.integers(0, 1000))
def test_merged_parts_are_the_sorted_table_however_it_was_cut(
    tmp_path_factory: pytest.TempPathFactory, rows: int, pieces: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    table = toy_table(rows, seed)
    owner = np.random.default_rng(seed + 1).integers(0, pieces, rows)
    paths = []
    for piece in np.unique(owner):
        paths.append(folder / f"{piece}.parquet")
        parts.write_part({name: values[owner == piece] for name, values in table.items()}, paths[-1])
    expected = parts.sort_table(table)
    result = merged(paths)
    assert list(result) == list(table)
    for name, values in expected.items():
        assert result[name].dtype == values.dtype
        np.testing.assert_array_equal(result[name], values)


def test_rows_are_sorted_by_identity_and_label() -> None:
    table = parts.sort_table(toy_table(200))
    keys = list(zip(*(table[name].tolist() for name in parts.SORT_KEY), strict=True))
    assert keys == sorted(keys)


@pytest.mark.parametrize("where", ["one part", "two parts", "both classes"])
def test_an_event_used_twice_is_refused_and_named(tmp_path: Path, where: str) -> None:
    table = toy_table(40)
    table["event"] = np.arange(40, dtype=np.uint64)
    again = {name: values[17:18].copy() for name, values in table.items()}
    if where == "both classes":
        again["label"] = 1 - again["label"]
        again["px_0"] = again["px_0"] * 1.1
    if where == "one part":
        table = {name: np.concatenate([table[name], again[name]]) for name in table}
    parts.write_part(table, tmp_path / "a.parquet")
    parts.write_part(again, tmp_path / "b.parquet")
    paths = [tmp_path / "a.parquet"] if where == "one part" else [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    number = f"run 1, luminosityBlock {table['luminosityBlock'][17]}, event 17"
    with pytest.raises(InputError, match=f"{number}: .*twice") as caught:
        merged(paths)
    assert ("signal and background" in str(caught.value)) == (where == "both classes")


def test_events_of_two_samples_with_one_number_are_kept(tmp_path: Path) -> None:
    table, other = toy_table(20, 1), toy_table(20, 2)
    for each in (table, other):
        each["event"] = np.arange(20, dtype=np.uint64)
        each["luminosityBlock"] = np.ones(20, np.uint32)
        each["label"] = np.zeros(20, np.int8)
    parts.write_part(table, tmp_path / "a.parquet")
    parts.write_part(other, tmp_path / "b.parquet")
    one, two = (
        merged([tmp_path / "a.parquet", tmp_path / "b.parquet"]),
        merged([tmp_path / "b.parquet", tmp_path / "a.parquet"]),
    )
    assert len(one["event"]) == 40
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])


def test_read_columns_and_write_table(tmp_path: Path) -> None:
    tables = [toy_table(30, 1), toy_table(5, 2)]
    for index, table in enumerate(tables):
        parts.write_part(table, tmp_path / f"{index}.parquet")
    columns = parts.read_columns([tmp_path / "0.parquet", tmp_path / "1.parquet"], ("label", "is_test"))
    assert columns["label"].shape == (35,)
    assert columns["is_test"].dtype == bool
    assert parts.write_table(iter(tables), tmp_path / "all.parquet") == 35
    whole = parts.read_columns([tmp_path / "all.parquet"], list(tables[0]))
    np.testing.assert_array_equal(whole["px_0"], np.concatenate([table["px_0"] for table in tables]))
