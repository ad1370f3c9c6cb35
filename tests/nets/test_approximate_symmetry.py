"""The idea with subnets of one's own."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.nets import ApproximateSymmetry
from zmumu_hybrid.nets.config import POOLINGS
from zmumu_hybrid.nets.laws import assert_symmetry_factor

WIDTHS = {
    "weighted-sum": 4,
    "weighted-concatenation": 12,
    "concatenation-with-weight": 12 + 2,
    "concatenation-with-pt": 12 + 5,
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(1)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_three_subnets_several_contexts_and_classes(pooling: str, classes: int) -> None:
    subnets = [nn.Linear(8, 4), nn.Linear(3, 4), nn.Sequential(nn.Flatten(), nn.Linear(6, 4))]
    gate, classifier = nn.Linear(5, 3), nn.Linear(WIDTHS[pooling], classes)
    net = ApproximateSymmetry(subnets, gate, classifier, pooling)
    inputs, context = [torch.rand(7, 8), torch.rand(7, 3), torch.rand(7, 2, 3)], torch.rand(7, 5)
    a, b, c = (subnet(given) for subnet, given in zip(subnets, inputs, strict=True))
    w = [gate(context).exp()[:, k : k + 1] / gate(context).exp().sum(1, keepdim=True) for k in range(3)]
    pooled = {
        "weighted-sum": w[0] * a + w[1] * b + w[2] * c,
        "weighted-concatenation": torch.cat([w[0] * a, w[1] * b, w[2] * c], 1),
        "concatenation-with-weight": torch.cat([a, b, c, w[0], w[1]], 1),
        "concatenation-with-pt": torch.cat([a, b, c, context], 1),
    }[pooling]
    expected = classifier(pooled)
    torch.testing.assert_close(net(inputs, context), expected if classes > 1 else expected[:, 0])
    if pooling == "concatenation-with-pt":
        assert net.gate is None
        with pytest.raises(ConfigurationError, match="'concatenation-with-pt' learns no symmetry factor"):
            net.symmetry_factor(context)
    else:
        assert_symmetry_factor(net, context)
    net(inputs, context).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


class Pairs(nn.Module):
    """A subnet of two arguments, of which one may be missing."""

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x if y is None else x * y


def test_what_the_subnets_are_given() -> None:
    net = ApproximateSymmetry([Pairs(), Pairs()], nn.Linear(1, 2), nn.Linear(4, 1))
    x, y, context = torch.rand(5, 4), torch.rand(5, 4), torch.rand(5, 1)
    for inputs, latents in (
        (x, [x, x]),
        ([x, y], [x, y]),
        ([(x, y), (y, None)], [x * y, y]),
    ):
        torch.testing.assert_close(net.latents(inputs), latents)
        torch.testing.assert_close(net(inputs, context), net.classify(latents, context))
    with pytest.raises(InputError, match="1 inputs are given for 2 subnets: one for each is needed"):
        net([x], context)


def test_latents_may_have_several_widths_where_they_are_not_added() -> None:
    subnets = [nn.Linear(3, 4), nn.Linear(3, 7)]
    for pooling, width in (("weighted-concatenation", 11), ("concatenation-with-weight", 12)):
        net = ApproximateSymmetry(subnets, nn.Linear(1, 2), nn.Linear(width, 1), pooling)
        assert net(torch.rand(5, 3), torch.rand(5, 1)).shape == (5,)
    net = ApproximateSymmetry(subnets, nn.Linear(1, 2), nn.Linear(4, 1))
    with pytest.raises(ConfigurationError, match=re.escape("one width l: they give [(5, 4), (5, 7)]")):
        net(torch.rand(5, 3), torch.rand(5, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subnets": [nn.Identity()]}, "joins two subnets or more, not 1"),
        ({"pooling": "sum"}, "pooling must be one of weighted-sum, .*, not 'sum'"),
        ({"gate": None}, "pooling 'weighted-sum' needs a gate"),
        ({"gate": nn.Linear(1, 3)}, r"the gate must give the shape \(B, 2\), a logit for each subnet, not \(5, 3\)"),
        ({"gate": nn.Flatten(0)}, r"the gate must give the shape \(B, 2\), a logit for each subnet, not \(5,\)"),
        ({"subnets": [nn.Identity(), nn.Unflatten(1, (2, 2))]}, r"must give latents \(B, l\), .*\(5, 2, 2\)"),
        ({"subnets": [nn.Identity(), nn.Linear(4, 1)]}, r"must give latents \(B, l\), .*\(5, 1\)"),
    ],
)
def test_what_cannot_be_joined_is_refused(changes: dict[str, Any], message: str) -> None:
    parts: dict[str, Any] = {
        "subnets": [nn.Identity(), nn.Identity()],
        "gate": nn.Linear(1, 2),
        "classifier": nn.Linear(4, 1),
    }
    with pytest.raises(ConfigurationError, match=message):
        ApproximateSymmetry(**(parts | changes))(torch.rand(5, 4), torch.rand(5, 1))
