from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.learn.configuration import MODELS, POOLINGS, ModelConfig
from zmumu_hybrid.learn.features import invariants_of
from zmumu_hybrid.learn.networks import Hybrid, build
from zmumu_hybrid.learn.presets import PRESETS, preset

MUON = 0.1056583745


def events(count: int, seed: int = 0) -> Tensor:
    """Draw muon pairs, (count, 2, 4) in float64, GeV."""
    rng = np.random.default_rng(seed)
    p = rng.normal(0.0, 40.0, (count, 2, 3))
    energy = np.sqrt((p**2).sum(-1, keepdims=True) + MUON**2)
    return torch.from_numpy(np.concatenate([energy, p], -1))


def lorentz(rapidity: float, axis: int, angle: float) -> Tensor:
    """Return a rotation about an axis after a boost along it."""
    boost, rotation = np.eye(4), np.eye(4)
    boost[0, 0] = boost[axis, axis] = np.cosh(rapidity)
    boost[0, axis] = boost[axis, 0] = np.sinh(rapidity)
    i, j = (k for k in (1, 2, 3) if k != axis)
    rotation[i, i] = rotation[j, j] = np.cos(angle)
    rotation[i, j], rotation[j, i] = -np.sin(angle), np.sin(angle)
    other = np.roll(np.arange(1, 4), 1)
    mixed = np.eye(4)
    mixed[1:, 1:] = np.eye(3)[other - 1]
    return torch.from_numpy(mixed @ rotation @ boost)


@pytest.mark.parametrize("model", MODELS)
def test_the_papers_networks_have_1152_hidden_neurons(model: str) -> None:
    config = preset(model)
    assert config.hidden_neurons == 1152
    network = build(config)
    hidden = [linear.bias.shape[-1] for mlp in network.children() for linear in list(mlp.linears)[:-1]]  # type: ignore[union-attr,arg-type]
    assert sum(hidden) == 1152
    assert sum(parameter.numel() for parameter in network.parameters()) == config.parameters


@pytest.mark.parametrize("model", MODELS)
def test_the_released_networks_have_the_last_width_once_more(model: str) -> None:
    paper, released = preset(model).stacks, preset(model, "released").stacks
    for name, widths in paper.items():
        assert released[name] == (*widths[:-1], widths[-2], widths[-1])


@given(st.floats(-2, 2), st.integers(1, 3), st.floats(0, 2 * np.pi))
def test_the_invariant_network_does_not_move_under_lorentz_transformations(
    rapidity: float, axis: int, angle: float
) -> None:
    network = build(preset("invariant")).double().eval()
    network.initialise(3)
    p4 = events(16)
    moved = p4 @ lorentz(rapidity, axis, angle).T
    assert not torch.allclose(p4, moved)
    torch.testing.assert_close(network(p4), network(moved), rtol=0, atol=1e-9)


def test_the_other_networks_do_move_under_a_boost() -> None:
    p4 = events(16)
    for model in ("pfn", "hybrid"):
        network = build(preset(model)).double().eval()
        network.initialise(3)
        assert (network(p4) - network(p4 @ lorentz(1.0, 3, 0.5).T)).abs().max() > 1e-3


def test_the_pfn_does_not_move_under_exchange_of_the_muons() -> None:
    network = build(preset("pfn"), 2).double().eval()
    network.initialise(3)
    p4 = events(32)
    torch.testing.assert_close(network(p4), network(p4.flip(1)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_pooling_is_the_papers_formula(pooling: str) -> None:
    network = build(preset("hybrid", pooling=pooling), 2).double().eval()
    network.initialise(1)
    assert isinstance(network, Hybrid)
    features = network.features(events(8))
    g, s = network.latents(features)
    pt = features.context.expand(2, 8, 1)
    if pooling == "concatenation-with-pt":
        expected = torch.cat([g, s, pt], -1)
    else:
        weights = network.weights(features.context)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 8, dtype=torch.float64))
        assert ((weights > 0) & (weights < 1)).all()
        w = weights[..., :1]
        expected = {
            "weighted-sum": w * g + (1 - w) * s,
            "weighted-concatenation": torch.cat([w * g, (1 - w) * s], -1),
            "concatenation-with-weight": torch.cat([g, s, w], -1),
        }[pooling]
    torch.testing.assert_close(network.pool(features), expected)


def test_invariants_are_those_of_the_pair() -> None:
    p4 = events(10)
    total = p4.sum(1)
    square = total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(-1)
    product = p4[:, 0, 0] * p4[:, 1, 0] - (p4[:, 0, 1:] * p4[:, 1, 1:]).sum(-1)
    expected = torch.stack([square, product], -1).log1p()
    pair = preset("hybrid").event_invariants
    torch.testing.assert_close(invariants_of(p4, pair), expected)
    back = torch.zeros(1, 2, 4, dtype=torch.float64)
    back[0, :, 1] = torch.tensor([1.0, 3.0])
    torch.testing.assert_close(
        invariants_of(back, pair)[0, 0],
        -torch.log1p(torch.tensor(16.0, dtype=torch.float64)),
    )


def test_the_particle_map_is_plain_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stacked PFN, in training and after it, does what nn.Sequential with BatchNorm1d does."""
    network = build(ModelConfig("pfn", particle_map=(8, 8), classifier=(6,), latent=4))
    network.initialise(5)
    state = network.state_dict()

    def plain(name: str, widths: tuple[int, ...]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for place, (before, after) in enumerate(itertools.pairwise(widths)):
            linear = nn.Linear(before, after)
            linear.weight.data = state[f"{name}.linears.{place}.weight"][0].T.clone()
            linear.bias.data = state[f"{name}.linears.{place}.bias"][0].clone()
            layers.append(linear)
            if place < len(widths) - 2:
                layers += [nn.BatchNorm1d(after), nn.ReLU()]
        return nn.Sequential(*layers)

    particle_map, classifier = plain("particle_map", (4, 8, 8, 4)), plain("classifier", (4, 6, 1))

    def reference(p4: Tensor) -> Tensor:
        latent = particle_map(p4.reshape(-1, 4)).reshape(-1, 2, 4).sum(1)
        out: Tensor = classifier(latent)[:, 0]
        return out

    p4 = events(64).float()
    for _ in range(3):
        torch.testing.assert_close(network.train()(p4)[0], reference(p4), rtol=1e-4, atol=1e-4)
    particle_map.eval(), classifier.eval()
    torch.testing.assert_close(network.eval()(p4)[0], reference(p4), rtol=1e-4, atol=1e-4)


def test_a_member_is_the_same_in_any_company() -> None:
    together, alone = build(preset("hybrid"), 3).eval(), build(preset("hybrid")).eval()
    together.initialise(7)
    alone.initialise(7, [2])
    p4 = events(16)
    torch.testing.assert_close(together(p4)[2], alone(p4)[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together(p4)[0], together(p4)[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("transformer",), "model must be one of"),
        (("pfn", "best"), "preset must be one of"),
        (("pfn", "enlarged"), "has no pfn"),
    ],
)
def test_unknown_networks_are_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        preset(*arguments)


def test_a_pooling_is_for_hybrids() -> None:
    with pytest.raises(ConfigurationError, match="pooling is an option of the hybrid"):
        preset("pfn", pooling="weighted-sum")
    assert set(PRESETS["paper"]) == set(MODELS)
