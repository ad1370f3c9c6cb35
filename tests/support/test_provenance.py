from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import zmumu_hybrid
from zmumu_hybrid.support import provenance


def test_versions_name_python_the_package_and_the_stack() -> None:
    found = provenance.versions()
    assert {"python", "zmumu-hybrid", "coffea", "uproot"} <= set(found)
    assert provenance.versions(["no-such-package"]).keys() == {"python", "zmumu-hybrid"}


def repository(folder: Path) -> str:
    module = folder / "zmumu_hybrid" / "support" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=n", "-c", "user.email=e@x", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return str(module)


def test_revision_of_a_checkout_and_of_a_changed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = repository(tmp_path)
    monkeypatch.setattr(provenance, "__file__", module)
    revision = provenance.git_revision()
    assert revision is not None
    assert len(revision) == 40
    Path(module).write_text("changed")
    assert provenance.git_revision() == f"{revision}-dirty"


def test_the_revision_is_that_of_the_source_of_this_package() -> None:
    root = Path(zmumu_hybrid.__file__).parents[1]
    if not (root / ".git").exists():
        pytest.skip("not in a checkout")
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    head = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert (provenance.git_revision() or "").startswith(head)


def test_no_revision_outside_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "zmumu_hybrid" / "support" / "provenance.py"))
    assert provenance.git_revision() is None
    (tmp_path / ".git").mkdir()
    assert provenance.git_revision() is None
