from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from learned import toy_columns, write
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.plots import comparisons
from zmumu_hybrid.study.approaches import (
    LARGE,
    LARGEST,
    SMALL,
    STEPS,
    Case,
    cases,
    of_the_paper,
    reach,
    summarise,
    tables,
)
from zmumu_hybrid.study.journal import Record

LIMIT = {"auc": 0.8, "invariant_ceiling": 0.7}


def test_every_case_is_a_training_of_its_own() -> None:
    every = list(cases())
    assert len({case.name for case in every}) == len(every)
    for case in every:
        model, training = case.describe()
        assert model.model == case.model
        assert model.hidden_neurons == preset(case.model).hidden_neurons
        assert training.fraction == (0.2 if case.events == SMALL else 1)
        assert ("fresh" in case.approach) == training.resmear
        assert ("boosted" in case.approach) == (training.copies != "none")
    assert {case.events for case in every} == {SMALL, LARGE, LARGEST}
    assert {case.approach for case in every if not case.approach.startswith("ablation")} | {"paper"} == set(
        comparisons.APPROACHES
    )


def test_every_step_of_the_ablation_changes_something() -> None:
    described = [Case("ablation", "hybrid", LARGE, *changes).describe() for changes in STEPS.values()]
    tuned = Case("tuned", "hybrid", LARGE).describe()
    assert [each == tuned for each in described] == ["(tuned)" in step for step in STEPS]
    assert len(described) == len({repr(each) for each in described})


def test_a_case_is_trained_whenever_it_is_asked_for_and_drawn(tmp_path: Path) -> None:
    columns = toy_columns(400)
    for folder in ("study", "evaluation"):
        write(columns, tmp_path / folder)
    (tmp_path / "study" / "process.json").write_text(
        json.dumps({"options": {"smearing": "independent", "hold": "pz", "width": 0.1, "seed": 0}})
    )
    (tmp_path / "limit.json").write_text(json.dumps(LIMIT))
    small = {"particle_map": (8,), "invariant_map": (8,), "gate": (8,), "classifier": (16,)}
    case = Case("paper boosted truth", "hybrid", SMALL, small, {"copies": "boosted-truth", "fraction": 1.0}, members=2)
    case = replace(case, training={**case.training, "epochs": 1, "batch_size": 32})
    found = reach(case, tmp_path, tmp_path / "runs", threads=1)
    assert (found["epochs"], len(found["auc"])) == (1, 2)
    assert found["headroom"] == pytest.approx([(auc - 0.7) / 0.1 for auc in found["auc"]])
    drawn = tables({"runs": {case.name: found, "ablation-x-hybrid-16000": found}}, ["hybrid", "pfn"], LIMIT)
    assert set(drawn["hybrid"]) == {"paper boosted truth"}
    assert not drawn["pfn"]
    table = drawn["hybrid"]["paper boosted truth"]
    np.testing.assert_allclose(table["auc"], found["auc"])
    assert table["events"].tolist() == [SMALL, SMALL]


def test_spread_needs_two_members() -> None:
    assert summarise([0.5]) == {"mean": 0.5, "std": None}
    assert summarise([0.4, 0.6]) == {"mean": 0.5, "std": pytest.approx(0.1414)}


def test_the_papers_networks_are_those_of_the_study(tmp_path: Path) -> None:
    records = {}
    for name in ("small-pfn", "fraction-0.3-hybrid", "small-hybrid-concatenation-with-pt", "large-enlarged"):
        records |= {
            f"score-{name}": Record("", 1.0, {}, {"auc": [0.75, 0.8]}),
            f"train-{name}": Record("", 7.0, {}, {}),
        }
    found = list(of_the_paper(records, LIMIT))
    assert [(model, events) for model, events, _ in found] == [("hybrid", 24_000), ("pfn", SMALL)]
    assert found[0][2]["headroom"] == pytest.approx([0.5, 1.0])
    assert found[0][2]["seconds"] == 7
