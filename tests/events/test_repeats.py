"""An event that is there twice is named by both places: file and entry, of event files number and line."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import pytest

from toyfiles import line_of, toy_lhe_events, write_lhe, write_parquet, write_root
from toys import toy_events
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.jobs.process import ProcessOptions, process

EVENTS = toy_events(30, 1)
TEXTS = toy_lhe_events(20)


def message(tmp_path: Path, *signal: Path, background: tuple[Path, ...] = ()) -> str:
    options = ProcessOptions(cache=tmp_path / "cache", reweighting_bins=1)
    with pytest.raises(InputError) as caught:
        process(signal, background, tmp_path / "out", options, show_progress=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    return str(caught.value)


def test_twice_in_one_event_file(tmp_path: Path) -> None:
    events = [*TEXTS[:7], TEXTS[2], *TEXTS[7:]]
    path = write_lhe(tmp_path / "a.lhe.gz", events)
    said = message(tmp_path, path)
    places = f"{path}, event 3, line {line_of(events, 3)}, and {path}, event 8, line {line_of(events, 8)}: "
    assert said.startswith(f"{places}run 1, luminosityBlock ")
    assert said.endswith("each event may be used once, so leave one of the two out")


def test_in_two_files_of_other_kinds(tmp_path: Path) -> None:
    plain = write_lhe(tmp_path / "a.lhe", TEXTS)
    others = [*toy_lhe_events(8, 9), TEXTS[5]]
    packed = write_lhe(tmp_path / "b.lhe.gz", others)
    said = message(tmp_path, plain, background=(packed,))
    assert said.startswith(
        f"{plain}, event 6, line {line_of(TEXTS, 6)}, and {packed}, event 9, line {line_of(others, 9)}: "
    )
    assert said.endswith("(signal and background): each event may be used once, so give each file once")
    root = write_root(tmp_path / "a.root", EVENTS)
    parquet = write_parquet(tmp_path / "b.parquet", ak.concatenate([toy_events(10, 2), EVENTS[[4]]]))
    assert message(tmp_path, root, parquet).startswith(f"{root}, entry 4, and {parquet}, row 10: run 1, ")
