from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from zmumu_hybrid.lhe import read_init, read_lhe

pytest.importorskip("pythia8mc")


def zmumu(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from zmumu_hybrid.cli.main import main; main()", "generate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_asked_for_is_generated(tmp_path: Path) -> None:
    path = tmp_path / "new" / "signal.lhe.gz"
    options = ("--workers", "2", "--min-pt", "20", "--max-abs-eta", "1.5", "--min-mass", "80", "--ecm", "14000")
    result = zmumu("signal", "--events", "321", "--seed", "7", "--output", path, *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(
        re.escape(str(path)) + r": 321 signal events, [\d.]+ ± [\d.]+ pb inside the cuts; "
        r"[\d.]+ s, [\d,]+ events/s; sha256 [0-9a-f]{16}\n",
        result.stdout,
    )
    assert len(read_lhe(path)) == 321
    header = read_init(path).header
    assert "pT > 20.0 GeV and abs(eta) < 1.5" in header
    assert "mass > 80.0 GeV" in header
    assert "ecm = 14000.0 GeV" in header


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("signal", "--events", "0", "--output", "x.lhe"), "events must be an integer of at least 1, not 0"),
        (("signal", "--events", "1", "--output", "x.txt"), "must end in .lhe, or in .lhe.gz"),
        (("signal", "--events", "1", "--output", "/proc/x/y.lhe"), "/proc/x: cannot make this directory"),
        (("background", "--events", "1", "--output", "x.lhe", "--min-mass", "2e4"), "no event can pass"),
    ],
)
def test_bad_options_end_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = zmumu(*arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("zmumu: error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
