from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from commands import zmumu
from measurement.samples import event_files, training_sample
from toyfiles import line_of, toy_lhe_events, write_lhe
from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.training_events import TrainingEvents
from zmumu_hybrid.cli import main
from zmumu_hybrid.cli.options import named_paths
from zmumu_hybrid.errors import ConfigurationError, InputError, LeakError, MissingDependencyError
from zmumu_hybrid.jobs.analyse import analyse
from zmumu_hybrid.measurement import AnalysisOptions, Yields
from zmumu_hybrid.support.files import sha256

pytest.importorskip("pyhf")
pytest.importorskip("iminuit")
DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[Path]], Path]:
    return training_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def model(sample: tuple[dict[str, list[Path]], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    from deploy.models import HYBRID, ensemble_of
    from zmumu_hybrid.deploy.model_file import write_model
    from zmumu_hybrid.deploy.onnx_export import to_model

    ensemble = ensemble_of(HYBRID, data={"sha256": sha256(sample[1] / "candidates.parquet")})
    return write_model(to_model(ensemble), tmp_path_factory.mktemp("model") / "hybrid.onnx")[0]


def quietly(*arguments: Any, **options: Any) -> Any:
    return analyse(*arguments, show_progress=False, **options)


def test_everything_is_written_and_agrees(sample: Any, model: Path, tmp_path: Path) -> None:
    files, directory = sample
    options = AnalysisOptions(trained_on=directory, rows="test", optimal=True, bins=10)
    summary = quietly(files, tmp_path / "out", {"hybrid": model}, options)
    names = ["mass-cut", "mass", "hybrid", "optimal"]
    assert [each.name for each in summary.results] == names
    record = json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert record["fitted"] == "expected"
    assert [each["name"] for each in record["results"]] == names
    flow = record["cutflow"]["signal"]
    table = candidates.read(directory / "candidates.parquet", ["label", "is_test"])
    assert flow["held out"] == np.count_nonzero(table["is_test"] & (table["label"] == 1))
    read = histograms.read(tmp_path / "out" / "histograms.json")
    assert read.keys() == set(names)
    assert list(read["mass"].axes["systematic"]) == record["systematics"]
    with uproot.open(tmp_path / "out" / "histograms.root") as file:
        piece = read["mass"][{"dataset": "signal", "systematic": "widthUp"}]
        np.testing.assert_array_equal(file["mass_signal_widthUp"].values(), piece.view()["value"])
    workspace = json.loads((tmp_path / "out" / "workspace-optimal.json").read_text())
    assert sum(workspace["observations"][0]["data"]) == pytest.approx(11_000, rel=1e-3)
    by_name = {each.name: each for each in summary.results}
    assert by_name["optimal"].fit.uncertainty < by_name["mass"].fit.uncertainty
    assert by_name["hybrid"].spread is not None
    for each in summary.results:
        assert each.fit.mu == pytest.approx(1, abs=0.01)
        assert each.precision == pytest.approx(each.fit.uncertainty, rel=0.05)
        assert each.gain_uncertainty > 0 or each.name == "mass-cut"


def test_training_events_are_refused(sample: Any, tmp_path: Path) -> None:
    files, directory = sample
    copy = tmp_path / "copy.root"
    copy.write_bytes(files["background"][0].read_bytes() + b"\0")  # the same events in a file with another checksum
    for inputs in (files, {"background": [copy]}, {"data": files["signal"]}):
        with pytest.raises(LeakError, match=r"training events of .*take held-out rows alone \(--rows test\)"):
            quietly(inputs, tmp_path / "out", options=AnalysisOptions(trained_on=directory))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("inputs", "places"),
    [
        ({"signal": ["b", "a"]}, [("b", 11), ("a", 3)]),
        ({"signal": ["a"], "background": ["b"]}, [("a", 3), ("b", 11)]),
        ({"data": ["c"]}, [("c", 6), ("c", 11)]),
    ],
)
def test_repeated_events_are_named(inputs: dict[str, str], places: list[tuple[str, int]], tmp_path: Path) -> None:
    texts = toy_lhe_events(40)
    pieces = {"a": texts[:20], "b": [*texts[20:30], texts[2]], "c": [*texts[30:40], texts[35]]}
    files = {name: write_lhe(tmp_path / f"{name}.lhe", piece) for name, piece in pieces.items()}
    said = ", and ".join(
        f"{files[name]}, event {number}, line {line_of(pieces[name], number)}" for name, number in places
    )
    given = {name: [files[each] for each in chosen] for name, chosen in inputs.items()}
    with pytest.raises(InputError, match=f"^{said}: run 1, .* this event is in the input twice"):
        quietly(given, tmp_path / "out", options=AnalysisOptions(cache=tmp_path / "cache"))
    assert not (tmp_path / "out").exists()


def test_a_model_brings_the_events_that_it_was_trained_on(sample: Any, model: Path, tmp_path: Path) -> None:
    import onnx

    from zmumu_hybrid.deploy.model_file import read_model, seal, write_model

    files, directory = sample
    known = TrainingEvents.of_sample(directory)
    card = read_model(model).card
    noted = replace(card, data=card.data | {"training_events": known.summary()})
    graph = onnx.load(model)
    del graph.metadata_props[:]
    write_model(seal(graph, noted), tmp_path / "known.onnx")
    known.write(tmp_path / "known.onnx")
    with pytest.raises(LeakError, match=r"events are training events of .*known\.onnx"):
        quietly(files, tmp_path / "out", {"known": tmp_path / "known.onnx"}, AnalysisOptions(independent=True))


def test_other_events_are_taken_whole(sample: Any, tmp_path: Path) -> None:
    options = AnalysisOptions(trained_on=sample[1], systematics=("width",), yields=Yields(100, 500), bins=5)
    summary = quietly(event_files(tmp_path, 400), tmp_path / "out", options=options)
    assert "held out" not in summary.cutflow["signal"]
    assert list(summary.histograms["mass"].axes["systematic"]) == ["nominal", "widthUp", "widthDown"]


def test_real_nanoaod_as_data(model: Path, tmp_path: Path) -> None:
    files = event_files(tmp_path, 400)
    inputs = files | {"data": [DATA / "nano_dy.root"]}
    options = AnalysisOptions(yields=Yields(6, 2), unblind=True, bins=5)
    summary = quietly(inputs, tmp_path / "out", options=options)
    assert summary.cutflow["data"]["events"] == 40
    seen = summary.cutflow["data"]["mass"]
    assert seen == 5
    assert summary.templates["mass"].observed.sum() == seen
    assert 0 < summary.results[1].fit.mu < 3
    alone = quietly({"data": [DATA / "nano_dy.root"]}, tmp_path / "alone", {"hybrid": model})
    assert alone.results == []
    assert alone.cutflow["data"] == summary.cutflow["data"]
    assert sorted(path.name for path in (tmp_path / "alone").iterdir()) == [
        "analysis.json",
        "histograms.json",
        "histograms.root",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rows": "test"}, "--rows test: needs --trained-on"),
        ({"optimal": True}, "--optimal: needs --trained-on"),
        ({"systematics": ("jes",)}, "systematic 'jes': .*available: width, off, reweighting"),
        ({"bins": 0}, "at least 1"),
        ({"chunksize": 0}, "chunksize"),
        ({"branches": Path("a"), "muons": "GenPart"}, "either --branches or --muons"),
    ],
)
def test_options_that_contradict_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        AnalysisOptions(**options)


def test_what_cannot_be_done_is_said(model: Path, tmp_path: Path) -> None:
    files = event_files(tmp_path, 30)
    with pytest.raises(ConfigurationError, match=r"hybrid: was trained on the table .* name the directory"):
        quietly(files, tmp_path / "out", {"hybrid": model})
    with pytest.raises(ConfigurationError, match="model name 'mass'"):
        quietly(files, tmp_path / "out", {"mass": model})
    with pytest.raises(ConfigurationError, match=r"systematic 'reweighting': .*available: width, off"):
        quietly(files, tmp_path / "out", options=AnalysisOptions(systematics=("reweighting",)))
    with pytest.raises(ConfigurationError, match="no input file"):
        quietly({}, tmp_path / "out")
    with pytest.raises(ConfigurationError, match=r"data set 'top': .*available: signal, background, data"):
        quietly({"top": ["a.root"]}, tmp_path / "out")
    with pytest.raises(ConfigurationError, match="--unblind"):
        quietly(files, tmp_path / "out", options=AnalysisOptions(unblind=True))
    electrons = {**files, "signal": [DATA / "powheg-Zee.lhe"]}
    with pytest.raises(InputError, match=r"signal: no event is selected \(events 20, two muons 0, .* mass 0\)"):
        quietly(electrons, tmp_path / "out", options=AnalysisOptions(cache=tmp_path))
    with pytest.raises(InputError, match="Muon_mass"):
        quietly({"signal": [_without(files["signal"][0], "mass", tmp_path)]}, tmp_path / "out")
    with pytest.raises(InputError, match="Muon_charge"):
        quietly({"signal": [_without(files["signal"][0], "charge", tmp_path)]}, tmp_path / "out")


def _without(path: Path, field: str, folder: Path) -> Path:
    with uproot.open(path) as file, uproot.recreate(folder / f"no-{field}.root") as made:
        arrays = file["Events"].arrays()
        made["Events"] = {name: arrays[name] for name in arrays.fields if name != f"Muon_{field}"}
    return folder / f"no-{field}.root"


def test_the_names_of_models() -> None:
    assert named_paths(["a/hybrid.onnx", "b=c/run"], "--model") == {"hybrid": Path("a/hybrid.onnx"), "b": Path("c/run")}
    with pytest.raises(ConfigurationError, match=r"'run' is x/run already: name it, as NAME=y/run"):
        named_paths(["x/run", "y/run"], "--model")


def test_without_pyhf_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = event_files(tmp_path, 10)
    monkeypatch.setitem(sys.modules, "pyhf", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'zmumu-hybrid\[analysis\]'"):
        quietly(files, tmp_path / "out")


def test_the_command(sample: Any, model: Path, tmp_path: Path) -> None:
    files, directory = sample
    arguments = ["analyse", "-o", str(tmp_path / "out"), "--rows", "test", "--trained-on", str(directory)]
    arguments += [text for name, paths in files.items() for text in (f"--{name}", *map(str, paths))]
    outcome = zmumu(*arguments, "--model", f"net={model}", "--systematic", "width", "off")
    assert outcome.exit_code == 0, outcome.output
    lines = outcome.output.splitlines()
    assert any(line.split()[:1] == ["net"] for line in lines), outcome.output
    assert {"precisions.png", "discriminant-net.pdf", "pulls-net.png", "workspace-net.json"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


def test_an_unknown_systematic_ends_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["zmumu", "analyse", "-o", str(tmp_path / "out"), "--systematic", "jer"])
    with pytest.raises(SystemExit, match="1"):
        main.main()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].endswith("available: width, off, reweighting")
