"""The candidate table: one row per muon pair. Histograms, networks and the limit all read it.

`COLUMNS` says what is in it. The columns of the muons end in `_0` for the mu+ and `_1` for the mu-; those that begin with
`true_` hold the values before smearing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.files import require_file
from zmumu_hybrid.kinematics import Floats, energy, pair_mass
from zmumu_hybrid.pairs import IDENTITY, components
from zmumu_hybrid.splitting import SplitConfig, is_test

__all__ = ["BACKGROUND", "COLUMNS", "LABELS", "SIGNAL", "Column", "Table", "build", "name_event", "read", "validate"]

Table = dict[str, NDArray[Any]]

BACKGROUND, SIGNAL = 0, 1
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

    add("label", "i1", "", "1 for signal, 0 for background")
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


COLUMNS = _declare()
"""The columns in their order."""


def build(pairs: ak.Array, smeared: ak.Array, label: int, dataset: str, split: SplitConfig | None = None) -> Table:
    """Make the table of a chunk.

    Parameters
    ----------
    pairs, smeared : awkward.Array
        As from `select_pairs` and `smear`: the same events in the same order.
    label : int
        1 for signal, 0 for background.
    dataset : str
        Name of the data set, for messages.
    split : SplitConfig, optional
        How events are held out.

    Returns
    -------
    dict of str to numpy.ndarray
        `COLUMNS`, each of shape (number of pairs,); `weight` is the generator's.

    Raises
    ------
    ConfigurationError
        If the label is neither 0 nor 1.
    InputError
        If `pairs` and `smeared` are not of the same events, or a number is not finite.
    """
    if label not in LABELS.values():
        raise ConfigurationError(f"{dataset}: label {label!r}: use 1 for signal or 0 for background")
    table: Table = {name: ak.to_numpy(pairs[name]) for name in IDENTITY}
    if len(smeared) != len(pairs) or not all(np.array_equal(ak.to_numpy(smeared[name]), table[name]) for name in table):
        raise InputError(f"{dataset}: the smeared pairs are not of the same events as the pairs, or in another order")
    gen_weight = ak.to_numpy(pairs.gen_weight)
    table["label"] = np.full(len(pairs), label, np.int8)
    table["weight"] = gen_weight.copy()
    table["gen_weight"] = gen_weight
    table["is_test"] = is_test(table["run"], table["luminosityBlock"], table["event"], split)
    table |= _kinematics(smeared, "") | _kinematics(pairs, "true_")
    table = {column.name: table[column.name] for column in COLUMNS}
    try:
        validate(table)
    except InputError as error:
        raise InputError(f"{dataset}: {error}") from error
    return table


def validate(table: Mapping[str, NDArray[Any]]) -> None:
    """Check that a table has all columns, of one length and of their types, and only finite numbers.

    Raises
    ------
    InputError
        Names the column and, for a number that is not finite, the event.
    """
    missing = [column.name for column in COLUMNS if column.name not in table]
    if missing:
        raise InputError(f"the candidate table has no column {', '.join(missing)}")
    shape = table["run"].shape
    for column in COLUMNS:
        values = table[column.name]
        if values.shape != shape or values.dtype != column.dtype:
            raise InputError(
                f"column {column.name} of the candidate table is {values.dtype} of shape {values.shape}, "
                f"not {column.dtype} of shape {shape}"
            )
        if column.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
            row = int(np.argmin(finite))
            raise InputError(f"{name_event(table, row)}: {column.name} is {values[row]}, not a finite number")


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
        Names in `COLUMNS`; all by default.

    Returns
    -------
    dict of str to numpy.ndarray
        In the asked order, with the types of `COLUMNS`.

    Raises
    ------
    ConfigurationError
        If a name is not one of `COLUMNS`.
    MissingInputError, InputError
        If the file does not exist, is not whole Parquet, lacks a column or has one of another type or with gaps.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {column.name: column.dtype for column in COLUMNS}
    names = list(types) if columns is None else list(columns)
    if unknown := [name for name in names if name not in types]:
        raise ConfigurationError(f"{', '.join(unknown)}: no such column; there are {', '.join(types)}")
    path = require_file(path)
    try:
        with pq.ParquetFile(path) as file:
            if missing := [name for name in names if name not in file.schema_arrow.names]:
                raise InputError(f"{path}: has no column {', '.join(missing)}: make it with `zmumu process`")
            return {name: _column(file.read([name]).column(0), types[name], f"{path}: column {name}") for name in names}
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


def _kinematics(pairs: ak.Array, prefix: str) -> dict[str, Floats]:
    """Return momenta, energies, transverse momenta and pair mass (GeV) of pairs as columns."""
    columns: dict[str, Floats] = {}
    momenta = []
    for slot, muon in enumerate((pairs.plus, pairs.minus)):
        px, py, pz, mass = components(muon)
        momenta += [px, py, pz, mass]
        values = {"px": px, "py": py, "pz": pz, "energy": energy(px, py, pz, mass), "pt": np.hypot(px, py)}
        columns |= {f"{prefix}{name}_{slot}": value for name, value in values.items()}
    columns[f"{prefix}mass"] = pair_mass(*momenta)
    return columns
