"""The hybrid in Lightning, in a small form."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from learned import toy_columns, write

pytest.importorskip("pytorch_lightning")
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers and the like
def test_the_hybrid_learns_in_lightning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.chdir(tmp_path)
    import lightning_loop

    auc = lightning_loop.run(write(toy_columns(1500), tmp_path / "table"), 3)
    del sys.modules["lightning_loop"]
    assert auc > 0.75
