"""Numbers and documents that no command can use: one line each, at once, in every command alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commands import zmumu
from zmumu_hybrid.errors import ConfigurationError, ZmumuError
from zmumu_hybrid.support.outputs import write_mark

SIGNAL = ("--signal", "missing.root", "--output", "out")
SEEDED = {
    "generate": ("signal", "--events", "1", "--output", "out.lhe"),
    "process": SIGNAL,
    "analyse": SIGNAL,
    "apply": ("missing.onnx", "--input", "missing.root", "--output", "out"),
    "export-smearing": ("--output", "out.json"),
    "train": ("pfn", "--data", "missing", "--output", "out"),
    "scan": ("pfn", "--data", "missing", "--output", "out"),
    "reproduce": ("--output", "out"),
}


WORKING = [name for name in SEEDED if name not in ("export-smearing", "train")]
CHUNKED = ("process", "analyse", "apply")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def error_of(*command: Any) -> ZmumuError:
    """Return the error of a command, which has left nothing."""
    before = set(Path().iterdir())
    done = zmumu(*command)
    assert isinstance(done.exception, ZmumuError), (command, done.output, done.exception)
    assert set(Path().iterdir()) == before
    return done.exception


@pytest.mark.parametrize("command", SEEDED)
@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_are_the_same_numbers_everywhere(command: str, seed: int) -> None:
    error = error_of(command, *SEEDED[command], "--seed", seed)
    assert str(error).endswith(f"seed must be an integer from 0 to 2^63 - 1, not {seed}")


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        *((name, ["--workers", 10**9], "workers must be at most 1024") for name in WORKING),
        *((name, ["--chunksize", 10**13], "chunksize must be at most") for name in CHUNKED),
        *((name, ["--chunksize", 0], "chunksize must be an integer") for name in CHUNKED),
        *((name, ["--width", "nan"], "width of the smearing must") for name in (*CHUNKED, "export-smearing")),
        ("process", ["--reweighting-bins", 10**9], "reweighting bins must be at most"),
        ("process", ["--test-fraction", "1"], "test fraction must be a finite number at least 0 and below 1, not 1.0"),
        ("generate", ["--events", 10**12], "events must be at most"),
        ("generate", ["--ecm", "inf"], "ecm must be"),
        ("analyse", ["--bins", 10**9], "bins must be at most"),
        ("analyse", ["--expected-signal", "1e300"], "expected signal must be a finite number above 0"),
        ("analyse", ["--luminosity-uncertainty", "nan"], "luminosity, relative, must be"),
        ("analyse", ["--width-uncertainty", "inf"], "uncertainty of the width must be"),
        ("analyse", ["--mass", "60", "inf"], "cut on mass must be a finite number"),
        ("analyse", ["--mass-window", "nan", "90"], "an end of the range of mass-cut must be a finite number"),
        ("scan", ["--trials", 10**9], "trials must be at most"),
        ("scan", ["--generation", 10**9], "generation must be at most"),
        ("scan", ["--trial-members", 0], "trial_members must be an integer"),
        ("scan", ["--validation", "nan"], "validation must be a finite number above 0 and below 1"),
    ],
)
def test_numbers_that_nothing_can_have(command: str, options: list[Any], message: str) -> None:
    error = error_of(command, *SEEDED[command], *options)
    assert isinstance(error, ConfigurationError)
    assert message in str(error)


DOCUMENTS = {
    "TOML": ({"deep": f"a = {'[' * 100_000}", "digits": f"a = {'9' * 5000}", "infinite": "[muons]\nmass = [inf]"}),
    "JSON": {
        "deep": "[" * 100_000,
        "digits": f'{{"edges": [{"9" * 5000}], "factors": []}}',
        "infinite": '{"edges": [0, 1e999], "factors": [1]}',
        "no number": '{"edges": [0, NaN], "factors": [1]}',
        "beyond": f'{{"edges": [0, {"9" * 400}], "factors": [1]}}',
        "text": '{"edges": "12", "factors": "1"}',
        "a list": "[]",
    },
    "YAML": {
        "deep": f"jobqueue: {'[' * 100_000}",
        "digits": f"jobqueue: {'9' * 5000}",
        "infinite": "jobqueue: {slurm: {cores: .inf}}",
        "code": "jobqueue: !!python/object/apply:os.system [ls]",
        "in itself": "&a [*a]",
    },
}
READERS = {"TOML": "--branches", "JSON": "--reweighting", "YAML": "--jobqueue"}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, texts in DOCUMENTS.items() for name in texts])
def test_documents_that_are_none(kind: str, name: str) -> None:
    Path("bad.txt").write_text(DOCUMENTS[kind][name])
    options = [READERS[kind], "bad.txt", *(["--executor", "dask"] if kind == "YAML" else [])]
    message = str(error_of("process", *SIGNAL, *options))
    assert message.count("bad.txt: ") == 1
    assert len(message) < 400


@pytest.mark.parametrize("text", [*DOCUMENTS["JSON"].values(), '{"a": {"axes": [{"bins": 1000000000}]}}', '{"a": 1}'])
def test_results_that_are_none(text: str) -> None:
    Path("sample").mkdir()
    Path("sample", "histograms.json").write_text(text)
    write_mark(Path("sample", "process.json"), {})
    message = str(error_of("plot", "sample", "--output", "out"))
    assert message.count("histograms.json: ") == 1
    assert len(message) < 400
