"""The events of a Les Houches Event file: from bytes to columns in one pass, compiled.

The grammar, in which "filler" is white space, `<!-- comments -->`, and comments that begin with `#` and end with
the line or at the next tag::

    file     preamble (filler event)* filler </LesHouchesEvents> filler
    event    <event attributes> numbers-line particle-line* element* </event>, with filler anywhere between
    numbers-line    NUP IDPRUP XWGTUP SCALUP AQEDUP AQCDUP
    particle-line   IDUP ISTUP MOTHUP(2) ICOLUP(2) PUP(5) VTIMUP SPINUP, exactly NUP of them
    element  <rwgt> (<wgt id="name"> number </wgt>)* </rwgt>, <weights> number* </weights>, or any other, skipped

Events may stand in `<eventgroup>`. Standard: hep-ph/0609017, and arXiv:1405.1067 for versions 2 and 3.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from zmumu_hybrid.compiled import compiled
from zmumu_hybrid.lhe.numerals import BAD, UNDECIDED, read_decimal, read_integer

__all__ = ["EVENT_FLOATS", "PARTICLE_FLOATS", "PARTICLE_INTEGERS", "Columns", "Found", "Names", "State", "scan"]

EVENT_FLOATS = ("weight", "scale", "aqed", "aqcd")
PARTICLE_INTEGERS = ("pdgId", "status", "mother1", "mother2", "color1", "color2")
PARTICLE_FLOATS = ("px", "py", "pz", "energy", "genMass", "lifetime", "spin")


class Found(IntEnum):
    """Why `scan` came back: FINE within it; up to NEW_PLACE it can go on; after that, what is wrong at State.WHERE."""

    FINE = 0
    MORE = 1
    END = 2
    EVENTS_FULL = 3
    PARTICLES_FULL = 4
    UNDECIDED_FULL = 5
    NEW_NAME = 6
    NEW_PLACE = 7
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


class Kind(IntEnum):
    """Which array a number that was left to `parse_decimal` belongs to."""

    EVENT = 0
    PARTICLE = 1
    WEIGHT = 2


class Columns(NamedTuple):
    """What the events are written to; the lengths are capacities."""

    offsets: Any  # int64 (events + 1,), where each event's particles begin
    pid: Any  # int64 (events,)
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

_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1
_EVENT = np.frombuffer(b"<event", np.uint8)
_EVENT_END = np.frombuffer(b"</event", np.uint8)
_GROUP = np.frombuffer(b"<eventgroup", np.uint8)
_GROUP_END = np.frombuffer(b"</eventgroup", np.uint8)
_FILE_END = np.frombuffer(b"</LesHouchesEvents", np.uint8)
_RWGT = np.frombuffer(b"<rwgt", np.uint8)
_RWGT_END = np.frombuffer(b"</rwgt", np.uint8)
_WGT = np.frombuffer(b"<wgt", np.uint8)
_WGT_END = np.frombuffer(b"</wgt", np.uint8)
_WEIGHTS = np.frombuffer(b"<weights", np.uint8)
_WEIGHTS_END = np.frombuffer(b"</weights", np.uint8)
_COMMENT = np.frombuffer(b"<!--", np.uint8)
_COMMENT_END = np.frombuffer(b"-->", np.uint8)
_CDATA = np.frombuffer(b"<![CDATA[", np.uint8)
_CDATA_END = np.frombuffer(b"]]>", np.uint8)


@compiled
def _is_blank(c: Any) -> Any:
    return c in (32, 10, 13, 9)


@compiled
def _is_letter(c: Any) -> Any:
    return 97 <= c <= 122 or 65 <= c <= 90


@compiled
def _begins(data: Any, i: int, literal: Any) -> Any:
    for k in range(len(literal)):
        if data[i + k] != literal[k]:
            return False
    return True


@compiled
def _is_tag(data: Any, i: int, literal: Any) -> Any:
    """Whether the tag that begins with `literal`, and has no longer name, stands at `i`."""
    if not _begins(data, i, literal):
        return False
    c = data[i + len(literal)]
    return c in (62, 47) or _is_blank(c)


@compiled
def _after(data: Any, i: int, stop: int, literal: Any) -> Any:
    """Return where the next `literal` ends, or -1."""
    while i < stop:
        if data[i] == literal[0] and _begins(data, i, literal):
            return i + len(literal)
        i += 1
    return -1


@compiled
def _skip_filler(data: Any, i: int, stop: int) -> Any:
    """Return (the next byte that is not filler, FINE), or (where the filler goes on, MORE) if there is none."""
    while i < stop:
        c = data[i]
        if _is_blank(c):
            i += 1
        elif c == 35:
            while i < stop and data[i] != 10:
                if data[i] == 60 and (data[i + 1] in (33, 47, 63) or _is_letter(data[i + 1])):
                    break
                i += 1
        elif c == 60 and _begins(data, i, _COMMENT):
            end = _after(data, i + 4, stop, _COMMENT_END)
            if end < 0:
                return i, Found.MORE
            i = end
        else:
            return i, Found.FINE
    return i, Found.MORE


@compiled
def _skip_blank(data: Any, i: int) -> Any:
    while _is_blank(data[i]):
        i += 1
    return i


@compiled
def _skip_space(data: Any, i: int) -> Any:
    while data[i] in (32, 9, 13):
        i += 1
    return i


@compiled
def _skip_tag(data: Any, i: int, stop: int) -> Any:
    """Return (the byte after the tag that begins at `i`, FINE), or (where it stops making sense, what is wrong)."""
    quote = 0
    i += 1
    while i < stop:
        c = data[i]
        if c == 60:
            return i, Found.BAD_TAG
        if quote != 0:
            if c == quote:
                quote = 0
        elif c in (34, 39):
            quote = np.int64(c)
        elif c == 62:
            return i + 1, Found.FINE
        i += 1
    return i, Found.MORE


@compiled
def _skip_element(data: Any, start: int, stop: int) -> Any:
    """Return (the byte after the element that begins at `start`, FINE), or (where it fails, what is wrong)."""
    name = start + 1
    end = name
    while _is_letter(data[end]) or 48 <= data[end] <= 58 or data[end] in (45, 46, 95):
        end += 1
    if end >= stop:
        return start, Found.MORE
    if not _is_letter(data[name]):
        return start, Found.BAD_TAG
    i, found = _skip_tag(data, start, stop)
    if found != Found.FINE or data[i - 2] == 47:
        return i, found
    while i < stop:
        if data[i] != 60:
            i += 1
        elif _begins(data, i, _COMMENT) or _begins(data, i, _CDATA):
            i = _after(data, i + 4, stop, _COMMENT_END if data[i + 2] == 45 else _CDATA_END)
            if i < 0:
                return start, Found.MORE
        elif _is_tag(data, i, _EVENT_END):
            return start, Found.OPEN_ELEMENT
        elif data[i + 1] == 47 and _begins(data, i + 2, data[name:end]) and _is_tag(data, i, data[i : i + 2 + end - name]):
            return _skip_tag(data, i, stop)
        else:
            i += 1
    return start, Found.MORE


@compiled
def _read_integer(data: Any, i: int, stop: int, low: int, high: int) -> Any:
    """Read the next integer of the line: (value, where it ends or fails, what is wrong)."""
    i = _skip_space(data, i)
    if i >= stop:
        return 0, i, Found.MORE
    if data[i] in (10, 35, 60):
        return 0, i, Found.FEW_COLUMNS
    value, end, good = read_integer(data, i)
    if end >= stop:
        return 0, i, Found.MORE
    if not good or not low <= value <= high or not (_is_blank(data[end]) or data[end] == 60):
        return 0, i, Found.BAD_INTEGER
    return value, end, Found.FINE


@compiled
def _read_decimal(data: Any, i: int, stop: int, undecided: Any, state: Any, kind: int, row: int, column: int) -> Any:
    """Read the decimal at `i`, to be kept in [row, column] of an array: (value, where it ends or fails, what is wrong)."""
    value, end, status = read_decimal(data, i)
    if end >= stop:
        return 0.0, i, Found.MORE
    if status == BAD or not (_is_blank(data[end]) or data[end] == 60):
        return 0.0, i, Found.BAD_NUMBER
    if status == UNDECIDED:
        n = state[State.UNDECIDED]
        if n == len(undecided):
            return 0.0, i, Found.UNDECIDED_FULL
        undecided[n, 0] = kind
        undecided[n, 1] = row
        undecided[n, 2] = column
        undecided[n, 3] = i
        undecided[n, 4] = end
        state[State.UNDECIDED] = n + 1
    return value, end, Found.FINE


@compiled
def _read_decimals(
    data: Any, i: int, stop: int, undecided: Any, state: Any, kind: int, values: Any, column: int
) -> Any:
    """Read the last decimals of a line into values[:, column]: (where they end or fail, what is wrong)."""
    for row in range(len(values)):
        i = _skip_space(data, i)
        if i >= stop:
            return i, Found.MORE
        if data[i] in (10, 35, 60):
            return i, Found.FEW_COLUMNS
        values[row, column], i, found = _read_decimal(data, i, stop, undecided, state, kind, row, column)
        if found != Found.FINE:
            return i, found
        state[State.FIELD] += 1
    i = _skip_space(data, i)
    if i >= stop:
        return i, Found.MORE
    if data[i] not in (10, 35, 60):
        return i, Found.MANY_COLUMNS
    return i, Found.FINE


@compiled
def _find_attribute_id(data: Any, i: int, stop: int) -> Any:
    """Return where the value of the attribute `id` begins and ends in the tag from `i` to `stop`, or (-1, -1)."""
    while data[i] not in (62, 47) and not _is_blank(data[i]):
        i += 1
    while True:
        i = _skip_blank(data, i)
        name = i
        while data[i] not in (61, 62, 47) and not _is_blank(data[i]):
            i += 1
        is_id = i - name == 2 and data[name] == 105 and data[name + 1] == 100
        i = _skip_blank(data, i)
        if data[i] != 61:
            return -1, -1
        i = _skip_blank(data, i + 1)
        quote = data[i]
        if quote not in (34, 39):
            return -1, -1
        i += 1
        begin = i
        while i < stop and data[i] != quote:
            i += 1
        if i == stop:
            return -1, -1
        if is_id:
            return begin, i
        i += 1


@compiled
def _find_name(data: Any, begin: int, end: int, names: Names, guess: int) -> Any:
    """Return the index of the weight called data[begin:end], looking at `guess` first, or -1."""
    n = len(names.stamps)
    for k in range(-1, n):
        weight = guess if k < 0 else k
        if weight < n and names.bounds[weight + 1] - names.bounds[weight] == end - begin:
            first = names.bounds[weight]
            same = True
            for j in range(end - begin):
                if names.text[first + j] != data[begin + j]:
                    same = False
                    break
            if same:
                return weight
    return -1


@compiled
def _read_weight(data: Any, i: int, stop: int, weight: int, columns: Columns, names: Names, state: Any) -> Any:
    """Read the value of one weight at `i` into its column: (where it ends or fails, what is wrong)."""
    state[State.EXTRA] = weight
    state[State.FIELD] = WEIGHT_FIELD
    if names.stamps[weight] == state[State.ATTEMPT]:
        return i, Found.WEIGHT_TWICE
    names.stamps[weight] = state[State.ATTEMPT]
    e = state[State.EVENTS]
    columns.weights[weight, e], i, found = _read_decimal(
        data, i, stop, columns.undecided, state, Kind.WEIGHT, weight, e
    )
    return i, found


@compiled
def _read_rwgt(data: Any, i: int, stop: int, columns: Columns, names: Names, state: Any) -> Any:
    """Read the inside of <rwgt> from `i`: (where it ends or fails, number of weights, what is wrong)."""
    filled = 0
    while True:
        i, found = _skip_filler(data, i, stop)
        if found != Found.FINE:
            return i, filled, found
        if _is_tag(data, i, _RWGT_END):
            i, found = _skip_tag(data, i, stop)
            return i, filled, found
        if not _is_tag(data, i, _WGT):
            return i, filled, Found.TEXT_IN_WEIGHTS
        tag = i
        i, found = _skip_tag(data, tag, stop)
        if found != Found.FINE:
            return i, filled, found
        begin, end = _find_attribute_id(data, tag, i)
        if begin < 0 or data[i - 2] == 47:
            return tag, filled, Found.BAD_TAG
        weight = _find_name(data, begin, end, names, filled)
        if weight < 0:
            state[State.EXTRA] = end
            return begin, filled, Found.NEW_NAME
        i, found = _read_weight(data, _skip_blank(data, i), stop, weight, columns, names, state)
        if found != Found.FINE:
            return i, filled, found
        i = _skip_blank(data, i)
        if not _is_tag(data, i, _WGT_END):
            return i, filled, Found.TEXT_IN_WEIGHTS
        i, found = _skip_tag(data, i, stop)
        if found != Found.FINE:
            return i, filled, found
        filled += 1


@compiled
def _read_weights(data: Any, i: int, stop: int, columns: Columns, names: Names, state: Any) -> Any:
    """Read the inside of <weights> from `i`: (where it ends or fails, number of weights, what is wrong)."""
    filled = 0
    while True:
        i = _skip_blank(data, i)
        if i >= stop:
            return i, filled, Found.MORE
        if data[i] == 60:
            if not _is_tag(data, i, _WEIGHTS_END):
                return i, filled, Found.TEXT_IN_WEIGHTS
            i, found = _skip_tag(data, i, stop)
            return i, filled, found
        if filled >= len(names.places):
            state[State.EXTRA] = filled
            return i, filled, Found.NEW_PLACE
        i, found = _read_weight(data, i, stop, names.places[filled], columns, names, state)
        if found != Found.FINE:
            return i, filled, found
        filled += 1


@compiled
def _read_elements(data: Any, i: int, stop: int, columns: Columns, names: Names, state: Any) -> Any:
    """Read what follows the particles, up to and with </event>: (where it ends or fails, what is wrong)."""
    total = 0
    while True:
        i, found = _skip_filler(data, i, stop)
        if found != Found.FINE:
            return i, found
        if data[i] != 60:
            return i, Found.TEXT_IN_EVENT
        if _is_tag(data, i, _EVENT_END):
            break
        if _is_tag(data, i, _EVENT) or _is_tag(data, i, _FILE_END):
            return i, Found.OPEN_EVENT
        rwgt = _is_tag(data, i, _RWGT)
        if rwgt or _is_tag(data, i, _WEIGHTS):
            i, found = _skip_tag(data, i, stop)
            if found != Found.FINE:
                return i, found
            if data[i - 2] == 47:
                continue
            if rwgt:
                i, filled, found = _read_rwgt(data, i, stop, columns, names, state)
            else:
                i, filled, found = _read_weights(data, i, stop, columns, names, state)
            total += filled
        else:
            i, found = _skip_element(data, i, stop)
        if found != Found.FINE:
            return i, found
    if total != len(names.stamps):
        for weight in range(len(names.stamps)):
            if names.stamps[weight] != state[State.ATTEMPT]:
                state[State.EXTRA] = weight
                return i, Found.WEIGHT_MISSING
    return _skip_tag(data, i, stop)


@compiled
def _read_event(data: Any, i: int, stop: int, columns: Columns, names: Names, state: Any) -> Any:
    """Read the event whose tag is at `i`, not counting it: (where it ends or fails, its particles, what is wrong)."""
    e = state[State.EVENTS]
    p = state[State.PARTICLES]
    i, found = _skip_tag(data, i, stop)
    if found != Found.FINE:
        return i, 0, found
    if data[i - 2] == 47:
        return i - 2, 0, Found.BAD_TAG
    i, found = _skip_filler(data, i, stop)
    if found != Found.FINE:
        return i, 0, found
    state[State.EXTRA] = -1
    state[State.FIELD] = 0
    particles, i, found = _read_integer(data, i, stop, 0, _INT32_MAX)
    if found != Found.FINE:
        return i, 0, found
    state[State.FIELD] = 1
    columns.pid[e], i, found = _read_integer(data, i, stop, -(10**18), 10**18)
    if found != Found.FINE:
        return i, 0, found
    state[State.FIELD] = 2
    i, found = _read_decimals(data, i, stop, columns.undecided, state, Kind.EVENT, columns.event, e)
    if found != Found.FINE:
        return i, 0, found
    for particle in range(particles):
        i, found = _skip_filler(data, i, stop)
        if found != Found.FINE:
            return i, 0, found
        state[State.EXTRA] = particle
        if data[i] == 60:
            state[State.FIELD] = particles
            return i, 0, Found.FEW_PARTICLES
        if p + particle == columns.floats.shape[1]:
            return i, 0, Found.PARTICLES_FULL
        for row in range(6):
            state[State.FIELD] = 6 + row
            columns.integers[row, p + particle], i, found = _read_integer(data, i, stop, _INT32_MIN, _INT32_MAX)
            if found != Found.FINE:
                return i, 0, found
        state[State.FIELD] = 12
        i, found = _read_decimals(data, i, stop, columns.undecided, state, Kind.PARTICLE, columns.floats, p + particle)
        if found != Found.FINE:
            return i, 0, found
    state[State.FIELD] = particles
    i, found = _read_elements(data, i, stop, columns, names, state)
    return i, particles, found


@compiled
def scan(data: Any, stop: int, columns: Columns, names: Names, state: Any) -> Any:
    """Read events from data[state[POSITION]:stop] into `columns` until something needs the caller.

    Parameters
    ----------
    data : uint8 array
        Text, with a NUL at `stop` or later; `stop` is right after a tag, or the end of the file.
    stop : int
        The end of the text that is there.
    columns, names
        What is written, and the weights that each event must have.
    state : int64 array
        By `State`. Only whole events count in EVENTS, PARTICLES and UNDECIDED, and POSITION is that of the first
        event that is not counted.

    Returns
    -------
    Found
        Why it came back.
    """
    while True:
        i, found = _skip_filler(data, state[State.POSITION], stop)
        state[State.POSITION] = i
        if found != Found.FINE:
            return found
        if _is_tag(data, i, _EVENT):
            if state[State.EVENTS] == len(columns.pid):
                return Found.EVENTS_FULL
            undecided = state[State.UNDECIDED]
            state[State.ATTEMPT] += 1
            i, particles, found = _read_event(data, i, stop, columns, names, state)
            if found != Found.FINE:
                state[State.UNDECIDED] = undecided
                state[State.WHERE] = i
                return found
            state[State.EVENTS] += 1
            state[State.PARTICLES] += particles
            columns.offsets[state[State.EVENTS]] = state[State.PARTICLES]
        else:
            ends = _is_tag(data, i, _FILE_END)
            if not (ends or _is_tag(data, i, _GROUP) or _is_tag(data, i, _GROUP_END)):
                state[State.WHERE] = i
                return Found.TEXT_BETWEEN_EVENTS
            i, found = _skip_tag(data, i, stop)
            if found != Found.FINE:
                state[State.WHERE] = i
                return found
            if ends:
                state[State.POSITION] = i
                return Found.END
        state[State.POSITION] = i
