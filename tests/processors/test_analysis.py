from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from coffea.nanoevents import NanoAODSchema
from coffea.processor import IterativeExecutor, Runner

from toyfiles import toy_root
from toys import toy_pairs
from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.events.muon_pairs import components, select_pairs
from zmumu_hybrid.events.schema import EventSchema
from zmumu_hybrid.measurement.observables import of_mass, of_score
from zmumu_hybrid.measurement.systematics import Systematics
from zmumu_hybrid.physics.kinematics import pair_mass
from zmumu_hybrid.physics.smearing import SmearingConfig, smear
from zmumu_hybrid.processors.analysis import BLOCKS, AnalysisConfig, AnalysisProcessor, Cuts

NANO = Path(__file__).parents[1] / "data" / "nano_dy.root"
MASS = of_mass("mass", 9, 60, 150)


def angle(pairs: ak.Array) -> tuple[np.ndarray, np.ndarray]:
    """A score of a user's own."""
    return 0.5 + 0.5 * np.cos(ak.to_numpy(pairs.plus.phi)), np.full(len(pairs), 0.25)


def process(
    path: Path, config: AnalysisConfig, label: str, chunksize: int = 10_000, schema: Any = EventSchema
) -> dict[str, Any]:
    runner = Runner(IterativeExecutor(status=False), schema=schema, chunksize=chunksize, metadata_cache={})
    fileset = {"sample": {"files": {str(path): "Events"}, "metadata": {"label": label}}}
    return runner(fileset, AnalysisProcessor(config))  # type: ignore[no-any-return]


def contents(found: dict[str, Any], name: str, label: str, systematic: str = "nominal") -> np.ndarray:
    return found["histograms"][name][{"dataset": label, "systematic": systematic}].view()["value"]


def test_the_histogram_of_each_variation_is_that_of_its_smearing(tmp_path: Path) -> None:
    from coffea.nanoevents import NanoEventsFactory

    path = toy_root(tmp_path / "a.root", 500)
    config = AnalysisConfig([MASS], smearing=SmearingConfig(seed=3))
    found = process(path, config, "signal")
    events = NanoEventsFactory.from_root({str(path): "Events"}, schemaclass=EventSchema, mode="eager").events()
    pairs = select_pairs(events)
    for name, smearing in config.systematics.smearings(config.smearing).items():
        smeared = smear(pairs, smearing, "sample")
        muons = [components(muon) for muon in (smeared.plus, smeared.minus)]
        mass = pair_mass(*muons[0], *muons[1])
        keep = (mass > 60) & (mass < 150)
        for px, py, pz, _ in muons:
            pt = np.hypot(px, py)
            keep &= (pt > 10) & (np.abs(np.arcsinh(pz / pt)) < 2.5)
        expected = np.histogram(mass[keep], MASS.axis().edges)[0]
        np.testing.assert_array_equal(contents(found, "mass", "signal", name), expected, err_msg=name)
    assert contents(found, "mass", "background").sum() == 0


def test_the_cutflow_counts_down_and_ends_with_the_histogram(tmp_path: Path) -> None:
    found = process(toy_root(tmp_path / "a.root", 500), AnalysisConfig([MASS]), "signal")
    flow = found["cutflow"]["sample"]
    assert list(flow) == ["events", "two muons", "opposite charge", "pt", "eta", "mass"]
    assert list(flow.values()) == sorted(flow.values(), reverse=True)
    assert flow["mass"] == contents(found, "mass", "signal").sum()
    assert found["weights"]["signal"]["nominal"] == flow["mass"]


def test_chunks_do_not_matter_and_the_blocks_add_up(tmp_path: Path) -> None:
    path = toy_root(tmp_path / "a.root", 500)
    one, many = (process(path, AnalysisConfig([MASS]), "signal", size) for size in (10_000, 90))
    assert one["histograms"]["mass"] == many["histograms"]["mass"]
    assert one["blocks"]["mass"] == many["blocks"]["mass"]
    assert one["cutflow"] == many["cutflow"]
    blocks = one["blocks"]["mass"][{"dataset": "signal", "systematic": "nominal"}]
    assert (blocks.view()["value"].sum(axis=1) > 0.3 * 500 / BLOCKS).all()
    assert one["blocks"]["mass"].project("dataset", "systematic", "value") == one["histograms"]["mass"]


def test_the_reweighting_is_of_the_background_with_its_powers(tmp_path: Path) -> None:
    path = toy_root(tmp_path / "a.root", 300)
    factor = Reweighting((0.0, 1000.0), (2.0,))
    config = AnalysisConfig([MASS], reweighting=factor)
    plain = contents(process(path, replace(config, reweighting=None), "background"), "mass", "background")
    found = process(path, config, "background")
    np.testing.assert_allclose(contents(found, "mass", "background"), 2 * plain)
    np.testing.assert_allclose(contents(found, "mass", "background", "reweightingUp"), 2**1.2 * plain)
    np.testing.assert_allclose(contents(found, "mass", "background", "reweightingDown"), 2**0.8 * plain)
    signal = process(path, config, "signal")
    np.testing.assert_array_equal(
        contents(signal, "mass", "signal", "reweightingUp"), contents(signal, "mass", "signal")
    )


@pytest.mark.filterwarnings("ignore:.*(cross-reference|already exists).*:RuntimeWarning")
def test_data_are_neither_smeared_nor_weighted_nor_varied() -> None:
    config = AnalysisConfig([of_mass("mass", 300, 0, 300)], cuts=Cuts(0, 10, (0, 300)))
    found = process(NANO, config, "data", schema=NanoAODSchema)
    off = process(NANO, replace(config, smearing=SmearingConfig(mode="none")), "signal", schema=NanoAODSchema)
    signs = contents(off, "mass", "signal")
    seen = contents(found, "mass", "data")
    assert seen.sum() == found["cutflow"]["sample"]["mass"] > 0
    assert (seen >= np.abs(signs) / np.abs(signs).max()).all()
    assert found["histograms"]["mass"][{"systematic": "widthUp"}].sum(flow=True).value == 0


def test_a_users_own_score_and_its_spread(tmp_path: Path) -> None:
    config = AnalysisConfig([of_score("angle", "mine", angle, 4)], systematics=Systematics(()))
    found = process(toy_root(tmp_path / "a.root", 200), config, "signal")
    assert list(found["histograms"]["angle"].axes["systematic"]) == ["nominal"]
    assert found["spread"]["angle"]["signal"] == pytest.approx(0.25 * found["weights"]["signal"]["nominal"])
    assert len(angle(toy_pairs(3))[0]) == 3


def test_an_empty_chunk_and_pickling(tmp_path: Path) -> None:
    processor = AnalysisProcessor(AnalysisConfig([MASS]))
    again = pickle.loads(pickle.dumps(processor))
    assert isinstance(again, AnalysisProcessor)
    config = AnalysisConfig([MASS], cuts=Cuts(pt=1e4))
    found = process(toy_root(tmp_path / "a.root", 20), config, "signal")
    assert found["cutflow"]["sample"]["pt"] == 0
    assert found["histograms"]["mass"].sum(flow=True).value == 0


@pytest.mark.parametrize("options", [{"pt": -1.0}, {"eta": 0.0}, {"mass": (90.0, 80.0)}])
def test_cuts_that_nothing_passes_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"empty|at least 0, not"):
        Cuts(**options)


def test_no_bins_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="bins of mass must be an integer of at least 1, not 0"):
        of_mass("mass", 0, 60, 150)
