from __future__ import annotations

from dataclasses import replace
from operator import itemgetter

import numpy as np
import pytest
import torch

from zmumu_hybrid.learn.configuration import POOLINGS, ModelConfig, TrainingConfig
from zmumu_hybrid.learn.engines import BatchedEngine, Engine, Epoch
from zmumu_hybrid.learn.inference import fold
from zmumu_hybrid.learn.networks import build
from zmumu_hybrid.learn.presets import preset
from zmumu_hybrid.learn.single import SingleEngine

SMALL = ModelConfig("hybrid", (16,), (16,), (8,), (24, 12), latent=4)
SETTINGS = TrainingConfig(batch_size=32, learning_rate=1e-2, weight_decay=0.1)
MODELS = [
    *(replace(SMALL, pooling=pooling) for pooling in POOLINGS),
    ModelConfig("pfn", particle_map=(16, 8), classifier=(24, 12), latent=4),
    ModelConfig("invariant", classifier=(24, 12)),
]


def epoch(engine: Engine, steps: int = 1, seed: int = 0) -> Epoch:
    """Draw events with unequal weights."""
    generator = torch.Generator().manual_seed(seed)
    shape = (steps, len(engine.members), engine.training.batch_size)
    momenta = 30 * torch.randn(*shape, 2, 3, generator=generator, dtype=torch.float64)
    p4 = torch.cat([(momenta.square().sum(-1, keepdim=True) + 0.011).sqrt(), momenta], -1)
    labels = (torch.rand(shape, generator=generator) < 0.5).float()
    return Epoch(engine.network.features(p4), labels, torch.rand(shape, generator=generator) + 0.5)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.model}-{model.pooling}")
def test_the_written_out_gradient_is_autograds(model: ModelConfig) -> None:
    """After one step the optimiser's mean of the gradient is a tenth of the gradient itself."""
    single, batched = (kind(model, SETTINGS, [2]) for kind in (SingleEngine, BatchedEngine))
    losses = [engine.run(epoch(engine), lambda: None) for engine in (single, batched)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    for name, gradient in batched.first.items():
        scale = max(gradient.abs().max().item(), 1e-4)  # a bias before a normalisation has no gradient but noise
        assert (single.first[name] - gradient).abs().max() < 1e-3 * scale, name
    state, expected = single.state(), batched.state()
    for name in (name for name in state if "running" in name):
        torch.testing.assert_close(state[name], expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [SingleEngine, BatchedEngine])
def test_a_step_is_that_of_torch(kind: type[Engine]) -> None:
    """Three steps with a plain module and torch.optim.AdamW."""
    engine = kind(MODELS[-2], SETTINGS, [0])
    events = epoch(engine, 3)
    network = build(MODELS[-2])
    network.initialise(SETTINGS.seed, [0])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0.1)
    for step in range(3):
        optimizer.zero_grad()
        predicted = network.classify(events.features.map(itemgetter(step)))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            predicted, events.labels[step], events.weights[step]
        )
        loss.backward()
        optimizer.step()
    engine.run(events, lambda: None)
    assert engine.steps == 3
    for name, parameter in network.named_parameters():
        # AdamW turns the rounding noise of a bias before a normalisation, of no effect, into steps of full size.
        if "weight" in name or "norms" in name or name == "classifier.linears.2.bias":
            torch.testing.assert_close(dict(engine.network.named_parameters())[name], parameter, rtol=2e-3, atol=2e-4)


def test_a_member_does_not_depend_on_its_company() -> None:
    together = BatchedEngine(SMALL, SETTINGS, [0, 1, 2])
    alone = BatchedEngine(SMALL, SETTINGS, [1])
    events = epoch(together, 5)
    own = Epoch(
        events.features.map(itemgetter((slice(None), slice(1, 2)))), events.labels[:, 1:2], events.weights[:, 1:2]
    )
    np.testing.assert_allclose(together.run(events, lambda: None)[1], alone.run(own, lambda: None)[0], rtol=1e-4)


@pytest.mark.parametrize("model", ["hybrid", "pfn", "invariant"])
def test_bfloat16_products_change_little(model: str) -> None:
    settings = replace(SETTINGS, batch_size=128, learning_rate=1e-3)
    engines = [
        SingleEngine(preset(model), replace(settings, precision=precision), [0])
        for precision in ("float32", "bfloat16")
    ]
    losses = [engine.run(epoch(engine, 30), lambda: None)[0] for engine in engines]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], abs=0.01)


def test_the_end_can_be_asked_for() -> None:
    engine = SingleEngine(SMALL, SETTINGS, [0])

    def check() -> None:
        if engine.steps == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.run(epoch(engine, 5), check)
    assert engine.steps == 2


@pytest.mark.parametrize("model", ["hybrid", "pfn", "invariant"])
def test_normalisation_folds_into_the_products(model: str) -> None:
    engine = BatchedEngine(preset(model), replace(SETTINGS, batch_size=128), [0, 1])
    events = epoch(engine, 3)
    engine.run(events, lambda: None)
    network = engine.network.eval()
    features = events.features.map(itemgetter((0, 0)))
    folded = fold(network)
    assert not any("running" in name for name in folded.state_dict())
    torch.testing.assert_close(folded.classify(features), network.classify(features), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(engine.logits(features), network.classify(features).detach(), rtol=1e-3, atol=1e-3)


def test_a_normalisation_over_particles_is_left_as_it_is() -> None:
    network = build(preset("pfn", "released"))
    assert fold(network) is network
