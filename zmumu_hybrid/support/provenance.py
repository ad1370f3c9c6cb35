"""What made a result: versions of the software and the revision of its source."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

__all__ = ["git_revision", "versions"]

_STACK = ("awkward", "coffea", "hist", "numpy", "pyarrow", "scipy", "uproot", "vector")


def versions(packages: Iterable[str] = _STACK) -> dict[str, str]:
    """Return the versions of Python, of this package and of `packages`, by name; those not installed are left out."""
    found = {"python": platform.python_version()}
    for name in ("zmumu-hybrid", *packages):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_revision() -> str | None:
    """Return the commit of the source tree that this package runs from, with "-dirty" if changed; None if none."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
