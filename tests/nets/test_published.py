"""The authors' networks, as their description has them, and the same functions here."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nets.samples import muon_pairs
from zmumu_hybrid.errors import ModelError
from zmumu_hybrid.nets import PFN, DimuonHybrid, InvariantNetwork
from zmumu_hybrid.nets.published import from_published


def stack(widths: list[int], channels: int | None = None) -> nn.Sequential:
    """Layers with batch normalisation over the features, or over so many particles, and the last hidden one twice."""
    hidden = [*widths[:-1], widths[-2], widths[-1]]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(hidden):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(channels or after), nn.ReLU()]
    return nn.Sequential(*layers[:-2])


class Particles(nn.Module):
    """The sum over two muons is twice a mean."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.stack = stack([4, *widths], channels=2)

    def forward(self, x: Tensor) -> Tensor:
        return 2 * nn.functional.avg_pool2d(self.stack(x), (2, 1)).squeeze(1)


class InvariantsOf(nn.Module):
    """Columns are px, py, pz, E; the product comes first and the norm is that of p1 - p0."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.stack = stack([2, *widths])

    def forward(self, x: Tensor) -> Tensor:
        metric = x.new_tensor([-1, -1, -1, 1])
        product, norm = (x[:, 0] * x[:, 1] * metric).sum(1), ((x[:, 1] - x[:, 0]).square() * metric).sum(1)
        read = torch.stack([product, norm], 1)
        return self.stack(read.sign() * (read.abs() + 1).log())


class PublishedPFN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p_map, self.stack = Particles(128, 128, 16), stack([16, 512, 256, 128, 1])

    def forward(self, x: Tensor) -> Tensor:
        return self.stack(self.p_map(x))


class PublishedHybrid(nn.Module):
    def __init__(self, hidden: int = 64, latent: int = 16) -> None:
        super().__init__()
        self.general_p_map = Particles(hidden, latent)
        self.invariant_p_map = InvariantsOf(hidden, latent)
        self.weight_network = nn.Sequential(*stack([1, 64, 64, 2]), nn.Softmax(dim=1))
        self.stack = stack([latent, 512, 256, 128, 1])

    def forward(self, x: Tensor) -> Tensor:
        pt = (x[:, :1, 0] ** 2 + x[:, :1, 1] ** 2).sqrt()
        latents = torch.stack([self.general_p_map(x), self.invariant_p_map(x)], 1)
        weighted = latents * self.weight_network(pt).reshape(-1, 2, 1)
        return self.stack(2 * nn.functional.avg_pool2d(weighted, (2, 1)).squeeze(1))


NETWORKS = {
    DimuonHybrid: PublishedHybrid,
    PFN: PublishedPFN,
    InvariantNetwork: lambda: InvariantsOf(512, 256, 256, 128, 1),
}


def theirs(maker: Any, steps: int = 3) -> nn.Module:
    """Return a module of theirs in float64 after a few steps of training, so that its statistics are those of data."""
    torch.manual_seed(2)
    module: nn.Module = maker().double().train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-2)
    for step in range(steps):
        target = (torch.arange(64) % 2).double()
        nn.functional.binary_cross_entropy_with_logits(module(published(muon_pairs(64, step)))[:, 0], target).backward()
        optimiser.step()
        optimiser.zero_grad()
    return module


def published(p4: Tensor) -> Tensor:
    return p4[..., [1, 2, 3, 0]]


@pytest.mark.parametrize("kind", NETWORKS)
def test_it_is_the_same_function(kind: Any) -> None:
    module = theirs(NETWORKS[kind])
    net = from_published(module.state_dict())
    assert type(net) is kind
    assert net.config == kind.released().config
    assert next(net.parameters()).dtype == torch.float64
    for training in (False, True, True, False):
        net.train(training), module.train(training)
        p4 = muon_pairs(100, 7 + training)
        expected = module(published(p4))[:, 0]
        torch.testing.assert_close(net(p4), expected, rtol=0, atol=1e-12)
        assert expected.std() > 1e-2
    again = from_published(module.state_dict()).state_dict()
    for name, values in net.state_dict().items():  # the statistics that both gathered meanwhile
        torch.testing.assert_close(values, again[name], rtol=0, atol=1e-12)


def test_the_first_weight_is_the_general_one() -> None:
    module = theirs(PublishedHybrid).eval()
    net = from_published(module.state_dict()).eval()
    pt = torch.tensor([[20.0], [60.0]], dtype=torch.float64)
    torch.testing.assert_close(net.symmetry_factor(pt), module.weight_network(pt), rtol=0, atol=1e-12)
    latents = net.latents(net.features(muon_pairs(5)))
    general = module.general_p_map(published(muon_pairs(5)))
    torch.testing.assert_close(latents[0], general, rtol=0, atol=1e-12)


def test_other_widths_and_other_names_of_the_stacks() -> None:
    module = theirs(lambda: PublishedHybrid(12, 5))
    state = {key.replace("weight_network", "module.gate"): values for key, values in module.state_dict().items()}
    with pytest.raises(ModelError, match=r"'general_p_map.stack.0.bias' belongs to none of the stacks stack"):
        from_published(state)
    names = {
        "particle_map": "general_p_map.stack",
        "invariant_map": "invariant_p_map.stack",
        "gate": "module.gate",
        "classifier": "stack",
    }
    net = from_published(state, names).eval()
    assert net.config.particle_map == (12, 12)
    assert net.config.latent == 5
    expected = module.eval()(published(muon_pairs(9)))[:, 0]
    torch.testing.assert_close(net(muon_pairs(9)), expected, rtol=0, atol=1e-12)


def hybrid_state() -> dict[str, Any]:
    return dict(PublishedHybrid(6, 3).state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": nn.Linear(1, 1)}, "'model' is of type Linear, not a tensor: give their state_dict()"),
        ({"stack.0.weight": None}, "'stack.0.weight' is of type NoneType, not a tensor"),
        ({"epoch": torch.tensor(3)}, "'epoch' belongs to none of the stacks general_p_map.stack, invariant"),
        (
            {"weight_network.0.weight": torch.zeros(64, 4)},
            r"'weight_network.0.weight': linear_0.weight has the shape \(64, 4\), not \(64, 1\)",
        ),
        (
            {"stack.0.weight": torch.zeros(512, 6)},
            r"'stack.0.weight': linear_0.weight has the shape \(512, 6\), not \(512, 3\)",
        ),
        ({"stack.0.weight": torch.tensor(1.0)}, r"'stack.\d.\w+': linear_0.\w+ has the shape .*, not "),
        ({"weight_network.4.weight": torch.zeros(0)}, "'weight_network.4.weight': norm_1.weight has the shape"),
    ],
)
def test_what_is_no_state_of_theirs_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        from_published(hybrid_state() | changes)


def test_what_is_missing_is_told() -> None:
    state = hybrid_state()
    del state["stack.4.running_var"]
    with pytest.raises(ModelError, match=r"'stack' has no norm_1.running_var"):
        from_published(state)
    with pytest.raises(ModelError, match="has stacks that are called net: say with `stacks` which is which"):
        from_published({"net.0.weight": torch.zeros(3, 4)})
    with pytest.raises(ModelError, match=r"no numbered layers that are called net.0.weight and so on"):
        from_published({"net.weight": torch.zeros(3, 4)}, {"classifier": "net"})
    with pytest.raises(ModelError, match="stacks must be those of one network in STACKS, not classifier, gate"):
        from_published(hybrid_state(), {"classifier": "stack", "gate": "weight_network"})
