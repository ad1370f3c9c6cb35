from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toys import toy_momenta
from zmumu_hybrid.cli.main import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea.*")
def test_the_integration_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    from deploy.models import blind_model

    code, _ = BLOCKS
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    (tmp_path / "hybrid.onnx").write_bytes(blind_model().data)
    shutil.copyfile(ROOT / "tests" / "data" / "nano_dy.root", tmp_path / "nano.root")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    result = names["result"]
    filled = result["out"] if isinstance(result, dict) and "out" in result else result
    (histogram,) = filled.values() if isinstance(filled, dict) else (filled,)
    assert 0 < histogram.sum(flow=True).value < 40


def test_the_loop_of_one_s_own_runs() -> None:
    torch = pytest.importorskip("torch")
    p4 = torch.from_numpy(np.stack([with_energy(muon) for muon in toy_momenta(64)], 1)).float()
    names: dict[str, Any] = {"loader": [(p4, torch.arange(64.0) % 2)] * 3}
    exec(compile(BLOCKS[1], "README.md", "exec"), names)
    assert 0 < names["loss"].item() < 2


def with_energy(muon: np.ndarray) -> np.ndarray:
    """Return px, py, pz, mass as E, px, py, pz."""
    return np.concatenate([np.sqrt((muon**2).sum(1, keepdims=True)), muon[:, :3]], 1)


def test_every_command_is_known() -> None:
    known = {command.name for command in app.registered_commands}
    used = set(re.findall(r"\bzmumu ([a-z][a-z-]*)\b", README))
    assert used <= known, used - known


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
