from __future__ import annotations

import subprocess
import sys

import pytest

import zmumu_hybrid


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_the_public_names() -> None:
    assert dir(zmumu_hybrid) == sorted(zmumu_hybrid.__all__)
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
