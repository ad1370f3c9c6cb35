"""What is trained on: inputs of a network, labels and weights, from the candidate table or from arrays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.training_events import TrainingEvents
from zmumu_hybrid.draws.split import subset
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.support.outputs import require_mark
from zmumu_hybrid.support.values import require_form

__all__ = [
    "DTYPES",
    "MOMENTA",
    "Arrays",
    "Split",
    "TrainingTable",
    "describe_inputs",
    "load",
    "read_rows",
    "require_arrays",
    "table_path",
]

Floats = NDArray[np.float64]
Split = Literal["train", "test", "all"]
Arrays = dict[str, dict[str, Any]]
"""What arrays of events are: for each name the "dtype", and the "shape" of one event."""

DTYPES = ("bool", "float32", "float64", "int32", "int64", "uint8")
"""What a network that is exported may read."""

MAX_LENGTH = 2**20
"""Of an axis of one event."""

MOMENTA = tuple(f"{name}_{slot}" for slot in (0, 1) for name in ("energy", "px", "py", "pz"))
"""The columns of a table that make four-momenta."""

_IDENTITY = ["run", "luminosityBlock", "event", "label"]
_OTHERS = ["pt_0", "weight", "is_test"]


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """Events as networks see them.

    Attributes
    ----------
    inputs : dict of str to numpy.ndarray, shape (N, ...)
        The arguments of the network's `forward`, by name: for the paper's networks "p4" (N, n, 4), E, px, py, pz in
        GeV, and "mask" (N, n), "scalars" (N, n, L) and "context" (N, C) if the network reads them.
    label : numpy.ndarray of float64, shape (N,)
        1 for signal and 0 for background, or the number of the class, 0 to K - 1.
    weight : numpy.ndarray of float64, shape (N,)
        Event weight, with the reweighting of the background.

    Raises
    ------
    InputError
        If lengths differ or a number is not finite; the message names entry and field.

    Examples
    --------
    >>> import numpy as np
    >>> table = TrainingTable.of(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), [1, 0, 0])
    >>> table.label, table.weight
    (array([1., 0., 0.]), array([1., 1., 1.]))
    """

    inputs: dict[str, NDArray[Any]]
    label: Floats
    weight: Floats

    def __post_init__(self) -> None:
        """Refuse columns that do not belong together."""
        mask = self.inputs.get("mask")
        for name, values in (*self.inputs.items(), ("label", self.label), ("weight", self.weight)):
            if len(values) != len(self.label):
                raise InputError(f"{name} has {len(values)} entries, label has {len(self.label)}")
            finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
            if mask is not None and not finite.all() and values.shape[:2] == mask.shape:
                there = np.asarray(mask, bool)
                finite = np.array([np.isfinite(each[here]).all() for each, here in zip(values, there, strict=True)])
            if not finite.all():
                raise InputError(f"{name} of entry {int(np.argmin(finite))} is not a finite number: leave it out")

    @classmethod
    def of(
        cls, inputs: ArrayLike | Mapping[str, ArrayLike], label: ArrayLike, weight: ArrayLike | None = None
    ) -> TrainingTable:
        """Return a table of arrays or tensors; a single array is the first argument of `forward`.

        Examples
        --------
        >>> len(TrainingTable.of({"p4": np.ones((3, 2, 4))}, [0, 1, 1]))
        3
        """
        given = inputs if isinstance(inputs, Mapping) else {"": inputs}
        labels = np.asarray(label, np.float64)
        return cls(
            {name: np.asarray(values) for name, values in given.items()},
            labels,
            np.ones(len(labels)) if weight is None else np.asarray(weight, np.float64),
        )

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.label)

    @property
    def p4(self) -> Floats:
        """The four-momenta, shape (N, n, 4)."""
        return self.inputs["p4"]

    @property
    def pt(self) -> Floats | None:
        """Transverse momentum of the first particle in GeV, shape (N,); None without four-momenta."""
        p4 = self.inputs.get("p4")
        return None if p4 is None or p4.ndim != 3 else np.hypot(p4[:, 0, 1], p4[:, 0, 2])

    def checksum(self) -> str:
        """Return the SHA-256 of all its numbers."""
        state = hashlib.sha256()
        for name, values in (*sorted(self.inputs.items()), ("label", self.label), ("weight", self.weight)):
            state.update(f"{name} {values.dtype} {values.shape} ".encode())
            state.update(np.ascontiguousarray(values).data)
        return state.hexdigest()

    def require_classes(self, where: str, batch_size: int = 1) -> None:
        """Refuse tables that no classifier can be trained on.

        Raises
        ------
        InputError
            If labels are not 0 to K - 1 with K of at least 2, a class has no positive total weight, or there are fewer
            events than a batch has.
        """
        classes = np.unique(self.label)
        expected = max(int(classes[-1]) + 1 if len(classes) else 2, 2)
        if len(classes) and (classes[0] < 0 or (classes != np.round(classes)).any()):
            raise InputError(f"{where}: label is {classes.tolist()[0]}, labels are the numbers of the classes from 0")
        for number in range(expected):
            of_class = self.label == number
            name = ("background", "signal")[number] if expected == 2 else f"class {number}"
            if not of_class.any():
                raise InputError(f"{where}: no {name}: a classifier needs events of all classes")
            if (total := float(self.weight[of_class].sum())) <= 0:
                raise InputError(f"{where}: the weights of the {name} sum to {total:g}, not above 0")
        if len(self) < batch_size:
            raise InputError(
                f"{where}: {len(self)} events are too few for a batch of {batch_size}: "
                "process more events or take a smaller batch"
            )


def describe_inputs(inputs: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return what the inputs of networks are: for each name the "dtype", and the "shape" of one event."""
    return {name: {"dtype": str(values.dtype), "shape": list(values.shape[1:])} for name, values in inputs.items()}


def require_arrays(arrays: Any, where: str) -> Arrays:
    """Return a description that was read from a file; `InputError`, naming `where`, if it is not as `Arrays`."""
    require_form(arrays, {...: {"dtype": str, "shape": [int]}}, where)
    for name, array in arrays.items():
        if array["dtype"] not in DTYPES:
            raise InputError(f"{where}: {name}: dtype must be one of {', '.join(DTYPES)}, not {array['dtype']!r:.80}")
        if not all(0 < length <= MAX_LENGTH for length in array["shape"]):
            raise InputError(
                f"{where}: {name}: shape must be of lengths from 1 to {MAX_LENGTH:,}, not {array['shape']}"
            )
    return dict(arrays)


def table_path(data: str | os.PathLike[str]) -> Path:
    """Return the candidate table that `data` means: itself, or the one in the directory of `zmumu process`.

    Raises
    ------
    MissingInputError
        If the directory is not a complete output of `zmumu process`.
    """
    path = Path(data)
    return require_mark(path).with_name("candidates.parquet") if path.is_dir() else path


def load(
    data: str | os.PathLike[str],
    *,
    split: Split = "train",
    fraction: float = 1.0,
    seed: int = 0,
    batch_size: int = 1,
    without: TrainingEvents | None = None,
) -> TrainingTable:
    """Read the events of one side of the split of a candidate table.

    Parameters
    ----------
    data : path
        Directory of `zmumu process`, or a candidate table.
    split : "train", "test" or "all"
        Which side.
    fraction : float
        Keep this fraction of the rows, chosen by their identity: smaller choices are contained in larger ones.
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
    table = read_rows(path, MOMENTA, split, fraction, seed, without)
    usable = {name: np.abs(table[name]) <= np.finfo(np.float32).max for name in ("pt_0", "weight", *MOMENTA)}
    usable["label"] = np.isin(table["label"], (0, 1))
    for name, good in usable.items():
        if not good.all():
            row = int(np.argmin(good))
            wanted = "0 or 1" if name == "label" else "a finite number of single precision"
            raise InputError(f"{path}: {candidates.name_event(table, row)}: {name} is {table[name][row]}, not {wanted}")
    found = as_table(table)
    found.require_classes(f"{path}, {split} split", batch_size)
    return found


def as_table(columns: Mapping[str, NDArray[Any]]) -> TrainingTable:
    """Return columns of a candidate table as networks see them."""
    p4 = np.stack([columns[name] for name in MOMENTA], 1).reshape(-1, 2, 4)
    return TrainingTable({"p4": p4}, columns["label"].astype(np.float64), columns["weight"])


def read_rows(
    path: Path,
    columns: Sequence[str],
    split: Split,
    fraction: float = 1.0,
    seed: int = 0,
    without: TrainingEvents | None = None,
) -> candidates.Table:
    """Read columns of the rows that `load` takes, with identity, pT of the mu+, weight and side of the split."""
    table = candidates.read(path, [*_IDENTITY, *_OTHERS, *columns])
    _refuse_duplicates(table, path)
    chosen = {"train": ~table["is_test"], "test": table["is_test"], "all": np.ones(len(table["run"]), bool)}[split]
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
    """Refuse an event that is there twice: it could be on both sides of the split."""
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
