from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apply.models import HYBRID, SETS, ensemble_of, muon_pairs
from learned import toy_columns, write
from zmumu_hybrid.apply import Discriminant, export, exporting
from zmumu_hybrid.apply.exporting import TOLERANCE, to_model
from zmumu_hybrid.apply.graph import inputs_of, outputs_of
from zmumu_hybrid.errors import InputError, ModelError
from zmumu_hybrid.learn import ranges, train
from zmumu_hybrid.learn.configuration import POOLINGS, ModelConfig, TrainingConfig
from zmumu_hybrid.learn.ensemble import Ensemble
from zmumu_hybrid.learn.presets import PRESETS

OLD_RUN = Path(__file__).parents[1] / "data" / "run-format-1"

CONFIGS = {
    **{f"hybrid {pooling}": replace(HYBRID, pooling=pooling) for pooling in POOLINGS},
    **{f"{preset} {model}": config for preset, models in PRESETS.items() for model, config in models.items()},
    "no normalisation": replace(HYBRID, normalisation="none"),
    "no hidden layer": ModelConfig("hybrid", latent=3),
    "sets": SETS,
    "sets pfn": replace(SETS, model="pfn"),
    "sets invariant": replace(SETS, model="invariant", classes=1),
    "sets without hidden layers": replace(SETS, pair_map=(), particle_map=(), labels=0),
    "sets without mask": replace(SETS, masked=False, invariants=(), pooling="weighted-concatenation"),
    "masked norm over particles": replace(SETS, particle_norm="particle"),
    "unequal latents": replace(SETS, pooling="concatenation-with-weight", symmetric_latent=6, pair_latent=3),
    "contexts": replace(HYBRID, context=4, context_variables=("pt(0-1)", "pz(all)", "energy(1)", "eta(all)")),
    "given contexts": replace(HYBRID, context=3),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_model_does_what_torch_does(name: str) -> None:
    """`to_model` compares them itself and refuses to go on; here with other events."""
    config = CONFIGS[name]
    ensemble = ensemble_of(config, 2, {"task": "particles"})
    model = to_model(ensemble)
    assert model.card.check["score"] < TOLERANCE
    rng = np.random.default_rng(7)
    p = rng.normal(0, 30, (50, config.particles, 3))
    given = {"p4": np.concatenate([np.sqrt((p**2).sum(-1, keepdims=True) + 0.01), p], -1)}
    if config.masked:
        given["mask"] = np.arange(config.particles) < rng.integers(1, config.particles + 1, (50, 1))
        given["p4"][~given["mask"]] = np.nan
    if config.labels:
        given["labels"] = rng.normal(size=(50, config.particles, config.labels))
    if "context" in inputs_of(config):
        given["context"] = rng.uniform(0, 90, (50, config.context))
    found = Discriminant(model).evaluate(**given)
    expected = ensemble.scores(**given).astype(np.float64)
    np.testing.assert_allclose(found.score, expected.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.score_std, expected.std(0, ddof=1), atol=1e-5)
    assert np.isnan(found.general_weight).all() != config.has_gate
    assert set(outputs_of(config, 2)) >= {"logits", "scores"}


def test_the_symmetry_factor_is_that_of_torch() -> None:
    ensemble = ensemble_of(HYBRID)
    p4 = muon_pairs(40)
    found = Discriminant(to_model(ensemble)).evaluate(p4).general_weight
    expected = ensemble.general_weight(np.hypot(p4[:, 0, 1], p4[:, 0, 2])).mean(0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_model_that_differs_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble = ensemble_of(HYBRID)
    right = Ensemble.scores
    monkeypatch.setattr(Ensemble, "scores", lambda *given, **more: right(*given, **more) + 2e-5)
    with pytest.raises(ModelError, match="the exported model's score differs from that of torch by 2e-05: not written"):
        to_model(ensemble)


def test_no_more_is_asked_than_single_precision_can_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "TOLERANCE", 0.0)
    check = to_model(ensemble_of(HYBRID)).card.check
    assert 0 < check["score"] < 1e-6


def test_the_card_of_a_run_travels_with_its_model(tmp_path: Path) -> None:
    data = write(toy_columns(400), tmp_path / "data")
    training = TrainingConfig(members=2, epochs=2, batch_size=64)
    train(HYBRID, data, tmp_path / "run", training, threads=1)
    model, beside = export(tmp_path / "run", tmp_path / "model.onnx")
    assert beside == tmp_path / "model.card.json"
    card = Discriminant.load(model).card
    assert card.to_json() + "\n" == beside.read_text()
    assert card.model == HYBRID
    assert card.preset is None
    assert card.data["sha256"] == json.loads((tmp_path / "run" / "config.json").read_text())["data"]["sha256"]
    assert card.training["epochs"] == card.metrics["epochs"] == 2
    assert 0 < card.metrics["auc"]["mean"] < 1
    assert len(card.metrics["auc"]["members"]) == 2
    assert {"torch", "onnx", "zmumu-hybrid"} <= set(card.versions)
    columns = toy_columns(400)
    pt = columns["pt_0"][~columns["is_test"]]
    assert (card.limits["pt(0)"]["low"], card.limits["pt(0)"]["high"]) == pytest.approx((pt.min(), pt.max()))
    assert card.limits["pt(0)"]["quantiles"]["0.5"] == pytest.approx(np.median(pt))
    assert set(card.limits) == {"m2(all)", "dot(0,1)", "pt(0)", "pt", "eta", "energy"}
    # A run of before the ranges were kept gets them from its data, and from no other.
    (tmp_path / "run" / "ranges.json").unlink()
    assert Discriminant.load(tmp_path / "run").card.limits == {}
    export(tmp_path / "run", tmp_path / "again.onnx", data)
    assert Discriminant.load(tmp_path / "again.onnx").card.limits == card.limits
    other = write(toy_columns(50, 2), tmp_path / "other")
    with pytest.raises(InputError, match=r"candidates.parquet: is not what the run was trained on"):
        export(tmp_path / "run", tmp_path / "no.onnx", other)
    assert not (tmp_path / "no.onnx").exists()


def test_a_run_of_an_older_version_is_exported(tmp_path: Path) -> None:
    export(OLD_RUN, tmp_path / "old.onnx")
    expected = json.loads((OLD_RUN / "expected.json").read_text())
    p4 = np.array(expected["p4"])
    score = Discriminant.load(tmp_path / "old.onnx").evaluate(p4).score
    np.testing.assert_allclose(score, (1 / (1 + np.exp(-np.array(expected["logits"])))).mean(0), atol=1e-5)


def test_the_presets_are_known_by_name() -> None:
    from zmumu_hybrid.apply.card import preset_of

    assert preset_of(PRESETS["paper"]["pfn"]) == "paper"
    assert preset_of(PRESETS["enlarged"]["hybrid"]) == "enlarged"
    assert preset_of(HYBRID) is None


def test_ranges_count_what_is_outside() -> None:
    limits = ranges.describe(ranges.observables(HYBRID, muon_pairs(1000, 1)))
    assert ranges.warnings_of(limits, ranges.compare(limits, ranges.observables(HYBRID, muon_pairs(1000, 1)))) == []
    p4 = muon_pairs(100, 2)
    p4[:7] *= 100
    counts = ranges.compare(limits, ranges.observables(HYBRID, p4))
    assert counts["pt(0)"]["above"] == 7
    said = ranges.warnings_of(limits, counts)
    assert any(line.startswith("pt(0): 7 of 100 values (7.00%) are outside the range of the training") for line in said)
