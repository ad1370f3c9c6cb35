"""The networks beyond the muon pair: sets with a mask, labels, several contexts and classes."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from laws import examples
from learn.test_networks import lorentz
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.files import sha256
from zmumu_hybrid.learn import load_ensemble, train
from zmumu_hybrid.learn.checkpoints import write_config
from zmumu_hybrid.learn.configuration import ModelConfig, TrainingConfig
from zmumu_hybrid.learn.engines import BatchedEngine, Epoch
from zmumu_hybrid.learn.layers import Mlp, StackedBatchNorm
from zmumu_hybrid.learn.networks import Hybrid, build
from zmumu_hybrid.learn.single import SingleEngine

SETS = ModelConfig(
    "hybrid",
    (12,),
    (10,),
    (6,),
    (16, 8),
    latent=5,
    particles=6,
    masked=True,
    labels=2,
    invariants=("m2(all)",),
    pair_invariants=("dot", "m2"),
    pair_map=(9,),
    pair_latent=7,
    context=3,
    context_variables=("ht", "count", "pt(all)"),
    classes=3,
)
DATA = Path(__file__).parents[1] / "data"


def collection(count: int, particles: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Draw momenta, a mask that leaves at least two particles, and two labels; padding holds nonsense."""
    rng = np.random.default_rng(seed)
    p = rng.normal(0.0, 40.0, (count, particles, 3))
    p4 = np.concatenate([np.sqrt((p**2).sum(-1, keepdims=True) + 1.0), p], -1)
    mask = np.arange(particles) < rng.integers(2, particles + 1, (count, 1))
    labels = rng.integers(-1, 2, (count, particles, 2)).astype(float)
    p4[~mask], labels[~mask] = 1e9, -77.0
    return torch.from_numpy(p4), torch.from_numpy(mask), torch.from_numpy(labels)


def trained(config: ModelConfig, members: int = 2) -> Hybrid:
    """Return a network in float64 whose normalisation has seen events."""
    network = build(config, members).double()
    assert isinstance(network, Hybrid)
    network.initialise(3)
    p4, mask, labels = collection(200, config.particles, 9)
    network.train()(p4, None, mask, labels)
    return network.eval()


@given(st.permutations(range(6)), st.integers(0, 100))
@examples(20)
def test_the_order_of_the_particles_does_not_matter(order: list[int], seed: int) -> None:
    network = trained(SETS)
    p4, mask, labels = collection(20, 6, seed)
    moved = network(p4[:, order], None, mask[:, order], labels[:, order])
    torch.testing.assert_close(moved, network(p4, None, mask, labels), rtol=0, atol=1e-9)


@given(st.integers(0, 100))
@examples(10)
def test_padding_changes_nothing(seed: int) -> None:
    """Neither what stands in it, nor how much of it there is: also in training."""
    p4, mask, labels = collection(20, 6, seed)
    wide = replace(SETS, particles=9)
    short, long = (build(config, 2).double() for config in (SETS, wide))
    for network in (short, long):
        network.initialise(4)
    pads = [torch.nn.functional.pad(x, pad) for x, pad in ((p4, (0, 0, 0, 3)), (mask, (0, 3)), (labels, (0, 0, 0, 3)))]
    pads[0][:, 6:] = np.nan
    for training in (True, True, False):
        short.train(training), long.train(training)
        torch.testing.assert_close(short(p4, None, mask, labels), long(pads[0], None, *pads[1:]), rtol=0, atol=1e-9)
    for name, value in short.state_dict().items():
        torch.testing.assert_close(value, long.state_dict()[name], rtol=0, atol=1e-9)


@given(st.floats(-1.5, 1.5), st.integers(1, 3), st.floats(0, 2 * np.pi))
@examples(20)
def test_the_symmetric_latent_does_not_move_under_lorentz_transformations(
    rapidity: float, axis: int, angle: float
) -> None:
    network = trained(SETS)
    p4, mask, labels = collection(16, 6)
    p4 = torch.where(mask.unsqueeze(-1), p4, torch.zeros_like(p4))
    transformed = p4 @ lorentz(rapidity, axis, angle).T
    (general, symmetric), (general_moved, symmetric_moved) = (
        network.latents(network.features(x, None, mask, labels)) for x in (p4, transformed)
    )
    torch.testing.assert_close(symmetric_moved, symmetric, rtol=0, atol=1e-7)
    assert not torch.allclose(general_moved, general)


def test_a_masked_normalisation_is_that_of_the_rows_that_are_there() -> None:
    generator = torch.Generator().manual_seed(1)
    masked, plain = StackedBatchNorm(4, 2), StackedBatchNorm(4, 2)
    x = torch.randn(2, 30, 4, generator=generator)
    there = torch.arange(30) < 17
    mask = there.float().expand(2, 30).unsqueeze(-1)
    for _ in range(3):
        torch.testing.assert_close(masked(x, mask)[:, there], plain(x[:, there]))
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(masked.state_dict()[name], value)
    before = {name: value.clone() for name, value in masked.state_dict().items()}
    assert masked(x, torch.zeros_like(mask)).isfinite().all()
    for name, value in masked.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_a_normalisation_over_particles_can_be_masked() -> None:
    """Every particle index has the statistics of the events in which it is there."""
    mlp = Mlp((4, 5, 3), 1, "batch", particles=3)
    mlp.initialise(0, torch.Generator().manual_seed(2))
    x = torch.randn(1, 20, 3, 4, generator=torch.Generator().manual_seed(3))
    mask = torch.ones(1, 20, 3)
    mask[:, 10:, 2] = 0
    hidden = mlp.linears[0](x.reshape(1, 60, 4)).reshape(20, 3, 5)
    mlp(x, mask)
    norm = mlp.norms[0]
    assert isinstance(norm, StackedBatchNorm)
    expected = torch.stack([hidden[:, 0].mean(), hidden[:, 1].mean(), hidden[:10, 2].mean()])
    torch.testing.assert_close(norm.running_mean[0], 0.1 * expected)


def test_latents_may_have_different_widths_where_they_are_not_added() -> None:
    config = replace(SETS, pooling="concatenation-with-weight", symmetric_latent=9)
    network = trained(config)
    p4, mask, labels = collection(8, 6)
    features = network.features(p4, None, mask, labels)
    general, symmetric = network.latents(features)
    assert general.shape == (2, 8, 5)
    assert symmetric.shape == (2, 8, 9)
    assert network.pool(features).shape == (2, 8, 15)
    assert sum(parameter.numel() for parameter in network.parameters()) == 2 * config.parameters


@pytest.mark.parametrize("model", ["hybrid", "pfn", "invariant"])
def test_several_classes_are_trained_with_the_cross_entropy(model: str) -> None:
    config = replace(SETS, model=model)
    training = TrainingConfig(members=2, batch_size=64, learning_rate=1e-2)
    assert not SingleEngine.supports(config, training)
    engine = BatchedEngine(config, training, [0, 1])
    p4, mask, labels = collection(64, 6)
    classes = mask.sum(-1) % 3
    features = engine.network.features(p4, None, mask, labels)
    events = Epoch(
        features.map(lambda values: values.expand(60, 2, *values.shape)),
        classes.float().expand(60, 2, 64),
        torch.ones(60, 2, 64),
    )
    first = engine.run(Epoch(*(events.features.map(itemgetter(slice(1))), events.labels[:1], events.weights[:1])), int)
    np.testing.assert_allclose(first, np.log(3), atol=0.4)
    engine.run(events, int)
    logits = engine.logits(features)
    assert logits.shape == (2, 64, 3)
    assert (logits.argmax(-1) == classes.numpy()).mean() > 0.6


def test_several_contexts_may_come_with_the_events() -> None:
    config = replace(SETS, context_variables=None)
    network = build(config)
    p4, mask, labels = collection(4, 6)
    with pytest.raises(InputError, match="3 context variables of the network are missing"):
        network.features(p4, None, mask, labels)
    context = torch.rand(4, 3)
    torch.testing.assert_close(network.features(p4, context, mask, labels).context, context)


def test_the_muon_pair_is_one_configuration() -> None:
    """Named, what the defaults are, it is the same network."""
    usual = ModelConfig("hybrid", (8,), (8,), (4,), (12,), latent=3)
    named = replace(usual, invariants=("m2(all)", "dot(0,1)"), context_variables=("pt(0)",), masked=True)
    networks = [build(config).eval() for config in (usual, named)]
    for network in networks:
        network.initialise(0)
    p4 = collection(10, 2)[0]
    torch.testing.assert_close(networks[0](p4), networks[1](p4), rtol=0, atol=0)


def test_a_run_of_before_these_options_gives_the_same_numbers() -> None:
    ensemble = load_ensemble(DATA / "run-format-1")
    expected = json.loads((DATA / "run-format-1" / "expected.json").read_text())
    np.testing.assert_allclose(ensemble.logits(expected["p4"]), expected["logits"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ensemble.general_weight([10.0, 40.0, 90.0]), expected["general_weight"], rtol=1e-6)


def test_a_training_that_began_before_these_options_goes_on(data: Path, tmp_path: Path) -> None:
    small, training = ModelConfig("hybrid", (8,), (8,), (4,), (12,), latent=3), TrainingConfig(members=1, epochs=1)
    old = {
        name: asdict(small)[name] for name in json.loads((DATA / "run-format-1" / "config.json").read_text())["model"]
    }
    described = {"model": old, "training": asdict(training), "data": {"sha256": sha256(data / "candidates.parquet")}}
    (tmp_path / "run").mkdir()
    write_config(tmp_path / "run", described)
    with pytest.raises(ConfigurationError, match="holds a training with model masked = False, not True"):
        train(replace(small, masked=True), data, tmp_path / "run", training)
    train(small, data, tmp_path / "run", training, threads=1)
    assert load_ensemble(tmp_path / "run").config == small
    assert "masked" not in json.loads((tmp_path / "run" / "config.json").read_text())["model"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"particles": 0}, "particles must be an integer of at least 1"),
        ({"labels": -1}, "labels must be an integer of at least 0"),
        ({"masked": 1}, "masked must be true or false"),
        ({"invariants": "m2(all)"}, "invariants must be a list of names"),
        ({"invariants": ("m3(all)",)}, "'m3\\(all\\)' is no invariant"),
        ({"invariants": ("__import__('os')",)}, "is no invariant"),
        ({"invariants": ("m2(0+6)",)}, "there is no particle 6, only 0 to 5"),
        ({"invariants": ("dot(0+0,1)",)}, "particle 0 is there twice"),
        ({"invariants": (), "pair_invariants": ()}, "nothing to read"),
        ({"invariants": None, "pair_invariants": ()}, "invariants must be named for events of 6 particles"),
        ({"pair_invariants": ("cosine",)}, "every one of pair_invariants must be one of dot, m2, difference"),
        ({"context_variables": ("met", "ht", "count")}, "'met' is no context variable: there are pt\\(0\\), "),
        ({"context_variables": ("ht",)}, "context_variables has 1 names for context = 3"),
        ({"symmetric_latent": 4}, "symmetric_latent must be that of latent \\(5\\) for a weighted sum, not 4"),
        ({"pair_latent": 0}, "pair_latent must be an integer of at least 1"),
    ],
)
def test_what_makes_no_network_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(SETS, **changes)  # type: ignore[arg-type]


def test_what_does_not_fit_the_network_is_refused() -> None:
    p4, mask, labels = collection(4, 6)
    with pytest.raises(InputError, match="reads 2 labels of each particle: none are given"):
        build(SETS).features(p4, None, mask)
    whole = replace(SETS, masked=False)
    with pytest.raises(InputError, match="knows no mask"):
        build(whole).features(p4, None, mask, labels)
