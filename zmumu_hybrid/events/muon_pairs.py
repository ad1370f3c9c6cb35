"""The muon pair of each event: from any events with a `Muon` collection to one row per accepted event.

The events may come from this package's converter, from coffea's `NanoAODSchema` or from any awkward array with the
same names: `run`, `luminosityBlock`, `event`, optionally `genWeight`, and `Muon` with `pt`, `eta`, `phi`, `mass` and
`charge`. Whatever their precision and layout, pairs are float64, one flat layout, and carry vector's behaviours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.events.flat_muons import FlatMuons, flatten
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
class ChosenPairs:
    """The pairs of a chunk's events, chosen but not yet taken together.

    Attributes
    ----------
    cutflow : dict of str to int
        How many events there are, have two muons, and have two of opposite charge.
    """

    cutflow: dict[str, int]
    _muons: FlatMuons
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
    muons = flatten(events)
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


def _closest(muons: FlatMuons, z_mass: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
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
