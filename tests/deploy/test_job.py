from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from deploy.models import HYBRID, blind_model, ensemble_of, muon_model, muon_pairs, set_model
from toyfiles import toy_root, write_parquet, write_root
from toys import toy_events
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.cli import main
from zmumu_hybrid.deploy import Discriminant
from zmumu_hybrid.deploy.model_file import write_model
from zmumu_hybrid.deploy.onnx_export import to_model
from zmumu_hybrid.errors import (
    ConfigurationError,
    InputError,
    MissingDependencyError,
    MissingInputError,
    ModelError,
    OutputError,
)
from zmumu_hybrid.jobs.apply import COLUMNS, ApplyOptions, apply
from zmumu_hybrid.jobs.process import ProcessOptions, process
from zmumu_hybrid.measurement import AnalysisOptions
from zmumu_hybrid.nets.config import PFNConfig
from zmumu_hybrid.support.files import sha256

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(muon_model(), tmp_path_factory.mktemp("model") / "hybrid.onnx")[0]


def read(path: Path) -> dict[str, np.ndarray]:
    with uproot.open(path) as file:
        assert file.keys(cycle=False) == ["scores"]
        return file["scores"].arrays(library="np")


def quietly(*arguments: object, **options: object):
    return apply(*arguments, show_progress=False, **options)  # type: ignore[arg-type]


def test_a_row_for_each_pair_sorted_by_event(model: Path, tmp_path: Path) -> None:
    files = [toy_root(tmp_path / "a.root", 700, 1), toy_root(tmp_path / "b.root", 500, 2)]
    summary = quietly(model, files, tmp_path / "out.root", ApplyOptions(chunksize=200))
    table = read(tmp_path / "out.root")
    assert {name: values.dtype for name, values in table.items()} == COLUMNS
    assert summary.pairs == len(table["run"]) == summary.cutflow["pairs"] == summary.events == 1200
    keys = list(zip(table["run"], table["luminosityBlock"], table["event"], strict=True))
    assert keys == sorted(keys)
    momenta = np.concatenate([muon_pairs(700, 1), muon_pairs(500, 2)])
    identity = np.concatenate([np.asarray(toy_events(n, seed)["event"]) for n, seed in ((700, 1), (500, 2))])
    expected = dict(zip(identity.tolist(), ensemble_of(HYBRID).scores(p4=momenta).mean(0).tolist(), strict=True))
    np.testing.assert_allclose(table["score"], [expected[event] for event in table["event"].tolist()], atol=1e-5)
    assert ((table["general_weight"] > 0) & (table["general_weight"] < 1)).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.root", "b.root", "out.root"]


def test_columns_that_contradict_each_other_are_refused(model: Path, tmp_path: Path) -> None:
    events = toy_events(20)
    eta = events.Muon.eta.to_list()
    eta[3].append(0.5)
    eta[7].pop()
    file = tmp_path / "a.parquet"
    ak.to_parquet(ak.with_field(ak.from_parquet(write_parquet(file, events)), ak.Array(eta), "Muon_eta"), file)
    for size in (4, 1000):
        with pytest.raises(InputError, match=rf"^{file}, row 3: its lists differ in length .*Muon_eta 3"):
            quietly(model, [file], tmp_path / "out.root", ApplyOptions(chunksize=size))
    assert not (tmp_path / "out.root").exists()


def test_weights_are_not_read(model: Path, tmp_path: Path) -> None:
    events = toy_events(40)
    quietly(model, [write_root(tmp_path / "a.root", events)], tmp_path / "one.root")
    events["genWeight"] = np.full(40, np.nan)
    with_ = write_root(tmp_path / "b.root", events[:30])
    without = write_parquet(tmp_path / "c.parquet", events[["run", "luminosityBlock", "event", "Muon"]][30:])
    quietly(model, [with_, without], tmp_path / "two.root")
    for column, values in read(tmp_path / "one.root").items():
        np.testing.assert_array_equal(read(tmp_path / "two.root")[column], values)


@pytest.mark.parametrize("executor", ["futures", "dask"])
def test_the_workers_do_not_matter(model: Path, tmp_path: Path, executor: str) -> None:
    file = toy_root(tmp_path / "a.root", 900)
    quietly(model, [file], tmp_path / "one.root")
    options = ApplyOptions(executor=executor, workers=2, chunksize=150)  # type: ignore[arg-type]
    quietly(model, [file], tmp_path / "many.root", options)
    one, many = read(tmp_path / "one.root"), read(tmp_path / "many.root")
    for name, values in one.items():
        np.testing.assert_array_equal(values, many[name], err_msg=name)


def test_the_kind_of_file_does_not_matter(model: Path, tmp_path: Path) -> None:
    events = toy_events(50)
    files = [
        write_root(tmp_path / "tree.root", events),
        write_root(tmp_path / "ntuple.root", events, kind="RNTuple"),
        write_parquet(tmp_path / "events.parquet", events),
    ]
    for file in files:
        quietly(model, [file], tmp_path / f"{file.stem}.out.root")
    scores = [read(tmp_path / f"{file.stem}.out.root")["score"] for file in files]
    assert all(np.array_equal(scores[0], each) for each in scores)


def test_the_smearing_of_the_table_can_be_had_again(model: Path, tmp_path: Path) -> None:
    """What the networks were trained on gets the scores that it had there."""
    signal = toy_root(tmp_path / "signal.root", 300, 1)
    process([signal], [], tmp_path / "table", ProcessOptions(seed=5), show_progress=False)
    quietly(model, [signal], tmp_path / "out.root", ApplyOptions(smearing="independent", seed=5, dataset="signal"))
    names = [f"{name}_{slot}" for slot in (0, 1) for name in ("energy", "px", "py", "pz")]
    table = candidates.read(tmp_path / "table" / "candidates.parquet", ["event", *names])
    p4 = np.stack([table[name] for name in names], 1).reshape(-1, 2, 4)
    found = read(tmp_path / "out.root")
    np.testing.assert_array_equal(found["event"], table["event"])
    np.testing.assert_allclose(found["score"], ensemble_of(HYBRID).scores(p4=p4).mean(0), atol=1e-5)


def test_the_smearing_is_that_of_the_sample_that_the_model_was_trained_on(tmp_path: Path) -> None:
    signal = toy_root(tmp_path / "signal.root", 300, 1)
    process([signal], [], tmp_path / "table", ProcessOptions(seed=5, width=0.2, hold="eta"), show_progress=False)
    ensemble = ensemble_of(HYBRID, data={"sha256": sha256(tmp_path / "table" / "candidates.parquet")})
    model = write_model(to_model(ensemble), tmp_path / "hybrid.onnx")[0]
    said = {"smearing": "independent", "seed": 5, "width": 0.2, "hold": "eta"}
    found, known = (
        quietly(model, [signal], tmp_path / f"{name}.root", ApplyOptions(dataset="signal", **options))
        for name, options in (("said", said), ("known", {"trained_on": tmp_path / "table"}))
    )
    for name, values in read(found.output).items():
        if name != "trained_on":  # the sample says it, where the model does not
            np.testing.assert_array_equal(read(known.output)[name], values, err_msg=name)
    assert set(read(found.output)["trained_on"]) == {-1}
    assert set(read(known.output)["trained_on"]) == {0, 1}
    with pytest.raises(ConfigurationError, match=r"give either --trained-on, whose smearing is taken, or --width"):
        ApplyOptions(trained_on=tmp_path / "table", width=0.1)
    with pytest.raises(ConfigurationError, match=r"whose smearing is taken, or --smearing, --seed"):
        AnalysisOptions(trained_on=tmp_path / "table", seed=0, smearing="none")
    other = write_model(muon_model(), tmp_path / "other.onnx")[0]
    with pytest.raises(
        ConfigurationError, match=r"not the sample in .*or give the smearing by --smearing, --hold, --w"
    ):
        quietly(other, [signal], tmp_path / "other.root", ApplyOptions(trained_on=tmp_path / "table"))
    assert not (tmp_path / "other.root").exists()


def test_real_events_and_events_without_a_pair(model: Path, tmp_path: Path) -> None:
    summary = quietly(model, [DATA / "nano_dy.root"], tmp_path / "nano.root")
    assert summary.events == 40
    assert 0 < summary.pairs < 40
    electrons = quietly(model, [DATA / "powheg-Zee.lhe"], tmp_path / "ee.root", ApplyOptions(cache=tmp_path / "cache"))
    assert (electrons.events, electrons.pairs) == (20, 0)
    assert len(read(tmp_path / "ee.root")["score"]) == 0


def test_generated_muons_of_nanoaod_can_be_scored(model: Path, tmp_path: Path) -> None:
    summary = quietly(model, [DATA / "nano_dy.root"], tmp_path / "gen.root", ApplyOptions(muons="GenPart"))
    assert 0 < summary.pairs == len(read(tmp_path / "gen.root")["score"])


def test_what_is_outside_the_training_is_summed_over_the_chunks(model: Path, tmp_path: Path) -> None:
    events = toy_events(400, 9)
    events["Muon", "pt"] = events.Muon.pt * 30
    file = write_root(tmp_path / "high.root", events)
    summary = quietly(model, [file], tmp_path / "out.root", ApplyOptions(chunksize=100))
    assert any(line.startswith("pt(0): ") and "of 400 values" in line for line in summary.warnings)
    blind = write_model(blind_model(), tmp_path / "blind.onnx")[0]
    assert "does not know the ranges" in quietly(blind, [file], tmp_path / "out.root").warnings[0]


def test_a_model_without_a_symmetry_factor_has_none(tmp_path: Path) -> None:
    ensemble = ensemble_of(PFNConfig((8,), (12, 6), latent=4), 1)
    model = write_model(to_model(ensemble), tmp_path / "pfn.onnx")[0]
    quietly(model, [toy_root(tmp_path / "a.root", 20)], tmp_path / "out.root")
    assert np.isnan(read(tmp_path / "out.root")["general_weight"]).all()


def test_bad_input_leaves_nothing(model: Path, tmp_path: Path) -> None:
    file = toy_root(tmp_path / "a.root", 20)
    sets = write_model(set_model(), tmp_path / "sets.onnx")[0]
    out = tmp_path / "out.root"
    cases = [
        ((model, [], out), ConfigurationError, "no input file"),
        ((model, [tmp_path / "missing.root"], out), MissingInputError, r"missing.root: no such file"),
        ((model, [file, file], out), InputError, "is given twice"),
        ((file, [file], out), ModelError, r"a.root: not an ONNX file, or corrupt"),
        ((tmp_path / "run", [file], out), MissingInputError, "run: no such file"),
        ((sets, [file], out), ModelError, "a model of particles with 3 classes: `zmumu apply` scores muon pairs"),
        ((model, [file], tmp_path), OutputError, "is a directory, the name of a file is needed"),
    ]
    before = sorted(tmp_path.iterdir())
    for arguments, kind, message in cases:
        with pytest.raises(kind, match=message):
            quietly(*arguments)
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(ConfigurationError, match="chunksize must be an integer"):
        ApplyOptions(chunksize=0)
    with pytest.raises(ConfigurationError, match="give either --branches or --muons GenPart"):
        ApplyOptions(muons="GenPart", branches=tmp_path)
    with uproot.recreate(tmp_path / "neutral.root") as tree:
        events = toy_events(4)
        tree.mktree("Events", {"run": "u4", "luminosityBlock": "u4", "event": "u8", "Muon_pt": "var * float64"})
        tree["Events"].extend(
            {
                **{name: np.asarray(events[name]) for name in ("run", "luminosityBlock", "event")},
                "Muon_pt": events.Muon.pt,
            }
        )
    with pytest.raises(InputError, match=r"has no column Muon_eta, Muon_phi, Muon_mass, Muon_charge"):
        quietly(model, [tmp_path / "neutral.root"], out)


def zmumu(*arguments: object, folder: Path, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    program = f"{code}\nimport sys; from zmumu_hybrid.cli.main import main; sys.argv[0] = 'zmumu'; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_the_commands(model: Path, tmp_path: Path) -> None:
    ensemble_of(HYBRID).save(tmp_path / "run")
    exported = zmumu("export", "run", "-o", "m.onnx", folder=tmp_path)
    assert (exported.returncode, exported.stdout, exported.stderr) == (0, "m.onnx, m.card.json\n", "")
    toy_root(tmp_path / "a.root", 30, 1)
    toy_root(tmp_path / "b.root", 30, 2)
    no_torch = "import sys; sys.modules['torch'] = None"
    done = zmumu("apply", "m.onnx", "--input", "a.root", "b.root", "-o", "out.root", folder=tmp_path, code=no_torch)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("out.root: 60 pairs of 60 events, ")
    assert done.stderr.startswith("zmumu: warning: the model does not know the ranges of its training")
    quietly(tmp_path / "run", [tmp_path / "a.root", tmp_path / "b.root"], tmp_path / "run.root")
    np.testing.assert_array_equal(read(tmp_path / "out.root")["score"], read(tmp_path / "run.root")["score"])


def test_an_error_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = toy_root(tmp_path / "a.root", 5)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["zmumu", "apply", "a.root", "--input", str(file), "-o", "no.root"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "zmumu: error: a.root: not an ONNX file, or corrupt: export the model again\n"


def test_a_run_without_torch_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").touch()
    for name in ("torch", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingDependencyError, match=rf"{name} is not installed: pip install 'zmumu-hybrid\[train"):
            Discriminant.load(tmp_path)
        monkeypatch.undo()
