from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import hist
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from toys import toy_pairs
from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.errors import InputError, MissingInputError, OutputError
from zmumu_hybrid.physics.smearing import SmearingConfig, smear

Table = candidates.Table


def make_table(events: int, dataset: str) -> Table:
    pairs = toy_pairs(events, seed=len(dataset), resonance=dataset == "signal", weights=True)
    table = candidates.build(pairs, smear(pairs, SmearingConfig(), dataset), candidates.LABELS[dataset], dataset)
    table["weight"] = table["weight"] * np.linspace(0.5, 1.5, events)
    return table


SIGNAL, BACKGROUND = make_table(3000, "signal"), make_table(2000, "background")
BOTH = {name: np.concatenate([SIGNAL[name], BACKGROUND[name]]) for name in SIGNAL}


@pytest.fixture(scope="module")
def filled() -> histograms.Histograms:
    result = histograms.make()
    histograms.fill(result, BOTH)
    return result


def test_names_and_axes_are_the_agreed_ones() -> None:
    made = histograms.make()
    assert list(made) == ["mass_true", "mass_smeared", "pt_before", "pt_after"]
    for name, histogram in made.items():
        assert histogram.storage_type is hist.storage.Weight
        assert list(histogram.axes["dataset"]) == ["signal", "background"]
        if name.startswith("mass"):
            assert histogram.axes.name == ("dataset", "pt_slice", "mass")
            assert list(histogram.axes["pt_slice"]) == ["below30", "30to40", "above40"]
            np.testing.assert_allclose(histogram.axes["mass"].edges, np.arange(201))
        else:
            assert histogram.axes.name == ("dataset", "pt")
            np.testing.assert_allclose(histogram.axes["pt"].edges, np.arange(501) / 2)


@pytest.mark.parametrize("dataset", ["signal", "background"])
@pytest.mark.parametrize("name", histograms.NAMES)
def test_contents_are_those_of_numpy(filled: histograms.Histograms, name: str, dataset: str) -> None:
    table = {"signal": SIGNAL, "background": BACKGROUND}[dataset]
    column, weight = histograms.NAMES[name]
    for pt_slice, (low, high) in histograms.SLICES.items():
        rows = (table["pt_0"] >= low) & (table["pt_0"] < high)
        choice = {"dataset": dataset, "pt_slice": pt_slice}
        if name.startswith("pt"):
            rows, choice = np.ones(len(rows), bool), {"dataset": dataset}
        found = filled[name][choice]
        for power, contents in ((1, found.values()), (2, found.variances())):
            expected, _ = np.histogram(table[column][rows], found.axes[0].edges, weights=table[weight][rows] ** power)
            np.testing.assert_allclose(contents, expected, rtol=1e-12, atol=1e-12)
        assert found.sum(flow=True).value == pytest.approx(table[weight][rows].sum())


def test_the_edge_of_a_slice_belongs_to_the_slice_above() -> None:
    made = histograms.make()
    table = {name: values[:3].copy() for name, values in SIGNAL.items()}
    table["pt_0"][:] = [30.0, 40.0, np.nextafter(30.0, 0)]
    table["gen_weight"][:] = 1
    histograms.fill(made, table)
    counts = [made["mass_true"][{"dataset": "signal", "pt_slice": s}].sum(flow=True).value for s in histograms.SLICES]
    assert counts == [1, 1, 1]


@given(st.lists(st.integers(0, 5000), max_size=4))
@examples(20)
def test_pieces_add_up_to_the_whole(filled: histograms.Histograms, cuts: list[int]) -> None:
    pieces = [histograms.make()]
    edges = [0, *sorted(cuts), 5000]
    for low, high in pairwise(edges):
        pieces.append(histograms.make())
        histograms.fill(pieces[-1], {name: values[low:high] for name, values in BOTH.items()})
    for name, whole in filled.items():
        total = sum(piece[name] for piece in pieces)
        np.testing.assert_allclose(total.values(flow=True), whole.values(flow=True), rtol=1e-12)
        np.testing.assert_allclose(total.variances(flow=True), whole.variances(flow=True), rtol=1e-12)


@pytest.mark.parametrize("name", ["gen_weight", "weight", "pt_0", "mass", "true_mass"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_refused_with_its_event(name: str, value: float) -> None:
    table = {**SIGNAL, name: SIGNAL[name].copy()}
    table[name][5] = value
    made = histograms.make()
    with pytest.raises(InputError, match=f"event {SIGNAL['event'][5]}: {name} is {value}, not a finite number"):
        histograms.fill(made, table)
    assert all(histogram.sum(flow=True).value == 0 for histogram in made.values())


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(InputError, match="label is 2, not 1 for signal or 0 for background"):
        histograms.fill(histograms.make(), {**SIGNAL, "label": SIGNAL["label"] * 2})


def test_the_round_trip_through_json_is_exact(filled: histograms.Histograms, tmp_path: Path) -> None:
    for histograms_ in (filled, histograms.make()):
        histograms.write_json(histograms_, tmp_path / "h.json")
        back = histograms.read(tmp_path / "h.json")
        assert list(back) == list(histograms_)
        for name, histogram in histograms_.items():
            assert back[name] == histogram
            assert back[name].name == name
            assert [axis.label for axis in back[name].axes] == [axis.label for axis in histogram.axes]
            np.testing.assert_array_equal(back[name].view(flow=True), histogram.view(flow=True))


def test_root_holds_one_histogram_for_each_data_set_and_slice(filled: histograms.Histograms, tmp_path: Path) -> None:
    histograms.write_root(filled, tmp_path / "h.root")
    with uproot.open(tmp_path / "h.root") as file:
        assert len(file.keys()) == 2 * 2 * 3 + 2 * 2
        for name in ("mass_true", "mass_smeared"):
            for dataset in histograms.DATASETS:
                for pt_slice in histograms.SLICES:
                    expected = filled[name][{"dataset": dataset, "pt_slice": pt_slice}]
                    found = file[f"{name}_{dataset}_{pt_slice}"]
                    np.testing.assert_array_equal(found.values(flow=True), expected.values(flow=True))
                    np.testing.assert_array_equal(found.variances(flow=True), expected.variances(flow=True))
        found = file["pt_after_background"]
        assert found.member("fXaxis").member("fTitle") == "Muon pT [GeV]"
        np.testing.assert_array_equal(found.values(), filled["pt_after"][{"dataset": "background"}].values())
    assert filled["pt_after"].name == "pt_after"


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', '{"a": {"uhi_schema": 1}}', "{"])
def test_a_foreign_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "h.json").write_text(text)
    with pytest.raises(InputError, match=r"h\.json: does not hold histograms: .*; make it with"):
        histograms.read(tmp_path / "h.json")


def test_missing_files_and_directories_are_clear(filled: histograms.Histograms, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        histograms.read(tmp_path / "h.json")
    (tmp_path / "file").write_text("x")
    for write in (histograms.write_json, histograms.write_root):
        with pytest.raises(OutputError, match="cannot make this directory"):
            write(filled, tmp_path / "file" / "h")


def test_data_fill_a_category_of_their_own_and_no_truth() -> None:
    pairs = toy_pairs(50)
    table = candidates.build(pairs, pairs, candidates.DATA, "data")
    filled = histograms.make(["data"])
    histograms.fill(filled, table)
    assert set(filled) == {"mass_smeared", "pt_before", "pt_after"}
    assert filled["mass_smeared"]["data", :, :].sum(flow=True).value == 50
    with pytest.raises(InputError, match="label is -1, not 1 for signal or 0 for background"):
        histograms.fill({"pt_before": histograms.make()["pt_before"]}, table)
    with pytest.raises(InputError, match="label is 1, not -1 for data"):
        histograms.fill(filled, {**table, "label": np.ones(50, np.int8)})


def test_bins_are_those_that_the_histograms_themselves_choose() -> None:
    edges = np.concatenate([np.arange(0, 251, 0.5), [-1.0, -0.0, 5e-324, 1e300]])
    values = np.concatenate([edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)])
    size = len(values)
    weights = np.random.default_rng(1).normal(size=size)
    table = {**{name: np.resize(SIGNAL[name], size) for name in SIGNAL}, "gen_weight": weights, "weight": weights**2}
    table |= {"mass": values, "true_mass": values[::-1], "pt_0": values}
    filled, expected = histograms.make(), histograms.make()
    for part in np.array_split(np.arange(size), 3):
        histograms.fill(filled, {name: column[part] for name, column in table.items()})
    slices = np.array(list(histograms.SLICES))[np.searchsorted([30.0, 40.0], values, side="right")]
    for name, (column, weight) in histograms.NAMES.items():
        axis = expected[name].axes.name[-1]
        sliced = {"pt_slice": slices} if "pt_slice" in expected[name].axes.name else {}
        expected[name].fill(dataset="signal", **sliced, **{axis: table[column]}, weight=table[weight])
        assert filled[name] == expected[name], name
