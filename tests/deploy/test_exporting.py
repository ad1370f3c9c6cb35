from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deploy.models import HYBRID, SETS, ensemble_of, muon_pairs
from learned import toy_columns, write
from zmumu_hybrid.deploy import Discriminant, export
from zmumu_hybrid.deploy import onnx_export as exporting
from zmumu_hybrid.deploy.onnx_export import TOLERANCE, to_model
from zmumu_hybrid.errors import InputError, ModelError
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.nets import ranges
from zmumu_hybrid.nets.config import Invariants, NetworkConfig, PFNConfig
from zmumu_hybrid.nets.presets import PRESETS
from zmumu_hybrid.training import TrainingConfig
from zmumu_hybrid.training.inference import observe

CONFIGS: dict[str, NetworkConfig] = {
    "weighted-concatenation": replace(HYBRID, pooling="weighted-concatenation"),
    "concatenation-with-weight": replace(HYBRID, pooling="concatenation-with-weight"),
    "concatenation-with-pt": replace(HYBRID, pooling="concatenation-with-pt"),
    "tuned hybrid": PRESETS["tuned"]["hybrid"],
    "released PFN": PRESETS["released"]["pfn"],
    "paper's invariant network": PRESETS["paper"]["invariant"],
    "as wide as there are particles": PFNConfig((2,), (2, 6), latent=2, particle_norm="particle"),
    "contexts": replace(HYBRID, context=("pt(0-1)", "pz(all)", "energy(1)", "eta(all)")),
    "given contexts": replace(HYBRID, context=(), given_context=3),
    "sets without mask": replace(
        SETS,
        invariants=Invariants((), pairs=SETS.invariants.pairs),
        events=replace(SETS.events, masked=False),
        classes=1,
    ),
    "sets": SETS,
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_model_does_what_torch_does(name: str) -> None:
    """`to_model` compares them itself and refuses to go on; here with other events."""
    config = CONFIGS[name]
    ensemble = ensemble_of(config, 1 if name != "sets" else 2)
    model = to_model(ensemble, scalars=["charge"] * config.events.scalars)
    assert model.card.check["scores"] < TOLERANCE
    assert model.card.preset == {"tuned hybrid": "tuned", "released PFN": "released"}.get(name) or "paper" in name
    events, rng = config.events, np.random.default_rng(7)
    p = rng.normal(0, 30, (50, events.particles, 3))
    given = {"p4": np.concatenate([np.sqrt((p**2).sum(-1, keepdims=True) + 0.01), p], -1)}
    if events.masked:
        given["mask"] = np.arange(events.particles) < rng.integers(1, events.particles + 1, (50, 1))
        given["p4"][~given["mask"]] = np.nan
    if events.scalars:
        given["scalars"] = rng.normal(size=(50, events.particles, events.scalars))
    if getattr(config, "given_context", 0):
        given["context"] = rng.uniform(0, 90, (50, config.given_context))
    found = Discriminant(model).evaluate(**given)
    expected = ensemble.scores(**given).astype(np.float64)
    np.testing.assert_allclose(found.score, expected.mean(0), atol=1e-5)
    spread = expected.std(0, ddof=1) if len(ensemble) > 1 else np.full_like(expected[0], np.nan)
    np.testing.assert_allclose(found.score_std, spread, atol=1e-5)
    assert np.isnan(found.general_weight).all() != ensemble.has_symmetry_factor
    assert set(model.card.inputs) == set(given)
    assert model.card.outputs.keys() - {"logits", "scores", "symmetry_factor"} == observe(ensemble[0], given).keys()


def test_the_symmetry_factor_is_that_of_torch() -> None:
    ensemble = ensemble_of(HYBRID)
    p4 = muon_pairs(40)
    found = Discriminant(to_model(ensemble)).evaluate(p4).general_weight
    expected = ensemble.symmetry_factor(np.hypot(p4[:, 0, 1], p4[:, 0, 2]))[..., 0].mean(0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_model_that_differs_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    right = exporting.run_session

    def wrong(*given: object) -> dict[str, np.ndarray]:
        found = right(*given)
        return found | {"scores": found["scores"] + 2e-5} if "scores" in found else found

    monkeypatch.setattr(exporting, "run_session", wrong)
    with pytest.raises(
        ModelError, match="the exported model's scores differ from those of torch by 2e-05: not written"
    ):
        to_model(ensemble_of(HYBRID))


def test_no_more_is_asked_than_single_precision_can_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "TOLERANCE", 1e-9)
    check = to_model(ensemble_of(HYBRID)).card.check
    assert 1e-9 < check["scores"] < 1e-6


def test_the_card_of_a_run_travels_with_its_model(tmp_path: Path) -> None:
    data = write(toy_columns(400), tmp_path / "data")
    training = TrainingConfig(members=2, epochs=2, batch_size=64)
    train(HYBRID, data, tmp_path / "run", training, threads=1)
    model, beside = export(tmp_path / "run", tmp_path / "model.onnx")
    assert beside == tmp_path / "model.card.json"
    card = Discriminant.load(model).card
    assert card.to_json() + "\n" == beside.read_text()
    assert (card.name, card.preset, card.network["latent"], card.classes) == ("hybrid", None, 4, 1)
    assert card.inputs == {"p4": {"dtype": "float64", "shape": [2, 4]}}
    assert card.outputs["symmetry_factor"] == {"dtype": "float32", "shape": [2, 2]}
    assert card.data["sha256"] == json.loads((tmp_path / "run" / "config.json").read_text())["data"]["sha256"]
    assert card.training["epochs"] == card.metrics["epochs"] == 2
    assert 0 < card.metrics["auc"]["mean"] < 1
    assert len(card.metrics["auc"]["members"]) == 2
    assert {"torch", "onnx", "onnxscript", "zmumu-hybrid"} <= set(card.versions)
    columns = toy_columns(400)
    pt = columns["pt_0"][~columns["is_test"]]
    assert (card.limits["pt(0)"]["low"], card.limits["pt(0)"]["high"]) == pytest.approx((pt.min(), pt.max()))
    assert card.limits["pt(0)"]["quantiles"]["0.5"] == pytest.approx(np.median(pt))
    assert set(card.limits) == {"m2(all)", "dot(0,1)", "pt(0)", "pt", "eta", "energy"}
    # A run whose ranges were lost gets them from its data, and from no other.
    (tmp_path / "run" / "ranges.json").unlink()
    export(tmp_path / "run", tmp_path / "again.onnx", data)
    assert Discriminant.load(tmp_path / "again.onnx").card.limits == card.limits
    other = write(toy_columns(50, 2), tmp_path / "other")
    with pytest.raises(InputError, match=r"candidates.parquet: is not what the run was trained on"):
        export(tmp_path / "run", tmp_path / "no.onnx", other)
    assert not (tmp_path / "no.onnx").exists()


def test_ranges_count_what_is_outside() -> None:
    network = ensemble_of(HYBRID, 1)[0]
    limits = ranges.describe(observe(network, {"p4": muon_pairs(1000, 1)}))
    same = ranges.compare(limits, observe(network, {"p4": muon_pairs(1000, 1)}))
    assert ranges.warnings_of(limits, same) == []
    p4 = muon_pairs(100, 2)
    p4[:7] *= 100
    counts = ranges.compare(limits, observe(network, {"p4": p4}))
    assert counts["pt(0)"]["above"] == 7
    said = ranges.warnings_of(limits, counts)
    assert any(line.startswith("pt(0): 7 of 100 values (7.00%) are outside the range of the training") for line in said)
