from __future__ import annotations

import math
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from zmumu_hybrid.errors import ConfigurationError, IncompleteRunError, MissingDependencyError
from zmumu_hybrid.generation import pythia
from zmumu_hybrid.generation.pythia import PROCESSES, Block, Collisions, Cuts, PythiaGenerator, block_seed
from zmumu_hybrid.lhe import LHEInit, LHEProcess, read_lhe
from zmumu_hybrid.lhe.writer import LHEWriter

pytest.importorskip("pythia8mc")

EVENTS = 400


@pytest.fixture(scope="module", params=list(PROCESSES))
def generator(request: pytest.FixtureRequest) -> PythiaGenerator:
    return PythiaGenerator(Collisions(request.param))


def read(block: Block, folder: Path) -> ak.Array:
    """Return the events of a block as the package reads them."""
    processes = tuple(LHEProcess(process.lhe_id, 1.0, 0.1, 1.0) for process in PROCESSES.values())
    init = LHEInit("3.0", (2212, 2212), (6500.0, 6500.0), (0, 0), (0, 0), 3, processes, (), "")
    with LHEWriter.open(folder / "block.lhe", init) as writer:
        writer.write_encoded(block.data)
    return read_lhe(folder / "block.lhe")


def test_a_block_is_what_the_standard_asks_for(generator: PythiaGenerator, tmp_path: Path) -> None:
    process = PROCESSES[generator._collisions.process]
    block = generator.block(1, EVENTS, compressed=False)
    events = read(block, tmp_path)
    assert (block.accepted, len(events)) == (EVENTS, EVENTS)
    assert block.accepted < block.generated < block.tries
    assert ak.all(events.eventinfo.pid == process.lhe_id)
    assert ak.all(events.eventinfo.weight == 1.0)
    particles = {name: np.asarray(ak.to_regular(events.particles[name])) for name in events.particles.fields}
    assert particles["status"].tolist() == [[-1, -1, 2, 1, 1]] * EVENTS
    assert particles["pdgId"][:, 2:].tolist() == [[process.boson_id, -13, 13]] * EVENTS
    assert np.all(particles["pdgId"][:, 0] == -particles["pdgId"][:, 1])
    assert set(np.abs(particles["pdgId"][:, 0])) == {1, 2, 3, 4, 5}
    assert particles["mother1"].tolist() == [[0, 0, 1, 3, 3]] * EVENTS
    assert particles["mother2"].tolist() == [[0, 0, 2, 3, 3]] * EVENTS
    quark = np.where(particles["pdgId"][:, 0] > 0, 0, 1)
    rows = np.arange(EVENTS)
    assert np.all(particles["color1"][rows, quark] == particles["color2"][rows, 1 - quark])
    assert np.all(particles["color1"][rows, quark] > 0)
    assert np.all(particles["color1"][rows, 1 - quark] == 0)
    assert not particles["color1"][:, 2:].any()
    assert not particles["color2"][:, 2:].any()
    assert np.all(events.eventinfo.scale == particles["genMass"][:, 2])


def test_the_momenta_of_a_block(generator: PythiaGenerator, tmp_path: Path) -> None:
    particles = read(generator.block(2, EVENTS, compressed=False), tmp_path).particles
    p = {name: np.asarray(ak.to_regular(particles[name])) for name in ("px", "py", "pz", "energy", "genMass")}
    for name in ("px", "py", "pz", "energy"):
        total = p[name][:, :2].sum(axis=1)
        scale = p["energy"][:, :2].sum(axis=1)
        assert np.all(np.abs(p[name][:, 2] - total) < 1e-12 * scale)
        assert np.all(np.abs(p[name][:, 3:].sum(axis=1) - total) < 1e-12 * scale)
    energy = np.sqrt(p["px"] ** 2 + p["py"] ** 2 + p["pz"] ** 2 + p["genMass"] ** 2)
    assert np.all(np.abs(energy / p["energy"] - 1.0) < 1e-14)
    pt = np.hypot(p["px"], p["py"])[:, 3:]
    assert pt.min() > 10.0
    assert np.abs(np.arcsinh(p["pz"][:, 3:] / pt)).max() < 2.5
    assert p["genMass"][:, 2].min() > 70.0
    assert np.all(p["genMass"][:, 3:] == 0.10566)


@pytest.mark.parametrize("cuts", [Cuts(40.0, 2.5, 30.0), Cuts(0.0, 0.7, 200.0), Cuts(5.0, 1.0, 5.0)])
def test_other_cuts(cuts: Cuts, tmp_path: Path) -> None:
    block = PythiaGenerator(Collisions("background", cuts, 8000.0)).block(1, 200, compressed=False)
    particles = read(block, tmp_path).particles
    muons, bosons = particles[:, 3:], particles[:, 2]
    pt = np.hypot(muons.px, muons.py)
    assert ak.min(pt) > cuts.min_pt
    assert ak.max(np.abs(np.arcsinh(muons.pz / pt))) < cuts.max_abs_eta
    assert ak.min(bosons.genMass) > max(cuts.min_mass, 2 * cuts.min_pt)
    assert ak.min(bosons.genMass) < 1.2 * max(cuts.min_mass, 2 * cuts.min_pt)
    assert ak.max(particles.energy) < 4000.0


def test_a_block_does_not_depend_on_the_blocks_before(generator: PythiaGenerator) -> None:
    first = generator.block(77, EVENTS, compressed=True)
    generator.block(78, EVENTS, compressed=True)
    fresh = PythiaGenerator(generator._collisions)
    assert generator.block(77, EVENTS, compressed=True) == first == fresh.block(77, EVENTS, compressed=True)


def test_a_shorter_block_is_the_beginning_of_a_longer_one(generator: PythiaGenerator) -> None:
    longer, shorter = (generator.block(5, events, compressed=False) for events in (EVENTS, EVENTS // 2))
    assert longer.data.startswith(shorter.data)


def test_pythia_keeps_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    PythiaGenerator(Collisions("signal")).block(1, 20, compressed=False)
    assert capfd.readouterr() == ("", "")


def test_seeds_of_blocks() -> None:
    seeds = {block_seed(seed, process, index) for seed in range(20) for process in PROCESSES for index in range(50)}
    assert len(seeds) == 20 * 2 * 50
    assert min(seeds) >= 1
    assert max(seeds) <= pythia.LAST_SEED
    start = block_seed(1, "signal", 0)
    assert block_seed(1, "signal", pythia.LAST_SEED - start) == pythia.LAST_SEED
    assert block_seed(1, "signal", pythia.LAST_SEED - start + 1) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_pt", -1.0),
        ("min_pt", math.nan),
        ("max_abs_eta", 0.0),
        ("max_abs_eta", math.inf),
        ("min_mass", 3.9),
        ("min_mass", math.nan),
    ],
)
def test_cuts_that_cannot_be_used(field: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"{field} must be a .*not {value}"):
        Cuts(**{field: value})


@pytest.mark.parametrize(
    ("collisions", "message"),
    [
        ({"process": "higgs"}, "process must be one of signal, background, not 'higgs'"),
        ({"process": "signal", "ecm": math.inf}, "ecm must be a positive number of GeV, not inf"),
        ({"process": "signal", "ecm": 60.0}, "ecm is 60 GeV: no event can pass"),
        ({"process": "signal", "cuts": Cuts(min_mass=13000.0)}, "heavier than 13000 GeV"),
        ({"process": "signal", "cuts": Cuts(min_pt=6500.0)}, "heavier than 13000 GeV"),
    ],
)
def test_collisions_that_cannot_be(collisions: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Collisions(**collisions)  # type: ignore[arg-type]


def test_without_pythia(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'zmumu-hybrid\[generate\]'"):
        PythiaGenerator(Collisions("signal"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("No:suchSetting = 1", "Pythia refuses the setting 'No:suchSetting = 1'.*PYTHIA8DATA is not set"),
        ("PhaseSpace:mHatMin = 14000", "Pythia cannot start with PhaseSpace:mHatMin = 14000"),
    ],
)
def test_settings_that_pythia_refuses(monkeypatch: pytest.MonkeyPatch, setting: str, message: str) -> None:
    monkeypatch.delenv("PYTHIA8DATA", raising=False)
    monkeypatch.setattr(Collisions, "settings", lambda _: (setting, "WeakSingleBoson:ffbar2gmZ = on"))
    with pytest.raises(ConfigurationError, match=message):
        PythiaGenerator(Collisions("signal"))


def test_cuts_that_no_event_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythia, "_PATIENCE", 500)
    generator = PythiaGenerator(Collisions("signal", Cuts(max_abs_eta=1e-9)))
    with pytest.raises(ConfigurationError, match=r"none of 500 events passes Cuts\(.*eta=1e-09.*loosen the cuts"):
        generator.block(1, 1, compressed=False)


def test_pythia_that_fails_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Broken:
            return self

        def __call__(self, *_: object) -> bool:
            return False

    generator = PythiaGenerator(Collisions("signal"))
    monkeypatch.setattr(generator, "_pythia", Broken())
    with pytest.raises(IncompleteRunError, match="Pythia failed to make an event 1,001 times"):
        generator.block(1, 1, compressed=False)
