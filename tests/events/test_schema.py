from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lhe_samples import REAL, document
from zmumu_hybrid.events.lhe_to_root import convert
from zmumu_hybrid.events.schema import EVENT_COLUMNS, MUON_COLUMNS, TREE, EventSchema, events_from_lhe, polar
from zmumu_hybrid.lhe import read_lhe

COMPONENTS = st.one_of(st.just(0.0), st.floats(1e-6, 1e5), st.floats(-1e5, -1e-6))


@given(hnp.arrays(np.float64, (3, 20), elements=COMPONENTS))
def test_momenta_come_back(momenta: np.ndarray) -> None:
    pt, eta, phi = polar(*momenta)
    assert np.isfinite([pt, eta, phi]).all()
    back = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    assert (np.abs(back - momenta) <= 1e-12 * np.abs(momenta).max(axis=0)).all()


def test_along_the_beam_and_at_rest() -> None:
    pt, eta, phi = polar(np.zeros(3), np.zeros(3), np.array([100.0, -5e-5, 0.0]))
    assert pt * np.sinh(eta) == pytest.approx([100.0, -5e-5, 0.0], rel=1e-12)
    assert (pt < 1e-290).all()
    assert phi.tolist() == [0.0, 0.0, 0.0]


def test_muons_are_chosen_and_kept_in_order() -> None:
    sample = read_lhe(REAL[0])
    events = events_from_lhe(sample)
    assert events.fields == [*EVENT_COLUMNS, "Muon"]
    for name, dtype in EVENT_COLUMNS.items():
        assert ak.to_numpy(events[name]).dtype == dtype
    for name, dtype in MUON_COLUMNS.items():
        assert ak.to_numpy(ak.flatten(events.Muon[name])).dtype == dtype
    expected = [
        [(p.pdgId, p.energy, p.genMass) for p in event if abs(p.pdgId) == 13 and p.status == 1]
        for event in sample.particles
    ]
    found = [[(m.pdgId, m["genEnergy"], m["mass"]) for m in event] for event in events.Muon]
    assert found == expected
    assert (events.Muon.charge == -np.sign(events.Muon.pdgId)).tolist() == [[True] * len(e) for e in expected]
    assert events.genWeight.tolist() == sample.eventinfo.weight.tolist()


def test_an_intermediate_muon_is_none(tmp_path: Path) -> None:
    rows = " 13 2 0 0 0 0 1 0 0 1 0 0 9\n 13 -1 0 0 0 0 1 0 0 1 0 0 9\n 13 1 0 0 0 0 3 4 0 5 0 0 9\n"
    path = tmp_path / "some.lhe"
    path.write_bytes(document(f"<event>\n3 1 1 1 1 1\n{rows}</event>\n"))
    assert events_from_lhe(read_lhe(path)).Muon.pt.tolist() == [[5.0]]


def test_no_events(tmp_path: Path) -> None:
    path = tmp_path / "none.lhe"
    path.write_bytes(document())
    events = events_from_lhe(read_lhe(path))
    assert len(events) == 0
    assert len(events.Muon.px) == 0


@pytest.mark.parametrize("sample", REAL, ids=lambda sample: sample.name)
def test_coffea_reads_the_same_from_the_converted_file(tmp_path: Path, sample: Path) -> None:
    """Warnings are errors here: `EventSchema` gives none."""
    direct = events_from_lhe(read_lhe(sample))
    convert([sample], tmp_path / "events.root")
    read = NanoEventsFactory.from_root({str(tmp_path / "events.root"): TREE}, schemaclass=EventSchema).events()
    assert set(read.fields) == set(direct.fields)
    for name in EVENT_COLUMNS:
        assert ak.array_equal(read[name], direct[name], check_parameters=False)
    for name in MUON_COLUMNS:
        assert ak.array_equal(read.Muon[name], direct.Muon[name], check_parameters=False)
    for name in ("px", "py", "pz", "energy"):
        assert ak.array_equal(getattr(read.Muon, name), getattr(direct.Muon, name), check_parameters=False)
    assert type(read.Muon).__name__ == type(direct.Muon).__name__ == "MuonArray"


def test_coffeas_own_schema_reads_it_too(tmp_path: Path) -> None:
    convert(REAL[:1], tmp_path / "events.root")
    with pytest.warns(RuntimeWarning, match="Missing cross-reference"):
        events = NanoEventsFactory.from_root({str(tmp_path / "events.root"): TREE}, schemaclass=NanoAODSchema).events()
    assert events.Muon.pt.type.content.content.primitive == "float64"


def test_real_nanoaod_is_read_as_the_same_record() -> None:
    path = Path(__file__).parents[1] / "data" / "nano_dy.root"
    events = NanoEventsFactory.from_root({str(path): TREE}, schemaclass=EventSchema).events()
    assert set(events.fields) == {*EVENT_COLUMNS, "Muon"}
    assert set(events.Muon.fields) > {"pt", "eta", "phi", "mass", "charge"}
    with uproot.open(path) as file:
        assert events.Muon.pt.tolist() == file[TREE]["Muon_pt"].array().tolist()
