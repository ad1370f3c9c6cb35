from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from learned import toy_columns, write
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.training import TrainingConfig
from zmumu_hybrid.training.data import load

Columns = dict[str, np.ndarray]


def test_splits_do_not_share_an_event(data: Path) -> None:
    train, test, everything = (load(data, split=split) for split in ("train", "test", "all"))
    assert len(train) + len(test) == len(everything) == 6000
    energies = {split: set(table.p4[:, 0, 0]) for split, table in (("train", train), ("test", test))}
    assert not energies["train"] & energies["test"]


def test_momenta_are_energy_first(data: Path) -> None:
    table = load(data)
    squares = table.p4[..., 0] ** 2 - (table.p4[..., 1:] ** 2).sum(-1)
    np.testing.assert_allclose(squares, 0.1056583745**2, atol=1e-8)
    np.testing.assert_allclose(table.pt, np.hypot(table.p4[:, 0, 1], table.p4[:, 0, 2]))


def test_fractions_are_nested(data: Path) -> None:
    small, large = (set(load(data, fraction=fraction).p4[:, 0, 0]) for fraction in (0.2, 0.6))
    assert small < large
    assert len(small) == round(0.2 * len(load(data)))


def change(name: str, row: int, value: float) -> Callable[[Columns], None]:
    def apply(columns: Columns) -> None:
        columns[name][row] = value

    return apply


def no_signal(columns: Columns) -> None:
    columns["label"][:] = 0


def no_weight(columns: Columns) -> None:
    columns["weight"][columns["label"] == 0] = 0


def negative_weight(columns: Columns) -> None:
    columns["weight"][columns["label"] == 1] = -1
    columns["weight"][0] = 1


def nothing_held_out(columns: Columns) -> None:
    columns["is_test"][columns["label"] == 1] = False


def nothing_to_train(columns: Columns) -> None:
    columns["is_test"][columns["label"] == 0] = True


def twice(columns: Columns) -> None:
    columns["event"][1] = columns["event"][0]
    columns["is_test"][:2] = [True, False]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change("px_1", 7, np.nan), r"candidates\.parquet: .*event \d+: px_1 is nan"),
        (change("pt_0", 7, np.inf), r"pt_0 is inf"),
        (change("weight", 7, np.nan), r"weight is nan, not a finite number of single precision"),
        (change("weight", 7, -np.inf), r"weight is -inf"),
        (change("energy_0", 7, 1e300), r"energy_0 is 1e\+300, not a finite number of single precision"),
        (change("label", 7, 2), r"event \d+: label is 2, not 0 or 1"),
        (no_signal, r"candidates\.parquet, all split: no signal"),
        (negative_weight, r"all split: the weights of the signal sum to -48, not above 0"),
        (no_weight, r"all split: the weights of the background sum to 0"),
        (twice, r"is there twice: training and test must not share an event"),
    ],
)
def test_a_table_that_cannot_be_trained_on_is_refused(
    tmp_path: Path, spoil: Callable[[Columns], None], message: str
) -> None:
    columns = toy_columns(50)
    spoil(columns)
    with pytest.raises(InputError, match=message):
        load(write(columns, tmp_path), split="all")


def test_too_few_events_for_a_batch(data: Path) -> None:
    with pytest.raises(InputError, match=r"too few for a batch of 100000: process more events"):
        load(data, batch_size=100_000)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change("px_1", 7, np.nan), r"px_1 is nan"),
        (no_signal, r"candidates\.parquet, train split: no signal"),
        (no_weight, r"train split: the weights of the background sum to 0"),
        (negative_weight, r"train split: the weights of the signal sum to -"),
        (twice, r"is there twice: training and test must not share an event"),
        (nothing_held_out, r"candidates\.parquet, test split: no signal"),
        (nothing_to_train, r"candidates\.parquet, train split: no background"),
        (lambda _columns: None, r"events are too few for a batch of 128"),
    ],
)
def test_nothing_is_begun_with_such_a_table(tmp_path: Path, spoil: Callable[[Columns], None], message: str) -> None:
    columns = toy_columns(60)
    columns["is_test"][:10] = False
    spoil(columns)
    batch = 128 if "too few" in message else 16
    with pytest.raises(InputError, match=message):
        train("pfn", write(columns, tmp_path), tmp_path / "run", TrainingConfig(epochs=1, batch_size=batch))
    assert not (tmp_path / "run").exists()
