"""Training on events in memory: what is refused, and what comes back from disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError
from zmumu_hybrid.learn import ModelConfig, TrainingConfig, load_ensemble
from zmumu_hybrid.learn.ensemble import Ensemble
from zmumu_hybrid.learn.general import Sample, fit
from zmumu_hybrid.learn.particles import Particles, pad

MODEL = ModelConfig(
    "hybrid",
    (6,),
    (6,),
    (4,),
    (8,),
    latent=3,
    particles=3,
    masked=True,
    labels=1,
    invariants=("m2(all)",),
    pair_invariants=("m2",),
    context=2,
)
SETTINGS = TrainingConfig(members=2, epochs=2, batch_size=32, learning_rate=1e-2)


def sample(count: int = 100, **changes: object) -> Sample:
    rng = np.random.default_rng(0)
    p = rng.normal(0, 30, (count, 3, 3))
    p4 = np.concatenate([np.sqrt((p**2).sum(-1, keepdims=True) + 1), p], -1)
    counts = rng.integers(1, 4, count)
    particles = Particles(p4, np.arange(3) < counts[:, None], rng.normal(size=(count, 3, 1)), counts)
    usual = {"particles": particles, "target": np.arange(count) % 2, "context": rng.normal(size=(count, 2))}
    return Sample(**(usual | changes))  # type: ignore[arg-type]


def test_the_same_events_and_seed_give_the_same_networks_and_come_back_from_disk(tmp_path: Path) -> None:
    first, again = fit(MODEL, sample(), SETTINGS, labels=("tag",)), fit(MODEL, sample(), SETTINGS, labels=("tag",))
    given = {"p4": sample().particles.p4, **sample().inputs(MODEL)}
    np.testing.assert_array_equal(first.scores(**given), again.scores(**given))
    other = fit(MODEL, sample(), replace(SETTINGS, seed=1))
    assert not np.allclose(first.scores(**given), other.scores(**given))
    loaded = load_ensemble(first.save(tmp_path / "run"))
    np.testing.assert_array_equal(loaded.scores(**given), first.scores(**given))
    assert loaded.data == first.data
    assert loaded.ranges == first.ranges
    assert set(loaded.ranges) == {"m2(all)", "m2", "context 0", "context 1", "pt", "eta", "energy"}
    first.save(tmp_path / "run")
    with pytest.raises(ConfigurationError, match="run: holds another training"):
        other.save(tmp_path / "run")


def test_an_ensemble_without_some_of_its_members_is_saved_without_them(tmp_path: Path) -> None:
    whole = fit(MODEL, sample(), SETTINGS)
    lacking = Ensemble(whole.network, MODEL, replace(SETTINGS, members=3), whole.data, [1])
    loaded = load_ensemble(lacking.save(tmp_path / "run"))
    assert (loaded.members, loaded.stopped) == (2, [1])
    given = {"p4": sample().particles.p4, **sample().inputs(MODEL)}
    np.testing.assert_array_equal(loaded.scores(**given), whole.scores(**given))


def test_weights_count() -> None:
    """Events of weight zero are not learned from."""
    plain = sample(200)
    for sampling in ("weighted", "shuffle"):
        wrong = np.where(np.arange(200) < 100, plain.target, 1 - plain.target)
        weight = (np.arange(200) < 100).astype(float)
        given = {"p4": plain.particles.p4, **plain.inputs(MODEL)}
        settings = replace(SETTINGS, sampling=sampling, epochs=1, batch_size=200)
        scores = [
            fit(replace(MODEL, normalisation="none"), replace(plain, target=y, weight=weight), settings).scores(**given)
            for y in (plain.target, wrong)
        ]
        np.testing.assert_allclose(*scores, atol=1e-6)


def test_padding_takes_the_first_particles_and_leaves_out_those_that_are_missing() -> None:
    ragged = ak.Array([[1.0, 2.0, 3.0, 4.0], [], None, [5.0, None, 6.0]])
    zeros = ragged * 0
    jets = ak.zip({"pt": ragged, "eta": zeros, "phi": zeros, "mass": zeros - 1, "tag": ragged * 10})
    found = pad(jets, 3, ("tag",))
    assert found.mask.tolist() == [[True] * 3, [False] * 3, [False] * 3, [True, True, False]]
    assert found.counts.tolist() == [4, 0, 0, 2]
    assert found.p4[..., 1].tolist() == [[1, 2, 3], [0, 0, 0], [0, 0, 0], [5, 6, 0]]
    assert found.labels[..., 0].tolist() == [[10, 20, 30], [0, 0, 0], [0, 0, 0], [50, 60, 0]]
    np.testing.assert_allclose(found.p4[..., 0], found.p4[..., 1])  # a negative mass counts as none


@pytest.mark.parametrize(
    ("changes", "model", "message"),
    [
        ({}, replace(MODEL, particles=4), "have 3 particles with 1 labels, the network reads 4 with 1"),
        ({}, replace(MODEL, labels=2), "the network reads 3 with 2"),
        ({}, replace(MODEL, masked=False), "has fewer than 3 particles: the network needs masked = True"),
        ({"context": None}, MODEL, "2 context variables of the network are missing"),
        ({"target": np.arange(100) % 3}, MODEL, r"targets are \[0, 1, 2\], they must be \[0, 1\]"),
        ({}, replace(MODEL, classes=3), r"targets are \[0, 1\], they must be \[0, 1, 2\]"),
        ({"weight": np.full(100, -1.0)}, MODEL, "weights are negative: train with sampling 'shuffle'"),
    ],
)
def test_events_that_do_not_fit_are_refused(changes: dict[str, object], model: ModelConfig, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit(model, sample(**changes), SETTINGS)


def test_other_mistakes() -> None:
    with pytest.raises(InputError, match="target has 3 entries for 100 events"):
        sample(target=np.ones(3))
    with pytest.raises(InputError, match="weight is not finite everywhere"):
        sample(weight=np.full(100, np.nan))
    with pytest.raises(InputError, match="100 events are too few for a batch of 128"):
        fit(MODEL, sample(), replace(SETTINGS, batch_size=128))
    with pytest.raises(InputError, match="2 names are given for 1 labels"):
        fit(MODEL, sample(), SETTINGS, labels=("a", "b"))
    with pytest.raises(ModelError, match="epoch 1: the loss is not finite"):
        fit(MODEL, sample(context=np.full((100, 2), 1e38)), replace(SETTINGS, learning_rate=1e30))
