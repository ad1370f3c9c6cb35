"""The networks are the paper's formulae, written out by hand in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nets.samples import by_hand, experienced, invariants_by_hand, muon_pairs
from zmumu_hybrid.nets import PFN, DimuonHybrid, InvariantNetwork
from zmumu_hybrid.nets.config import POOLINGS, HybridConfig, InvariantNetworkConfig, PFNConfig
from zmumu_hybrid.nets.presets import PRESETS


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_hybrid_is_equation_1_and_appendix_c(pooling: str, training: bool) -> None:
    p4 = muon_pairs(32)
    net = experienced(DimuonHybrid(pooling=pooling), p4=p4)
    state, muons = net.state_dict(), p4.numpy()
    pt = np.hypot(muons[:, 0, 1], muons[:, 0, 2])[:, None]
    g = by_hand(state, "joined.subnets.0.map", muons, training).sum(1)
    s = by_hand(state, "joined.subnets.1.map", invariants_by_hand(muons), training)
    if pooling == "concatenation-with-pt":
        x = np.concatenate([g, s, pt], 1)
        assert not any(name.startswith("joined.gate") for name in state)
    else:
        exponential = np.exp(by_hand(state, "joined.gate", pt, training))
        w = exponential[:, :1] / exponential.sum(1, keepdims=True)
        x = {
            "weighted-sum": w * g + (1 - w) * s,
            "weighted-concatenation": np.concatenate([w * g, (1 - w) * s], 1),
            "concatenation-with-weight": np.concatenate([g, s, w], 1),
        }[pooling]
        assert 0.01 < w.min() < w.max() < 0.99
    expected = by_hand(state, "joined.classifier", x, training)[:, 0]
    with torch.no_grad():
        np.testing.assert_allclose(net.train(training)(p4), expected, atol=1e-12)
    assert expected.std() > 1e-3


@pytest.mark.parametrize("training", [False, True])
def test_the_pfn_and_the_invariant_network_are_appendix_b(training: bool) -> None:
    p4 = muon_pairs(32)
    pfn, invariant = (experienced(kind(), p4=p4) for kind in (PFN, InvariantNetwork))
    latent = by_hand(pfn.state_dict(), "particle_map.map", p4.numpy(), training).sum(1)
    expected = {
        pfn: by_hand(pfn.state_dict(), "classifier", latent, training)[:, 0],
        invariant: by_hand(invariant.state_dict(), "classifier", invariants_by_hand(p4.numpy()), training)[:, 0],
    }
    for net, logits in expected.items():
        with torch.no_grad():
            np.testing.assert_allclose(net.train(training)(p4), logits, atol=1e-12)


def test_the_widths_are_those_of_appendix_b() -> None:
    assert PFN().stacks == {"particle_map": (4, 128, 128, 16), "classifier": (16, 512, 256, 128, 1)}
    assert InvariantNetwork().stacks == {"classifier": (2, 512, 256, 256, 128, 1)}
    assert DimuonHybrid().stacks == {
        "particle_map": (4, 64, 16),
        "invariant_map": (2, 64, 16),
        "gate": (1, 64, 64, 2),
        "classifier": (16, 512, 256, 128, 1),
    }
    for kind in (PFN, InvariantNetwork, DimuonHybrid):
        net = kind()
        linears = [module for module in net.modules() if isinstance(module, torch.nn.Linear)]
        norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm1d)]
        last = len(net.stacks)
        assert net.hidden_neurons == sum(norm.num_features for norm in norms) == 1152
        assert len(linears) == len(norms) + last
        assert kind.tuned().hidden_neurons == 1152
    assert DimuonHybrid.enlarged().stacks["particle_map"] == (4, 128, 128, 16)


def test_the_released_networks_are_those_of_the_specification() -> None:
    assert PFN.released().stacks == {
        "particle_map": (4, 128, 128, 128, 16),
        "classifier": (16, 512, 256, 128, 128, 1),
    }
    assert InvariantNetwork.released().stacks == {"classifier": (2, 512, 256, 256, 128, 128, 1)}
    net = DimuonHybrid.released()
    assert net.stacks == {
        "particle_map": (4, 64, 64, 16),
        "invariant_map": (2, 64, 64, 16),
        "gate": (1, 64, 64, 64, 2),
        "classifier": (16, 512, 256, 128, 128, 1),
    }
    assert [m.num_features for m in net.joined.subnets[0].modules() if isinstance(m, torch.nn.BatchNorm1d)] == [2, 2]
    p4 = muon_pairs(5)
    difference = p4[:, 0] - p4[:, 1]
    norm = difference[:, 0] ** 2 - (difference[:, 1:] ** 2).sum(1)
    read = net.double().features(p4)["invariants"]
    torch.testing.assert_close(read[:, 0], -torch.log1p(-norm))
    np.testing.assert_allclose(read[:, 1], invariants_by_hand(p4.numpy())[:, 1], rtol=1e-12)


def test_presets_are_descriptions_of_the_classes() -> None:
    assert PRESETS["paper"] == {"hybrid": HybridConfig(), "pfn": PFNConfig(), "invariant": InvariantNetworkConfig()}
    assert {name: sorted(configs) for name, configs in PRESETS.items()} == {
        "paper": ["hybrid", "invariant", "pfn"],
        "released": ["hybrid", "invariant", "pfn"],
        "enlarged": ["hybrid"],
        "tuned": ["hybrid", "invariant", "pfn"],
    }
    for name, configs in PRESETS.items():
        for kind in (PFN, InvariantNetwork, DimuonHybrid):
            if kind.model in configs:
                assert getattr(kind, name)().config == configs[kind.model]


def test_the_names_of_the_parameters_can_be_read() -> None:
    """They are part of what a trained network is."""
    assert set(DimuonHybrid(classifier=(8,)).state_dict()) == {
        *(f"joined.subnets.0.map.{layer}" for layer in LAYERS),
        *(f"joined.subnets.1.map.{layer}" for layer in LAYERS),
        *(f"joined.classifier.{layer}" for layer in LAYERS),
        *(f"joined.gate.{layer}" for layer in LAYERS),
        *(f"joined.gate.{layer.replace('_1', '_2').replace('_0', '_1')}" for layer in LAYERS),
    }
    names = set(PFN.tuned(classifier=(8,), particle_map=(8,)).state_dict())
    linear = {f"linear_{place}.{name}" for place in (0, 1) for name in ("weight", "bias")}
    assert names == {
        "standard.particles.shift",
        "standard.particles.scale",
        *(f"{stack}.{name}" for stack in ("particle_map.map", "classifier") for name in linear),
    }


LAYERS = (
    *(f"linear_{place}.{name}" for place in (0, 1) for name in ("weight", "bias")),
    *(f"norm_0.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
)
