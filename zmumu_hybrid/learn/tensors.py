"""From the candidate table to what networks are trained on: momenta, context, labels, weights, all in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid import candidates
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.learn.configuration import ModelConfig
from zmumu_hybrid.splitting import subset
from zmumu_hybrid.training_events import TrainingEvents

__all__ = ["Part", "TrainingTable", "load", "read_rows", "table_path"]

Floats = NDArray[np.float64]
Part = Literal["train", "test", "all"]

_MOMENTA = [f"{name}_{slot}" for slot in (0, 1) for name in ("energy", "px", "py", "pz")]
_IDENTITY = ["run", "luminosityBlock", "event", "label"]
_OTHERS = ["pt_0", "weight", "is_test"]


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """Events as networks see them, one row a muon pair.

    Attributes
    ----------
    p4 : numpy.ndarray of float64, shape (N, 2, 4)
        E, px, py, pz of the smeared muons in GeV, mu+ first.
    pt : numpy.ndarray of float64, shape (N, 1)
        Smeared transverse momentum of the mu+ in GeV, the context of the symmetry factor.
    label : numpy.ndarray of float64, shape (N,)
        1 for signal, 0 for background.
    weight : numpy.ndarray of float64, shape (N,)
        Event weight, with the reweighting of the background.
    """

    p4: Floats
    pt: Floats
    label: Floats
    weight: Floats

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.label)

    def context(self, model: ModelConfig) -> Floats | None:
        """Return the context to hand to a network; None where it computes other variables from the momenta."""
        return self.pt if model.context_variables is None else None


def table_path(data: str | os.PathLike[str]) -> Path:
    """Return the candidate table that `data` means: itself, or the one in the directory of `zmumu process`."""
    path = Path(data)
    return path / "candidates.parquet" if path.is_dir() else path


def load(
    data: str | os.PathLike[str],
    *,
    part: Part = "train",
    fraction: float = 1.0,
    seed: int = 0,
    batch_size: int = 1,
    without: TrainingEvents | None = None,
) -> TrainingTable:
    """Read the events of one part of a candidate table.

    Parameters
    ----------
    data : path
        Directory of `zmumu process`, or a candidate table.
    part : "train", "test" or "all"
        Which side of the split.
    fraction : float
        Keep this fraction of the rows, chosen by their identity: smaller parts are contained in larger ones.
    seed : int
        Of that choice.
    batch_size : int
        How many rows there must be at least.
    without : TrainingEvents, optional
        Events to leave out.

    Raises
    ------
    InputError
        If a number is not finite in single precision, a label is neither 0 nor 1, an event is there twice, a class is
        missing or has no positive total weight, or there are too few rows for a batch.
    """
    path = table_path(data)
    table = read_rows(path, _MOMENTA, part, fraction, seed, without)
    usable = {name: np.abs(table[name]) <= np.finfo(np.float32).max for name in ("pt_0", "weight", *_MOMENTA)}
    usable["label"] = np.isin(table["label"], (0, 1))
    for name, good in usable.items():
        if not good.all():
            row = int(np.argmin(good))
            wanted = "0 or 1" if name == "label" else "a finite number of single precision"
            raise InputError(f"{path}: {candidates.name_event(table, row)}: {name} is {table[name][row]}, not {wanted}")
    for name, label in (("signal", 1), ("background", 0)):
        of_class = table["label"] == label
        total = float(table["weight"][of_class].sum())
        if not of_class.any():
            raise InputError(f"{path}: no {name} in the {part} part: a classifier needs both classes")
        if total <= 0:
            raise InputError(f"{path}: the weights of the {name} in the {part} part sum to {total:g}, not above 0")
    if len(table["label"]) < batch_size:
        raise InputError(
            f"{path}: {len(table['label'])} events in the {part} part are too few for a batch of {batch_size}: "
            "process more events or take a smaller batch"
        )
    return TrainingTable(
        np.stack([table[name] for name in _MOMENTA], 1).reshape(-1, 2, 4),
        table["pt_0"][:, None],
        table["label"].astype(np.float64),
        table["weight"],
    )


def read_rows(
    path: Path,
    columns: Sequence[str],
    part: Part,
    fraction: float = 1.0,
    seed: int = 0,
    without: TrainingEvents | None = None,
) -> candidates.Table:
    """Read columns of the rows that `load` takes, with identity, pT of the mu+, weight and side of the split."""
    table = candidates.read(path, [*_IDENTITY, *_OTHERS, *columns])
    _refuse_duplicates(table, path)
    chosen = {"train": ~table["is_test"], "test": table["is_test"], "all": np.ones(len(table["run"]), bool)}[part]
    if without is not None:
        chosen &= ~without.include(table)
        if not chosen.any():
            raise InputError(
                f"{path}: all {len(chosen)} events are training events of {without.source}: give events that it has "
                "not seen"
            )
    table = {name: values[chosen] for name, values in table.items()}
    if fraction < 1.0:
        kept = subset(*(table[name] for name in _IDENTITY), size=float(fraction), seed=seed)
        table = {name: values[kept] for name, values in table.items()}
    return table


def _refuse_duplicates(table: dict[str, NDArray[Any]], path: Path) -> None:
    """Refuse an event that is there twice: it could be both in the training and in the test part."""
    order = np.lexsort([table[name] for name in _IDENTITY])
    same = np.ones(max(len(order) - 1, 0), bool)
    for name in _IDENTITY:
        values = table[name][order]
        same &= values[1:] == values[:-1]
    if same.any():
        row = int(order[int(np.argmax(same))])
        raise InputError(
            f"{path}: {candidates.name_event(table, row)} is there twice: training and test must not share an event, "
            "make the table again with `zmumu process`"
        )
