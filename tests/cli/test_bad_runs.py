"""Runs, settings and metrics that are damaged, foreign or absurd: one line each, and nothing that takes all memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from commands import zmumu
from learned import toy_columns, write
from zmumu_hybrid.errors import ConfigurationError, MissingDependencyError, ZmumuError

DEEP = "[" * 100_000
DIGITS = "9" * 5_000
SMALL = "[model]\nparticle_map = [4]\ninvariant_map = [4]\ngate = [4]\nclassifier = [4]\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of 200 toy events a class."""
    return write(toy_columns(200), tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two small members and one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "small.toml").write_text(
        "[model]\nparticle_map = [4]\ninvariant_map = [4]\ngate = [4]\nclassifier = [4]\n"
    )
    done = zmumu("train", "hybrid", "--data", data, "--config", folder / "small.toml", "--members", 2, "--epochs", 1,
                 "--threads", 1, "--output", folder / "run")  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be spoilt."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def refused(message: str, *arguments: Any) -> None:
    """Assert that a command ends with an error of one line with these words."""
    done = zmumu(*arguments)
    assert isinstance(done.exception, ZmumuError), (done.output, done.exception)
    assert message in str(done.exception)
    assert len(str(done.exception)) < 1000


def uses(run: Path, data: Path, folder: Path) -> list[list[Any]]:
    """The commands that read a run."""
    return [
        ["evaluate", run, "--data", data, "--output", folder / "metrics.json"],
        ["plot", run, "--output", folder / "figures"],
        ["export", run, "--output", folder / "model.onnx"],
    ]


@pytest.mark.parametrize("text", [DEEP, f'{{"a": {DIGITS}}}', "{", "[]", "\xff", '{"a": 1e999}', '{"a": NaN}'])
@pytest.mark.parametrize("name", ["config.json", "ranges.json"])
def test_text_that_is_no_json_or_no_number(run: Path, data: Path, tmp_path: Path, name: str, text: str) -> None:
    (run / name).write_text(text, encoding="latin-1")
    for command in uses(run, data, tmp_path):
        refused(name, *command)


@pytest.mark.parametrize(
    ("key", "value"), [("low", "x"), ("high", None), ("values", 0), ("values", -1), ("values", 1.5), ("low", 1e300)]
)
def test_ranges_that_are_none(run: Path, data: Path, tmp_path: Path, key: str, value: Any) -> None:
    ranges = json.loads((run / "ranges.json").read_text())
    ranges["pt"][key] = value
    (run / "ranges.json").write_text(json.dumps(ranges))
    for command in uses(run, data, tmp_path):
        refused("ranges.json: pt: ", *command)


@pytest.mark.parametrize("stopped", ["x", 1, [0.5], ["0"], [2], [-1], [0, 1], [True], {"0": 1}])
def test_members_that_cannot_be_stopped(run: Path, data: Path, tmp_path: Path, stopped: Any) -> None:
    change_metadata(run / "members.safetensors", stopped=stopped)
    for command in uses(run, data, tmp_path):
        refused("members.safetensors", *command)


@pytest.mark.parametrize("text", [DEEP, f'{{"stopped": [{DIGITS}]}}', "{}", "[]", '{"checksum": 1, "fingerprint": 2}'])
def test_metadata_that_are_none(run: Path, data: Path, tmp_path: Path, text: str) -> None:
    path = run / "members.safetensors"
    save_file(load_file(path), path, {"zmumu-hybrid": text})
    for command in uses(run, data, tmp_path):
        refused("members.safetensors", *command)


@pytest.mark.parametrize(
    "final", [None, 1, [{}], [{"member": 0, "epoch": 1, "loss": 1, "auc": "0.5", "auc_uncertainty": 0}]]
)
def test_a_run_that_is_done_says_only_what_it_knows(trained: Path, run: Path, data: Path, final: Any) -> None:
    change_metadata(run / "members.safetensors", final=final)
    command = ["train", "hybrid", "--data", data, "--config", trained.parent / "small.toml", "--members", 2,
               "--epochs", 1, "--output", run]  # fmt: skip
    refused("members.safetensors", *command)


def change_metadata(path: Path, **changed: Any) -> None:
    with safe_open(path, "pt") as file:
        known = json.loads(file.metadata()["zmumu-hybrid"])
    save_file(load_file(path), path, {"zmumu-hybrid": json.dumps(known | changed)})


@pytest.mark.parametrize("part", ["network", "training", "data"])
@pytest.mark.parametrize("value", [None, [], 1, {"latent": "x", "members": "x", "sha256": 1}])
def test_descriptions_that_are_none(run: Path, data: Path, tmp_path: Path, part: str, value: Any) -> None:
    config = json.loads((run / "config.json").read_text())
    config[part] = config[part] | value if isinstance(value, dict) else value
    (run / "config.json").write_text(json.dumps(config))
    for command in uses(run, data, tmp_path):
        refused("config.json", *command)


def bad_metrics(run: Path, how: str) -> None:
    path = run / "metrics.parquet"
    table = pq.read_table(path)
    columns = {name: table.column(name).to_numpy().copy() for name in table.column_names}
    match how:
        case "text":
            path.write_text("member,epoch,auc")
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(path.read_bytes()[:-100])
        case "no rows":
            pq.write_table(table.slice(0, 0), path)
        case "no epoch":
            pq.write_table(table.drop_columns(["epoch"]), path)
        case "words":
            pq.write_table(pa.table(columns | {"auc": ["a", "b"]}), path)
        case "gaps":
            pq.write_table(pa.table(columns | {"epoch": [1, None]}), path)
        case "fractions":
            pq.write_table(pa.table(columns | {"member": [0.0, np.nan]}), path)
        case "lists":
            pq.write_table(pa.table(columns | {"auc": [[1.0], [2.0]]}), path)


@pytest.mark.parametrize("how", ["text", "empty", "cut", "no rows", "no epoch", "words", "gaps", "fractions", "lists"])
def test_metrics_that_are_none(run: Path, data: Path, tmp_path: Path, how: str) -> None:
    bad_metrics(run, how)
    for command in uses(run, data, tmp_path)[1:]:
        refused("metrics.parquet: ", *command)


@pytest.mark.parametrize(
    "text",
    [
        f"a = {DEEP}",
        "\xff",
        f"[training]\nmembers = {DIGITS}",
        f"[training]\nlearning_rate = {DIGITS[:400]}",
        "[training]\nfraction = nan",
        "[training]\nweight_decay = inf",
    ],
)
def test_settings_that_are_none(data: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.toml").write_text(text, encoding="latin-1")
    refused(
        "bad.toml", "train", "hybrid", "--data", data, "--config", tmp_path / "bad.toml", "--output", tmp_path / "r"
    )
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("table", "field", "values"),
    [
        ("training", "members", [10**9, 10**30, 0, -1, 1.5, True, "2"]),
        ("training", "epochs", [10**9, 0]),
        ("training", "batch_size", [10**9, 1]),
        ("training", "seed", [-1, 2**63, 0.5]),
        ("training", "gradient_clip", [0, -1]),
        ("model", "latent", [10**9, 0]),
        ("model.events", "particles", [10**9, 0]),
        ("model.events", "scalars", [10**9, -1]),
        ("model", "given_context", [10**9]),
        ("model", "classes", [10**9]),
        ("model.invariants.pairs", "latent", [10**9]),
        ("model", "classifier", [[10**9], [0], [8] * 101, [65536, 65536], 8]),
        ("model", "particle_map", [[10**9], [2.5]]),
    ],
)
def test_sizes_that_nothing_can_have(data: Path, tmp_path: Path, table: str, field: str, values: list[Any]) -> None:
    for value in values:
        (tmp_path / "huge.toml").write_text(f"[{table}]\n{field} = {json.dumps(value)}\n")
        refused(
            "huge.toml",
            "train",
            "hybrid",
            "--data",
            data,
            "--config",
            tmp_path / "huge.toml",
            "--output",
            tmp_path / "r",
        )
        assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--members", 10**9], "members must be at most"),
        (["--epochs", 10**9], "epochs must be at most"),
        (["--batch-size", 10**9], "batch_size must be at most"),
        (["--latent", 10**9], "latent must be at most"),
        (["--seed", -1], "seed must be an integer from 0 to 2^63 - 1, not -1"),
        (["--threads", 0], "threads must be an integer of at least 1"),
        (["--threads", 10**9], "threads must be at most"),
        (["--learning-rate", "nan"], "learning_rate must be a finite number above 0"),
        (["--weight-decay", "inf"], "weight_decay must be a finite number"),
        (["--latent", 60_000, "--members", 1_000], "more than"),
    ],
)
def test_options_that_nothing_can_have(data: Path, tmp_path: Path, options: list[Any], message: str) -> None:
    refused(message, "train", "hybrid", "--data", data, "--output", tmp_path / "r", *options)
    assert not (tmp_path / "r").exists()


def test_a_gpu_that_is_not_there(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for command in ("train", "scan"):
        done = zmumu(command, "hybrid", "--data", data, "--output", tmp_path / "r", "--device", "cuda")
        assert isinstance(done.exception, ConfigurationError)
        assert "torch finds no GPU" in str(done.exception)
        assert not (tmp_path / "r").exists()


def test_without_torch_every_command_names_the_extra(trained: Path, data: Path, tmp_path: Path) -> None:
    commands = [
        *uses(trained, data, tmp_path),
        ["train", "pfn", "--data", data, "--output", tmp_path / "r"],
        ["scan", "pfn", "--data", data, "--output", tmp_path / "s"],
    ]
    script = f"""
import sys
from typer.testing import CliRunner
sys.modules["torch"] = None
from zmumu_hybrid.cli.main import app
for command in {[[str(word) for word in command] for command in commands]!r}:
    done = CliRunner().invoke(app, command)
    print(type(done.exception).__name__, done.exception)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    line = f"{MissingDependencyError.__name__} torch is not installed: pip install 'zmumu-hybrid[train]'"
    assert done.stdout.splitlines() == [line] * len(commands)
