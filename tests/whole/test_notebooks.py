from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("pythia8mc")
pytest.importorskip("pyhf")
NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))
SMALLER = {"20_000": "2_000", "10_000, ": "2_000, ", "epochs=6": "epochs=1"}
"""What a notebook does in minutes is tried in seconds."""


def kinds(outputs: list[Any]) -> list[str]:
    """The types of a cell's outputs; what is printed in pieces counts once, as the kernel cuts it by the clock."""
    return [kind for kind, _ in itertools.groupby(output.output_type for output in outputs)]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_says_what_is_stored_in_it(path: Path, tmp_path: Path) -> None:
    stored = nbformat.read(path, 4)
    fresh = nbformat.read(path, 4)
    for cell, (large, small) in itertools.product(fresh.cells, SMALLER.items()):
        cell.source = cell.source.replace(large, small)
    nbclient.NotebookClient(
        fresh,
        timeout=None,
        startup_timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    for before, after in zip(stored.cells, fresh.cells, strict=True):
        if before.cell_type != "code":
            continue
        assert kinds(after.outputs) == kinds(before.outputs), before.source
        assert not any(output.get("name") == "stderr" for output in after.outputs), after.outputs
