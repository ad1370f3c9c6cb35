from __future__ import annotations

import gzip
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pylhe
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmumu_hybrid.errors import ConfigurationError, OutputError
from zmumu_hybrid.lhe import LHEInit, LHEProcess, read_init, read_lhe
from zmumu_hybrid.lhe.header import parse_preamble
from zmumu_hybrid.lhe.writer import (
    LHEWriter,
    Particle,
    encode,
    format_event,
    format_header,
    format_init,
    is_compressed,
)

INIT = LHEInit(
    version="3.0",
    beams=(2212, -2212),
    beam_energies=(6500.0, 980.0),
    pdf_groups=(0, 0),
    pdf_sets=(247000, 10042),
    weighting_strategy=-4,
    processes=(LHEProcess(7, 1.5, 0.25, 2.0), LHEProcess(8, 1e-3, 1e-4, 1.0)),
    weights=(),
    header="",
)
MUONS = [
    Particle(-13, 1, 0, 0, 0, 0, 1.0, -0.1, 1 / 3, 2.0, 0.10566),
    Particle(13, 1, 0, 0, 0, 0, -1.0, 0.1, 1e-7, 1e7, 0.10566, 0.5, -1.0),
]
EVENT = format_event(7, 1.0, 91.2, 1 / 128, 0.118, MUONS)
numbers = st.floats(allow_nan=False, allow_infinity=False)
codes = st.integers(-(10**6), 10**6)
lines = st.builds(Particle, *[codes] * 6, *[numbers] * 7)


@given(st.lists(lines, max_size=6), st.tuples(codes, numbers, numbers, numbers, numbers))
def test_every_number_comes_back(particles: list[Particle], info: tuple[int, float, float, float, float]) -> None:
    rows = format_event(*info, particles).splitlines()
    assert (rows[0], rows[-1]) == ("<event>", "</event>")
    head = rows[1].split()
    assert (int(head[0]), int(head[1]), *map(float, head[2:])) == (len(particles), *info)
    columns = [row.split() for row in rows[2:-1]]
    assert [Particle(*map(int, row[:6]), *map(float, row[6:])) for row in columns] == particles


def test_numpy_numbers_are_written_as_numbers() -> None:
    particle = Particle(*[np.int64(1)] * 6, *[np.float64(0.1)] * 7)
    assert "1 1 1 1 1 1 0.1 0.1 0.1 0.1 0.1 0.1 0.1\n" in format_event(
        np.int32(1), np.float64(1), 1.0, 1.0, 1.0, [particle]
    )


def test_nan_is_written_for_those_who_want_it() -> None:
    assert "nan" in format_event(1, math.nan, 1.0, 1.0, 1.0, [])


@given(numbers, numbers, st.floats(0, 1e300))
def test_init_is_read_as_it_was_written(cross_section: float, error: float, energy: float) -> None:
    process = LHEProcess(3, cross_section, error, 1.0)
    init = replace(INIT, processes=(process, *INIT.processes), beam_energies=(energy, 1.0))
    text = format_init(init, {"somebody": "1.0"}).encode()
    assert parse_preamble(text, "text")[0] == init


@given(numbers, numbers)
def test_the_head_has_one_length_for_all_cross_sections(one: float, other: float) -> None:
    lengths = {
        len(format_init(replace(INIT, processes=(LHEProcess(1, number, abs(number), 1.0),)))) for number in (one, other)
    }
    assert len(lengths) == 1


@given(st.text(st.characters(exclude_categories=["C"])))
def test_any_text_can_stand_in_the_header(text: str) -> None:
    root = ET.fromstring(format_header({"first": text, "second": "]]>"}))
    assert [(element.tag, (element.text or "").strip()) for element in root] == [
        ("first", text.strip()),
        ("second", "]]>"),
    ]


@pytest.mark.parametrize("name", ["events.lhe", "events.lhe.gz"])
def test_a_file_is_read_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    init = replace(INIT, header=format_header({"settings": "a < b & c"}))
    with LHEWriter.open(path, init, {"test": "2.0"}) as writer:
        writer.write(EVENT)
        writer.write_encoded(encode(EVENT * 2, is_compressed(path)))
        writer.init = final = replace(init, processes=(LHEProcess(7, 123.456789, 1e-9, 1.0), INIT.processes[1]))
    assert read_init(path) == final
    assert read_lhe(path).particles.px.to_list() == [[1.0, -1.0]] * 3
    raw = path.read_bytes()
    text = gzip.decompress(raw) if name.endswith(".gz") else raw
    assert ET.fromstring(text.decode()).attrib == {"version": "3.0"}
    theirs = pylhe.LHEFile.fromfile(path)
    assert [process.xSection for process in theirs.init.procInfo] == [123.456789, 1e-3]
    assert [(generator.name, generator.version) for generator in theirs.init.generators] == [("test", "2.0")]
    assert [[particle.e for particle in event.particles] for event in theirs.events] == [[2.0, 1e7]] * 3
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_compressed_bytes_do_not_depend_on_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = encode(EVENT, True)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert encode(EVENT, True) == first


@pytest.mark.parametrize("name", ["events.lhe", "events.lhe.gz"])
def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, name: str) -> None:
    def fail() -> None:
        with LHEWriter.open(tmp_path / name, INIT) as writer:
            writer.write(EVENT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["events.txt", "events.lhe.bz2", "lhe", "events.gz"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"must end in \.lhe"), LHEWriter.open(tmp_path / name, INIT):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["events.lhe", "events.lhe.gz"])
def test_a_head_of_another_length_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="changed its length"), LHEWriter.open(tmp_path / name, INIT) as writer:
        writer.init = replace(INIT, header="longer")
    assert not list(tmp_path.iterdir())


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(OutputError, match="cannot make this directory"),
        LHEWriter.open(tmp_path / "file" / "x.lhe", INIT),
    ):
        pass
