"""The muon pair of each event: from any events with a `Muon` collection to one row per accepted event.

The events may come from this package's converter, from coffea's `NanoAODSchema` or from any awkward array with the
same names: `run`, `luminosityBlock`, `event`, optionally `genWeight`, and `Muon` with `pt`, `eta`, `phi`, `mass` and
`charge`. Whatever their precision and layout, pairs are float64, one flat layout, and carry vector's behaviours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.events.branch_map import NANOAOD
from zmumu_hybrid.events.column_checks import Place, integers, lists, numbers, require_same_lists
from zmumu_hybrid.events.ntuples import require_sound
from zmumu_hybrid.events.reader import file_behind, records
from zmumu_hybrid.physics import kinematics
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.physics.pair_arrays import IDENTITY, FlatPairs, Muon
from zmumu_hybrid.support.compiled import compiled

__all__ = [
    "IDENTITY",
    "ChosenPairs",
    "PairOrder",
    "PairSelection",
    "choose",
    "components",
    "count_pairs",
    "make_muons",
    "make_pairs",
    "select_and_count",
    "select_pairs",
]

PairOrder = Literal["leading", "closest-to-z"]

_BLOCK = 8192
"""Pairs that are worked on at a time: their columns stay in the processor's cache."""

_LARGEST = 1e50
"""Momenta (GeV) and weights beyond this are not finite in what is calculated from them."""

_SOUND = "@zmumu_hybrid: columns are sound"
"""Attribute of events whose file was checked; it is not kept with them in a file, for the @."""

_MUON_FIELDS = ("pt", "eta", "phi", "mass", "charge")


@dataclass(frozen=True, slots=True)
class PairSelection:
    """Which two muons of an event make its pair.

    Parameters
    ----------
    order : {"leading", "closest-to-z"}
        "leading": the mu+ and the mu- of highest transverse momentum. "closest-to-z": of all pairs of a mu+ and a
        mu-, the one whose mass is closest to `z_mass`. Of equals, the first in the event is taken.
    z_mass : float
        Mass (GeV) for "closest-to-z".

    Raises
    ------
    ConfigurationError
        If `order` is unknown or `z_mass` is not positive.

    Examples
    --------
    >>> PairSelection("closest-to-z").z_mass
    91.1876
    """

    order: PairOrder = "leading"
    z_mass: float = 91.1876

    def __post_init__(self) -> None:
        if self.order not in get_args(PairOrder):
            raise ConfigurationError(f"pair order {self.order!r}: use one of {', '.join(get_args(PairOrder))}")
        if not (np.isfinite(self.z_mass) and self.z_mass > 0):
            raise ConfigurationError(f"Z mass {self.z_mass} GeV: must be a positive number")


@dataclass(frozen=True, slots=True)
class _Muons:
    """All muons of all events on flat arrays; those of event i are offsets[i] to offsets[i + 1]."""

    identity: dict[str, NDArray[Any]]
    gen_weight: Floats
    offsets: NDArray[np.int64]
    pt: Floats
    eta: Floats
    phi: Floats
    mass: Floats
    charge: NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True)
class ChosenPairs:
    """The pairs of a chunk's events, chosen but not yet taken together.

    Attributes
    ----------
    cutflow : dict of str to int
        How many events there are, have two muons, and have two of opposite charge.
    """

    cutflow: dict[str, int]
    _muons: _Muons
    _events: NDArray[np.int64]
    _plus: NDArray[np.int64]
    _minus: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._events)

    def blocks(self) -> Iterator[FlatPairs]:
        """Yield the pairs in order, some thousand at a time."""
        for start in range(0, max(len(self), 1), _BLOCK):
            yield self._take(slice(start, start + _BLOCK))

    def all(self) -> FlatPairs:
        """Return all pairs."""
        return self._take(slice(None))

    def _take(self, rows: slice) -> FlatPairs:
        muons, taken = self._muons, []
        for chosen in (self._plus[rows], self._minus[rows]):
            pt, eta, phi, mass = (np.empty(len(chosen)) for _ in range(4))
            _gather(chosen, muons.pt, muons.eta, muons.phi, muons.mass, pt, eta, phi, mass)
            taken.append(Muon(*kinematics.cartesian(pt, eta, phi), mass))
        everyone = len(self) == len(muons.gen_weight)
        events = rows if everyone else self._events[rows]
        identity = {name: column[events] for name, column in muons.identity.items()}
        return FlatPairs(identity, muons.gen_weight[events], *taken)


@compiled
def _gather(
    chosen: Any, pt: Any, eta: Any, phi: Any, mass: Any, pt_out: Any, eta_out: Any, phi_out: Any, mass_out: Any
) -> None:
    """Write the chosen muons' numbers; a mass below zero as zero."""
    for i in range(len(chosen)):
        k = chosen[i]
        pt_out[i], eta_out[i], phi_out[i] = pt[k], eta[k], phi[k]
        mass_out[i] = mass[k] if mass[k] > 0 else 0.0


def select_pairs(events: ak.Array, selection: PairSelection | None = None) -> ak.Array:
    """Choose one pair of opposite charge per event; events without one are left out (`count_pairs` counts them).

    Parameters
    ----------
    events : awkward.Array
        Records with `run`, `luminosityBlock`, `event`, `Muon` (GeV) and, for simulation, `genWeight`; missing (None)
        events and muons are not there. See the module's description. Or as from `zmumu_hybrid.read_lhe`: the muons are
        those of the final state.
    selection : PairSelection, optional
        Which muons to take; by default the leading ones.

    Returns
    -------
    awkward.Array
        One record per pair: run, luminosityBlock, event, gen_weight (1 where the events have none), plus and minus:
        `Momentum4D` with float64 px, py, pz, mass (GeV). A mass below zero, the rounding of massless muons in some
        generators, is taken as zero.

    Raises
    ------
    InputError
        If a field is missing or a muon's number is not finite; the message names the event and the field.

    Examples
    --------
    >>> import awkward as ak
    >>> import zmumu_hybrid as zh
    >>> muon = {"eta": 0.0, "phi": 0.0, "mass": 0.10566}
    >>> muons = [muon | {"pt": pt, "charge": charge} for pt, charge in ((50.0, 1), (40.0, -1), (60.0, -1))]
    >>> events = ak.Array([{"run": 1, "luminosityBlock": 1, "event": 7, "Muon": muons}])
    >>> pairs = zh.select_pairs(events)
    >>> round(float(pairs.plus.pt[0]), 1), round(float(pairs.minus.pt[0]), 1)
    (50.0, 60.0)
    """
    return choose(events, selection).all().records()


def count_pairs(events: ak.Array) -> dict[str, int]:
    """Return the cutflow: how many events there are, have two muons, and have two of opposite charge."""
    return choose(events).cutflow


def select_and_count(events: ak.Array, selection: PairSelection | None = None) -> tuple[ak.Array, dict[str, int]]:
    """Return what `select_pairs` and `count_pairs` return, reading the events once."""
    chosen = choose(events, selection)
    return chosen.all().records(), chosen.cutflow


def choose(events: ak.Array, selection: PairSelection | None = None) -> ChosenPairs:
    """Choose pairs as `select_pairs` does, to be taken piece by piece.

    Raises
    ------
    InputError
        As `select_pairs`.
    """
    selection = selection or PairSelection()
    muons = _flatten(events)
    size = len(muons.offsets) - 1
    accepted, plus, minus = (np.empty(size, np.int64) for _ in range(3))
    two, opposite = _leading(muons.offsets, muons.charge, muons.pt, accepted, plus, minus)
    cutflow = {"events": size, "two muons": two, "opposite charge": opposite}
    if selection.order == "leading":
        return ChosenPairs(cutflow, muons, accepted[:opposite], plus[:opposite], minus[:opposite])
    return ChosenPairs(cutflow, muons, *_closest(muons, selection.z_mass))


def make_muons(px: Floats, py: Floats, pz: Floats, mass: Floats) -> ak.Array:
    """Return muons with vector's behaviours from components (GeV), each of shape (n,)."""
    from vector.backends.awkward import behavior

    return ak.zip({"px": px, "py": py, "pz": pz, "mass": mass}, with_name="Momentum4D", behavior=behavior)


def components(muons: ak.Array) -> tuple[Floats, Floats, Floats, Floats]:
    """Return px, py, pz and mass (GeV) of muons as from `make_muons`, float64 of shape (n,), without copying."""
    px, py, pz, mass = (ak.to_numpy(muons[name]) for name in ("px", "py", "pz", "mass"))
    return px, py, pz, mass


def make_pairs(identity: dict[str, NDArray[Any]], gen_weight: Floats, plus: ak.Array, minus: ak.Array) -> ak.Array:
    """Return pair records from event identities, weights and muons, each of length n."""
    from vector.backends.awkward import behavior

    fields = {**identity, "gen_weight": gen_weight, "plus": plus, "minus": minus}
    return ak.zip(fields, depth_limit=1, behavior=behavior)


def _flatten(events: ak.Array) -> _Muons:
    """Take what is needed of `events` onto flat arrays, and check it."""
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
    return _Muons(identity=identity, gen_weight=gen_weight, offsets=offsets, charge=charge, **floats)


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


@compiled
def _leading(offsets: Any, charge: Any, pt: Any, accepted: Any, plus: Any, minus: Any) -> Any:
    """Write the events that have a pair and the indices of their highest-pT mu+ and mu-.

    Returns the number of events with two muons, and of those written.
    """
    two = opposite = 0
    for event in range(len(offsets) - 1):
        best_plus = best_minus = -1
        for i in range(offsets[event], offsets[event + 1]):
            if charge[i] > 0:
                if best_plus < 0 or pt[i] > pt[best_plus]:
                    best_plus = i
            elif charge[i] < 0 and (best_minus < 0 or pt[i] > pt[best_minus]):
                best_minus = i
        two += offsets[event + 1] - offsets[event] >= 2
        if best_plus >= 0 and best_minus >= 0:
            accepted[opposite], plus[opposite], minus[opposite] = event, best_plus, best_minus
            opposite += 1
    return two, opposite


def _closest(muons: _Muons, z_mass: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the events that have a pair and the flat indices of the mu+ and mu- whose mass is closest to `z_mass`."""
    flat = ak.Array(np.arange(len(muons.pt)))
    indices = []
    for sign in (1, -1):
        chosen = muons.charge * sign > 0
        before = np.concatenate([[0], np.cumsum(chosen)])
        indices.append(ak.unflatten(flat[chosen], before[muons.offsets[1:]] - before[muons.offsets[:-1]]))
    plus, minus = ak.unzip(ak.cartesian(indices, axis=1))
    counts = ak.to_numpy(ak.num(plus))
    i, j = ak.to_numpy(ak.flatten(plus)), ak.to_numpy(ak.flatten(minus))
    px, py, pz = kinematics.cartesian(muons.pt, muons.eta, muons.phi)
    mass = kinematics.pair_mass(px[i], py[i], pz[i], muons.mass[i], px[j], py[j], pz[j], muons.mass[j])
    accepted = np.flatnonzero(counts > 0)
    best = ak.to_numpy(ak.fill_none(ak.argmin(ak.unflatten(np.abs(mass - z_mass), counts), axis=1), 0))
    row = (np.cumsum(counts) - counts + best)[accepted]
    return accepted, i[row], j[row]
