"""From the columns of any file to the one record of an event, by a declaration of its branches.

What `events_by_branches` returns has the columns of `zmumu_hybrid.schema`, so that all that follows cannot tell where
an event came from. `merge_rows` joins the rows of a pair tree that are of one event.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from coffea.nanoevents.methods import nanoaod
from numpy.typing import NDArray

from zmumu_hybrid.branches import Branches, Value
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.kinematics import energy
from zmumu_hybrid.lhe.identity import identify
from zmumu_hybrid.schema import EVENT_COLUMNS, MUON_COLUMNS, polar

__all__ = ["events_by_branches", "merge_rows"]

Counts = NDArray[np.int64]
Flat = dict[str, NDArray[Any]]

_MUON = 13
_IN_UNITS = ("px", "py", "pz", "pt", "mass", "energy")
_IDENTITY = ("run", "luminosityBlock", "event")
_HASHED = ("px", "py", "pz", "pt", "eta", "phi", "mass", "energy")


def events_by_branches(columns: ak.Array, branches: Branches) -> ak.Array:
    """Return events from the columns of a file.

    Parameters
    ----------
    columns : awkward.Array
        Records with at least the fields `branches.columns`.
    branches : Branches
        Which column is what.

    Returns
    -------
    awkward.Array
        One record per entry of a collection, and per row of a pair that meets the conditions, in order: EVENT_COLUMNS,
        and the list `Muon` with MUON_COLUMNS (GeV) and coffea's behaviours.

    Raises
    ------
    InputError
        If a column is not of the needed shape or type, or has gaps.
    """
    if branches.kind == "pair":
        columns = columns[_conditions(columns, branches, 1)]
        counts: Counts = np.full(len(columns), 2)
        flat = {name: _both(columns, branches, name, values) for name, values in branches.muons}
    else:
        counts, flat = _collection(columns, branches)
    if "pdgId" in flat:
        counts, flat = _choose(counts, flat, np.abs(flat["pdgId"]) == _MUON)
    muons = _muons(flat)
    return _make(_identity(columns, branches, counts, flat, muons["charge"]), counts, muons)


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
    lists = {name: ak.unflatten(values, counts) for name, values in muons.items()}
    collection = ak.zip(lists, with_name="Muon", behavior=nanoaod.behavior)
    return ak.zip({**identity, "Muon": collection}, depth_limit=1, behavior=nanoaod.behavior)


def _conditions(columns: ak.Array, branches: Branches, ndim: int) -> Any:
    """Return whether the conditions on columns of `ndim` dimensions are met; None if there are none on lists."""
    kept: Any = np.ones(len(columns), bool) if ndim == 1 else None
    for name, values in branches.where:
        if columns[name].ndim == ndim:
            met = _equal(columns[name], values, f"{branches.name}: [where] {name} = {list(values)}")
            kept = met if kept is None else kept & met
    for name, bit in branches.bits:
        if columns[name].ndim == ndim:
            if _kind(columns[name]) not in "iu":
                raise InputError(f"{branches.name}: [bits] {name}: the branch does not hold integers")
            met = (columns[name] >> bit) & 1 == 1
            kept = met if kept is None else kept & met
    if kept is None:
        return None
    met = ak.fill_none(kept, False, axis=ndim - 1)  # what is missing meets no condition
    return ak.to_numpy(met) if ndim == 1 else met


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


def _both(columns: ak.Array, branches: Branches, name: str, values: tuple[str | float, ...]) -> NDArray[Any]:
    """Return a component of both muons of each row, shape (2 rows,)."""
    size = len(columns)
    each = [_numbers(columns[v], v, branches) if isinstance(v, str) else np.full(size, v) for v in values]
    return _typed(name, np.stack(each, axis=1).ravel(), branches)


def _collection(columns: ak.Array, branches: Branches) -> tuple[Counts, Flat]:
    """Return how many muons that meet the conditions each event has, and their components."""
    lists = {name: columns[value] for name, (value,) in branches.muons if isinstance(value, str)}
    named = {name: f"{branches.name}: [muons] {name} = {value!r}" for name, (value,) in branches.muons}
    for name, column in lists.items():
        if column.ndim != 2:
            raise InputError(f"{named[name]}: the branch has no list of muons; is it a tree of pairs?")
        if missing := int(ak.sum(ak.is_none(column, axis=0))):
            raise InputError(f"{named[name]}: {missing} events have no list, not even an empty one")
    counts: Counts = ak.to_numpy(ak.num(next(iter(lists.values())), axis=1)).astype(np.int64)
    flat = {}
    for name, (value,) in branches.muons:
        if name not in lists:
            flat[name] = _typed(name, np.full(int(counts.sum()), value), branches)
            continue
        if not np.array_equal(ak.to_numpy(ak.num(lists[name], axis=1)), counts):
            raise InputError(f"{named[name]}: its lists are not as long as those of the other branches")
        flat[name] = _typed(name, _numbers(ak.flatten(lists[name], axis=1), str(value), branches), branches)
    kept = np.repeat(_conditions(columns, branches, 1), counts)
    if (on_muons := _conditions(columns, branches, 2)) is not None:
        if not np.array_equal(ak.to_numpy(ak.num(on_muons, axis=1)), counts):
            raise InputError(f"{branches.name}: a condition is on lists that are not those of the muons")
        kept &= ak.to_numpy(ak.flatten(on_muons, axis=1))
    return _choose(counts, flat, kept)


def _choose(counts: Counts, flat: Flat, kept: NDArray[np.bool_]) -> tuple[Counts, Flat]:
    """Return the lists without the muons that are not kept."""
    before, ends = np.concatenate([[0], np.cumsum(kept)]), np.cumsum(counts)
    return before[ends] - before[ends - counts], {name: values[kept] for name, values in flat.items()}


def _numbers(column: ak.Array, name: str, branches: Branches) -> NDArray[Any]:
    """Return a flat column as a numpy array, after checking that there is a number for everything."""
    if column.ndim != 1 or _kind(column) == "text":
        raise InputError(f"{branches.name}: branch {name}: one number each is needed, it is {column.type}")
    values = ak.to_numpy(ak.drop_none(column))
    if missing := len(column) - len(values):
        raise InputError(f"{branches.name}: branch {name}: {missing} of {len(column)} numbers are missing")
    return np.asarray(values)


def _typed(name: str, values: NDArray[Any], branches: Branches) -> NDArray[Any]:
    """Return a component in its type, in GeV."""
    if name in ("charge", "pdgId"):
        return values.astype(np.int32)
    floats = values.astype(np.float64)
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


def _identity(columns: ak.Array, branches: Branches, counts: Counts, flat: Flat, charge: NDArray[Any]) -> Flat:
    """Return EVENT_COLUMNS."""
    given = dict(branches.event)
    found = {name: _numbers(columns[branch], branch, branches) for name, branch in given.items()}
    for name, values in found.items():
        whole = values.dtype.kind in "iu" and not (values < 0).any()
        if name != "genWeight" and not (whole and (values <= np.iinfo(EVENT_COLUMNS[name]).max).all()):
            raise InputError(f"{branches.name}: [event] {name} = {given[name]!r}: must be whole numbers, 0 or more")
    if "event" not in given:
        found |= _by_content(counts, flat, charge)
    return {
        name: found[name].astype(dtype) if name in found else np.ones(len(columns), dtype)
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
