"""What the compiled scanner of events and its caller share: the columns, the weights' names, and the state."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

__all__ = [
    "EVENT_FLOATS",
    "EVENT_INTEGERS",
    "PARTICLE_FLOATS",
    "PARTICLE_INTEGERS",
    "WEIGHT_FIELD",
    "Columns",
    "Found",
    "Kind",
    "Names",
    "State",
    "WeightMode",
]

EVENT_INTEGERS = ("nparticles", "pid")
EVENT_FLOATS = ("weight", "scale", "aqed", "aqcd")
PARTICLE_INTEGERS = ("pdgId", "status", "mother1", "mother2", "color1", "color2")
PARTICLE_FLOATS = ("px", "py", "pz", "energy", "genMass", "lifetime", "spin")


class Found(IntEnum):
    """Why `scan` came back: FINE within it; up to ID_OF_PLACE it may go on; then, what is wrong at State.WHERE."""

    FINE = 0
    MORE = 1
    END = 2
    EVENTS_FULL = 3
    PARTICLES_FULL = 4
    UNDECIDED_FULL = 5
    NEW_NAME = 6
    NEW_PLACE = 7
    ID_OF_PLACE = 8
    BAD_NUMBER = 10
    BAD_INTEGER = 11
    FEW_COLUMNS = 12
    MANY_COLUMNS = 13
    FEW_PARTICLES = 14
    TEXT_IN_EVENT = 15
    TEXT_IN_WEIGHTS = 16
    TEXT_BETWEEN_EVENTS = 17
    BAD_TAG = 18
    OPEN_ELEMENT = 19
    OPEN_EVENT = 20
    WEIGHT_TWICE = 21
    WEIGHT_MISSING = 22
    BAD_GROUP = 23


class State(IntEnum):
    """Places in the state that `scan` reads and leaves: how much is done, and where and at what it stopped."""

    POSITION = 0
    EVENTS = 1
    PARTICLES = 2
    UNDECIDED = 3
    ATTEMPT = 4
    WHERE = 5
    FIELD = 6
    EXTRA = 7
    GROUP = 8  # 0 outside <eventgroup>, else 1 more than the number of its events so far
    WEIGHTS = 9  # a WeightMode


class WeightMode(IntEnum):
    """What is done with the named weights: all events have the same, or NaN in place of what is missing, or unread."""

    STRICT = 0
    FILL = 1
    SKIP = 2


class Kind(IntEnum):
    """Which array a number that was left to `parse_decimal` belongs to."""

    EVENT = 0
    PARTICLE = 1
    WEIGHT = 2


class Columns(NamedTuple):
    """What the events are written to; the lengths are capacities."""

    offsets: Any  # int64 (events + 1,), where each event's particles begin
    places: Any  # int64 (events,), how many events of the same <eventgroup> come before
    counts: Any  # int32 (2, events), see EVENT_INTEGERS
    event: Any  # float64 (4, events), see EVENT_FLOATS
    integers: Any  # int32 (6, particles), see PARTICLE_INTEGERS
    floats: Any  # float64 (7, particles), see PARTICLE_FLOATS
    weights: Any  # float64 (weights, events)
    undecided: Any  # int64 (n, 5): Kind, row, column, first and last byte of numbers left to `parse_decimal`


class Names(NamedTuple):
    """The names of the weights that every event must have."""

    text: Any  # uint8, all names in one
    bounds: Any  # int64 (weights + 1,), where each begins
    places: Any  # int64, the weight that each place in <weights> stands for
    stamps: Any  # int64 (weights,), the last attempt at an event that set this weight


WEIGHT_FIELD = 6 + len(PARTICLE_INTEGERS) + len(PARTICLE_FLOATS)
