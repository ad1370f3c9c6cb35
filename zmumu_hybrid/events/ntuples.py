"""From the columns of any file to the one record of an event, by a declaration of its branches.

What `events_by_branches` returns has the columns of `zmumu_hybrid.events.schema`, so that all that follows cannot tell
where an event came from. `merge_rows` joins the rows of a pair tree that are of one event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import awkward as ak
import numpy as np
from coffea.nanoevents.methods import nanoaod
from numpy.typing import NDArray

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.events.branch_map import Branches, Value
from zmumu_hybrid.events.column_checks import (
    Counts,
    Place,
    integers,
    lists,
    numbers,
    require_counter,
    require_same_lists,
)
from zmumu_hybrid.events.schema import EVENT_COLUMNS, MUON_COLUMNS, polar
from zmumu_hybrid.lhe.event_id import identify
from zmumu_hybrid.physics.kinematics import energy

__all__ = ["events_by_branches", "merge_rows", "require_sound"]

Counters = Sequence[tuple[str, str]]
Flat = dict[str, NDArray[Any]]

_MUON = 13
_IN_UNITS = ("px", "py", "pz", "pt", "mass", "energy")
_IDENTITY = ("run", "luminosityBlock", "event")
_HASHED = ("px", "py", "pz", "pt", "eta", "phi", "mass", "energy")


def events_by_branches(
    columns: ak.Array, branches: Branches, place: Place | None = None, counters: Counters = ()
) -> ak.Array:
    """Return events from the columns of a file.

    Parameters
    ----------
    columns : awkward.Array
        Records with at least the fields `branches.columns`, and the counters.
    branches : Branches
        Which column is what.
    place : Place, optional
        Where the columns are from, for messages.
    counters : sequence of (str, str)
        Columns that say how long the lists of another column are, each with that column.

    Returns
    -------
    awkward.Array
        One record per entry of a collection, and per row of a pair that meets the conditions, in order: EVENT_COLUMNS,
        and the list `Muon` with MUON_COLUMNS (GeV) and coffea's behaviours.

    Raises
    ------
    InputError
        If a column is not of the needed shape or type, has gaps or numbers that do not fit, or the lists of an event
        are not of one length; the message names the column and the first such entry.
    """
    place = place or Place(branches.name, unit="row" if branches.kind == "pair" else "entry")
    identity, counts, muons = _checked(columns, branches, place, counters)
    return _make(identity, counts, muons)


def require_sound(columns: ak.Array, branches: Branches, place: Place, counters: Counters) -> None:
    """Do the checks of `events_by_branches` alone, of a collection of events that have numbers."""
    counts, flat = _collection(columns, branches, place, counters)
    _identity(columns, branches, place, counts, flat, np.empty(0))


def _checked(columns: ak.Array, branches: Branches, place: Place, counters: Counters) -> tuple[Flat, Counts, Flat]:
    """Return EVENT_COLUMNS, the number of muons of each event, and MUON_COLUMNS of all muons."""
    for name, _ in (*branches.where, *branches.bits):
        if columns[name].ndim > (1 if branches.kind == "pair" else 2):
            raise place.all(f"{name} holds {columns[name].type.content}: it cannot be a condition on a {branches.kind}")
    if branches.kind == "pair":
        kept = _conditions(columns, branches)
        columns, place = columns[kept], place.of_entries(np.flatnonzero(kept))
        counts: Counts = np.full(len(columns), 2)
        flat = {name: _both(columns, branches, name, values, place) for name, values in branches.muons}
    else:
        counts, flat = _collection(columns, branches, place, counters)
    if "pdgId" in flat:
        counts, flat = _choose(counts, flat, np.abs(flat["pdgId"]) == _MUON)
    muons = _muons(flat)
    return _identity(columns, branches, place, counts, flat, muons["charge"]), counts, muons


def merge_rows(events: ak.Array) -> ak.Array:
    """Return one event for each run of neighbouring events with one identity, with the distinct muons of them all.

    A pair that is there in both orders is so one pair, and the pairs of three muons are an event of three. The weight
    is that of the first row.
    """
    identity = {name: ak.to_numpy(events[name]) for name in EVENT_COLUMNS}
    first = np.ones(len(events), bool)
    if len(events):
        first[1:] = np.any([identity[name][1:] != identity[name][:-1] for name in _IDENTITY], axis=0)
    counts = ak.to_numpy(ak.num(events.Muon, axis=1))
    owner = np.repeat(np.cumsum(first) - 1, counts)
    muons = {name: ak.to_numpy(ak.flatten(events.Muon[name], axis=1)) for name in MUON_COLUMNS}
    keys = [*(muons[name] for name in MUON_COLUMNS), owner]
    order = np.lexsort(keys)  # stable: of equals, the first in the file comes first
    again = np.ones(max(len(order) - 1, 0), bool)
    for key in keys:
        again &= key[order][1:] == key[order][:-1]
    kept = np.ones(len(order), bool)
    kept[order[1:][again]] = False
    return _make(
        {name: values[first] for name, values in identity.items()},
        np.bincount(owner[kept], minlength=int(first.sum())),
        {name: values[kept] for name, values in muons.items()},
    )


def _make(identity: Flat, counts: Counts, muons: Flat) -> ak.Array:
    """Return events from EVENT_COLUMNS, the number of muons of each, and MUON_COLUMNS of all muons."""
    contents = ak.contents
    muon = contents.RecordArray(
        [contents.NumpyArray(values) for values in muons.values()], list(muons), parameters={"__record__": "Muon"}
    )
    offsets = ak.index.Index64(np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]))
    columns = [contents.NumpyArray(values) for values in identity.values()]
    events = contents.RecordArray([*columns, contents.ListOffsetArray(offsets, muon)], [*identity, "Muon"])
    return ak.Array(events, behavior=nanoaod.behavior)


def _conditions(columns: ak.Array, branches: Branches) -> NDArray[np.bool_]:
    """Return which entries meet the conditions on columns that are not lists."""
    kept = np.ones(len(columns), bool)
    for _, met in _met(columns, branches, 1):
        kept &= ak.to_numpy(met)
    return kept


def _met(columns: ak.Array, branches: Branches, ndim: int) -> Iterator[tuple[str, ak.Array]]:
    """Yield where each condition on a column of `ndim` dimensions is met; what is missing meets none."""
    for name, values in branches.where:
        if columns[name].ndim == ndim:
            met = _equal(columns[name], values, f"{branches.name}: [where] {name} = {list(values)}")
            yield name, ak.fill_none(met, False, axis=ndim - 1)
    for name, bit in branches.bits:
        if columns[name].ndim == ndim:
            if _kind(columns[name]) not in "iu":
                raise InputError(f"{branches.name}: [bits] {name}: the branch does not hold integers")
            yield name, ak.fill_none((columns[name] >> bit) & 1 == 1, False, axis=ndim - 1)


def _equal(column: ak.Array, values: tuple[Value, ...], where: str) -> Any:
    """Return where a column, flat or of lists, has one of the values."""
    text = _kind(column) == "text"
    if any(isinstance(value, str) != text for value in values):
        raise InputError(f"{where}: the branch holds {'text' if text else 'numbers'}")
    met = column == values[0]
    for value in values[1:]:
        met = met | (column == value)
    return met


def _kind(column: ak.Array) -> str:
    """Return "text", or the kind of a column's numbers as numpy names it."""
    described = str(column.type.content)
    if "string" in described:
        return "text"
    return str(ak.to_numpy(ak.flatten(column[:0], axis=None)).dtype.kind)


def _both(
    columns: ak.Array, branches: Branches, name: str, values: tuple[str | float, ...], place: Place
) -> NDArray[Any]:
    """Return a component of both muons of each row, shape (2 rows,)."""
    size = len(columns)
    each = [
        _typed(name, numbers(columns[value], value, place), value, branches, place)
        if isinstance(value, str)
        else _typed(name, np.full(size, value), name, branches, place)
        for value in values
    ]
    return np.stack(each, axis=1).ravel()


def _collection(columns: ak.Array, branches: Branches, place: Place, counters: Counters) -> tuple[Counts, Flat]:
    """Return how many muons that meet the conditions each event has, and their components."""
    held = {value: lists(columns[value], value, place) for _, (value,) in branches.muons if isinstance(value, str)}
    conditions = {name: lists(met, name, place, "b") for name, met in _met(columns, branches, 2)}
    require_same_lists({name: counts for name, (counts, _) in (held | conditions).items()}, place)
    counts = next(iter(held.values()))[0]
    for counter, name in counters:
        require_counter(numbers(columns[counter], counter, place), counter, counts, name, place)
    inside, flat = place.of_lists(counts), {}
    for name, (value,) in branches.muons:
        values = held[value][1] if isinstance(value, str) else np.full(int(counts.sum()), value)
        flat[name] = _typed(name, values, str(value), branches, inside)
    if not branches.where and not branches.bits:
        return counts, flat
    kept = np.repeat(_conditions(columns, branches), counts)
    for _, met in conditions.values():
        kept &= met
    return _choose(counts, flat, kept)


def _choose(counts: Counts, flat: Flat, kept: NDArray[np.bool_]) -> tuple[Counts, Flat]:
    """Return the lists without the muons that are not kept."""
    before, ends = np.concatenate([[0], np.cumsum(kept)]), np.cumsum(counts)
    return before[ends] - before[ends - counts], {name: values[kept] for name, values in flat.items()}


def _typed(name: str, values: NDArray[Any], branch: str, branches: Branches, place: Place) -> NDArray[Any]:
    """Return a component in its type, in GeV."""
    if name in ("charge", "pdgId"):
        return integers(values, np.int32, branch, place)
    floats = values.astype(np.float64, copy=False)
    return floats * 1e-3 if branches.unit == "MeV" and name in _IN_UNITS else floats


def _muons(flat: Flat) -> Flat:
    """Return MUON_COLUMNS of muons, shape (muons,), from the components that the file has."""
    if "px" in flat:
        px, py, pz = (flat[name] for name in ("px", "py", "pz"))
        pt, eta, phi = polar(px, py, pz)
        squared = px * px + py * py + pz * pz
    else:
        pt, eta, phi = (flat[name] for name in ("pt", "eta", "phi"))
        with np.errstate(over="ignore"):
            squared = (pt * np.cosh(eta)) ** 2
    if "energy" in flat:
        total = flat["energy"]
        mass = np.sqrt(np.maximum(total * total - squared, 0))
    else:
        mass, nothing = flat["mass"], np.zeros_like(pt)
        total = energy(np.sqrt(squared), nothing, nothing, mass)
    charge = flat["charge"] if "charge" in flat else -np.sign(flat["pdgId"])
    pdg_id = flat["pdgId"] if "pdgId" in flat else -np.sign(charge) * _MUON
    values = (pt, eta, phi, mass, total, charge, pdg_id)
    types = MUON_COLUMNS.items()
    return {name: value.astype(dtype, copy=False) for (name, dtype), value in zip(types, values, strict=True)}


def _identity(
    columns: ak.Array, branches: Branches, place: Place, counts: Counts, flat: Flat, charge: NDArray[Any]
) -> Flat:
    """Return EVENT_COLUMNS."""
    found: Flat = {}
    for name, branch in branches.event:
        values = numbers(columns[branch], branch, place)
        found[name] = integers(values, EVENT_COLUMNS[name], branch, place) if name in _IDENTITY else values
    if "event" not in found:
        found |= _by_content(counts, flat, charge)
    return {
        name: found[name].astype(dtype, copy=False) if name in found else np.ones(len(columns), dtype)
        for name, dtype in EVENT_COLUMNS.items()
    }


def _by_content(counts: Counts, flat: Flat, charge: NDArray[Any]) -> Flat:
    """Return run, luminosityBlock and event from what the file says of the muons, whatever their order."""
    owner = np.repeat(np.arange(len(counts)), counts)
    floats = [flat[name] for name in _HASHED if name in flat]
    order = np.lexsort([*floats, -charge, owner])
    floats += [np.zeros(len(owner))] * (5 - len(floats))
    integers = np.stack([charge[order], np.ones(len(owner), np.int32)])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    found = identify(offsets, integers, np.stack([values[order] for values in floats]))
    return dict(zip(_IDENTITY, found, strict=True))
