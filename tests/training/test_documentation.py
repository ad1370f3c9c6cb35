"""What the documentation of training says to write does what it says."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learned import toy_columns, write

ROOT = Path(__file__).parents[2]


@pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea.*")
def test_a_network_of_ones_own_from_training_to_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "own_network.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 4
    write(toy_columns(400), tmp_path / "table")
    shutil.copyfile(ROOT / "tests" / "data" / "nano_dy.root", tmp_path / "events.root")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        exec(block, names)
    assert 0.5 < names["found"]["mean_score"]["auc"] < 1
    scores = np.array(names["scores"])
    assert len(scores) > 0
    assert ((scores > 0) & (scores < 1)).all()
    del sys.modules["own_hybrid"]
