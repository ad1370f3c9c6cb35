"""The networks are ordinary torch modules: all that torch does with a module works."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from nets.samples import COLLECTION, collection, experienced, muon_pairs
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.metrics import auc_with_uncertainty
from zmumu_hybrid.nets import PFN, DimuonHybrid, InvariantNetwork
from zmumu_hybrid.nets.blocks import fold_batch_norm
from zmumu_hybrid.nets.config import POOLINGS, EventShape
from zmumu_hybrid.nets.dimuon import build

MAKERS: dict[str, Callable[[], Any]] = {
    "hybrid": DimuonHybrid,
    "pfn": PFN,
    "invariant": InvariantNetwork,
    "released": DimuonHybrid.released,
    "tuned": DimuonHybrid.tuned,
    "collection": lambda: build(COLLECTION),
}


SLOW = pytest.mark.slow  # the compiler takes half a minute


def inputs_of(name: str, count: int = 16) -> dict[str, Tensor]:
    return collection(count) if name == "collection" else {"p4": muon_pairs(count)}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(5)


@pytest.mark.parametrize("name", MAKERS)
def test_it_is_initialised_when_made_and_every_parameter_learns(name: str) -> None:
    net, given = MAKERS[name](), inputs_of(name)
    assert net.training
    logits = net(**given)
    assert logits.dtype == torch.float32
    assert logits.std() > 1e-3
    target = torch.arange(16) % (3 if name == "collection" else 2)
    loss = nn.functional.cross_entropy(logits, target) if logits.ndim == 2 else bce(logits, target.float())
    loss.backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        if not (key.endswith("bias") and "linear" in key):  # a normalisation takes those of a layer before it
            assert parameter.grad.abs().max() > 0, key


bce = nn.functional.binary_cross_entropy_with_logits


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_learns(pooling: str) -> None:
    net = DimuonHybrid(pooling=pooling, particle_map=(8,), invariant_map=(8,), gate=(4,), classifier=(8,))
    bce(net(muon_pairs(16)), (torch.arange(16) % 2).float()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("name", MAKERS)
def test_both_precisions_of_network_and_momenta_agree(name: str) -> None:
    net, given = MAKERS[name]().eval(), inputs_of(name)
    exact = copy.deepcopy(net).double()(**given)
    assert exact.dtype == torch.float64
    single = {key: values if key == "mask" else values.float() for key, values in given.items()}
    for logits in (net(**given), net(**single), copy.deepcopy(net).double()(**single)):
        torch.testing.assert_close(logits.double(), exact, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", MAKERS)
def test_copies_are_the_same_network(name: str) -> None:
    net, given = MAKERS[name](), inputs_of(name)
    if name == "tuned":
        net.standardise(net.features(muon_pairs(200)))
    experienced(net, **given)
    other = MAKERS[name]().double().eval()
    assert not torch.equal(other(**given), net(**given))
    other.load_state_dict(net.state_dict())
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    loaded = MAKERS[name]().double().eval()
    loaded.load_state_dict(torch.load(file, weights_only=True))
    for same in (other, loaded, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(same(**given), net(**given))


@pytest.mark.parametrize("name", MAKERS)
def test_many_networks_are_stacked_by_torch_func(name: str) -> None:
    nets, given = [experienced(MAKERS[name](), **inputs_of(name)) for _ in range(3)], inputs_of(name)
    alone = functional_call(nets[0], dict(nets[1].state_dict()), (), given)
    torch.testing.assert_close(alone, nets[1](**given), rtol=0, atol=1e-12)
    parameters, buffers = stack_module_state(nets)

    def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return functional_call(nets[0], (parameters, buffers), (), given)

    expected = torch.stack([net(**given) for net in nets])
    torch.testing.assert_close(vmap(one)(parameters, buffers), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MAKERS)
def test_it_is_exported_for_any_batch(name: str) -> None:
    net = experienced(MAKERS[name](), **inputs_of(name))
    batch = torch.export.Dim("batch", min=2)
    shapes = {key: {0: batch} for key in inputs_of(name)}
    program = torch.export.export(net, (), inputs_of(name, 8), dynamic_shapes=shapes).module()
    for count in (3, 16):
        given = inputs_of(name, count)
        torch.testing.assert_close(program(**given), net(**given), rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # of the compiler, at such a break
@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name == "hybrid" else SLOW) for name in MAKERS])
def test_it_is_traced_by_the_compiler(name: str) -> None:
    """Forward and backward; in training a mask asks for as many rows as there are particles: it breaks the graph."""
    torch._dynamo.reset()
    net, given = MAKERS[name]().double(), inputs_of(name)
    compiled = torch.compile(copy.deepcopy(net), backend="aot_eager", fullgraph=name != "collection")
    for training in (True, False):
        net.train(training), compiled.train(training)
        expected, found = net(**given), compiled(**given)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        expected.sum().backward(), found.sum().backward()
    for one, other in zip(net.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-9)


@SLOW
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")  # of the compiler
def test_it_is_compiled() -> None:
    net, p4 = DimuonHybrid(), muon_pairs(64).float()
    compiled = torch.compile(copy.deepcopy(net))
    torch.testing.assert_close(compiled(p4), net(p4), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MAKERS)
def test_folding_the_normalisation_changes_no_number(name: str) -> None:
    net = experienced(MAKERS[name](), **inputs_of(name))
    folded = fold_batch_norm(net)
    left = sum(isinstance(module, nn.BatchNorm1d) for module in folded.modules())
    assert left == (2 if name == "released" else 0)  # those over the index of the muon
    torch.testing.assert_close(folded(**inputs_of(name)), net(**inputs_of(name)), rtol=0, atol=1e-10)


def test_a_plain_loop_learns() -> None:
    net = DimuonHybrid(particle_map=(16,), classifier=(32, 16))
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-3)
    p4, target = muon_pairs(2048).float(), (torch.arange(2048) % 2 == 0).float()
    for epoch in range(8):
        for batch in torch.randperm(2048, generator=torch.Generator().manual_seed(epoch)).split(128):
            optimiser.zero_grad()
            bce(net(p4[batch]), target[batch]).backward()
            optimiser.step()
    with torch.no_grad():
        scores = net.eval()(muon_pairs(2000, 7)).numpy()
    auc, _ = auc_with_uncertainty(scores, (torch.arange(2000) % 2 == 0).numpy())
    assert auc > 0.75


def test_it_needs_no_more_than_the_events_of_a_batch() -> None:
    """Evaluation does not see who else is there."""
    p4 = muon_pairs(10)
    for name in ("hybrid", "tuned", "released"):
        net = experienced(MAKERS[name](), p4=p4)
        torch.testing.assert_close(net(p4[3:4]), net(p4)[3:4], rtol=0, atol=1e-12)
    sets = collection(10)
    net = experienced(build(COLLECTION), **sets)
    torch.testing.assert_close(net(**{k: v[3:4] for k, v in sets.items()}), net(**sets)[3:4], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("maker", "changes", "message"),
    [
        (DimuonHybrid, {"p4": torch.rand(5, 4)}, r"p4 must have the shape \(B, 2, 4\), not \(5, 4\)"),
        (DimuonHybrid, {"p4": torch.rand(5, 3, 4)}, r"p4 must have the shape \(B, 2, 4\), not \(5, 3, 4\)"),
        (PFN, {"mask": torch.ones(5, 2)}, "the network knows no mask"),
        (PFN, {"context": torch.ones(5, 1)}, "a network of the kind pfn reads no context"),
        (
            InvariantNetwork,
            {"scalars": torch.ones(5, 2, 1)},
            r"reads 0 scalars of each particle: given are \(5, 2, 1\)",
        ),
        (DimuonHybrid, {"context": torch.ones(5, 1)}, "takes 0 context variables with the events"),
        (lambda: DimuonHybrid(context=(), given_context=3), {}, "takes 3 context variables with the events"),
        (
            lambda: DimuonHybrid(context=(), given_context=3),
            {"context": torch.ones(5, 2)},
            r"context must have the shape \(5, 3\), not \(5, 2\)",
        ),
        (lambda: PFN(events=EventShape(2, scalars=1)), {}, "reads 1 scalars of each particle: none are given"),
        (
            lambda: PFN(events=EventShape(2, scalars=1)),
            {"scalars": torch.ones(1, 2, 1)},
            r"scalars must have the shape \(5, 2, 1\), not \(1, 2, 1\)",
        ),
        (
            lambda: PFN(events=EventShape(2, masked=True)),
            {"mask": torch.ones(1, 2)},
            r"mask must have the shape \(5, 2\), not \(1, 2\)",
        ),
    ],
)
def test_what_does_not_fit_the_network_is_refused(
    maker: Callable[[], Any], changes: dict[str, Tensor], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        maker()(**({"p4": torch.rand(5, 2, 4)} | changes))


def test_the_factor_has_a_context_of_the_right_shape() -> None:
    with pytest.raises(InputError, match=r"context must have the shape \(2, 1\), not \(2,\)"):
        DimuonHybrid().symmetry_factor(torch.tensor([20.0, 40.0]))


def test_a_mask_that_is_not_given_is_that_of_whole_events() -> None:
    usual = DimuonHybrid(classifier=(8,)).eval()
    masked = DimuonHybrid(classifier=(8,), events=EventShape(masked=True)).eval()
    masked.load_state_dict(usual.state_dict())
    p4 = muon_pairs(10)
    for mask in (None, torch.ones(10, 2), torch.ones(10, 2, dtype=torch.bool), torch.full((10, 2), 3)):
        torch.testing.assert_close(masked(p4, mask), usual(p4), rtol=0, atol=0)
