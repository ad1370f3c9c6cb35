"""Room for events in columns, and the awkward array made of them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np
from awkward.contents import ListOffsetArray, NumpyArray, RecordArray
from awkward.index import Index64
from numpy.typing import NDArray

from zmumu_hybrid.lhe.header import LHEWeight, decode
from zmumu_hybrid.lhe.identity import identify
from zmumu_hybrid.lhe.layout import (
    EVENT_FLOATS,
    EVENT_INTEGERS,
    PARTICLE_FLOATS,
    PARTICLE_INTEGERS,
    Columns,
    Names,
)

__all__ = ["EventBuffer", "WeightTable"]


class WeightTable:
    """The names of the weights of a file's events, learnt from its first event.

    Parameters
    ----------
    declared : sequence of LHEWeight
        What the header declares: it names the numbers of <weights>, which have no names of their own.
    """

    def __init__(self, declared: Sequence[LHEWeight]) -> None:
        self._declared = [weight.id for weight in declared]
        self._raw: dict[bytes, int] = {}
        self._places: list[int] = []
        self.arrays = self._make_arrays()

    @property
    def names(self) -> list[str]:
        """The names in the order of their columns."""
        return [html.unescape(decode(raw)) for raw in self._raw]

    def learn_name(self, raw: bytes) -> None:
        """Add the name of a <wgt>, as it stands in the file."""
        self._raw.setdefault(raw, len(self._raw))
        self.arrays = self._make_arrays()

    def learn_places(self, text: bytes, where: int) -> None:
        """Add a name for each number of <weights> from `where` on."""
        for _ in text[where : text.find(b"<", where)].split():
            place = len(self._places)
            name = self._declared[place] if place < len(self._declared) else str(place + 1)
            self._places.append(self._raw.setdefault(name.encode(), len(self._raw)))
        self.arrays = self._make_arrays()

    def _make_arrays(self) -> Names:
        lengths = [len(raw) for raw in self._raw]
        return Names(
            text=np.frombuffer(b"".join(self._raw) + b"\0", np.uint8),
            bounds=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
            places=np.array(self._places, np.int64),
            stamps=np.zeros(len(lengths), np.int64),
        )


class EventBuffer:
    """Columns with room for so many events, particles and weights, to be filled by `scan`.

    Parameters
    ----------
    events, particles, weights : int
        How many there is room for.
    """

    def __init__(self, events: int, particles: int, weights: int) -> None:
        self.columns = Columns(
            offsets=np.zeros(events + 1, np.int64),
            counts=np.empty((len(EVENT_INTEGERS), events), np.int32),
            event=np.empty((len(EVENT_FLOATS), events)),
            integers=np.empty((len(PARTICLE_INTEGERS), particles), np.int32),
            floats=np.empty((len(PARTICLE_FLOATS), particles)),
            weights=np.empty((weights, events)),
            undecided=np.empty((1024, 5), np.int64),
        )

    @property
    def events(self) -> int:
        """How many events there is room for."""
        return int(self.columns.counts.shape[1])

    @property
    def particles(self) -> int:
        """How many particles there is room for."""
        return int(self.columns.floats.shape[1])

    def grow_events(self, most: int) -> None:
        """Make room for twice as many events, but no more than `most`."""
        more = min(2 * self.events, most)
        self.columns = self.columns._replace(
            offsets=_longer(self.columns.offsets, more + 1),
            counts=_longer(self.columns.counts, more),
            event=_longer(self.columns.event, more),
            weights=_longer(self.columns.weights, more),
        )

    def grow_particles(self, most: int) -> None:
        """Make room for twice as many particles, but no more than `most` as long as that is more at all."""
        more = 2 * self.particles if self.particles >= most else min(2 * self.particles, most)
        self.columns = self.columns._replace(
            integers=_longer(self.columns.integers, more), floats=_longer(self.columns.floats, more)
        )

    def grow_undecided(self) -> None:
        """Make room for twice as many undecided numbers; those that were there are forgotten."""
        self.columns = self.columns._replace(undecided=np.empty((2 * len(self.columns.undecided), 5), np.int64))

    def to_awkward(self, events: int, particles: int, weight_names: Sequence[str]) -> Any:
        """Return the first `events`, with their `particles`, as `read_lhe` does; nothing is copied."""
        import vector

        columns = self.columns
        offsets = columns.offsets[: events + 1]
        run, block, event = identify(offsets, columns.integers[:, :particles], columns.floats[:, :particles])
        info = {name: columns.counts[row, :events] for row, name in enumerate(EVENT_INTEGERS)}
        info |= {name: columns.event[row, :events] for row, name in enumerate(EVENT_FLOATS)}
        particle = {name: columns.integers[row, :particles] for row, name in enumerate(PARTICLE_INTEGERS)}
        particle |= {name: columns.floats[row, :particles] for row, name in enumerate(PARTICLE_FLOATS)}
        weights = {name: columns.weights[row, :events] for row, name in enumerate(weight_names)}
        layout = RecordArray(
            [
                NumpyArray(run),
                NumpyArray(block),
                NumpyArray(event),
                _record(info, events),
                _record(weights, events),
                ListOffsetArray(Index64(offsets), _record(particle, particles, "Momentum4D")),
            ],
            ["run", "luminosityBlock", "event", "eventinfo", "weights", "particles"],
            length=events,
        )
        # Behaviours attached to an array would keep it from being pickled.
        vector.register_awkward()
        return ak.Array(layout)


def _longer(array: NDArray[Any], length: int) -> NDArray[Any]:
    """Return a copy of `array` with room for `length` along its last axis."""
    copy = np.empty((*array.shape[:-1], length), array.dtype)
    copy[..., : array.shape[-1]] = array
    return copy


def _record(columns: dict[str, NDArray[Any]], length: int, name: str | None = None) -> RecordArray:
    """Return a record array, of columns as long as `length`, with the behaviours called `name`."""
    return RecordArray(
        [NumpyArray(column) for column in columns.values()],
        list(columns),
        length=length,
        parameters={"__record__": name} if name else None,
    )
