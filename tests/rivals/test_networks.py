from __future__ import annotations

import numpy as np
import pytest
import torch

from toys import toy_momenta
from zmumu_hybrid.nets.laws import assert_lorentz_invariant
from zmumu_hybrid.physics.kinematics import boost_matrix
from zmumu_hybrid.rivals.networks import (
    NETWORKS,
    LocalFrames,
    ModernHybrid,
    Pelican,
    ResidualPathway,
    Transformer,
)

pytest.importorskip("lgatr")
pytest.importorskip("lloca")
pytest.importorskip("pelican")


def momenta(events: int = 6) -> torch.Tensor:
    p, mass = np.split(np.stack(toy_momenta(events, 3), 1), [3], axis=-1)
    energy = np.sqrt((p**2).sum(-1, keepdims=True) + mass**2)
    return torch.from_numpy(np.concatenate([energy, p], -1))


def boosted(p4: torch.Tensor, beta: tuple[float, float, float]) -> torch.Tensor:
    speed = np.linalg.norm(beta)
    return p4 @ torch.from_numpy(boost_matrix(np.array(beta) / speed, np.arctanh(speed))).T


def ready(network: torch.nn.Module) -> torch.nn.Module:
    """Return the network in double precision, with what it takes from the training events."""
    if hasattr(network, "standardise"):
        network.standardise({"p4": momenta(100).float()})
    return network.double().eval()


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(5)


@pytest.mark.parametrize("kind", [Transformer, Pelican])
def test_only_the_references_break_the_symmetry(kind: type[torch.nn.Module]) -> None:
    p4 = momenta()
    moved = boosted(p4, (0.3, -0.2, 0.4))
    free = ready(kind(references=False))
    assert torch.allclose(free(moved), free(p4), rtol=1e-6, atol=1e-8)
    assert free(p4).std() > 1e-4
    bound = ready(kind())
    assert (bound(moved) - bound(p4)).abs().max() > 1e-3


def test_frames_move_with_the_momenta_and_the_references_that_they_see() -> None:
    p4, network = momenta(), ready(LocalFrames())
    before, beta = network(p4), (0.3, -0.2, 0.4)
    moved = boosted(p4, beta)
    assert (network(moved) - before).abs().max() > 1e-3
    network.references = boosted(network.references, beta)
    assert torch.allclose(network(moved), before, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", [Transformer, Pelican, LocalFrames])
def test_turning_about_the_beam_changes_nothing(kind: type[torch.nn.Module]) -> None:
    p4 = momenta()
    turned = p4.clone()
    turned[..., 1], turned[..., 2] = -p4[..., 2], p4[..., 1]
    network = ready(kind())
    assert torch.allclose(network(turned), network(p4), rtol=1e-6, atol=1e-8)


def test_the_symmetric_pathway_is_invariant_and_the_general_one_is_not() -> None:
    p4, network = momenta(), ResidualPathway().double().eval()
    moved = boosted(p4, (0.3, -0.2, 0.4))
    assert (network(moved) - network(p4)).abs().max() > 1e-3
    with torch.no_grad():
        for values in network.general.parameters():
            values.zero_()
    assert torch.allclose(network(moved), network(p4), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_an_event_is_scored_the_same_in_any_company(name: str) -> None:
    p4, network = momenta(), ready(NETWORKS[name]())
    assert torch.allclose(network(p4)[2:4], network(p4[2:4]), rtol=1e-9, atol=1e-12)


def test_the_hybrid_of_transformers_breaks_the_symmetry_in_its_general_subnet_alone() -> None:
    p4, network = momenta(), ModernHybrid().double().eval()
    assert_lorentz_invariant(lambda p4: network.joined.latents(p4)[1], p4)
    moved = boosted(p4, (0.3, -0.2, 0.4))
    general, other = (network.joined.latents(each)[0] for each in (p4, moved))
    assert (general - other).abs().max() > 1e-3
    assert torch.allclose(network(p4.flip(1))[:1], network(p4.flip(1)[:1]), rtol=1e-9)
