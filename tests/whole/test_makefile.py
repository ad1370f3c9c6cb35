from __future__ import annotations

import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def make(folder: Path, *goals: str) -> subprocess.CompletedProcess[str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of `make test`
    command = ["make", "--dry-run", *goals]
    return subprocess.run(command, cwd=folder, env=outside, capture_output=True, text=True, check=False)


def checkout(folder: Path) -> Path:
    """Make a folder with a package, and an environment that has it in place."""
    (folder / "zmumu_hybrid").mkdir(parents=True)
    (folder / "zmumu_hybrid" / "__init__.py").touch()
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).touch()
    venv.create(folder / ".venv", symlinks=True)
    (site,) = (folder / ".venv" / "lib").glob("python3*/site-packages")
    (site / "editable.pth").write_text(f"{folder}\n", encoding="utf-8")
    for name in ("run", "dev", "docs"):
        (folder / ".venv" / f".stamp-{name}").touch()
    return folder


@pytest.mark.parametrize("how", [shutil.copytree, shutil.move])
def test_the_environment_of_another_folder_is_refused(tmp_path: Path, how: object) -> None:
    first, second = checkout(tmp_path / "my code"), tmp_path / "elsewhere"
    assert "pytest" in make(first, "test").stdout
    how(first, second, **({"symlinks": True} if how is shutil.copytree else {}))  # type: ignore[operator]
    for goals in ([], ["test"], ["lint"]):
        refused = make(second, *goals)
        assert refused.returncode != 0
        assert refused.stdout == ""
        (line,) = refused.stderr.splitlines()
        assert f"{second}/.venv runs the code of another folder" in line
        assert "`make clean`" in line
    assert make(second, "clean").returncode == 0
    shutil.rmtree(second / ".venv")
    assert "-m venv .venv" in make(second, "test").stdout
