"""The tuned preset: its inputs, its training, and fresh smearing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from learned import same_weights, toy_columns, write
from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.draws import keys
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.training import TrainingConfig, load_ensemble
from zmumu_hybrid.training.augmentation import BoostedCopies, boost
from zmumu_hybrid.training.data import load
from zmumu_hybrid.training.resmearing import FreshSmearing
from zmumu_hybrid.training.settings import configure
from zmumu_hybrid.training.trainer import Member

MODELS = ("hybrid", "pfn", "invariant")
QUICK = replace(configure("hybrid", "tuned")[1], members=2, epochs=2, batch_size=64, resmear=True, seed=3)
OPTIONS = {"smearing": "independent", "hold": "pz", "width": 0.1, "seed": 7}
FACTORS = Reweighting((0.0, 40.0, 1000.0), (1.5, 0.5))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of `zmumu process`, as far as training reads it."""
    columns = toy_columns(1000)
    background = columns["label"] == 0
    columns["weight"][background] *= FACTORS.apply(columns["pt_0"][background])
    folder = write(columns, tmp_path_factory.mktemp("sample"))
    FACTORS.write(folder / "reweighting.json")
    (folder / "process.json").write_text(json.dumps({"options": OPTIONS}))
    return folder


@pytest.mark.parametrize("model", MODELS)
def test_the_preset_has_the_papers_neurons(model: str) -> None:
    assert preset(model, "tuned").hidden_neurons == preset(model).hidden_neurons == 1152
    described, training = configure(model, "tuned", {"epochs": 7})
    assert described == preset(model, "tuned")
    assert (training.epochs, training.schedule, training.sampling) == (7, "one-cycle", "shuffle")
    assert training.members == TrainingConfig().members


def test_inputs_are_standardised_with_the_training_events(sample: Path, tmp_path: Path) -> None:
    train("tuned hybrid", sample, tmp_path, replace(QUICK, epochs=1))
    network = load_ensemble(tmp_path)[1]
    features = network.features(torch.from_numpy(load(sample).p4))
    for name, standard in network.standard.items():
        flat = standard(features[name]).flatten(0, -2)
        torch.testing.assert_close(flat.mean(0), torch.zeros(flat.shape[-1]), atol=1e-3, rtol=0)
        varies = flat.std(0) > 0  # no toy pair has a rapidity
        torch.testing.assert_close(flat.std(0)[varies], torch.ones(int(varies.sum())), atol=1e-2, rtol=0)
        assert varies.float().mean() > 0.9


def test_one_cycle_rises_and_falls_to_zero() -> None:
    training = TrainingConfig(epochs=10, learning_rate=1e-2, schedule="one-cycle")
    rates = np.concatenate([training.rates(1e-5, epoch, 20) for epoch in range(10)])
    top = int(rates.argmax())
    assert top == pytest.approx(0.3 * 200, abs=1)
    assert (np.diff(rates[:top]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates.max() == pytest.approx(1e-2, rel=1e-3)
    assert 0 < rates[-1] < 1e-6
    assert TrainingConfig().rates(1e-6, 5, 3) == [1e-6] * 3


@pytest.mark.parametrize("model", MODELS)
def test_a_killed_training_goes_on_to_the_same_weights(sample: Path, tmp_path: Path, model: str) -> None:
    config = preset(model, "tuned")
    settings = replace(QUICK, epochs=3)
    train(config, sample, tmp_path / "whole", settings)

    def stop(member: Member) -> None:
        if member.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, sample, tmp_path / "killed", settings, watch=stop)
    train(config, sample, tmp_path / "killed", settings, threads=1)
    same_weights(tmp_path / "whole", tmp_path / "killed")
    train(config, sample, tmp_path / "alone", replace(settings, members=1), threads=2)
    alone, both = (load_file(tmp_path / run / "members.safetensors") for run in ("alone", "whole"))
    assert all(torch.equal(value[0], both[name][0]) for name, value in alone.items())


def test_fresh_smearing_is_keyed(sample: Path) -> None:
    fresh = FreshSmearing(sample, seed=5)
    first, again, other = fresh.epoch(3), FreshSmearing(sample, seed=5).epoch(3), fresh.epoch(4)
    np.testing.assert_array_equal(first.p4, again.p4)
    np.testing.assert_array_equal(first.weight, again.weight)
    assert not np.isclose(first.p4[..., 1], other.p4[..., 1]).any()
    assert not np.isclose(first.p4[..., 1], FreshSmearing(sample, seed=6).epoch(3).p4[..., 1]).any()
    # A part of the events has the numbers that it has in the whole.
    part = FreshSmearing(sample, fraction=0.5, seed=5).epoch(3)
    assert 0 < len(part) < len(first)
    assert set(part.p4[:, 0, 1]) < set(first.p4[:, 0, 1])


def test_fresh_smearing_is_of_the_training_truth_alone(sample: Path) -> None:
    columns = toy_columns(1000)
    chosen = ~columns["is_test"]
    table = FreshSmearing(sample).epoch(0)
    assert len(table) == chosen.sum()
    np.testing.assert_array_equal(table.p4[..., 3], np.stack([columns["pz_0"], columns["pz_1"]], 1)[chosen])
    pull = (np.hypot(table.p4[..., 1], table.p4[..., 2])[:, 0] / columns["true_pt_0"][chosen] - 1) / 0.1
    assert abs(pull.mean()) < 5 / np.sqrt(len(pull))
    assert pull.std() == pytest.approx(1, abs=5 / np.sqrt(2 * len(pull)))
    background = table.label == 0
    np.testing.assert_array_equal(table.weight[~background], 1)
    np.testing.assert_array_equal(table.weight[background], FACTORS.apply(table.pt[background]))


def test_fresh_smearing_says_what_it_needs(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name the directory of `zmumu process`, not the table alone"):
        FreshSmearing(sample / "candidates.parquet")
    columns = toy_columns(50)
    columns["true_px_0"][:] = np.nan
    folder = write(columns, tmp_path)
    (folder / "process.json").write_text(json.dumps({"options": OPTIONS}))
    with pytest.raises(InputError, match="true_px_0 is not finite everywhere"):
        FreshSmearing(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "cosine"}, "schedule must be one of constant, one-cycle"),
        ({"gradient_clip": 0}, "gradient_clip must be a finite number"),
        ({"resmear": "yes"}, "resmear must be true or false"),
        ({"copies": "all"}, "copies must be one of none, boosted-truth, boosted-measurement"),
        ({"copies": "boosted-truth", "resmear": True}, "resmear and copies exclude each other"),
    ],
)
def test_unusable_settings_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        TrainingConfig(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["boosted-truth", "boosted-measurement"])
def test_boosted_copies(sample: Path, kind: str) -> None:
    """Half of the events are copies; before smearing a copy has its event's mass, after smearing another pull."""
    copies, plain = BoostedCopies(sample, kind, seed=2), load(sample)
    table = copies.epoch(1)
    np.testing.assert_array_equal(table.p4, BoostedCopies(sample, kind, seed=2).epoch(1).p4)
    np.testing.assert_array_equal(table.weight, plain.weight)
    same = np.isclose(table.p4, plain.p4).all((1, 2))
    assert same.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(len(same)))
    assert not np.array_equal(same, np.isclose(copies.epoch(2).p4, plain.p4).all((1, 2)))

    def mass(p4: np.ndarray) -> np.ndarray:
        total = p4.sum(1)
        return np.sqrt(total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(1))

    kept = np.isclose(mass(table.p4), mass(plain.p4), rtol=1e-9)
    if kind == "boosted-measurement":
        assert kept.all()
    else:
        np.testing.assert_array_equal(kept, same)
    assert np.isclose(mass(table.p4[:, :1]), 0.1056583745, atol=1e-4).all()


def test_the_events_of_a_group_are_boosted_alike(tmp_path: Path) -> None:
    columns = {name: np.repeat(values, 2) for name, values in toy_columns(50).items()}
    columns["run"] = np.tile(np.array([1, keys.GROUPED_RUN + 1], np.uint32), 100)
    folder = write(columns, tmp_path)
    (folder / "process.json").write_text(json.dumps({"options": OPTIONS}))
    p4 = BoostedCopies(folder, "boosted-measurement").epoch(1).p4
    np.testing.assert_array_equal(p4[::2], p4[1::2])


def test_boosts_are_lorentz_transformations() -> None:
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(20, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    p, q, rapidity = rng.normal(size=(20, 4)), rng.normal(size=(20, 4)), rng.uniform(0, 2, 20)
    metric = np.array([1.0, -1, -1, -1])
    a, b = boost(p, direction, rapidity), boost(q, direction, rapidity)
    np.testing.assert_allclose((a * b * metric).sum(1), (p * q * metric).sum(1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(boost(a, -direction, rapidity), p, rtol=1e-9, atol=1e-9)
    rest = np.tile([1.0, 0, 0, 0], (20, 1))
    np.testing.assert_allclose(boost(rest, direction, rapidity)[:, 1:], np.sinh(rapidity)[:, None] * direction)
