"""The numbers of a column of events, out of whatever layout it has, and checked.

A column has one number for each event, or a list of them. A gap, text, lists of muons that differ in length and a
number that does not fit are errors which name the entry, the column and the value: nothing is cut, wrapped or made up.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import InputError

__all__ = ["Counts", "Place", "integers", "lists", "numbers", "require_counter", "require_same_lists"]

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where events are from, for messages.

    Attributes
    ----------
    name : str
        Of the file or the declaration of branches; empty for none.
    start : int
        Number of the first entry, counted from 0.
    unit : str
        What an entry is called: "entry" or "row".
    entries : int64 array, optional
        The entry of each event, where some are left out, less `start`.
    counts : int64 array, optional
        How many numbers each event has, where a place is one of a number.
    """

    name: str = ""
    start: int = 0
    unit: str = "entry"
    entries: Counts | None = None
    counts: Counts | None = None

    def of_entries(self, entries: Counts) -> Place:
        """Return the place of these entries alone."""
        return replace(self, entries=entries)

    def of_lists(self, counts: Counts) -> Place:
        """Return the place of the numbers of all lists, one list after the other."""
        return replace(self, counts=counts)

    def error(self, index: int, said: str) -> InputError:
        """Return the error that says something of an event, or of the event that has a number."""
        if self.counts is not None:
            index = int(np.searchsorted(np.cumsum(self.counts), index, side="right"))
        if self.entries is not None:
            index = int(self.entries[index])
        return self.all(f"{self.unit} {self.start + index}: {said}", separator=", ")

    def all(self, said: str, separator: str = ": ") -> InputError:
        """Return the error that says something of all events."""
        return InputError(f"{self.name}{separator}{said}" if self.name else said)


def numbers(column: ak.Array, name: str, place: Place | None = None) -> NDArray[Any]:
    """Return a column with one number for each event.

    Returns
    -------
    ndarray, shape (events,)
        Of the type that the column has: integers or floats.

    Raises
    ------
    InputError
        If an event has none, or the column holds anything else; `name` and `place` are for the message.
    """
    place = place or Place()
    layout = _plain(column.layout)
    if _is_flat(layout):
        return np.asarray(layout.data)
    if column.ndim != 1:
        raise place.all(f"{name} holds {_type(column)}: one number for each event is needed")
    return _filled(column, name, place, "iuf")


def lists(column: ak.Array, name: str, place: Place | None = None, kinds: str = "iuf") -> tuple[Counts, NDArray[Any]]:
    """Return a column with a list of numbers for each event.

    Parameters
    ----------
    column : awkward.Array
    name : str
    place : Place, optional
    kinds : str
        The kinds of numbers, as numpy names them.

    Returns
    -------
    counts : int64 array, shape (events,)
        How long the list of each event is.
    values : ndarray, shape (sum of counts,)
        One list after the other.

    Raises
    ------
    InputError
        If an event has no list, not even an empty one, a number is missing, or the column holds anything else.
    """
    place = place or Place()
    layout = _plain(column.layout)
    jagged = isinstance(layout, ak.contents.ListOffsetArray) and layout.parameter("__array__") is None  # no text
    if jagged and _is_flat(content := _plain(layout.content), kinds):
        offsets = np.asarray(layout.offsets.data).astype(np.int64, copy=False)
        return np.diff(offsets), np.asarray(content.data)[offsets[0] : offsets[-1]]
    if column.ndim != 2:
        remedy = "; is it a tree of pairs? declare its branches" if column.ndim == 1 else ""
        raise place.all(f"{name} holds {_type(column)}: a list of numbers for each event is needed{remedy}")
    missing = ak.to_numpy(ak.is_none(column, axis=0))
    if missing.any():
        raise place.error(
            int(np.argmax(missing)), f"{name} has no list, not even an empty one: write one, or leave out the event"
        )
    counts: Counts = ak.to_numpy(ak.num(column, axis=1)).astype(np.int64)
    return counts, _filled(ak.flatten(column, axis=1), name, place.of_lists(counts), kinds)


def integers(
    values: NDArray[Any], dtype: np.dtype[Any] | type[Any], name: str, place: Place | None = None
) -> NDArray[Any]:
    """Return numbers as integers of a type, each exactly.

    Parameters
    ----------
    values : ndarray of integers or floats, shape (n,)
        Floats must be whole, and so small that their type tells them from their neighbours: below 2**53 in float64.
    dtype : numpy dtype
    name : str
    place : Place, optional

    Raises
    ------
    InputError
        If one does not fit.
    """
    wanted, given = np.iinfo(dtype), values.dtype
    if given == dtype:
        return values
    if given.kind == "f":
        exact, floats = 2.0 ** (np.finfo(given).nmant + 1), values.astype(np.float64)
        fine = (np.abs(floats) < exact) & (floats >= wanted.min) & (floats <= wanted.max)
        fine &= floats == np.trunc(floats)
    else:
        held = np.iinfo(given)
        low, high = max(held.min, wanted.min), min(held.max, wanted.max)
        fine = (values >= given.type(low)) & (values <= given.type(high))
    if not fine.all():
        bad = int(np.argmin(fine))
        said = f"{name} is {values[bad]}, not a whole number from {wanted.min} to {wanted.max}"
        if given.kind == "f" and np.isfinite(values[bad]) and abs(values[bad]) >= exact:
            said = f"{name} is {values[bad]} in {given}, which rounds numbers of {exact:.0f} and more"
        raise (place or Place()).error(bad, f"{said}: write it as {np.dtype(dtype)}")
    return values.astype(dtype)


def require_same_lists(counts: Mapping[str, Counts], place: Place | None = None) -> None:
    """Check that the lists of several columns are equally long in each event.

    Raises
    ------
    InputError
        Names the first event where they are not, and their lengths.
    """
    if not counts:
        return
    first, *others = counts.values()
    if all(np.array_equal(first, other) for other in others):
        return
    differs = np.any([first != other for other in others], axis=0)
    bad = int(np.argmax(differs))
    lengths = ", ".join(f"{name} {column[bad]}" for name, column in counts.items())
    raise (place or Place()).error(
        bad, f"its lists differ in length ({lengths}): they are not of the same muons; make the file again"
    )


def require_counter(
    counter: NDArray[Any], counter_name: str, counts: Counts, name: str, place: Place | None = None
) -> None:
    """Check that the lists of a column are as long as the file's own counter says; `InputError` if one is not."""
    if np.array_equal(counter, counts):
        return
    bad = int(np.argmax(counter != counts))
    raise (place or Place()).error(
        bad,
        f"{counter_name} is {counter[bad]}, but the list of {name} has length {counts[bad]}: "
        f"they are not of the same muons; make the file again, without {counter_name} if it counts something else",
    )


def _plain(layout: Any) -> Any:
    """Return a layout without a mask that masks nothing."""
    return layout.content if isinstance(layout, ak.contents.UnmaskedArray) else layout


def _is_flat(layout: Any, kinds: str = "iuf") -> bool:
    return isinstance(layout, ak.contents.NumpyArray) and len(layout.shape) == 1 and layout.dtype.kind in kinds


def _type(column: ak.Array) -> str:
    return str(column.type.content).removeprefix("?")


def _filled(column: ak.Array, name: str, place: Place, kinds: str) -> NDArray[Any]:
    """Return a flat column of any layout, after checking that nothing is missing and that it holds numbers."""
    missing = ak.to_numpy(ak.is_none(column, axis=0))
    if missing.any():
        raise place.error(
            int(np.argmax(missing)), f"{name} has a gap, a number is missing: fill it in, or leave out the event"
        )
    try:
        values = np.asarray(ak.to_numpy(ak.drop_none(column), allow_missing=False))
    except (ValueError, TypeError):
        values = np.empty(0, object)
    if len(column) and (values.ndim != 1 or values.dtype.kind not in kinds):
        said = textwrap.shorten(repr(ak.to_list(column[0])), 60, placeholder=" ...")
        raise place.error(0, f"{name} is {said} ({_type(column)}): a number is needed")
    return values
