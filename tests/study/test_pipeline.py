from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from learned import same_weights, toy_columns, write
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.execution.tasks import TaskPool
from zmumu_hybrid.execution.workers import Workers
from zmumu_hybrid.study import pipeline
from zmumu_hybrid.study.conditions import OPTIONS, replicas
from zmumu_hybrid.study.journal import Journal
from zmumu_hybrid.study.pipeline import Study, reproduce
from zmumu_hybrid.study.results import EnsembleResult
from zmumu_hybrid.study.scales import SCALES, Scale
from zmumu_hybrid.study.specs import EnsembleSpec, case, paper
from zmumu_hybrid.study.summary import peak

pytest.importorskip("pythia8mc")
pytest.importorskip("lgatr")
pytest.importorskip("pelican")
SCHEMAS = json.loads((Path(pipeline.__file__).parent / "schemas.json").read_text())
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
    for name in ("summary.json", "optimal.json", "worth.json", "rivals.json"):
        jsonschema.validate(json.loads((tmp_path / name).read_text()), SCHEMAS | {"$ref": f"#/$defs/{name}"})
    assert len(summary["origins"]) == 1
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


LIMIT = {"auc": 0.99, "uncertainty": 0.01, "invariant_ceiling": 0.5, "invariant_ceiling_uncertainty": 0.01}


def prepared(root: Path, said: list[str] | None = None) -> Journal:
    """Return the journal of a study whose tables are toys."""
    said = [] if said is None else said
    journal = Journal(root, lambda name, state, _seconds: said.append(f"{name} {state}"))
    for sample in ("study", "evaluation"):

        def process(folder: Path = root / sample, seed: int = len(sample)) -> dict[str, object]:
            write(toy_columns(1000, seed=seed), folder)
            return {}

        journal.do(f"process-{sample}", process, settings={}, outputs=[f"{sample}/candidates.parquet"])

    def limit() -> dict[str, object]:
        (root / "limit.json").write_text(json.dumps(LIMIT))
        return dict(LIMIT)

    journal.do("limit", limit, settings={}, outputs=["limit.json"])
    return journal


def trained(
    root: Path, trainers: Workers, chosen: list[EnsembleSpec], said: list[str] | None = None
) -> dict[str, EnsembleResult]:
    """Train and score ensembles on toy tables and compare them; return the results by the name of the run."""
    journal = prepared(root, said)
    study = Study(replace(TINY, conditions=(), widths=()), root, seed=3, workers=1)
    with TaskPool(trainers, root) as pool:
        results = [*pipeline.train_all(study, chosen, journal, pool).values()]
    if any(each.step for each in results):
        pipeline.compare_all(study, results, {"paper": LIMIT}, journal)
    return {each.name: replace(each, seconds=0.0, member_seconds=0.0) for each in results}


def test_workers_train_the_same_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [paper("invariant", 0.5, members=2, epochs=1, seed=3), paper("hybrid", 1.0, members=2, epochs=1, seed=3)]
    here = trained(tmp_path / "here", Workers(), chosen)
    monkeypatch.chdir(tmp_path)
    there = trained(Path("there"), Workers("futures", 1), chosen)  # a worker must not need this process's folder
    assert here == there
    assert list(here) == ["fraction-0.5-invariant", "large-hybrid"]
    for name in here:
        same_weights(tmp_path / "here" / "runs" / name, tmp_path / "there" / "runs" / name)


def test_a_training_that_fails_on_a_worker_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^train-fraction-0.01-pfn: .* too few for a batch of 128"):
        trained(tmp_path, Workers("futures", 1), [paper("pfn", 0.01, members=1, epochs=1)])


def steps(rate: float) -> list[EnsembleSpec]:
    """Return an ablation of minute trainings, one of whose steps has a learning rate."""
    small = {"particle_map": (8,), "invariant_map": (8,), "gate": (8,), "classifier": (8,)}
    chosen = [paper(model, 1.0, members=1, epochs=1) for model in ("hybrid", "pfn", "invariant")]
    for step, each in {"+ first": 1e-3, "+ second": rate, "+ third": 2e-3}.items():
        training = {"learning_rate": each, "epochs": 1, "batch_size": 64}
        chosen.append(case("ablation", "hybrid", 1.0, small, training, members=1, step=step))
    return chosen


FIRST, SECOND, THIRD = (f"ablation-+-{word}-hybrid-80000" for word in ("first", "second", "third"))


def test_a_changed_step_of_the_ablation_alone_gets_a_new_number(tmp_path: Path) -> None:
    before = trained(tmp_path, Workers(), steps(1e-2))
    said: list[str] = []
    after = trained(tmp_path, Workers(), steps(3e-2), said)
    assert after[SECOND].auc != before[SECOND].auc
    assert [after[name] for name in (FIRST, THIRD)] == [before[name] for name in (FIRST, THIRD)]
    assert {line for line in said if line.endswith("done")} == {f"train-{SECOND} done", "approaches done"}
    written = json.loads((tmp_path / "optimal.json").read_text())
    assert written["runs"][SECOND]["auc"] == after[SECOND].auc
    assert after[SECOND] == trained(tmp_path / "anew", Workers(), steps(3e-2))[SECOND]
    jsonschema.validate(written, SCHEMAS | {"$ref": "#/$defs/optimal.json"})


@pytest.mark.parametrize(
    ("output", "stage"),
    [
        (f"approaches/{SECOND}/members.safetensors", f"train-{SECOND}"),
        (f"approaches/{FIRST}/metrics.parquet", f"train-{FIRST}"),
        ("optimal.json", "approaches"),
        ("figures/headrooms.png", "approaches"),
        ("limit.json", "limit"),
        ("study/candidates.parquet", "process-study"),
    ],
)
def test_a_deleted_output_alone_is_made_again(study_of_steps: Path, output: str, stage: str) -> None:
    root = study_of_steps
    numbers = json.loads((root / "optimal.json").read_text())["ablation"]
    path = root / output
    content = path.read_bytes()
    path.unlink()
    said: list[str] = []
    trained(root, Workers(), steps(1e-2), said)
    assert {line for line in said if not line.endswith("skip")} == {f"{stage} start", f"{stage} done"}
    assert json.loads((root / "optimal.json").read_text())["ablation"] == numbers
    assert path.is_file()
    if output.endswith((".safetensors", ".json")) and stage != "approaches":
        assert path.read_bytes() == content


@pytest.fixture(scope="module")
def study_of_steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("steps")
    trained(root, Workers(), steps(1e-2))
    return root


def test_a_study_says_what_its_stages_were_done_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = prepared(tmp_path)
    assert [each["stages"] for each in journal.origins()] == [["process-study", "process-evaluation", "limit"]]
    (tmp_path / "limit.json").unlink()
    monkeypatch.setattr("zmumu_hybrid.support.provenance.git_revision", lambda: "another")
    assert [(each["git_revision"] == "another", each["stages"]) for each in prepared(tmp_path).origins()] == [
        (False, ["process-study", "process-evaluation"]),
        (True, ["limit"]),
    ]


def test_a_plan_has_each_ensemble_once(tmp_path: Path) -> None:
    chosen = pipeline.plan(Study(SCALES["full"], tmp_path, seed=1, workers=1), rivals=True)
    folders = [(spec.sample, spec.run) for spec in chosen]
    assert len(folders) == len(set(folders))
    assert {spec.approach for spec in chosen} == {
        *("paper", "tuned", "tuned fresh", "ablation", "paper fresh", "rival"),
        *("paper boosted truth", "paper boosted measurement"),
    }
    assert not any(spec.sample == "largest" for spec in chosen)
