"""What the documentation says to write does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import awkward as ak
import pytest

from deploy.models import muon_model
from toys import toy_events
from zmumu_hybrid.deploy.model_file import write_model

DOCS = Path(__file__).parents[2] / "docs"


def code(page: str) -> str:
    """Return the first block of Python on a page."""
    found = re.search(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_a_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(muon_model(), tmp_path / "hybrid.onnx")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code("applying.md"), names)
    events = toy_events(50, 1)
    events = ak.concatenate([events, ak.with_field(events, events.Muon[:, :1], "Muon")])
    assert names["Analysis"]().process(events).sum() == 50


def test_a_general_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code("general.md"), names)
    assert (tmp_path / "run" / "members.safetensors").exists()
    assert names["ensemble"].config.classes == 3
