from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from toys import toy_pairs
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.draws.split import SplitConfig, is_test
from zmumu_hybrid.errors import ConfigurationError, InputError, MissingInputError
from zmumu_hybrid.physics.smearing import SmearingConfig, smear

PAIRS = toy_pairs(200, weights=True)
SMEARED = smear(PAIRS, SmearingConfig(), "signal")
TABLE = candidates.build(PAIRS, SMEARED, candidates.SIGNAL, "signal", SplitConfig())


def write(path: Path, table: candidates.Table) -> Path:
    pq.write_table(pa.table(table), path)
    return path


def test_columns_are_the_agreed_ones() -> None:
    assert [column.name for column in candidates.COLUMNS] == [
        *("run", "luminosityBlock", "event", "label", "weight", "gen_weight", "is_test"),
        *("px_0", "py_0", "pz_0", "energy_0", "px_1", "py_1", "pz_1", "energy_1", "mass", "pt_0", "pt_1"),
        *("true_mass", "true_pt_0", "true_pt_1"),
        *("true_px_0", "true_py_0", "true_pz_0", "true_energy_0"),
        *("true_px_1", "true_py_1", "true_pz_1", "true_energy_1"),
    ]
    assert list(TABLE) == [column.name for column in candidates.COLUMNS]
    assert {c.unit for c in candidates.COLUMNS if c.dtype.kind == "f" and "weight" not in c.name} == {"GeV"}


@pytest.mark.parametrize(("prefix", "pairs"), [("", SMEARED), ("true_", PAIRS)])
def test_the_table_holds_what_vector_calculates(prefix: str, pairs: ak.Array) -> None:
    for slot, muon in enumerate((pairs.plus, pairs.minus)):
        for name in ("px", "py", "pz"):
            np.testing.assert_array_equal(TABLE[f"{prefix}{name}_{slot}"], getattr(muon, name))
        np.testing.assert_allclose(TABLE[f"{prefix}energy_{slot}"], muon.E, rtol=1e-14)
        np.testing.assert_allclose(TABLE[f"{prefix}pt_{slot}"], muon.pt, rtol=1e-14)
    np.testing.assert_allclose(TABLE[f"{prefix}mass"], (pairs.plus + pairs.minus).mass, rtol=1e-9)


def test_identity_weight_label_and_split() -> None:
    for name in ("run", "luminosityBlock", "event", "gen_weight"):
        np.testing.assert_array_equal(TABLE[name], PAIRS[name])
    np.testing.assert_array_equal(TABLE["weight"], PAIRS.gen_weight)
    assert np.all(TABLE["label"] == 1)
    identity = [TABLE[name] for name in ("run", "luminosityBlock", "event")]
    np.testing.assert_array_equal(TABLE["is_test"], is_test(*identity))
    other = candidates.build(PAIRS, SMEARED, candidates.BACKGROUND, "x", SplitConfig(fraction=0.5, seed=3))
    assert np.all(other["label"] == 0)
    np.testing.assert_array_equal(other["is_test"], is_test(*identity, SplitConfig(fraction=0.5, seed=3)))


def test_a_table_without_smearing_has_equal_halves() -> None:
    table = candidates.build(PAIRS, PAIRS, 1, "signal")
    for name in ("mass", "pt_0", "pt_1", "px_0", "energy_1"):
        np.testing.assert_array_equal(table[name], table[f"true_{name}"])


def test_an_empty_chunk_makes_an_empty_table() -> None:
    table = candidates.build(PAIRS[:0], SMEARED[:0], 1, "signal")
    assert {name: values.dtype for name, values in table.items()} == {
        name: values.dtype for name, values in TABLE.items()
    }
    assert all(values.shape == (0,) for values in table.values())


def test_rows_that_do_not_fit_are_refused() -> None:
    for other in (SMEARED[:-1], SMEARED[::-1]):
        with pytest.raises(InputError, match="signal: the smeared pairs are not of the same events"):
            candidates.build(PAIRS, other, 1, "signal")
    with pytest.raises(ConfigurationError, match="label 2: use 1 for signal, 0 for background or -1"):
        candidates.build(PAIRS, SMEARED, 2, "signal")


def test_a_number_that_is_not_finite_is_named_with_its_event() -> None:
    pairs = ak.with_field(PAIRS, np.where(np.arange(200) == 7, np.nan, 1.0), "gen_weight")
    with pytest.raises(InputError, match=f"signal: run 1, .* event {PAIRS.event[7]}: weight is nan"):
        candidates.build(pairs, SMEARED, 1, "signal")


def test_a_table_is_checked() -> None:
    candidates.validate(TABLE)
    with pytest.raises(InputError, match="has no column mass"):
        candidates.validate({name: values for name, values in TABLE.items() if name != "mass"})
    with pytest.raises(InputError, match="column pt_0 of the candidate table is float32"):
        candidates.validate({**TABLE, "pt_0": TABLE["pt_0"].astype(np.float32)})
    with pytest.raises(InputError, match=r"column pt_0 .* of shape \(199,\), not float64 of shape \(200,\)"):
        candidates.validate({**TABLE, "pt_0": TABLE["pt_0"][1:]})
    assert candidates.name_event({"mass": TABLE["mass"]}, 4) == "row 4"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "candidates.parquet", TABLE)
    whole = candidates.read(path)
    assert list(whole) == list(TABLE)
    for name, values in TABLE.items():
        assert whole[name].dtype == values.dtype
        np.testing.assert_array_equal(whole[name], values)
    assert list(candidates.read(path, ["mass", "label"])) == ["mass", "label"]
    empty = candidates.read(write(tmp_path / "empty.parquet", {name: v[:0] for name, v in TABLE.items()}))
    assert empty["is_test"].dtype == bool
    assert empty["is_test"].shape == (0,)


def test_foreign_columns_that_fit_are_read_with_our_types(tmp_path: Path) -> None:
    table = {"pt_0": TABLE["pt_0"].astype(np.float32), "extra": TABLE["mass"]}
    assert candidates.read(write(tmp_path / "x.parquet", table), ["pt_0"])["pt_0"].dtype == np.float64


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        candidates.read(tmp_path / "none.parquet")
    path = write(tmp_path / "candidates.parquet", TABLE)
    content = path.read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"cut\.parquet: not a whole Parquet file: .*; make it again"):
        candidates.read(tmp_path / "cut.parquet")
    with pytest.raises(InputError, match="has no column mass: make it with"):
        candidates.read(write(tmp_path / "short.parquet", {"run": TABLE["run"]}), ["run", "mass"])
    with pytest.raises(InputError, match="column label: holds double, which does not fit into int8"):
        candidates.read(write(tmp_path / "wide.parquet", {"label": TABLE["mass"]}), ["label"])
    with pytest.raises(InputError, match="column mass: 1 values are missing"):
        candidates.read(write(tmp_path / "gaps.parquet", {"mass": pa.array([1.0, None])}), ["mass"])
    with pytest.raises(ConfigurationError, match="energy: no such column; there are run"):
        candidates.read(path, ["energy"])


def test_damaged_bytes_are_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "candidates.parquet"
    pq.write_table(pa.table(TABLE), path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a whole Parquet file"):
        candidates.read(path)


def test_a_table_of_data_has_no_truth() -> None:
    pairs = toy_pairs(20)
    table = candidates.build(pairs, pairs, candidates.DATA, "data")
    assert list(table) == [column.name for column in candidates.DATA_COLUMNS]
    assert not any(name.startswith("true_") for name in table)
    candidates.validate(table)
    candidates.validate({name: values[:0] for name, values in table.items()})
    with pytest.raises(InputError, match="has no column true_mass, "):
        candidates.validate({**table, "label": np.ones(20, np.int8)})
    with pytest.raises(InputError, match="has no column mass"):
        candidates.validate({name: values for name, values in table.items() if name != "mass"})
