"""A row that a network was trained on never counts, in whatever file it comes."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from commands import done as end_well
from toyfiles import toy_lhe_events, write_lhe
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.shuffle import write_table
from zmumu_hybrid.candidates.training_events import TrainingEvents, events_path
from zmumu_hybrid.errors import InputError, ModelError
from zmumu_hybrid.events.muon_pairs import IDENTITY

pytest.importorskip("torch")
TEXTS = {"signal": toy_lhe_events(150, 1), "background": toy_lhe_events(150, 2, resonance=False)}
OTHERS = {"signal": toy_lhe_events(60, 3), "background": toy_lhe_events(60, 4, resonance=False)}


def zmumu(*arguments: Any) -> str:
    return " ".join(end_well(*arguments).output.split())


@dataclass(frozen=True)
class Made:
    """A processed sample, a run that was trained on it, and which events, signal and background alike."""

    table: Path
    run: Path
    trained: set[tuple[int, ...]]

    @property
    def folder(self) -> Path:
        return self.run.parent


def process(folder: Path, texts: dict[str, list[str]], *options: Any, pieces: int = 1) -> Path:
    """Process events, each class in so many files."""
    folder.mkdir()
    arguments: list[Any] = []
    for name, events in texts.items():
        files = [write_lhe(folder / f"{name}-{k}.lhe", events[k::pieces]) for k in range(pieces)]
        arguments += [f"--{name}", *files]
    cache = ["--cache", folder / "cache", "--reweighting-bins", 3]
    zmumu("process", *arguments, "--output", folder / "out", *cache, *options)
    return folder / "out"


def identities(table: dict[str, np.ndarray]) -> list[tuple[int, ...]]:
    return list(zip(*(table[name].tolist() for name in IDENTITY), strict=True))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("identity")
    table = process(folder / "sample", TEXTS, "--seed", 3)
    options = ["--members", 1, "--epochs", 1, "--batch-size", 16]
    zmumu("train", "invariant", "--data", table, "--output", folder / "run", *options)
    columns = candidates.read(table / "candidates.parquet", [*IDENTITY, "is_test"])
    trained = {each for each, held in zip(identities(columns), columns["is_test"], strict=True) if not held}
    assert 0 < len(trained) < 300
    return Made(table, folder / "run", trained)


def evaluated(made: Made, table: Path) -> tuple[dict[str, Any], str]:
    said = zmumu("evaluate", made.run, "--data", table, "--output", table / "auc.json")
    return json.loads((table / "auc.json").read_text()), said


@pytest.mark.parametrize(
    ("options", "pieces"),
    [
        (["--seed", 3, "--chunksize", 50], 3),  # cut in another way
        (["--seed", 8, "--test-fraction", 0.5], 1),  # held out by another draw
        (["--smearing", "none", "--seed", 3, "--test-fraction", 0.0], 2),  # measured in another way
    ],
)
def test_the_same_events_processed_again(made: Made, tmp_path: Path, options: list[Any], pieces: int) -> None:
    own, said = evaluated(made, made.table)
    assert own["data"]["split"] == "test"
    assert own["data"]["events"] == 300
    assert own["data"]["left_out"] == len(made.trained)
    assert f"left out are {len(made.trained)} of 300 events" in said
    again, _ = evaluated(made, process(tmp_path / "again", TEXTS, *options, pieces=pieces))
    assert (again["data"]["events"], again["data"]["left_out"]) == (300, len(made.trained))


def test_some_of_the_events_among_others(made: Made, tmp_path: Path) -> None:
    table = process(tmp_path / "mixed", {name: [*OTHERS[name], *TEXTS[name][:40]] for name in TEXTS}, "--seed", 3)
    columns = candidates.read(table / "candidates.parquet")
    trained = np.array([each in made.trained for each in identities(columns)])
    found, _ = evaluated(made, table)
    assert 0 < found["data"]["left_out"] == np.count_nonzero(trained) < 80
    rest = tmp_path / "rest"
    rest.mkdir()
    write_table([{name: values[~trained] for name, values in columns.items()}], rest / "candidates.parquet")
    (rest / "process.json").write_text("{}")
    alone, said = evaluated(made, rest)
    assert alone["data"]["left_out"] == 0
    assert "1 members on all events of" in said
    assert alone["metrics"] == found["metrics"]


def test_nothing_but_training_events(made: Made, tmp_path: Path) -> None:
    columns = candidates.read(made.table / "candidates.parquet")
    rows = np.array([each in made.trained for each in identities(columns)])
    write_table([{name: values[rows] for name, values in columns.items()}], tmp_path / "seen.parquet")
    with pytest.raises(InputError, match=rf"seen.parquet: all {len(made.trained)} events are training events of .*run"):
        zmumu("evaluate", made.run, "--data", tmp_path / "seen.parquet", "--output", tmp_path / "auc.json")
    assert not (tmp_path / "auc.json").exists()


def test_event_files_are_marked(made: Made, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = tmp_path / "model.onnx"
    zmumu("export", made.run, "--output", model)
    file = write_lhe(tmp_path / "some.lhe", [*OTHERS["signal"], *TEXTS["signal"][:50], *TEXTS["background"][:9]])

    def marks(which: Path) -> tuple[dict[tuple[int, ...], int], str]:
        said = zmumu("apply", which, "--input", file, "--output", tmp_path / "o.root", "--cache", tmp_path / "cache")
        with uproot.open(tmp_path / "o.root") as opened:
            columns = opened["scores"].arrays(library="np")
        return dict(zip(identities(columns), columns["trained_on"].tolist(), strict=True)), said

    found, said = marks(model)
    expected = {event: int(event in made.trained) for event in found}
    assert found == expected
    assert 0 < sum(expected.values()) < 59
    assert f"{sum(expected.values())} of 119 rows are events that the model was trained on" in said
    shutil.copy(model, tmp_path / "alone.onnx")  # without the file beside it
    unknown, said = marks(tmp_path / "alone.onnx")
    assert set(unknown.values()) == {-1}
    assert "which events the model was trained on is not known" in said
    TrainingEvents.of_sample(made.table).write(tmp_path / "alone.onnx")
    assert marks(tmp_path / "alone.onnx")[0] == expected
    TrainingEvents(np.arange(3, dtype=np.uint64), "").write(tmp_path / "alone.onnx")
    with pytest.raises(ModelError, match=r"alone.training_events.parquet: is not of this model"):
        marks(tmp_path / "alone.onnx")


def test_a_damaged_file_is_refused(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.run, tmp_path / "run")
    path = events_path(tmp_path / "run")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:40] + b"\0\1" + whole[42:]):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"training_events\.parquet: not whole"):
            zmumu("evaluate", tmp_path / "run", "--data", made.table, "--output", tmp_path / "auc.json")
    path.unlink()  # a run of an earlier version: its own sample is known by its checksum, another one is not
    own, other = (tmp_path / name for name in ("own.json", "other.json"))
    zmumu("evaluate", tmp_path / "run", "--data", made.table, "--output", own)
    assert json.loads(own.read_text())["data"]["left_out"] == len(made.trained)
    table = process(tmp_path / "other", OTHERS)
    assert "does not say which events" in zmumu("evaluate", tmp_path / "run", "--data", table, "--output", other)
    assert json.loads(other.read_text())["data"]["left_out"] is None
