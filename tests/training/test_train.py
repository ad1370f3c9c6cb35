from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from killing import stopped
from learned import same_weights, toy_columns, write
from zmumu_hybrid.errors import ConfigurationError, InputError, MissingInputError, ModelError
from zmumu_hybrid.jobs.evaluate import evaluate
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.nets.config import POOLINGS, HybridConfig
from zmumu_hybrid.nets.dimuon import build
from zmumu_hybrid.training import TrainingConfig, load_ensemble
from zmumu_hybrid.training.data import load
from zmumu_hybrid.training.measures import METRICS
from zmumu_hybrid.training.trainer import Member, draw_order, make_member

SMALL = HybridConfig((16,), (16,), (8,), (32, 16), latent=4)
QUICK = TrainingConfig(members=2, epochs=2, learning_rate=1e-3, seed=4)


@pytest.mark.parametrize("model", ["hybrid", "pfn", "invariant"])
def test_training_learns_and_is_reproducible(data: Path, tmp_path: Path, model: str) -> None:
    settings = replace(QUICK, epochs=3)
    summary = train(model, data, tmp_path / "a", settings)
    assert not summary.stopped
    assert all(row["auc"] > 0.65 for row in summary.final)
    train(model, data, tmp_path / "b", settings, threads=1)
    same_weights(tmp_path / "a", tmp_path / "b")
    table = pq.read_table(tmp_path / "a" / "metrics.parquet")
    assert table.column("epoch").to_pylist() == [1, 2, 3, 1, 2, 3]
    assert set(METRICS) < set(table.column_names)
    assert not (tmp_path / "a" / "checkpoints").exists()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_member_of_an_ensemble_equals_the_member_alone(data: Path, tmp_path: Path, pooling: str) -> None:
    model = replace(SMALL, pooling=pooling)
    train(model, data, tmp_path / "both", QUICK)
    train(model, data, tmp_path / "alone", replace(QUICK, members=1), threads=1)
    both, alone = (load_file(tmp_path / name / "members.safetensors") for name in ("both", "alone"))
    assert all(torch.equal(value[0], both[name][0]) for name, value in alone.items())


def test_a_step_is_that_of_torch(data: Path, tmp_path: Path) -> None:
    """One epoch of a plain loop with `torch.optim.AdamW` over the same rows gives the same weights."""
    settings = replace(QUICK, members=1, epochs=1, sampling="shuffle", weight_decay=0.1, fraction=0.3)
    plain = replace(SMALL, normalisation="none")  # else AdamW makes full steps of the rounding of biases without effect
    trained = train(plain, data, tmp_path, settings).ensemble[0]
    table = load(data, fraction=0.3, seed=settings.seed)
    net = make_member(lambda: build(plain), settings.seed, 0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.1)
    p4, label = torch.from_numpy(table.p4), torch.from_numpy(table.label).float()
    for rows in torch.from_numpy(draw_order(table, settings, 0, 0)):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(net(p4[rows]), label[rows]).backward()
        optimizer.step()
    net.eval()
    torch.testing.assert_close(trained(p4), net(p4), rtol=1e-3, atol=1e-4)


def test_all_members_differ(data: Path, tmp_path: Path) -> None:
    train(SMALL, data, tmp_path, QUICK)
    weights = load_file(tmp_path / "members.safetensors")["joined.classifier.linear_0.weight"]
    assert not np.allclose(weights[0], weights[1])


@pytest.mark.parametrize("sampling", ["weighted", "shuffle"])
def test_an_interrupted_training_ends_with_the_same_weights(data: Path, tmp_path: Path, sampling: str) -> None:
    settings = replace(QUICK, epochs=3, sampling=sampling)
    train(SMALL, data, tmp_path / "whole", settings)

    def stop(member: Member) -> None:
        if member.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(SMALL, data, tmp_path / "cut", settings, watch=stop)
    assert not (tmp_path / "cut" / "members.safetensors").exists()
    train(SMALL, data, tmp_path / "cut", settings)
    same_weights(tmp_path / "whole", tmp_path / "cut")


def test_a_killed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    """SIGKILL at moments between the first checkpoint and the end, time and again."""
    settings, data = replace(QUICK, epochs=3), write(toy_columns(500), tmp_path / "data")
    train(SMALL, data, tmp_path / "whole", settings)
    code = f"train({SMALL!r}, {str(data)!r}, output, {settings!r})"
    preamble = "from zmumu_hybrid import train, TrainingConfig; from zmumu_hybrid.nets.config import *"
    once = stopped(preamble, code, tmp_path / "cut", first=16, every=12)
    twice = stopped(preamble, code, next(iter(once)), first=16, every=99)
    assert len(once) > 1
    assert len(twice) > 1
    for cut in (*once, *twice):
        train(SMALL, data, cut, settings)
        same_weights(tmp_path / "whole", cut)
        whole, again = (pq.read_table(run / "metrics.parquet") for run in (tmp_path / "whole", cut))
        assert whole.equals(again)
        assert {path.name for path in cut.iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}


def spoil(checkpoint: Path, how: str) -> None:
    content = bytearray(checkpoint.read_bytes())
    if how == "truncated":
        content = content[: len(content) // 2]
    elif how == "flipped":
        content[-50] ^= 4
    elif how == "foreign":
        save_file({"weights": torch.zeros(3)}, checkpoint)
        return
    checkpoint.write_bytes(content)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", r"member-0\.safetensors: corrupt or not of this package .*: remove it and train again"),
        ("flipped", r"member-0\.safetensors: corrupt, its values are not those that were written"),
        ("foreign", r"member-0\.safetensors: corrupt or not of this package"),
        ("of another", r"member-0\.safetensors: belongs to another training than config\.json"),
    ],
)
def test_a_checkpoint_that_is_corrupt_or_foreign_is_refused(data: Path, tmp_path: Path, how: str, message: str) -> None:
    def interrupted(settings: TrainingConfig, run: Path) -> Path:
        def stop(member: Member) -> None:
            if member.epoch == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(SMALL, data, run, settings, watch=stop)
        return run / "checkpoints" / "member-0.safetensors"

    alone = replace(QUICK, members=1)
    checkpoint = interrupted(alone, tmp_path / "run")
    if how == "of another":
        checkpoint.write_bytes(interrupted(replace(alone, seed=9), tmp_path / "other").read_bytes())
    else:
        spoil(checkpoint, how)
    with pytest.raises(ModelError, match=message):
        train(SMALL, data, tmp_path / "run", alone)
    checkpoint.unlink()  # as the message says
    train(SMALL, data, tmp_path / "run", alone)
    train(SMALL, data, tmp_path / "whole", alone)
    same_weights(tmp_path / "run", tmp_path / "whole")


def test_a_watched_training_is_told_of_what_it_goes_on_from(data: Path, tmp_path: Path) -> None:
    told: list[int] = []

    def watch(member: Member) -> None:
        told.append(member.epoch)
        if member.epoch == 2 and len(told) == 3:
            raise KeyboardInterrupt

    settings = replace(QUICK, members=1, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        train(SMALL, data, tmp_path, settings, watch=watch)
    train(SMALL, data, tmp_path, settings, watch=watch)
    assert told == [0, 1, 2, 2, 3]


def test_a_finished_training_is_not_repeated(data: Path, tmp_path: Path) -> None:
    first = train(SMALL, data, tmp_path, QUICK)
    before = (tmp_path / "members.safetensors").stat().st_mtime_ns
    again = train(SMALL, data, tmp_path, QUICK)
    assert (tmp_path / "members.safetensors").stat().st_mtime_ns == before
    assert [row["auc"] for row in again.final] == [row["auc"] for row in first.final]


def test_another_training_in_the_same_folder_is_refused(data: Path, tmp_path: Path) -> None:
    train(SMALL, data, tmp_path, QUICK)
    with pytest.raises(ConfigurationError, match=r"holds a training with training epochs = 2, not 5"):
        train(SMALL, data, tmp_path, replace(QUICK, epochs=5))


class Poisoned(torch.nn.Module):
    """Gives NaN from its 60th batch in training on."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 1)
        self.batches = 0

    def forward(self, p4: torch.Tensor) -> torch.Tensor:
        self.batches += self.training
        logits: torch.Tensor = self.linear(0.01 * p4.float().sum(1)).squeeze(1)
        return logits * torch.nan if self.batches >= 60 else logits


def test_a_loss_that_is_not_finite_stops_that_member_only(data: Path, tmp_path: Path) -> None:
    """A network that stops being finite in its second epoch keeps what it was after the first."""
    healthy = make_member(Poisoned, QUICK.seed, 0).linear.weight

    def make() -> Poisoned:
        module = Poisoned()
        module.batches = -(10**9) if torch.equal(module.linear.weight, healthy) else 0
        return module

    summary = train(make, data, tmp_path / "a", replace(QUICK, epochs=3))
    assert summary.stopped == [1]
    assert [(row["member"], row["epoch"]) for row in summary.final] == [(0, 3), (1, 1)]
    ensemble = load_ensemble(tmp_path / "a", make)
    assert (len(ensemble), ensemble.stopped) == (1, [1])
    assert np.isfinite(ensemble.logits(load(data).p4)).all()
    train(make, data, tmp_path / "b", replace(QUICK, epochs=1))
    kept, whole = (load_file(tmp_path / name / "members.safetensors") for name in "ab")
    assert all(np.array_equal(kept[name][1], whole[name][1]) for name in kept)


def test_a_training_without_a_finite_loss_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no member has a finite loss any more: take a smaller learning rate"):
        train(SMALL, data, tmp_path, replace(QUICK, learning_rate=1e30))


@pytest.mark.parametrize("sampling", ["weighted", "shuffle"])
def test_negative_weights_cannot_be_drawn(tmp_path: Path, sampling: str) -> None:
    columns = toy_columns(500)
    columns["weight"][::10] = -0.1
    data = write(columns, tmp_path / "table")
    settings = replace(QUICK, epochs=1, sampling=sampling)
    if sampling == "shuffle":
        assert not train(SMALL, data, tmp_path / "run", settings).stopped
    else:
        with pytest.raises(InputError, match=r"\d+ training events have a negative weight .* sampling 'shuffle'"):
            train(SMALL, data, tmp_path / "run", settings)


def test_events_are_drawn_by_weight(data: Path) -> None:
    table = load(data)
    table.weight[:] = np.arange(len(table)) % 4
    settings = TrainingConfig(batch_size=50)
    orders = np.stack([draw_order(table, settings, member, epoch) for member in range(3) for epoch in range(20)])
    assert orders.shape == (60, len(table) // 50, 50)
    drawn = np.bincount(orders.ravel() % 4, minlength=4) / orders.size
    np.testing.assert_allclose(drawn, np.arange(4) / 6, atol=0.005)
    assert len({tuple(order[0, :5]) for order in orders}) == 60
    shuffled = draw_order(table, replace(settings, sampling="shuffle"), 0, 0)
    assert len(set(shuffled.ravel())) == shuffled.size


def test_the_published_networks_train(data: Path, tmp_path: Path) -> None:
    summary = train("released hybrid", data, tmp_path, replace(QUICK, epochs=1, fraction=0.5), threads=1)
    assert [row["member"] for row in summary.final] == [0, 1]
    assert load_ensemble(tmp_path).config.particle_norm == "particle"


def test_members_are_shown_on_a_terminal(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    train(SMALL, data, tmp_path, QUICK, show_progress=True)
    shown = capsys.readouterr().err
    assert "hybrid, member 1" in shown
    assert "AUC 0." in shown


def test_evaluation_takes_the_held_out_events_of_its_own_sample(data: Path, tmp_path: Path) -> None:
    train(SMALL, data, tmp_path, QUICK)
    found = evaluate(tmp_path, data)
    assert found["data"]["split"] == "test"
    table = pq.read_table(tmp_path / "metrics.parquet").to_pandas()
    last = table[table.epoch == 2].auc
    np.testing.assert_allclose(found["metrics"]["auc"]["members"], last, atol=1e-6)
    assert found["metrics"]["auc"]["std"] == pytest.approx(np.std(last, ddof=1), abs=1e-6)


def test_scores_and_symmetry_factor_of_a_loaded_ensemble(data: Path, tmp_path: Path) -> None:
    train(SMALL, data, tmp_path, QUICK)
    ensemble = load_ensemble(tmp_path)
    table = load(data, split="test")
    scores = ensemble.scores(table.p4)
    assert scores.shape == (2, len(table))
    assert ((scores > 0) & (scores < 1)).all()
    factor = ensemble.symmetry_factor([10.0, 40.0, 90.0])
    assert factor.shape == (2, 3, 2)
    assert ((factor > 0) & (factor < 1)).all()
    np.testing.assert_allclose(factor.sum(-1), 1, rtol=1e-6)


def test_broken_runs_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"no config\.json"):
        load_ensemble(tmp_path / "nothing")
    train(SMALL, data, tmp_path, QUICK)
    weights = tmp_path / "members.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"members\.safetensors: corrupt or not of this package"):
        load_ensemble(tmp_path)
    flipped = bytearray(whole)
    flipped[-100] ^= 1
    weights.write_bytes(flipped)
    with pytest.raises(ModelError, match=r"corrupt, its values are not those that were written"):
        load_ensemble(tmp_path)
    weights.write_bytes(whole)
    config = tmp_path / "config.json"
    text = config.read_text()
    config.write_text(text.replace('"seed": 4', '"seed": 5'))
    with pytest.raises(ModelError, match=r"belongs to another training"):
        load_ensemble(tmp_path)
    config.write_text(text.replace('"version": 2', '"version": 1'))
    with pytest.raises(ModelError, match=r"is of version 1, this release reads version 2: train again"):
        load_ensemble(tmp_path)
    config.write_text("{")
    with pytest.raises(ModelError, match=r"not valid JSON"):
        load_ensemble(tmp_path)
