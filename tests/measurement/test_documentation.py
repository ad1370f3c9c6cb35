"""What the pages on the analysis say to write does what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from commands import done
from measurement.samples import event_files
from toys import toy_events

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_analysis_from_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyhf")
    for name, (path,) in event_files(tmp_path, 300).items():
        path.rename(tmp_path / f"{name}.root")
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("analysis.md")
    exec(code, {})
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["mass-cut", "mass"]


def test_systematics_in_a_processor_and_in_a_payload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("torch")
    from deploy.models import blind_model

    (tmp_path / "hybrid.onnx").write_bytes(blind_model().data)
    monkeypatch.chdir(tmp_path)
    processor, payload = blocks("systematics.md")
    names: dict[str, Any] = {}
    exec(processor, names)
    found = names["Scores"]().process(toy_events(50))["scores"]
    assert list(found.axes["systematic"]) == ["nominal", "widthUp", "widthDown", "off"]
    assert (found.sum(flow=True), found[{"systematic": "off"}].sum(flow=True)) == (200, 50)
    command = "export-smearing --output smearing.json.gz --dataset signal background --seed 1"
    done(*command.split())
    exec(payload, names)
    assert names["pt"] == pytest.approx(35 * (1 + 0.11 * names["z"]))
