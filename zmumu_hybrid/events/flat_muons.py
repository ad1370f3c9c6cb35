"""The muons of all events on flat arrays, from any layout that events come in; checked on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.events.branch_map import NANOAOD
from zmumu_hybrid.events.column_checks import Place, integers, lists, numbers, require_same_lists
from zmumu_hybrid.events.ntuples import require_sound
from zmumu_hybrid.events.reader import file_behind, records
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.physics.pair_arrays import IDENTITY
from zmumu_hybrid.support.compiled import compiled

__all__ = ["FlatMuons", "flatten"]

_LARGEST = 1e50
"""Momenta (GeV) and weights beyond this are not finite in what is calculated from them."""

_SOUND = "@zmumu_hybrid: columns are sound"
"""Attribute of events whose file was checked; it is not kept with them in a file, for the @."""

_MUON_FIELDS = ("pt", "eta", "phi", "mass", "charge")


@dataclass(frozen=True, slots=True)
class FlatMuons:
    """All muons of all events on flat arrays; those of event i are offsets[i] to offsets[i + 1]."""

    identity: dict[str, NDArray[Any]]
    gen_weight: Floats
    offsets: NDArray[np.int64]
    pt: Floats
    eta: Floats
    phi: Floats
    mass: Floats
    charge: NDArray[np.signedinteger[Any]]


def flatten(events: ak.Array) -> FlatMuons:
    """Take what `zmumu_hybrid.events.muon_pairs` needs of events onto flat arrays; `InputError` as `select_pairs`."""
    if "Muon" not in events.fields and "particles" in events.fields:
        from zmumu_hybrid.events.schema import events_from_lhe

        events = events_from_lhe(events)
    for name in (*IDENTITY, "Muon"):
        if name not in events.fields:
            raise InputError(f"events have no field {name!r}; they have: {', '.join(events.fields) or 'none'}")
    _check_file(events)
    if events.layout.is_option:
        events = events[~ak.is_none(events["run"], axis=0)]
    size = len(events)
    identity = {name: integers(numbers(events[name], name), dtype, name) for name, dtype in IDENTITY.items()}
    gen_weight = (
        numbers(events["genWeight"], "genWeight").astype(np.float64, copy=False)
        if "genWeight" in events.fields
        else np.ones(size)
    )
    _require(
        np.abs(gen_weight) < _LARGEST, gen_weight, "genWeight", "a weight that can be summed", identity, range(size)
    )
    offsets, columns = _muon_columns(events["Muon"], size)
    charge = columns.pop("charge")
    floats = {name: column.astype(np.float64, copy=False) for name, column in columns.items()}
    if not _harmless(charge, *floats.values()):
        owner = np.repeat(np.arange(size), np.diff(offsets))
        for name, column in {**floats, "charge": charge}.items():
            _require_finite(column, f"Muon_{name}", identity, owner)
        with np.errstate(over="ignore"):
            momentum = floats["pt"] * np.cosh(floats["eta"]) + floats["mass"]
        _require_finite(np.where(momentum < _LARGEST, momentum, np.inf), "Muon momentum", identity, owner)
        _require(floats["pt"] >= 0, floats["pt"], "Muon_pt", "a transverse momentum", identity, owner)
        _require(np.abs(charge) == 1, charge, "Muon_charge", "the charge of a muon", identity, owner)
    if charge.dtype.kind != "i":
        charge = charge.astype(np.int64)
    return FlatMuons(identity=identity, gen_weight=gen_weight, offsets=offsets, charge=charge, **floats)


def _check_file(events: ak.Array) -> None:
    """Check the columns of the file that coffea read events from: it takes the lengths of one column for all."""
    behind = None if _SOUND in events.attrs else file_behind(events)
    if behind is None:
        return
    file, start, stop = behind
    names = file.names()
    declared = NANOAOD if "genWeight" in names else NANOAOD.without_weight()
    if not names.issuperset(declared.columns):
        return  # of another schema
    counters = file.counters(column for _, (column,) in declared.muons if isinstance(column, str))
    columns = file.read([*declared.columns, *(counter for counter, _ in counters)], start, stop)
    metadata = events.layout.parameter("metadata") or {}
    require_sound(records(columns), declared, Place(str(metadata.get("filename", "")), start, file.unit), counters)
    events.attrs[_SOUND] = True


@compiled
def _harmless(charge: Any, pt: Any, eta: Any, phi: Any, mass: Any) -> Any:
    """Return whether all muons are within bounds that no real one exceeds: then nothing has to be looked for."""
    bad = 0
    for i in range(len(pt)):
        fine = (
            (pt[i] >= 0)
            & (pt[i] < 1e25)
            & (abs(charge[i]) == 1)
            & (abs(eta[i]) < 40)
            & (abs(phi[i]) < 1e5)
            & (abs(mass[i]) < 1e25)
        )
        bad += 0 if fine else 1
    return bad == 0


def _muon_columns(collection: ak.Array, size: int) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Return the offsets of the muons of `size` events, beginning with 0, and the muons' columns."""
    plain = _plain_muon_columns(collection.layout)
    if plain is not None:
        return plain
    jagged = {}
    for name in _MUON_FIELDS:
        try:
            jagged[name] = getattr(collection, name)
        except AttributeError:
            raise InputError(f"Muon has no field {name!r}; it has: {', '.join(collection.fields) or 'none'}") from None
    gaps = {name: lists(ak.is_none(column, axis=1), f"Muon_{name}", kinds="b") for name, column in jagged.items()}
    require_same_lists({f"Muon_{name}": counts for name, (counts, _) in gaps.items()})
    counts, missing = gaps["pt"]
    for name, (_, others) in gaps.items():
        if (differs := missing != others).any():  # a muon that is not there has no field
            first = int(np.argmax(differs))
            has, lacks = (name, "pt") if missing[first] else ("pt", name)
            raise Place().of_lists(counts).error(first, f"a muon has Muon_{has} and no Muon_{lacks}; repair the event")
    held = {name: lists(ak.drop_none(column, axis=1), f"Muon_{name}") for name, column in jagged.items()}
    offsets = np.zeros(size + 1, np.int64)
    np.cumsum(held["pt"][0], out=offsets[1:])
    return offsets, {name: values for name, (_, values) in held.items()}


def _plain_muon_columns(layout: ak.contents.Content) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]] | None:
    """Do the same without awkward's operations, for the layout that files have; None for any other."""
    if not isinstance(layout, ak.contents.ListOffsetArray) or not isinstance(layout.content, ak.contents.RecordArray):
        return None
    if not set(_MUON_FIELDS) <= set(layout.content.fields):
        return None
    offsets = np.asarray(layout.offsets.data).astype(np.int64, copy=False)
    columns = {}
    for name in _MUON_FIELDS:
        content = layout.content.content(name)
        if not isinstance(content, ak.contents.NumpyArray) or len(content.shape) != 1:
            return None
        columns[name] = np.asarray(content.data)[offsets[0] : offsets[-1]]
        if columns[name].dtype.kind not in "if":
            return None
    return (offsets - offsets[0] if offsets[0] else offsets), columns


def _require_finite(
    column: NDArray[Any], name: str, identity: dict[str, NDArray[Any]], owner: Sequence[int] | NDArray[np.int64]
) -> None:
    """Raise `InputError` for the first non-finite element; `owner` is the row of its event."""
    if column.dtype.kind != "f":
        return
    _require(np.isfinite(column), column, name, "a finite number", identity, owner)


def _require(
    fine: NDArray[np.bool_],
    column: NDArray[Any],
    name: str,
    needed: str,
    identity: dict[str, NDArray[Any]],
    owner: Sequence[int] | NDArray[np.int64],
) -> None:
    """Raise `InputError` for the first element that is not fine, saying what it should be."""
    if fine.all():
        return
    first = int(np.argmin(fine))
    where = ", ".join(f"{key} {values[owner[first]]}" for key, values in identity.items())
    raise InputError(f"{where}: {name} is {column[first]}, not {needed}; repair or leave out this event")
