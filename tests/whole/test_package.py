from __future__ import annotations

import inspect
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import zmumu_hybrid
from commands import COMMAND, done, zmumu
from toyfiles import toy_root
from zmumu_hybrid.cli import options
from zmumu_hybrid.execution.options import RunOptions

CONTENT = {"--muons": "Muon", "--branches": None, "--tree": "", "--pair": "leading"}
EXECUTION = {"--executor": None, "--workers": None, "--scheduler": None, "--jobqueue": None}
PIECES = {"--chunksize": 100000, "--cache": None}
SMEARING = {"--smearing": None, "--hold": None, "--width": None, "--seed": None}
MAIN = {
    "--version": False,
    "--verbose/-v": 0,
    "--quiet/-q": False,
    "--install-completion": None,
    "--show-completion": None,
}
COMMANDS: dict[str, dict[str, Any]] = {
    "generate": {
        "process": ...,
        "--events": ...,
        "--output/-o": ...,
        "--seed": 0,
        "--workers": None,
        "--min-pt": 10.0,
        "--max-abs-eta": 2.5,
        "--min-mass": 70.0,
        "--ecm": 13000.0,
    },
    "convert": {"inputs": ..., "--output/-o": ...},
    "process": {
        "--output/-o": ...,
        "--signal": None,
        "--background": None,
        "--data": None,
        "--test-fraction": 0.2,
        "--reweighting-bins": 100,
        "--binning": "equal-content",
        "--reweighting": None,
        **CONTENT,
        **EXECUTION,
        **PIECES,
        **SMEARING,
    },
    "train": {
        "model": ...,
        "--data": ...,
        "--output/-o": ...,
        "--members": None,
        "--epochs": None,
        "--preset": "paper",
        "--pooling": None,
        "--latent": None,
        "--fraction": None,
        "--batch-size": None,
        "--learning-rate": None,
        "--weight-decay": None,
        "--sampling": None,
        "--precision": None,
        "--resmear": None,
        "--device": None,
        "--seed": None,
        "--config": None,
        "--threads": None,
        "--tensorboard": False,
    },
    "scan": {
        "model": ...,
        "--data": ...,
        "--output/-o": ...,
        "--trials": 50,
        "--preset": "paper",
        "--fraction": None,
        "--precision": None,
        "--device": None,
        "--seed": 0,
        "--trial-members": 1,
        "--trial-epochs": 20,
        "--validation": 0.2,
        "--generation": 8,
        "--pruning/--no-pruning": True,
        "--storage": None,
        "--members": None,
        "--epochs": None,
        **EXECUTION,
    },
    "evaluate": {"run": ..., "--data": ..., "--output/-o": ...},
    "limit": {"--data": ..., "--output/-o": ..., "--truth": None, "--rows": None},
    "plot": {"directories": ..., "--output/-o": ..., "--note": None},
    "reproduce": {"--scale": "quick", "--output/-o": "results", "--seed": 1, "--rivals": False, **EXECUTION},
    "export-smearing": {"--output/-o": ..., "--dataset": None, "--width-uncertainty": 0.1, **SMEARING},
    "export": {"run": ..., "--output/-o": ..., "--data": None, "--scalars": None},
    "apply": {
        "model": ...,
        "--input/-i": ...,
        "--output/-o": ...,
        "--trained-on": None,
        "--dataset": "data",
        **CONTENT,
        **EXECUTION,
        **PIECES,
        **SMEARING,
    },
    "analyse": {
        "--output/-o": ...,
        "--signal": None,
        "--background": None,
        "--data": None,
        "--model": None,
        "--systematic": None,
        "--expected-signal": 1000.0,
        "--expected-background": 10000.0,
        "--luminosity-uncertainty": 0.02,
        "--background-uncertainty": 0.05,
        "--trained-on": None,
        "--independent": False,
        "--rows": "all",
        "--optimal": False,
        "--width-uncertainty": 0.1,
        "--reweighting-uncertainty": 0.2,
        "--unblind": False,
        "--bins": 20,
        "--mass-window": (80.0, 100.0),
        "--pt": 10.0,
        "--eta": 2.5,
        "--mass": (60.0, 150.0),
        **CONTENT,
        **EXECUTION,
        **PIECES,
        **SMEARING,
    },
}
"""The options of each command with their defaults; an Ellipsis is for what must be given."""

PUBLIC = [
    "AnalysisOptions", "ApplyOptions", "Discriminant", "Ensemble", "PairSelection", "ProcessOptions", "Reweighting",
    "SmearingConfig", "TrainingConfig", "TrainingTable", "ZmumuError", "analyse", "apply", "convert", "evaluate",
    "export", "generate", "iterate_lhe", "limit", "load_ensemble", "nets", "process", "read_lhe", "select_pairs",
    "smear", "train",
]  # fmt: skip
NETWORKS = ["ApproximateSymmetry", "DimuonHybrid", "InvariantNetwork", "PFN", "preset"]


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_the_public_names() -> None:
    assert dir(zmumu_hybrid) == zmumu_hybrid.__all__ == PUBLIC
    assert dir(zmumu_hybrid.nets) == sorted(zmumu_hybrid.nets.__all__) == NETWORKS
    for name in zmumu_hybrid.__all__:
        assert getattr(zmumu_hybrid, name) is not None
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'"):
        _ = zmumu_hybrid.nothing


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import zmumu_hybrid", {"torch", "matplotlib", "numpy", "awkward", "coffea"}),
        ("import zmumu_hybrid.cli.main", {"torch", "matplotlib", "numpy", "awkward", "coffea"}),
        ("import zmumu_hybrid.processors", {"torch", "matplotlib"}),
        ("import zmumu_hybrid.optimal", {"torch", "matplotlib"}),
        ("import zmumu_hybrid.jobs.process", {"torch", "matplotlib"}),
    ],
)
def test_importing_loads_no_heavy_library(statement: str, forbidden: set[str]) -> None:
    assert not loaded_by(statement) & forbidden


def described(command: Any) -> dict[str, Any]:
    """Return the options of a command with their defaults."""
    found = {}
    for each in command.params:
        name = "/".join([*each.opts, *each.secondary_opts]) if each.param_type_name == "option" else each.name
        found[name] = ... if each.required else str(each.default) if isinstance(each.default, Path) else each.default
    return found


def test_every_command_with_its_options_and_their_defaults() -> None:
    assert described(COMMAND) == MAIN
    assert {name: described(command) for name, command in COMMAND.commands.items()} == COMMANDS


def test_what_commands_share_is_what_python_has() -> None:
    """The choices and defaults are written twice, as the command line loads no array library to show them."""
    known = get_type_hints(RunOptions)
    for group in (options.content, options.execution, options.pieces, options.smearing):
        hints = get_type_hints(group)
        for name, each in inspect.signature(group).parameters.items():
            assert each.default == getattr(RunOptions(), name), name
            assert set(get_args(hints[name])) == set(get_args(known[name])), name


@pytest.mark.parametrize("command", [["zmumu_hybrid", "--version"], ["zmumu_hybrid", "process", "-h"]])
def test_the_package_is_a_command_too(command: list[str]) -> None:
    said = subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True, text=True).stdout
    assert said == zmumu(*command[1:]).stdout


def test_help_and_completion_load_no_array_library() -> None:
    code = "import sys; from zmumu_hybrid.cli.main import main; sys.argv = {}\ntry: main()\nexcept SystemExit: pass"
    for given in (["zmumu", "--help"], ["zmumu", "--show-completion", "bash"]):
        assert not loaded_by(code.format(given)) & {"torch", "matplotlib", "numpy", "awkward", "coffea"}
    environment = {**os.environ, "_ZMUMU_COMPLETE": "complete_bash", "COMP_WORDS": "zmumu exp", "COMP_CWORD": "1"}
    code = "from zmumu_hybrid.cli.main import main; main()"
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert said.stdout.split() == ["export-smearing", "export"], said.stderr


def test_verbose_says_what_is_done_and_quiet_nothing(tmp_path: Path) -> None:
    command = ["process", "--signal", toy_root(tmp_path / "a.root", 5), "--output", tmp_path / "out"]
    usual = done(*command)
    assert usual.stderr == ""
    assert done("--quiet", *command).output == ""
    assert done(*command).stdout.splitlines()[:-1] == usual.stdout.splitlines()[:-1]
    verbose, more = (done(level, *command).stderr for level in ("-v", "-vv"))
    for words in (f"read from {tmp_path / 'a.root'}: 5 events of signal", "working on: this process", "wrote cand"):
        assert words in verbose
    assert len(more.splitlines()) > len(verbose.splitlines())
    refused = zmumu("-q", *command, "--chunksize", 0)
    assert refused.exit_code == 1
    assert not logging.getLogger("zmumu_hybrid").handlers
