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

from zmumu_hybrid.lhe.event_id import identify
from zmumu_hybrid.lhe.header import LHEWeight, decode
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

    A <wgt> has a name of its own. A number of <weights> is called as the header declares, in its order, or else by its
    place. Where the event has a <wgt> of that name too, both are kept, and the one of <weights> is called by its place.

    Parameters
    ----------
    declared : sequence of LHEWeight
        What the header declares.
    """

    def __init__(self, declared: Sequence[LHEWeight]) -> None:
        self._declared = [weight.id for weight in declared]
        self._ids: dict[bytes, int] = {}
        self._places: list[int] = []
        self._since: list[int] = []
        self.arrays = self._make_arrays()

    @property
    def names(self) -> list[str]:
        """The names in the order of their columns."""
        found = {column: html.unescape(decode(raw)) for raw, column in self._ids.items()}
        taken = set(found.values())
        for place, column in enumerate(self._places):
            number = str(place + 1)
            name = self._declared[place] if place < len(self._declared) else number
            if name in taken:
                name = number
            while name in taken:
                name = f"weights[{name}]"
            found[column] = name
            taken.add(name)
        return [found[column] for column in range(len(found))]

    def learn_id(self, raw: bytes, event: int) -> bool:
        """Add the name of a <wgt> of an event, as it stands in the file; False if a weight of before is called so."""
        names = self.names
        former = {names[column] for column, since in zip(self._places, self._since, strict=True) if since < event}
        if raw in self._ids or html.unescape(decode(raw)) in former:
            return False
        self._ids[raw] = len(self._ids) + len(self._places)
        self.arrays = self._make_arrays()
        return True

    def learn_places(self, text: bytes, where: int, event: int) -> None:
        """Add a name for each number of the <weights> of an event from `where` on."""
        for _ in text[where : text.find(b"<", where)].split():
            self._places.append(len(self._ids) + len(self._places))
            self._since.append(event)
        self.arrays = self._make_arrays()

    def _make_arrays(self) -> Names:
        texts = [name.encode() for name in self.names]
        for raw, column in self._ids.items():
            texts[column] = raw
        lengths = [len(text) for text in texts]
        return Names(
            text=np.frombuffer(b"".join(texts) + b"\0", np.uint8),
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
            places=np.zeros(events, np.int64),
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
            places=_longer(self.columns.places, more),
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

    def grow_weights(self, weights: int) -> None:
        """Make room for so many weights; those that are new are NaN in the events before."""
        former = self.columns.weights
        self.columns = self.columns._replace(weights=np.full((weights, self.events), np.nan))
        self.columns.weights[: len(former)] = former

    def grow_undecided(self) -> None:
        """Make room for twice as many undecided numbers; those that were there are forgotten."""
        self.columns = self.columns._replace(undecided=np.empty((2 * len(self.columns.undecided), 5), np.int64))

    def to_awkward(
        self, events: int, particles: int, weight_names: Sequence[str], before: tuple[int, int] = (0, 0)
    ) -> Any:
        """Return the first `events`, with their `particles`, as `read_lhe` does; nothing is copied.

        `before` is luminosityBlock and event of the event before them, whose <eventgroup> may go on.
        """
        import vector

        columns = self.columns
        offsets = columns.offsets[: events + 1]
        run, block, event = identify(
            offsets, columns.integers[:, :particles], columns.floats[:, :particles], columns.places[:events], before
        )
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
