from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from learned import toy_columns, write
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.plots import comparisons
from zmumu_hybrid.study.comparisons import add_result, plain_networks
from zmumu_hybrid.study.figures import tabulate_approaches
from zmumu_hybrid.study.results import EnsembleResult, summarise
from zmumu_hybrid.study.scales import SMALL
from zmumu_hybrid.study.specs import STEPS, case, cases, paper
from zmumu_hybrid.study.trainings import train_and_score

LIMIT = {"auc": 0.8, "uncertainty": 0.001, "invariant_ceiling": 0.7, "invariant_ceiling_uncertainty": 0.001}


def test_every_case_is_a_training_of_its_own() -> None:
    every = list(cases())
    assert len({spec.name for spec in every}) == len({spec.key for spec in every}) == len(every)
    for spec in every:
        assert spec.network.model == spec.model  # type: ignore[union-attr]
        assert spec.network.hidden_neurons == preset(spec.model).hidden_neurons  # type: ignore[union-attr]
        assert spec.training.fraction == (SMALL if spec.events == 16_000 else 1)
        assert ("fresh" in spec.approach) == spec.training.resmear
        assert ("boosted" in spec.approach) == (spec.training.copies != "none")
    assert {spec.events for spec in every} == {16_000, 80_000, 1_000_000}
    assert {spec.approach for spec in every if not spec.step} | {"paper"} == set(comparisons.APPROACHES)


def test_every_step_of_the_ablation_changes_something() -> None:
    described = [case("ablation", "hybrid", 1.0, *changes).key for changes in STEPS.values()]
    tuned = case("tuned", "hybrid", 1.0).key
    assert [each == tuned for each in described] == ["(tuned)" in step for step in STEPS]
    assert len(described) == len(set(described))


def test_a_key_is_that_of_what_is_trained() -> None:
    spec = paper("hybrid", SMALL, members=2, seed=1)
    assert spec.key == replace(spec, approach="another word").key
    others = [
        paper("pfn", SMALL, members=2, seed=1),
        paper("hybrid", SMALL, "concatenation-with-pt", members=2, seed=1),
        paper("hybrid", SMALL, members=2, seed=2),
        replace(spec, sample="replica-1"),
    ]
    assert len({spec.key, *(each.key for each in others)}) == 5


def test_a_case_is_trained_and_scored_and_drawn(tmp_path: Path) -> None:
    columns = toy_columns(400)
    for folder in ("study", "evaluation"):
        write(columns, tmp_path / folder)
    (tmp_path / "study" / "process.json").write_text(
        json.dumps({"options": {"smearing": "independent", "hold": "pz", "width": 0.1, "seed": 0}})
    )
    (tmp_path / "limit.json").write_text(json.dumps(LIMIT))
    small = {"particle_map": (8,), "invariant_map": (8,), "gate": (8,), "classifier": (16,)}
    training = {"copies": "boosted-truth", "epochs": 1, "batch_size": 32}
    spec = case("paper boosted truth", "hybrid", 1.0, small, training, members=2)
    result = train_and_score(spec, tmp_path, tmp_path, threads=1)
    assert (result.epochs, len(result.auc), result.events) == (1, 2, 80_000)
    assert result.headroom == pytest.approx([(auc - 0.7) / 0.1 for auc in result.auc])
    assert (tmp_path / "approaches" / "paper-boosted-truth-hybrid-80000" / "members.safetensors").is_file()
    step = replace(result, approach="ablation", step="+ balanced pair")
    drawn = tabulate_approaches([result, step], LIMIT)
    assert set(drawn["hybrid"]) == {"paper boosted truth"}
    assert not drawn["pfn"]
    table = drawn["hybrid"]["paper boosted truth"]
    np.testing.assert_allclose(table["auc"], result.auc)
    assert table["events"].tolist() == [80_000, 80_000]
    compared: dict[str, object] = {}
    for each in (result, step):
        add_result(compared, each)
    share = summarise(result.headroom)
    assert compared["headroom"] == {"paper boosted truth": {"hybrid": {"80000": share}}}
    assert compared["ablation"] == {"+ balanced pair": {"80000": share}}
    assert set(compared["runs"]) == {  # type: ignore[call-overload]
        "paper-boosted-truth-hybrid-80000",
        "ablation-+-balanced-pair-hybrid-80000",
    }


def test_spread_needs_two_members() -> None:
    assert summarise([0.5]) == {"mean": 0.5, "std": None}
    assert summarise([0.4, 0.6]) == {"mean": 0.5, "std": pytest.approx(0.1414)}


def test_the_networks_that_are_compared_have_the_papers_pooling() -> None:
    named = [("pfn", "weighted-sum"), ("hybrid", "concatenation-with-pt"), ("enlarged", "weighted-sum")]
    results = [EnsembleResult("paper", model, SMALL, [0.75], pooling) for model, pooling in named]
    assert [each.model for each in plain_networks(results)] == ["pfn"]
