"""Weights of the generator: in all files of a data set or in none, with sums that mean something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from toyfiles import toy_lhe_events, write_lhe, write_parquet, write_root
from toys import toy_events
from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.events.branch_map import Branches
from zmumu_hybrid.events.input_files import open_sources
from zmumu_hybrid.jobs.analyse import analyse
from zmumu_hybrid.jobs.process import ProcessOptions, process
from zmumu_hybrid.measurement import AnalysisOptions

MUON = ("pt", "eta", "phi", "mass", "charge")


def weighted(path: Path, weight: float | None, seed: int = 0, events: int = 60) -> Path:
    """Write toy events of one weight, or without the column, to ROOT or Parquet."""
    made = toy_events(events, seed)
    made["genWeight"] = np.full(events, weight or 0.0)
    if weight is None:
        made = made[["run", "luminosityBlock", "event", "Muon"]]
    return write_parquet(path, made) if path.suffix == ".parquet" else write_root(path, made)


@pytest.mark.parametrize("dataset", ["signal", "background", "data"])
def test_files_of_a_data_set_that_disagree_are_refused(tmp_path: Path, dataset: str) -> None:
    with_ = weighted(tmp_path / "with.root", 12345.678)
    without = weighted(tmp_path / "without.parquet", None, 1)
    lhe = write_lhe(tmp_path / "toy.lhe", toy_lhe_events(5, 2))
    for files, has in (([with_, without], with_), ([without, with_], with_), ([lhe, without], lhe)):
        message = rf"^{without}: has no genWeight, and {has} has \({dataset}\)"
        with pytest.raises(InputError, match=message):
            open_sources({dataset: files}, tmp_path / "cache")
        open_sources({dataset: files}, tmp_path / "cache", weights=False)
    open_sources({"signal": [with_, lhe], "background": [without]}, tmp_path / "cache")


def test_a_declaration_without_weights_says_that_they_are_1(tmp_path: Path) -> None:
    declared = {"event": {"event": "event"}, "muons": {name: f"Muon_{name}" for name in MUON}}
    branches = Branches.from_mapping(declared | {"kind": "collection"})
    lhe = write_lhe(tmp_path / "toy.lhe", toy_lhe_events(5))
    sources = open_sources(
        {"signal": [weighted(tmp_path / "a.root", None), lhe]}, tmp_path / "cache", branches=branches
    )
    assert [source.entries for source in sources] == [60, 5]


def test_a_negative_total_is_named_with_its_files(tmp_path: Path) -> None:
    positive = weighted(tmp_path / "positive.root", 1.0, 1)
    negative = [weighted(tmp_path / f"negative{i}.root", -2.0, i) for i in (2, 3)]
    files = f"^{negative[0]}, {negative[1]}: "
    options = ProcessOptions(reweighting_bins=2)
    with pytest.raises(
        InputError, match=rf"{files}the weights of the background pairs for training sum to -\d+, below"
    ):
        process([positive], negative, tmp_path / "out", options, show_progress=False)
    with pytest.raises(InputError, match=rf"{files}the weights of the signal pairs for training sum to -\d+, below"):
        process(negative, [positive], tmp_path / "out", options, show_progress=False)
    assert not (tmp_path / "out").exists()
    pytest.importorskip("pyhf")
    for dataset, other in (("background", "signal"), ("signal", "background")):
        message = rf"{files}the weights of the selected {dataset} events sum to -\d+, not above zero"
        with pytest.raises(InputError, match=message):
            analyse(
                {other: [positive], dataset: negative}, tmp_path / "out", {}, AnalysisOptions(), show_progress=False
            )


def test_single_negative_weights_are_kept(tmp_path: Path) -> None:
    files = [weighted(tmp_path / "positive.root", 3.0, 1), weighted(tmp_path / "negative.parquet", -1.0, 2)]
    process(files, [], tmp_path / "out", show_progress=False)
    table = candidates.read(tmp_path / "out" / "candidates.parquet")
    assert sorted(table["weight"].tolist()) == [-1.0] * 60 + [3.0] * 60
    (total,) = (histogram.sum(flow=True).value for histogram in [read_pt(tmp_path / "out")])
    assert total == pytest.approx(120)


def read_pt(folder: Path):  # type: ignore[no-untyped-def]
    return histograms.read(folder / "histograms.json")["pt_before"]["signal", :]


@pytest.mark.parametrize("weight", [1e300, -1e300, 1e50])
def test_a_weight_that_cannot_be_summed_is_refused(tmp_path: Path, weight: float) -> None:
    lhe = [text.replace("1 1.0 91.2", f"1 {weight!r} 91.2") for text in toy_lhe_events(3)]
    for path in (write_lhe(tmp_path / "a.lhe", lhe), weighted(tmp_path / "a.root", weight)):
        with pytest.raises(InputError, match=r"event \d+: genWeight is -?1e\+\d+, not a weight that can be summed"):
            process([path], [], tmp_path / "out", ProcessOptions(cache=tmp_path / "cache"), show_progress=False)


def test_the_largest_weight_gives_finite_histograms(tmp_path: Path) -> None:
    process([weighted(tmp_path / "a.root", 9e49)], [], tmp_path / "out", show_progress=False)
    assert np.isfinite(read_pt(tmp_path / "out").variances()).all()


def test_a_histogram_with_an_infinite_sum_is_not_written(tmp_path: Path) -> None:
    made = histograms.make()
    made["pt_after"].fill(dataset="signal", pt=[20.0], weight=1e200)
    with pytest.raises(InputError, match="pt_after: the weights in a bin, or their squares, sum to no finite number"):
        histograms.write_json(made, tmp_path / "histograms.json")
    assert list(tmp_path.iterdir()) == []
