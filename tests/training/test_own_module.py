"""Modules of one's own in the trainer: what holds for the paper's networks holds for them."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from killing import stopped
from learned import same_weights
from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError
from zmumu_hybrid.jobs.evaluate import evaluate
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.nets import ApproximateSymmetry, DimuonHybrid
from zmumu_hybrid.nets.config import EventShape, HybridConfig, Invariants, PairMap
from zmumu_hybrid.training import Ensemble, TrainingConfig, TrainingTable, load_ensemble
from zmumu_hybrid.training.trainer import Member

QUICK = TrainingConfig(members=2, epochs=2, batch_size=64, learning_rate=1e-3, seed=4)


class OwnHybrid(nn.Module):
    """A hybrid of subnets of one's own, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        general = nn.Sequential(nn.Flatten(), nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 4))
        symmetric = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 4))
        self.joined = ApproximateSymmetry([general, symmetric], nn.Linear(1, 2), nn.Linear(4, 1))

    def forward(self, p4: Tensor) -> Tensor:
        """Return the logits."""
        total = p4.sum(1)
        square = total[:, :1] ** 2 - total[:, 1:2] ** 2 - total[:, 2:3] ** 2 - total[:, 3:] ** 2
        return self.joined([0.02 * p4, square.clamp(min=1.0).log() - 9.0], 0.02 * p4[:, 0, 1:2].abs())


def table(count: int = 256, classes: int = 2) -> TrainingTable:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 5))
    return TrainingTable.of({"x": x}, np.digitize(x[:, 0], [-0.5, 0.5][: classes - 1]))


def make_plain() -> nn.Module:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(5, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x).squeeze(1)  # type: ignore[no-any-return]

    return Plain()


def test_it_is_trained_reproducibly_and_comes_back_from_disk(data: Path, tmp_path: Path) -> None:
    settings = replace(QUICK, learning_rate=1e-2)
    first = train(OwnHybrid, data, tmp_path / "a", settings)
    train(OwnHybrid, data, tmp_path / "b", settings, threads=1)
    same_weights(tmp_path / "a", tmp_path / "b")
    alone = train(OwnHybrid, data, tmp_path / "c", replace(settings, members=1)).ensemble[0]
    assert all(torch.equal(value, alone.state_dict()[name]) for name, value in first.ensemble[0].state_dict().items())
    assert all(row["auc"] > 0.6 for row in first.final)
    with pytest.raises(ModelError, match=r"holds networks of the class .*OwnHybrid: give the function that makes one"):
        load_ensemble(tmp_path / "a")
    with pytest.raises(ModelError, match=r"is of another network: .*joined"):
        load_ensemble(tmp_path / "a", make_plain)
    loaded = load_ensemble(tmp_path / "a", OwnHybrid)
    p4 = np.random.default_rng(1).normal(size=(7, 2, 4))
    np.testing.assert_array_equal(loaded.scores(p4), first.ensemble.scores(p4))
    assert loaded.symmetry_factor([1.0, 2.0]).shape == (2, 2, 2)
    found = evaluate(tmp_path / "a", data, OwnHybrid)
    assert found["model"] == "OwnHybrid"
    np.testing.assert_allclose(found["metrics"]["auc"]["members"], [row["auc"] for row in first.final], atol=1e-6)


def test_killed_in_the_middle_it_goes_on_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    settings = replace(QUICK, epochs=5)
    train(OwnHybrid, data, tmp_path / "whole", settings)
    preamble = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parent)]!r}\n"
        "from test_own_module import OwnHybrid; from zmumu_hybrid import train, TrainingConfig"
    )
    code = f"train(OwnHybrid, {str(data)!r}, output, {settings!r})"
    (cut, first), (_, last) = stopped(preamble, code, tmp_path / "cut", first=40, every=9999).items()
    assert (first.status, last.status) == (-signal.SIGKILL, 0), last.err
    assert list(cut.glob("checkpoints/member-*.safetensors"))
    assert not (cut / "members.safetensors").exists()
    OwnHybrid.__module__, before = "test_own_module", OwnHybrid.__module__
    try:
        train(OwnHybrid, data, cut, settings)
    finally:
        OwnHybrid.__module__ = before
    same_weights(tmp_path / "whole", cut)


def test_another_module_in_its_folder_is_refused(data: Path, tmp_path: Path) -> None:
    def stop(member: Member) -> None:
        if member.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(OwnHybrid, data, tmp_path, QUICK, watch=stop)
    with pytest.raises(ConfigurationError, match=r"holds a training with network .*: name another output, or remove"):
        train("pfn", data, tmp_path, QUICK)


@pytest.mark.parametrize("classes", [2, 3])
def test_several_classes_of_arrays(classes: int) -> None:
    events = table(1024, classes)
    settings = replace(QUICK, epochs=30, learning_rate=0.03)
    summary = train(lambda: nn.Linear(5, classes), events_of(events), training=settings, held_out=events_of(events))
    assert all(row["accuracy"] > 0.8 for row in summary.final)
    assert summary.ensemble.scores(events.inputs["x"]).shape == (2, 1024, classes)


def events_of(events: TrainingTable) -> TrainingTable:
    """The same events, as the only argument of `forward`, whatever its name."""
    return TrainingTable.of(events.inputs["x"], events.label)


def test_events_of_weight_zero_are_not_learned_from() -> None:
    events = table(200)
    kept = np.arange(200) < 100
    wrong = np.where(kept, events.label, 1 - events.label)
    for sampling in ("weighted", "shuffle"):
        settings = replace(QUICK, sampling=sampling, epochs=1, batch_size=200)
        scores = [
            train(make_plain, TrainingTable.of(events.inputs, label, kept), training=settings).ensemble.scores(
                x=events.inputs["x"]
            )
            for label in (events.label, wrong)
        ]
        np.testing.assert_allclose(*scores, atol=1e-6)


def test_masks_scalars_and_a_context_that_is_given(tmp_path: Path) -> None:
    config = HybridConfig(
        (6,),
        (6,),
        (4,),
        (8,),
        latent=3,
        context=(),
        given_context=2,
        invariants=Invariants(("m2(all)",), pairs=PairMap(("m2",), (6,), 3)),
        events=EventShape(3, 1, masked=True),
    )
    rng = np.random.default_rng(0)
    p = rng.normal(0, 30, (100, 3, 3))
    mask = np.arange(3) < rng.integers(1, 4, (100, 1))
    p4 = np.concatenate([np.sqrt((p**2).sum(-1, keepdims=True) + 1), p], -1)
    p4[~mask] = np.nan  # padding may be anything
    inputs = {"p4": p4, "mask": mask, "scalars": rng.normal(size=(100, 3, 1)), "context": rng.normal(size=(100, 2))}
    events = TrainingTable.of(inputs, np.arange(100) % 2)
    settings = replace(QUICK, batch_size=32)
    first = train(config, events, tmp_path / "run", settings, held_out=events)
    again = train(config, events, training=settings)
    np.testing.assert_array_equal(first.ensemble.scores(**inputs), again.ensemble.scores(**inputs))
    loaded = load_ensemble(tmp_path / "run")
    np.testing.assert_array_equal(loaded.scores(**inputs), first.ensemble.scores(**inputs))
    assert set(loaded.ranges) == {"m2(all)", "m2", "context 0", "context 1", "pt", "eta", "energy"}
    with pytest.raises(InputError, match="takes 2 context variables with the events"):
        train(
            config,
            TrainingTable.of({name: inputs[name] for name in ("p4", "mask", "scalars")}, events.label),
            training=settings,
        )


def test_an_ensemble_without_some_of_its_members_is_saved_without_them(tmp_path: Path) -> None:
    modules = [DimuonHybrid(latent=4), DimuonHybrid(latent=4)]
    lacking = Ensemble(modules, TrainingConfig(members=3), stopped=[1])
    loaded = load_ensemble(lacking.save(tmp_path / "run"))
    assert (len(loaded), loaded.stopped) == (2, [1])
    p4 = np.random.default_rng(0).normal(size=(5, 2, 4))
    np.testing.assert_array_equal(loaded.scores(p4), lacking.scores(p4))
    with pytest.raises(ConfigurationError, match="run: holds another training"):
        Ensemble([DimuonHybrid()], TrainingConfig(members=1)).save(tmp_path / "run")


class Odd(nn.Module):
    """A linear layer with a fault."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault, self.linear = fault, nn.Linear(5, 1)
        if fault == "unused":
            self.spare = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.linear(x)
        faults = {"column": logits, "batch": logits.sum(), "pairs": logits.expand(-1, 2)}
        return logits.squeeze(1) * torch.nan if self.fault == "nan" else faults.get(self.fault, logits.squeeze(1))


@pytest.mark.parametrize(
    ("fault", "classes", "message"),
    [
        ("column", 2, r"Odd: its output for 64 events has the shape \(64, 1\), the targets need \(64,\)"),
        ("batch", 2, r"has the shape \(\), the targets need \(64,\)"),
        ("pairs", 3, r"has the shape \(64, 2\), the targets need \(64, 3\)"),
        ("nan", 2, r"Odd: gives nan for finite inputs"),
        ("unused", 2, r"Odd: the parameter spare\.weight has no gradient.*remove it, or set requires_grad_\(False\)"),
    ],
)
def test_a_module_that_does_not_fit_is_refused(tmp_path: Path, fault: str, classes: int, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        train(lambda: Odd(fault), table(classes=classes), tmp_path / "run", QUICK)
    assert not (tmp_path / "run").exists()


def test_other_mistakes() -> None:
    with pytest.raises(ModelError, match=r"Plain: forward does not take the inputs y"):
        train(make_plain, TrainingTable.of({"y": np.zeros((256, 5))}, table().label), training=QUICK)
    with pytest.raises(InputError, match="the network must be a torch module, not a int"):
        train(lambda: 3, table(), training=QUICK)  # type: ignore[arg-type,return-value]
    with pytest.raises(InputError, match="x has 3 entries, label has 2"):
        TrainingTable.of({"x": np.zeros((3, 5))}, [0, 1])
    with pytest.raises(InputError, match="weight of entry 1 is not a finite number"):
        TrainingTable.of({"x": np.zeros((2, 5))}, [0, 1], [1, np.nan])
    with pytest.raises(InputError, match="too few for a batch of 64"):
        train(make_plain, table(20), training=QUICK)
    with pytest.raises(InputError, match="the table: no class 1: a classifier needs events of all classes"):
        train(make_plain, TrainingTable.of({"x": np.zeros((99, 5))}, np.arange(99) % 2 * 2), training=QUICK)
    with pytest.raises(ConfigurationError, match="need a directory of `zmumu process`, not a table"):
        train(make_plain, table(), training=replace(QUICK, resmear=True))
