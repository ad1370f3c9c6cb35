"""The laws of the networks, and that the helpers find networks that break them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from laws import examples
from nets.samples import COLLECTION, collection, experienced, muon_pairs
from zmumu_hybrid.nets import PFN, DimuonHybrid, InvariantNetwork
from zmumu_hybrid.nets.config import EventShape, InvariantNetworkConfig, PFNConfig
from zmumu_hybrid.nets.dimuon import build
from zmumu_hybrid.nets.laws import (
    LORENTZ_TOLERANCE,
    assert_invariant,
    assert_lorentz_invariant,
    assert_padding_ignored,
    assert_permutation_invariant,
    assert_symmetry_factor,
)
from zmumu_hybrid.physics.kinematics import boost_matrix, rotation_matrix

SETS = {
    "hybrid": COLLECTION,
    "pfn": PFNConfig((12,), (16, 8), 5, classes=3, events=COLLECTION.events),
    "invariant": InvariantNetworkConfig((16, 8), COLLECTION.invariants, classes=3, events=COLLECTION.events),
}
Nets = dict[str, Any]
BEAM = [rotation_matrix([0, 0, 1], 1.0)]


@pytest.fixture(scope="module")
def pair() -> Nets:
    torch.manual_seed(3)
    nets = {"hybrid": DimuonHybrid(), "pfn": PFN(), "invariant": InvariantNetwork(), "tuned": InvariantNetwork.tuned()}
    return {name: experienced(net, p4=muon_pairs(100)) for name, net in nets.items()}


@pytest.fixture(scope="module")
def many() -> Nets:
    torch.manual_seed(3)
    return {name: experienced(build(config), **collection(100)) for name, config in SETS.items()}


def symmetric(net: DimuonHybrid, latent: int = 1) -> Callable[..., Tensor]:
    """Return the symmetric latent of events, or the general one."""

    def function(p4: Tensor, **inputs: Tensor) -> Tensor:
        return net.latents(net.features(p4, **inputs))[latent]

    return function


@given(rapidity=st.floats(-2, 2), cosine=st.floats(-1, 1), azimuth=st.floats(0, 6.3), angle=st.floats(0, 6.3))
@examples(20)
def test_lorentz_transformations_do_not_move_what_is_symmetric(
    pair: Nets, many: Nets, rapidity: float, cosine: float, azimuth: float, angle: float
) -> None:
    sine = np.sqrt(1 - cosine**2)
    direction = [sine * np.cos(azimuth), sine * np.sin(azimuth), cosine]
    given = {"transformations": [rotation_matrix(direction, angle) @ boost_matrix([0, 0, 1], rapidity)]}
    p4 = muon_pairs(8)
    assert_lorentz_invariant(pair["invariant"], p4, **given)
    assert_lorentz_invariant(pair["tuned"], p4, **given)
    assert_lorentz_invariant(symmetric(pair["hybrid"]), p4, **given)
    sets = collection(8)
    assert_lorentz_invariant(many["invariant"], **sets, **given)
    assert_lorentz_invariant(symmetric(many["hybrid"]), **sets, **given)


def test_lorentz_transformations_do_move_what_is_general(pair: Nets, many: Nets) -> None:
    p4, sets = muon_pairs(16), collection(16)
    moved: list[tuple[Any, dict[str, Tensor]]] = [
        (pair["pfn"], {"p4": p4}),
        (pair["hybrid"], {"p4": p4}),
        (symmetric(pair["hybrid"], 0), {"p4": p4}),
        (many["pfn"], sets),
        (symmetric(many["hybrid"], 0), sets),
    ]
    for net, inputs in moved:
        with pytest.raises(AssertionError, match="the output is not invariant: it deviates by"):
            assert_lorentz_invariant(net, **inputs, tolerance=1e-2)
    assert_lorentz_invariant(DimuonHybrid.tuned(), p4, transformations=BEAM)
    with pytest.raises(AssertionError, match="not invariant"):
        assert_lorentz_invariant(DimuonHybrid(), p4, transformations=BEAM)


@pytest.mark.parametrize("model", ["hybrid", "pfn", "invariant"])
def test_the_order_of_the_particles_does_not_matter(model: str) -> None:
    assert_permutation_invariant(build(SETS[model]), **collection(20))
    whole = replace(SETS[model], events=EventShape(6, scalars=2))
    sets = collection(20)
    assert_permutation_invariant(build(whole), sets["p4"], scalars=sets["scalars"])


def test_the_hybrid_sees_which_muon_is_first_by_its_factor_alone() -> None:
    p4 = muon_pairs(20)
    for net in (PFN(), InvariantNetwork(), DimuonHybrid(context=("ht",))):
        assert_permutation_invariant(net, p4)
    with pytest.raises(AssertionError, match="the order of the particles matters in evaluation"):
        assert_permutation_invariant(DimuonHybrid(), p4)
    with pytest.raises(AssertionError, match="the order of the particles matters"):
        assert_permutation_invariant(experienced(PFN.released(), p4=p4), p4)  # normalises over the index of the muon


@pytest.mark.parametrize("model", ["hybrid", "pfn", "invariant"])
def test_padding_does_not_matter(model: str) -> None:
    config = SETS[model]
    net, wider = build(config), build(replace(config, events=replace(config.events, particles=9)))
    wider.load_state_dict(net.state_dict())
    assert_padding_ignored(net, **collection(20), wider=wider, extra=3)


def test_a_batch_without_any_pair_teaches_the_map_of_pairs_nothing() -> None:
    net = experienced(build(COLLECTION), **collection(20)).train()
    before = {name: values.clone() for name, values in net.joined.subnets[1].pair_map.state_dict().items()}
    alone = collection(20)
    alone["mask"][:, 1:] = False
    assert net(**alone).isfinite().all()
    after = net.joined.subnets[1].pair_map.state_dict()
    assert all(torch.equal(values, after[name]) for name, values in before.items())
    nobody = net(alone["p4"], torch.zeros(20, 6), alone["scalars"])
    assert nobody.isfinite().all()


def test_a_mask_is_the_statistics_of_the_particles_that_are_there() -> None:
    sets = collection(40)
    net = build(SETS["pfn"]).double()
    net(**sets)
    rows = torch.cat([sets["p4"], sets["scalars"]], -1)[sets["mask"]]
    hidden = net.particle_map.map.linear_0(rows)
    torch.testing.assert_close(net.particle_map.map.norm_0.running_mean, 0.1 * hidden.mean(0))


def test_shares_sum_to_one(many: Nets) -> None:
    pt = torch.tensor([[0.0], [1.0], [40.0], [300.0], [1e6]])
    for net in (DimuonHybrid(), DimuonHybrid(pooling="weighted-concatenation").eval(), DimuonHybrid.tuned()):
        assert_symmetry_factor(net, pt)
    assert_symmetry_factor(many["hybrid"], torch.rand(7, 3, dtype=torch.float64))


class Broken(nn.Module):
    """A network that breaks one law after the other."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.norm = nn.BatchNorm1d(4, affine=False)
        self.calls = 0

    def forward(self, p4: Tensor, mask: Tensor | None = None) -> Tensor:
        there = torch.ones_like(p4[..., 0]) if mask is None else mask.to(p4.dtype)
        if self.fault == "constant":
            return p4.new_zeros(len(p4))
        if self.fault == "statistics":
            self.norm(torch.nan_to_num(p4, 5.0).sum(1))
        if self.fault == "shape" and self.calls:
            return p4[..., 0]
        self.calls += 1
        if self.fault == "nan":
            return p4[:, 0, 0] * torch.nan
        return (torch.where(there.unsqueeze(-1) > 0, p4, 0) if self.fault != "padding" else p4).sum((1, 2))

    def symmetry_factor(self, context: Tensor) -> Tensor:
        one = torch.ones_like(context[:, 0])
        return {
            "sum": torch.stack([0.4 * one, 0.5 * one], 1),
            "negative": torch.stack([1.5 * one, -0.5 * one], 1),
            "shape": one,
        }[self.fault]


@pytest.mark.parametrize(
    ("fault", "check", "message"),
    [
        ("constant", assert_lorentz_invariant, "the output is the same for all events"),
        ("nan", assert_lorentz_invariant, "it deviates by nan, more than 1e-09"),
        ("shape", assert_lorentz_invariant, "its shape is (20, 6), not (20,)"),
        ("padding", assert_padding_ignored, "padding matters in evaluation: it deviates by nan"),
        ("statistics", assert_padding_ignored, "padding matters in norm.running_mean: it deviates by"),
    ],
)
def test_a_broken_law_is_told(fault: str, check: Callable[..., float], message: str) -> None:
    sets = collection(20)
    del sets["scalars"]
    with pytest.raises(AssertionError, match=re.escape(message)):
        check(Broken(fault), **sets)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("sum", "shares do not sum to one: it deviates by 0.1, more than 1e-06"),
        ("negative", "shares of the symmetry factor lie between -0.5 and 1.5"),
        ("shape", "the symmetry factor has the shape (5,), not (5, K)"),
    ],
)
def test_a_broken_factor_is_told(fault: str, message: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(message)):
        assert_symmetry_factor(Broken(fault), torch.rand(5, 1))


def test_a_network_is_left_as_it_was() -> None:
    net = DimuonHybrid(particle_map=(8,), classifier=(8,))
    before = {name: values.clone() for name, values in net.state_dict().items()}
    assert_lorentz_invariant(net, muon_pairs(10).float(), tolerance=1e9)
    assert_permutation_invariant(net, muon_pairs(10), tolerance=1e9)
    assert net.training
    for name, values in net.state_dict().items():
        assert values.dtype == before[name].dtype
        assert torch.equal(values, before[name])


def test_any_transformation_and_any_function_will_do() -> None:
    rotated = torch.rand(6, 2)
    assert assert_invariant(lambda x: x.square().sum(1), rotated, rotated.flip(1), 1e-6) < 1e-6
    with pytest.raises(AssertionError, match="not invariant"):
        assert_invariant(lambda x: x[:, 0], rotated, rotated.flip(1), 1e-6)


def test_tolerances_are_far_from_what_is_found(many: Nets) -> None:
    """A factor of ten above rounding, and eight orders of magnitude below what a broken symmetry does."""
    found = assert_lorentz_invariant(symmetric(many["hybrid"]), **collection(100))
    assert found < LORENTZ_TOLERANCE / 10
