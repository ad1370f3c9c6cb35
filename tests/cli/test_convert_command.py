from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lhe_samples import REAL
from zmumu_hybrid.cli import main as entry


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["zmumu", *map(str, arguments)])
    with pytest.raises(SystemExit) as ending:
        entry.main()
    return int(ending.value.code or 0)


def test_converts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    output = tmp_path / "out.root"
    assert run(monkeypatch, "convert", REAL[0], REAL[2], "--output", output) == 0
    assert output.exists()
    said = capsys.readouterr()
    assert said.out.startswith(f"{output}: 175 events with 204 muons from 2 files; ")
    assert said.err == ""


def test_bad_input_is_one_line_and_status_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.lhe.gz"
    bad.write_bytes(REAL[0].read_bytes()[:-9])
    assert run(monkeypatch, "convert", bad, "--output", tmp_path / "out.root") == 1
    said = capsys.readouterr()
    assert said.out == ""
    what = "line 1736: the gz data end too early, after event 150: the file is truncated, copy it again"
    assert said.err == f"zmumu: error: {bad}: {what}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["bad.lhe.gz"]


def test_a_pipe_can_be_given(tmp_path: Path) -> None:
    output = tmp_path / "out.root"
    code = "from zmumu_hybrid.cli.main import main; main()"
    command = [sys.executable, "-c", code, "convert", "-", "--output", str(output)]
    done = subprocess.run(command, input=REAL[2].read_bytes(), capture_output=True, check=True)
    assert b"25 events with 50 muons from 1 file;" in done.stdout
    assert done.stderr == b""
