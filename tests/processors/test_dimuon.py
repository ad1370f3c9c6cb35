from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from coffea.processor import FuturesExecutor, IterativeExecutor, Runner

from toyfiles import write_root
from toys import toy_events
from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.events.schema import EventSchema
from zmumu_hybrid.physics.smearing import SmearingConfig
from zmumu_hybrid.processors.dimuon import DimuonConfig, DimuonProcessor

NANO = Path(__file__).parents[1] / "data" / "nano_dy.root"


def events_of(path: Path, **metadata: Any) -> ak.Array:
    said = {"dataset": "signal", "filename": str(path), "treename": "Events", "entrystart": 0, "entrystop": 60}
    return NanoEventsFactory.from_root(
        {str(path): "Events"}, schemaclass=EventSchema, metadata=said | metadata, mode="virtual"
    ).events()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_root(tmp_path / "toy.root", toy_events(60))


def total(histogram: Any) -> float:
    return float(histogram.sum(flow=True).value)


@pytest.mark.filterwarnings("ignore:.*(cross-reference|already exists).*:RuntimeWarning")
@pytest.mark.parametrize(
    ("executor", "chunksize"),
    [(IterativeExecutor(status=False), 20), (FuturesExecutor(workers=1, status=False), 40)],
)
def test_it_runs_in_a_users_own_runner_on_nanoaod(executor: Any, chunksize: int, capsys: Any) -> None:
    runner = Runner(executor, schema=NanoAODSchema, chunksize=chunksize, metadata_cache={})
    fileset = {"DYJets": {"files": {str(NANO): "Events"}, "metadata": {"label": "signal"}}}
    result = runner(fileset, DimuonProcessor())
    cutflow = result["cutflow"]["DYJets"]
    assert cutflow["events"] == 40
    assert 0 < cutflow["pairs"] <= cutflow["opposite charge"] <= cutflow["two muons"] < 40
    assert result["table"] == []
    filled = result["histograms"]
    assert set(filled) == set(histograms.NAMES) - {"pt_after"}  # nothing was reweighted
    assert filled["mass_true"].sum(flow=True).value == pytest.approx(filled["pt_before"].sum(flow=True).value)


def test_the_event_schema_reads_nanoaod_without_a_warning() -> None:
    result = DimuonProcessor().process(events_of(NANO))
    assert result["cutflow"] == {"signal": {"events": 40, "two muons": 6, "opposite charge": 6, "pairs": 6}}


def test_histograms_cutflow_and_table_say_the_same(file: Path) -> None:
    result = DimuonProcessor(DimuonConfig(table=True)).process(events_of(file))
    assert result["cutflow"] == {"signal": {"events": 60, "two muons": 60, "opposite charge": 60, "pairs": 60}}
    (table,) = result["table"]
    assert list(table) == [column.name for column in candidates.COLUMNS]
    candidates.validate(table)
    refilled = histograms.make()
    histograms.fill(refilled, table)
    for key, histogram in result["histograms"].items():
        np.testing.assert_allclose(histogram.values(flow=True), refilled[key].values(flow=True))
        assert total(histogram) == pytest.approx(60)


def test_it_pickles_and_keeps_no_state(file: Path) -> None:
    processor = DimuonProcessor(DimuonConfig(smearing=SmearingConfig(seed=5)))
    before = pickle.dumps(processor)
    first = processor.process(events_of(file))
    assert pickle.dumps(processor) == before
    second = pickle.loads(before).process(events_of(file))
    for name, histogram in first["histograms"].items():
        assert histogram == second["histograms"][name]
    assert processor.postprocess(first) is first


def test_an_empty_chunk_has_the_same_outputs(tmp_path: Path) -> None:
    path = write_root(tmp_path / "empty.root", toy_events(3)[:0])
    result = DimuonProcessor(DimuonConfig(table=True)).process(events_of(path))
    assert result["cutflow"]["signal"]["pairs"] == 0
    assert result["table"] == []
    assert total(result["histograms"]["mass_true"]) == 0


@pytest.mark.parametrize(
    ("metadata", "label"),
    [
        ({"dataset": "signal"}, "signal"),
        ({"dataset": "background"}, "background"),
        ({"dataset": "DYJets", "label": "background"}, "background"),
        ({"dataset": "signal", "label": "background"}, "background"),
    ],
)
def test_the_label_comes_from_the_metadata_or_the_name(file: Path, metadata: dict[str, str], label: str) -> None:
    filled = DimuonProcessor().process(events_of(file, **metadata))["histograms"]["pt_before"]
    assert total(filled[label, :]) == pytest.approx(60)


def test_a_data_set_without_a_label_is_named(file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"data set 'DYJets': signal or background\?"):
        DimuonProcessor().process(events_of(file, dataset="DYJets"))


def test_known_factors_weight_the_background_alone(file: Path) -> None:
    processor = DimuonProcessor(DimuonConfig(reweighting=Reweighting(edges=(0.0, 500.0), factors=(3.0,))))
    for dataset, weight in (("signal", 60), ("background", 180)):
        filled = processor.process(events_of(file, dataset=dataset))["histograms"]
        assert total(filled["pt_before"]) == pytest.approx(60)
        assert total(filled["pt_after"]) == pytest.approx(weight)


def test_a_momentum_that_is_not_finite_names_the_event(tmp_path: Path) -> None:
    events = toy_events(5)
    pt = ak.to_numpy(events.Muon.pt).copy()
    pt[2, 1] = np.nan
    events["Muon"] = ak.with_field(events.Muon, ak.from_regular(pt), "pt")
    path = write_root(tmp_path / "nan.root", events)
    with pytest.raises(InputError, match=f"event {events.event[2]}: Muon_pt is nan"):
        DimuonProcessor().process(events_of(path))


def test_data_have_no_truth(file: Path) -> None:
    processor = DimuonProcessor(DimuonConfig(smearing=SmearingConfig(mode="none"), table=True))
    result = processor.process(events_of(file, dataset="SingleMuon", label="data"))
    assert "mass_true" not in result["histograms"]
    assert total(result["histograms"]["mass_smeared"]) == 60
    (table,) = result["table"]
    assert list(table) == [column.name for column in candidates.DATA_COLUMNS]
