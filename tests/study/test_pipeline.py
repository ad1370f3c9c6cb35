from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from learned import same_weights, toy_columns, write
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.execution.tasks import Crew
from zmumu_hybrid.execution.workers import Workers
from zmumu_hybrid.study import pipeline
from zmumu_hybrid.study.conditions import OPTIONS, replicas
from zmumu_hybrid.study.journal import Journal
from zmumu_hybrid.study.pipeline import Branch, Study, reproduce
from zmumu_hybrid.study.scales import Scale
from zmumu_hybrid.study.summary import peak
from zmumu_hybrid.study.trainings import Training

pytest.importorskip("pythia8mc")
pytest.importorskip("lgatr")
pytest.importorskip("pelican")
TINY = Scale(
    "quick",
    2500,
    2500,
    members=2,
    epochs=1,
    fractions=(),
    conditions=(*replicas(1, members=1), OPTIONS[-1]),
    widths=(0.3,),
)


@pytest.mark.slow
def test_a_study_ends_with_a_report_and_is_not_repeated(tmp_path: Path) -> None:
    said: list[str] = []
    study = Study(TINY, tmp_path, seed=3, workers=1)
    report = reproduce(study, lambda name, state, _seconds: said.append(f"{name} {state}"), rivals=True)
    assert not any(line.endswith("skip") for line in said)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary["auc"]) == {"small", "large"}
    for dataset in summary["auc"].values():
        assert {"hybrid", "pfn", "invariant"} <= set(dataset)
        for entry in dataset.values():
            assert {"mean", "std", "members"} <= set(entry)
            assert np.mean(entry["members"]) == pytest.approx(entry["mean"])
    assert set(summary["figures"]) == set("12345678")
    for figure in summary["figures"].values():
        assert (tmp_path / figure["png"]).read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / figure["pdf"]).read_bytes().startswith(b"%PDF")
    assert [len(entry["sha256"]) for entry in summary["inputs"]] == [64] * 6
    assert len({entry["sha256"] for entry in summary["inputs"]}) == 6
    assert summary["mass"]["peak"] == pytest.approx(91.2, abs=0.3)
    width = summary["mass"]["width"]
    assert width["above40"]["smeared"] > 1.3 * width["below30"]["smeared"]
    assert summary["limit"]["invariant_ceiling"] < summary["limit"]["auc"]
    assert set(summary["conditions"]) == {"replica-1", "as-released"}
    assert summary["conditions"]["as-released"]["limit"]["auc"] < summary["limit"]["auc"]
    optimal = json.loads((tmp_path / "optimal.json").read_text())
    assert set(optimal["headroom"]) == {"paper", "tuned", "tuned fresh"}
    assert len(optimal["runs"]["tuned-fresh-hybrid-16000"]["auc"]) == 2
    assert (tmp_path / "figures" / "approaches.png").read_bytes().startswith(b"\x89PNG")
    assert {len(claim["data_sets"]) for claim in summary["claims"]} == {2}
    page = (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert all(claim["text"] in page for claim in summary["claims"])
    text = report.read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 12
    table = summary["rivals"]["table"]
    assert {"lgatr", "pelican", "residual-pathway", "trees", "paper hybrid", "tuned hybrid"} <= set(table)
    assert all(entry["parameters"] > 100 and entry["events_per_second"] > 100 for entry in table.values())
    assert "Gradient-boosted trees" in text
    worth = summary["worth"]
    assert {model: list(shares) for model, shares in worth["widths"]["paper"].items()} == {
        model: ["0.1", "0.3"] for model in ("hybrid", "pfn", "invariant")
    }
    assert worth["limits"]["0.1"]["auc"] == summary["limit"]["auc"] > worth["limits"]["0.3"]["auc"]
    assert len(worth["symmetry"]["small"]["weight"]) == 2
    assert summary["approaches"]["headroom"] == optimal["headroom"]
    said.clear()
    reproduce(study, lambda name, state, _seconds: said.append(f"{name} {state}"), rivals=True)
    assert said
    assert all(line.endswith("skip") for line in said)
    assert json.loads((tmp_path / "summary.json").read_text())["approaches"] == summary["approaches"]


@pytest.mark.parametrize(
    ("seed", "workers", "message"), [(-1, 1, "seed must be an integer from 0"), (1, 0, "workers must be")]
)
def test_bad_options_are_refused(tmp_path: Path, seed: int, workers: int, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Study(TINY, tmp_path, seed, workers)


def test_the_peak_of_a_sample() -> None:
    rng = np.random.default_rng(0)
    assert peak(rng.normal(91.2, 2.0, 20_000)) == pytest.approx(91.2, abs=0.15)
    assert peak(np.concatenate([rng.normal(91.2, 1.0, 20_000), rng.uniform(50, 200, 5_000)])) == pytest.approx(
        91.2, abs=0.15
    )


def trained(root: Path, trainers: Workers) -> dict[str, dict[str, object]]:
    """Train and score two ensembles on a table that is there already; return the scores by the name of the run."""
    journal = Journal(root)
    for sample in ("study", "evaluation"):
        table = f"{sample}/candidates.parquet"

        def process(folder: Path = root / sample, seed: int = len(sample)) -> dict[str, object]:
            write(toy_columns(1000, seed=seed), folder)
            return {}

        journal.do(f"process-{sample}", process, settings={}, outputs=[table])
    branch = Branch(Study(TINY, root, seed=3, workers=1))
    with Crew(trainers, root) as crew:
        return {run.name: dict(score) for run, score in pipeline.train_and_score(branch, journal, crew).items()}


def test_workers_train_the_same_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "plan", lambda *_: [Training("hybrid", 1.0), Training("invariant", 0.5)])
    here = trained(tmp_path / "here", Workers())
    monkeypatch.chdir(tmp_path)
    there = trained(Path("there"), Workers("futures", 1))  # a worker must not need this process's folder
    assert here == there
    for name in here:
        same_weights(tmp_path / "here" / "runs" / name, tmp_path / "there" / "runs" / name)


def test_a_training_that_fails_on_a_worker_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "plan", lambda *_: [Training("pfn", 0.01)])
    with pytest.raises(InputError, match=r"^train-fraction-0.01-pfn: .* too few for a batch of 128"):
        trained(tmp_path, Workers("futures", 1))
