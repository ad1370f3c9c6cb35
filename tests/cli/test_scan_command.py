from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import done, zmumu
from learned import toy_columns, write
from zmumu_hybrid.errors import ConfigurationError

pytest.importorskip("optuna")


def test_a_scan_prints_its_comparison_and_draws(tmp_path: Path) -> None:
    table, output = write(toy_columns(250), tmp_path / "table"), tmp_path / "scan"
    arguments = ["scan", "invariant", "--data", str(table), "--output", str(output), "--trials", "8", "--seed", "3"]
    arguments += ["--trial-epochs", "1", "--epochs", "1", "--members", "2", "--executor", "iterative"]
    result = done(*arguments)
    found = json.loads((output / "scan.json").read_text())
    assert set(found["trials"][0]["setting"]) == {"batch_size", "learning_rate", "weight_decay"}
    for name in ("history", "slice", "curves", "importance"):
        assert (output / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "trial   7" in result.output
    assert f"{found['comparison']['best']['mean']:.4f} ± " in result.output
    assert "8 trials: " in result.output
    assert "scan.json, history.png" in result.output


def test_bad_options_are_refused(tmp_path: Path) -> None:
    table = write(toy_columns(250), tmp_path / "table")
    arguments = ["scan", "pfn", "--data", str(table), "--output", str(tmp_path / "scan")]
    for more, message in (
        (["--executor", "futures", "--scheduler", "tcp://x:1"], "needs the executor dask"),
        (["--preset", "mine"], "preset must be one of"),
        (["--validation", "0"], "validation must be a finite number above 0"),
    ):
        result = zmumu(*arguments, *more)
        assert isinstance(result.exception, ConfigurationError)
        assert message in str(result.exception)
    assert not (tmp_path / "scan").exists()
