"""What the documentation of the networks says to write does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from learned import toy_columns, write

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"


def test_the_page_of_the_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    write(toy_columns(300), tmp_path / "table")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    exec(blocks[0], names)
    assert names["logits"].shape == (5,)
    torch.testing.assert_close(names["factor"].sum(1), torch.ones(5))
    exec(blocks[1].replace("range(10)", "range(2)"), names)
    assert names["p4"].shape[1:] == (2, 4)
    assert (names["p4"][:, :, 0] > 10).all()
    assert names["loss"] < 0.69
    exec(blocks[2], names)
