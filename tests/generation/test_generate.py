from __future__ import annotations

import gzip
import itertools
import math
import os
import sys
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pylhe
import pytest

from zmumu_hybrid.errors import ConfigurationError, IncompleteRunError, MissingDependencyError, OutputError
from zmumu_hybrid.generation import sample as module
from zmumu_hybrid.generation.pythia import PythiaGenerator
from zmumu_hybrid.generation.sample import PROCESSES, Cuts, generate
from zmumu_hybrid.lhe import read_init, read_lhe
from zmumu_hybrid.support import files

pytest.importorskip("pythia8mc")

SMALL = 300


def event_text(path: Path) -> bytes:
    """Return what stands between </init> and the end of the file."""
    raw = path.read_bytes()
    text = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return text.partition(b"</init>\n")[2].removesuffix(b"</LesHouchesEvents>\n")


def muons(path: Path) -> ak.Array:
    particles = read_lhe(path).particles
    return particles[particles.status == 1]


def end_this_process(_: object) -> Any:
    os._exit(1)


@pytest.mark.parametrize("process", PROCESSES)
def test_exactly_so_many_events_inside_the_cuts(tmp_path: Path, process: str) -> None:
    path = tmp_path / "events.lhe.gz"
    summary = generate(process, 1234, 5, path)
    assert (summary.process, summary.path, summary.events) == (process, path, 1234)
    assert summary.sha256 == files.sha256(path)
    assert summary.events_per_second == 1234 / summary.seconds
    assert 1234 < summary.generated < 4 * 1234
    pairs = muons(path)
    assert len(pairs) == 1234
    assert pairs.pdgId.to_list() == [[-13, 13]] * 1234
    assert ak.min(pairs.pt) > 10.0
    assert ak.max(np.abs(pairs.eta)) < 2.5
    assert ak.min((pairs[:, 0] + pairs[:, 1]).mass) > 70.0 - 1e-9


def test_the_masses_of_the_two_processes(tmp_path: Path) -> None:
    masses = {}
    for process in PROCESSES:
        generate(process, 4000, 1, tmp_path / f"{process}.lhe")
        pairs = muons(tmp_path / f"{process}.lhe")
        masses[process] = np.asarray((pairs[:, 0] + pairs[:, 1]).mass)
    assert abs(np.median(masses["signal"]) - 91.2) < 0.3
    assert np.mean(np.abs(masses["signal"] - 91.2) < 5.0) > 0.8
    assert np.mean(np.abs(masses["background"] - 91.2) < 5.0) < 0.35
    assert np.median(masses["background"]) < 95.0


def test_cross_sections_agree_and_their_errors_cover(tmp_path: Path) -> None:
    reference = {"signal": (640.52, 1.2), "background": (14.299, 0.015)}
    for process, (expected, error) in reference.items():
        summaries = [generate(process, 1000, seed, tmp_path / "x.lhe") for seed in range(6)]
        pulls = [
            (summary.cross_section_pb - expected) / math.hypot(summary.cross_section_error_pb, error)
            for summary in summaries
        ]
        assert max(map(abs, pulls)) < 4.0
        assert 0.3 < np.std(pulls) < 2.0


def test_cross_section_and_settings_stand_before_the_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENTS_PER_BLOCK", SMALL)
    summary = generate("background", 2 * SMALL + 1, 8, tmp_path / "x.lhe", cuts=Cuts(12.0, 2.1, 75.0), ecm=8000.0)
    init = read_init(tmp_path / "x.lhe")
    assert (init.version, init.beams, init.beam_energies) == ("3.0", (2212, 2212), (4000.0, 4000.0))
    assert (init.pdf_groups, init.pdf_sets, init.weighting_strategy) == ((0, 0), (247000, 247000), 3)
    (process,) = init.processes
    assert process.process_id == PROCESSES["background"].lhe_id
    assert (process.cross_section, process.cross_section_error) == (
        summary.cross_section_pb,
        summary.cross_section_error_pb,
    )
    assert 0.0 < process.cross_section_error < 0.2 * process.cross_section
    for text in (
        "pT > 12.0 GeV and abs(eta) < 2.1",
        "mass > 75.0 GeV",
        "seed = 8",
        "Pythia = 8.3",
        "WeakZ0:gmZmode = 1",
        "Beams:eCM = 8000.0",
        "PhaseSpace:mHatMin = 75.0",
    ):
        assert text in init.header


def test_pylhe_reads_the_printed_digits(tmp_path: Path) -> None:
    path = tmp_path / "x.lhe.gz"
    generate("signal", 200, 3, path)
    blocks = event_text(path).decode().split("<event>\n")[1:]
    events = list(pylhe.LHEFile.fromfile(path).events)
    assert len(events) == len(blocks) == 200
    for event, block in zip(events, blocks, strict=True):
        rows = [row.split() for row in block.splitlines()[1:-1]]
        assert [[p.px, p.py, p.pz, p.e, p.m] for p in event.particles] == [[*map(float, row[6:11])] for row in rows]
        assert [repr(value) for p in event.particles for value in (p.px, p.py, p.pz, p.e)] == [
            text for row in rows for text in row[6:10]
        ]


def test_pythia_reads_the_file(tmp_path: Path) -> None:
    import pythia8mc

    summary = generate("background", 50, 3, tmp_path / "x.lhe")
    reader = pythia8mc.Pythia("", False)
    for setting in (
        "Print:quiet = on",
        "Beams:frameType = 4",
        f"Beams:LHEF = {tmp_path / 'x.lhe'}",
        "PartonLevel:all = off",
    ):
        assert reader.readString(setting)
    assert reader.init()
    assert sum(reader.next() for _ in range(60)) == 50
    assert reader.infoPython().atEndOfFile()
    assert reader.infoPython().sigmaLHEF(0) == pytest.approx(summary.cross_section_pb)


def test_the_file_does_not_depend_on_the_number_of_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENTS_PER_BLOCK", SMALL)
    for workers in (1, 2):
        generate("signal", 7 * SMALL + 11, 4, tmp_path / f"{workers}.lhe.gz", workers=workers)
    assert (tmp_path / "1.lhe.gz").read_bytes() == (tmp_path / "2.lhe.gz").read_bytes()


def test_compression_does_not_change_the_events(tmp_path: Path) -> None:
    for name in ("x.lhe", "x.lhe.gz"):
        generate("signal", 100, 4, tmp_path / name)
    assert event_text(tmp_path / "x.lhe") == event_text(tmp_path / "x.lhe.gz")


def test_more_events_extend_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENTS_PER_BLOCK", SMALL)
    texts = []
    for events in (SMALL // 2, SMALL, SMALL + 7, 3 * SMALL):
        generate("background", events, 4, tmp_path / "x.lhe")
        texts.append(event_text(tmp_path / "x.lhe"))
    for shorter, longer in itertools.pairwise(texts):
        assert longer.startswith(shorter)
        assert len(longer) > len(shorter)


def test_seeds_processes_and_blocks_have_events_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENTS_PER_BLOCK", SMALL)
    angles = []
    for process in PROCESSES:
        for seed in (1, 2):
            path = tmp_path / f"{process}{seed}.lhe"
            generate(process, 3 * SMALL, seed, path)
            angles.append(np.asarray(muons(path).phi[:, 0]))
    together = np.concatenate(angles)
    assert len(np.unique(together)) == len(together)
    correlation = np.corrcoef(np.concatenate([np.reshape(values, (3, SMALL)) for values in angles]))
    assert np.abs(correlation - np.eye(12)).max() < 5.0 / math.sqrt(SMALL)


def test_existing_file_is_replaced_only_by_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.lhe"
    path.write_text("before")

    def fail(*_: object) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(module, "EVENTS_PER_BLOCK", SMALL)
    monkeypatch.setattr(PythiaGenerator, "block", fail)
    with pytest.raises(IncompleteRunError, match=r"block 0 \(events 1 to 300\): MemoryError: no more"):
        generate("signal", 2 * SMALL, 1, path)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.lhe"]


def test_a_block_that_no_event_passes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zmumu_hybrid.generation.pythia._PATIENCE", 500)
    with pytest.raises(ConfigurationError, match=r"block 0 \(events 1 to 10\): none of 500 events"):
        generate("signal", 10, 1, tmp_path / "x.lhe", cuts=Cuts(max_abs_eta=1e-9))


def test_a_killed_worker_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVENTS_PER_BLOCK", SMALL)
    monkeypatch.setattr(module, "_work", end_this_process)
    with pytest.raises(
        IncompleteRunError, match=r"block \d+ \(events .*\): a worker process was killed.*fewer workers"
    ):
        generate("signal", 3 * SMALL, 1, tmp_path / "x.lhe", workers=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"process": "ttbar"}, "process must be one of signal, background, not 'ttbar'"),
        ({"n_events": 0}, "events must be an integer of at least 1, not 0"),
        ({"n_events": -5}, "events must be an integer of at least 1, not -5"),
        ({"seed": -1}, "seed must be an integer from 0 to 2^63 - 1, not -1"),
        ({"seed": 2**63}, "seed must be an integer from 0 to 2^63 - 1, not 9223372036854775808"),
        ({"workers": 0}, "workers must be an integer of at least 1, not 0"),
        ({"ecm": -1.0}, "ecm must be a positive number"),
        ({"output": "x.root"}, "must end in .lhe, or in .lhe.gz"),
    ],
)
def test_options_that_cannot_be_used(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"process": "signal", "n_events": 1, "seed": 1, "output": "x.lhe", **arguments}
    options["output"] = tmp_path / options["output"]
    with pytest.raises(ConfigurationError) as caught:
        generate(**options)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.lhe").mkdir()
    with pytest.raises(OutputError, match="cannot make this directory"):
        generate("signal", 1, 1, tmp_path / "file" / "x.lhe")
    with pytest.raises(OutputError, match="is a directory"):
        generate("signal", 1, 1, tmp_path / "folder.lhe")


def test_without_pythia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        generate("signal", 1, 1, tmp_path / "x.lhe")
    assert not list(tmp_path.iterdir())
