"""The candidate table: one row per muon pair. Histograms, networks and the limit all read it.

`COLUMNS` says what is in it. The columns of the muons end in `_0` for the mu+ and `_1` for the mu-; those that
begin with `true_` hold the values before smearing; data have none of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.draws.split import SplitConfig, is_test
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.physics.kinematics import Floats, energy, pair_mass, transverse
from zmumu_hybrid.physics.pair_arrays import IDENTITY, FlatPairs
from zmumu_hybrid.support.files import require_file
from zmumu_hybrid.support.handles import open_parquet

__all__ = [
    "BACKGROUND",
    "COLUMNS",
    "DATA",
    "DATA_COLUMNS",
    "LABELS",
    "SIGNAL",
    "Column",
    "Table",
    "build",
    "name_event",
    "read",
    "tabulate",
    "validate",
]

Table = dict[str, NDArray[Any]]

DATA, BACKGROUND, SIGNAL = -1, 0, 1
LABELS = {"signal": SIGNAL, "background": BACKGROUND}
"""The label of each class, by the name of its data set."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its name, type, unit ("" for none) and meaning."""

    name: str
    dtype: np.dtype[Any]
    unit: str
    meaning: str


def _declare() -> tuple[Column, ...]:
    columns = [Column(name, dtype, "", "identity of the event") for name, dtype in IDENTITY.items()]

    def add(name: str, kind: str, unit: str, meaning: str) -> None:
        columns.append(Column(name, np.dtype(kind), unit, meaning))

    add("label", "i1", "", "1 for signal, 0 for background, -1 for data")
    add("weight", "f8", "", "gen_weight, in a finished table times the pT reweighting for background")
    add("gen_weight", "f8", "", "weight of the event by its generator")
    add("is_test", "?", "", "whether the event is held out")
    muons = ((0, "mu+"), (1, "mu-"))
    for slot, muon in muons:
        for component in ("px", "py", "pz", "energy"):
            add(f"{component}_{slot}", "f8", "GeV", f"smeared {component} of the {muon}")
    add("mass", "f8", "GeV", "invariant mass of the smeared muons")
    for slot, muon in muons:
        add(f"pt_{slot}", "f8", "GeV", f"smeared transverse momentum of the {muon}")
    add("true_mass", "f8", "GeV", "invariant mass before smearing")
    for slot, muon in muons:
        add(f"true_pt_{slot}", "f8", "GeV", f"transverse momentum of the {muon} before smearing")
    for slot, muon in muons:
        for component in ("px", "py", "pz", "energy"):
            add(f"true_{component}_{slot}", "f8", "GeV", f"{component} of the {muon} before smearing")
    return tuple(columns)


def _is_truth(name: str) -> bool:
    return name.startswith("true_")


COLUMNS = _declare()
"""The columns in their order."""

DATA_COLUMNS = tuple(column for column in COLUMNS if not _is_truth(column.name))
"""The columns of a table of data, which have no truth."""


def build(pairs: ak.Array, smeared: ak.Array, label: int, dataset: str, split: SplitConfig | None = None) -> Table:
    """Make the table of a chunk.

    Parameters
    ----------
    pairs, smeared : awkward.Array
        As from `select_pairs` and `smear`: the same events in the same order.
    label : int
        1 for signal, 0 for background, -1 for data.
    dataset : str
        Name of the data set, for messages.
    split : SplitConfig, optional
        How events are held out.

    Returns
    -------
    dict of str to numpy.ndarray
        `COLUMNS`, for data `DATA_COLUMNS`, each of shape (number of pairs,); `weight` is the generator's.

    Raises
    ------
    ConfigurationError
        If the label is none of these.
    InputError
        If `pairs` and `smeared` are not of the same events, or a number is not finite.
    """
    return tabulate(FlatPairs.of(pairs), FlatPairs.of(smeared), label, dataset, split)


def tabulate(
    pairs: FlatPairs,
    smeared: FlatPairs,
    label: int,
    dataset: str,
    split: SplitConfig | None = None,
    columns: Collection[str] | None = None,
) -> Table:
    """Do what `build` does, on flat columns; of the table's columns only those asked for, in the table's order."""
    if label not in (*LABELS.values(), DATA):
        raise ConfigurationError(f"{dataset}: label {label!r}: use 1 for signal, 0 for background or -1 for data")
    identity = pairs.identity
    if smeared.identity is not identity and (
        len(smeared) != len(pairs)
        or not all(np.array_equal(smeared.identity[name], identity[name]) for name in identity)
    ):
        raise InputError(f"{dataset}: the smeared pairs are not of the same events as the pairs, or in another order")
    made = DATA_COLUMNS if label == DATA else COLUMNS
    wanted = {column.name for column in made if columns is None or column.name in columns}
    table: Table = {**identity, "label": np.full(len(pairs), label, np.int8)}
    table["weight"] = pairs.gen_weight.copy()
    table["gen_weight"] = pairs.gen_weight
    if "is_test" in wanted:
        table["is_test"] = is_test(table["run"], table["luminosityBlock"], table["event"], split)
    table |= _kinematics(smeared, "", wanted)
    if label != DATA:
        table |= _kinematics(pairs, "true_", wanted)
    table = {column.name: table[column.name] for column in made if column.name in wanted}
    try:
        _require_finite(table)
    except InputError as error:
        raise InputError(f"{dataset}: {error}") from error
    return table


def validate(table: Mapping[str, NDArray[Any]]) -> None:
    """Check that a table has all columns, of one length and of their types, and only finite numbers.

    A table of data alone needs no columns of the truth.

    Raises
    ------
    InputError
        Names the column and, for a number that is not finite, the event.
    """
    of_data = "label" in table and bool(np.all(table["label"] == DATA)) and not any(map(_is_truth, table))
    columns = DATA_COLUMNS if of_data else COLUMNS
    missing = [column.name for column in columns if column.name not in table]
    if missing:
        raise InputError(f"the candidate table has no column {', '.join(missing)}")
    shape = table["run"].shape
    for column in columns:
        values = table[column.name]
        if values.shape != shape or values.dtype != column.dtype:
            raise InputError(
                f"column {column.name} of the candidate table is {values.dtype} of shape {values.shape}, "
                f"not {column.dtype} of shape {shape}"
            )
    _require_finite(table)


def _require_finite(table: Mapping[str, NDArray[Any]]) -> None:
    for name, values in table.items():
        if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
            row = int(np.argmin(finite))
            raise InputError(f"{name_event(table, row)}: {name} is {values[row]}, not a finite number")


def name_event(table: Mapping[str, NDArray[Any]], row: int) -> str:
    """Return the identity of a row in words, for messages; its number where the table has none."""
    if not all(name in table for name in IDENTITY):
        return f"row {row}"
    return ", ".join(f"{name} {table[name][row]}" for name in IDENTITY)


def read(path: str | os.PathLike[str], columns: Iterable[str] | None = None) -> Table:
    """Read columns of a candidate table from Parquet.

    Parameters
    ----------
    path : path
        ``candidates.parquet``, or any Parquet file with columns of these names and of types that fit into theirs.
    columns : iterable of str, optional
        Names in `COLUMNS`; all by default, of data all but those of the truth.

    Returns
    -------
    dict of str to numpy.ndarray
        In the asked order, with the types of `COLUMNS`.

    Raises
    ------
    ConfigurationError
        If a name is not one of `COLUMNS`.
    MissingInputError, InputError
        If the file does not exist, is not whole Parquet, lacks a column (of data: those of the truth) or has one of
        another type or with gaps.
    """
    import pyarrow as pa

    types = {column.name: column.dtype for column in COLUMNS}
    names = [] if columns is None else list(columns)
    if unknown := [name for name in names if name not in types]:
        raise ConfigurationError(f"{', '.join(unknown)}: no such column; there are {', '.join(types)}")
    path = require_file(path)
    try:
        with open_parquet(path, page_checksum_verification=True) as file:
            held = file.schema_arrow.names
            if columns is None:
                names = [each.name for each in (COLUMNS if any(map(_is_truth, held)) else DATA_COLUMNS)]
            if missing := [name for name in names if name not in held]:
                of_data = all(map(_is_truth, missing)) and not any(map(_is_truth, held))
                remedy = "these are data, which have no truth" if of_data else "make it with `zmumu process`"
                raise InputError(f"{path}: has no column {', '.join(missing)}: {remedy}")
            columns = {name: file.read([name]).column(0) for name in names}
            rows = file.metadata.num_rows
            if any(len(column) != rows for column in columns.values()):
                raise InputError(f"{path}: has not all of its {rows} rows; make it again")
            return {name: _column(column, types[name], f"{path}: column {name}") for name, column in columns.items()}
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a whole Parquet file: {reason}; make it again") from error


def _column(array: Any, dtype: np.dtype[Any], where: str) -> NDArray[Any]:
    if array.null_count:
        raise InputError(f"{where}: {array.null_count} values are missing")
    values: NDArray[Any] = array.to_numpy()
    if not np.can_cast(values.dtype, dtype, "safe"):
        raise InputError(f"{where}: holds {array.type}, which does not fit into {dtype}")
    return values.astype(dtype, copy=False)


def _kinematics(pairs: FlatPairs, prefix: str, wanted: Collection[str]) -> dict[str, Floats]:
    """Return the wanted ones of momenta, energies, transverse momenta and pair mass (GeV) of pairs as columns."""
    columns: dict[str, Floats] = {}
    for slot, muon in enumerate((pairs.plus, pairs.minus)):
        columns |= {f"{prefix}{name}_{slot}": getattr(muon, name) for name in ("px", "py", "pz")}
        if f"{prefix}energy_{slot}" in wanted:
            columns[f"{prefix}energy_{slot}"] = energy(*muon)
        if f"{prefix}pt_{slot}" in wanted:
            columns[f"{prefix}pt_{slot}"] = transverse(muon.px, muon.py)
    columns[f"{prefix}mass"] = pair_mass(*pairs.plus, *pairs.minus)
    return columns
