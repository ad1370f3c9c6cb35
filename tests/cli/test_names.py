"""Every command, in a folder and with files of a name that no library but the file system would like."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from toyfiles import toy_lhe_events, write_lhe
from zmumu_hybrid.cli.main import main
from zmumu_hybrid.cli.options import spread_values

ODD = os.fsdecode(b"d::x:1 \xff\n[\xc3\xa9]#?%41&;*'\"[bold]:smile:=b")


@pytest.fixture
def zmumu(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Return a function that runs a command in this process and returns what it says."""

    def command(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["zmumu", *map(str, arguments)])
        try:
            main()
        except SystemExit as error:
            assert not error.code, capfd.readouterr().err  # noqa: PT017
        return capfd.readouterr().out

    return command


@pytest.mark.slow
def test_every_command_takes_any_name(zmumu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ODD
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    for name, value in (("HOME", home), ("ZMUMU_CACHE", home / "cache"), ("COLUMNS", "500")):
        monkeypatch.setenv(name, str(value))
    folder = Path(ODD)
    signal, background, model = folder / f"{ODD}s.lhe.gz", folder / f"{ODD}b.root", folder / f"{ODD}.onnx"
    write_lhe(tmp_path / "s.lhe.gz", toy_lhe_events(1500, 1)).rename(signal)
    write_lhe(tmp_path / "b.lhe", toy_lhe_events(1500, 2, resonance=False)).rename(folder / f"{ODD}b.lhe")
    zmumu("convert", folder / f"{ODD}b.lhe", "-o", background)
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "-c", f"{background.name}.sha256"], cwd=folder, check=True, capture_output=True)
    done = folder / "out"
    for executor in ("iterative", "futures"):
        options = ("--executor", executor, "--reweighting-bins", 5, "-o", done)
        zmumu("process", "--signal", signal, "--background", background, *options)
    run = folder / "run"
    zmumu("train", "pfn", "--data", done, "--members", 1, "--epochs", 1, "-o", run, "--tensorboard")
    assert list((run / "tensorboard").rglob("events.out.*"))
    zmumu("evaluate", run, "--data", done, "-o", folder / "metrics.json")
    zmumu("limit", "--data", done, "-o", folder / "limit.json")
    zmumu("plot", done, "-o", folder / "figures")
    zmumu("export", run, "-o", model)
    zmumu("apply", model, "--input", signal, background, "-o", folder / "scores.root")
    known = ("--trained-on", done, "--rows", "test", "--model", f"net={model}", "--bins", 2, "--systematic", "width")
    zmumu("analyse", "--signal", signal, "--background", background, *known, "-o", folder / "analysis")
    zmumu("export-smearing", "-o", folder / "smearing.json.gz")
    short = ("--trials", 1, "--trial-epochs", 1, "--members", 1, "--epochs", 1, "--executor", "iterative")
    zmumu("scan", "pfn", "--data", done, *short, "-o", folder / "scan")
    assert (folder / "scan" / "scan.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [ODD]


def test_names_are_printed_as_they_are(tmp_path: Path) -> None:
    output = tmp_path / f"{ODD}.json"
    command = [sys.executable, "-c", "from zmumu_hybrid.cli.main import main; main()", "export-smearing", "-o", output]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    said = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
    assert said.startswith(os.fsencode(output) + b": draw")


def test_values_that_begin_with_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-b.root").touch()
    given = ["--signal", "-a.root", "-b.root", "-o", "-out", "--background", "x", "-"]
    expected = ["--signal", "-a.root", "--signal", "-b.root", "-o", "-out", "--background", "x", "--background", "-"]
    assert list(spread_values(given, ["--signal", "--background"], ["--signal", "--background", "-o"])) == expected
