"""The events of a Les Houches Event file: from bytes to columns in one pass, compiled.

The grammar, in which "filler" is white space, `<!-- comments -->`, and comments that begin with `#` and end with
the line or at the next tag::

    file     preamble (filler event)* filler </LesHouchesEvents> filler
    event    <event attributes> numbers-line particle-line* element* </event>, with filler anywhere between
    numbers-line    NUP IDPRUP XWGTUP SCALUP AQEDUP AQCDUP
    particle-line   IDUP ISTUP MOTHUP(2) ICOLUP(2) PUP(5) VTIMUP SPINUP, exactly NUP of them
    element  <rwgt> (<wgt id="name"> number </wgt>)* </rwgt>, <weights> number* </weights>, or any other, skipped

Events may stand in `<eventgroup>`, which does not nest. Standard: hep-ph/0609017, and arXiv:1405.1067 for versions 2
and 3.
"""
# ruff: noqa: PLR0911, PLR0912  (a parser has many ways to go, and to fail)

from __future__ import annotations

from typing import Any

import numpy as np

from zmumu_hybrid.lhe.decimals import BAD, EXACT, UNDECIDED, read_decimal, read_integer
from zmumu_hybrid.lhe.layout import WEIGHT_FIELD, Columns, Found, Kind, Names, State, WeightMode
from zmumu_hybrid.lhe.tokens import (
    find_attribute_id,
    is_blank,
    is_tag,
    skip_blank,
    skip_element,
    skip_filler,
    skip_space,
    skip_tag,
)
from zmumu_hybrid.support.compiled import byte, compiled

__all__ = ["count_lines", "scan"]

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
_LONGEST_GROUP = 1 << 20


@compiled
def _postpone(undecided: Any, state: Any, kind: int, row: int, column: int, begin: int, end: int) -> Any:
    """Note a number for `parse_decimal`; UNDECIDED_FULL if there is no room."""
    n = state[State.UNDECIDED]
    if n == len(undecided):
        return Found.UNDECIDED_FULL
    undecided[n, 0] = kind
    undecided[n, 1] = row
    undecided[n, 2] = column
    undecided[n, 3] = begin
    undecided[n, 4] = end
    state[State.UNDECIDED] = n + 1
    return Found.FINE


@compiled
def _read_integers(data: Any, i: int, stop: int, values: Any, column: int, state: Any) -> Any:
    """Read the next integers of a line into values[:, column]: (where they end or fail, what is wrong)."""
    for row in range(len(values)):
        i = skip_space(data, i)
        value, end, good = read_integer(data, i)
        if (
            not (good and (is_blank(byte(data, end)) or byte(data, end) == 60))
            or value != np.int32(value)
            or end >= stop
        ):
            state[State.FIELD] = row
            if end >= stop:
                return i, Found.MORE
            return i, Found.FEW_COLUMNS if byte(data, i) in (10, 35, 60) else Found.BAD_INTEGER
        values[row, column] = value
        i = end
    return i, Found.FINE


@compiled
def _read_decimals(
    data: Any, i: int, stop: int, values: Any, column: int, kind: int, undecided: Any, state: Any
) -> Any:
    """Read the last decimals of a line into values[:, column]: (where they end or fail, what is wrong)."""
    for row in range(len(values)):
        i = skip_space(data, i)
        values[row, column], end, status = read_decimal(data, i)
        if status != EXACT or not (is_blank(byte(data, end)) or byte(data, end) == 60) or end >= stop:
            found = Found.FINE
            if end >= stop:
                found = Found.MORE
            elif byte(data, i) in (10, 35, 60):
                found = Found.FEW_COLUMNS
            elif status == UNDECIDED and (is_blank(byte(data, end)) or byte(data, end) == 60):
                found = _postpone(undecided, state, kind, row, column, i, end)
            else:
                found = Found.BAD_NUMBER
            if found != Found.FINE:
                state[State.FIELD] = row
                return i, found
        i = end
    i = skip_space(data, i)
    if i >= stop:
        return i, Found.MORE
    if byte(data, i) not in (10, 35, 60):
        return i, Found.MANY_COLUMNS
    return i, Found.FINE


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
                if names.text[first + j] != byte(data, begin + j):
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
    columns.weights[weight, e], end, status = read_decimal(data, i)
    if end >= stop:
        return i, Found.MORE
    if status == BAD or not (is_blank(byte(data, end)) or byte(data, end) == 60):
        return i, Found.BAD_NUMBER
    if status == UNDECIDED:
        found = _postpone(columns.undecided, state, Kind.WEIGHT, weight, e, i, end)
        if found != Found.FINE:
            return i, found
    return end, Found.FINE


@compiled
def _read_rwgt(data: Any, i: int, stop: int, columns: Columns, names: Names, state: Any) -> Any:
    """Read the inside of <rwgt> from `i`: (where it ends or fails, number of weights, what is wrong)."""
    filled = 0
    while True:
        i, found = skip_filler(data, i, stop)
        if found != Found.FINE:
            return i, filled, found
        if is_tag(data, i, _RWGT_END):
            i, found = skip_tag(data, i, stop)
            return i, filled, found
        if not is_tag(data, i, _WGT):
            return i, filled, Found.TEXT_IN_WEIGHTS
        tag = i
        i, found = skip_tag(data, tag, stop)
        if found != Found.FINE:
            return i, filled, found
        begin, end = find_attribute_id(data, tag, i)
        if begin < 0 or byte(data, i - 2) == 47:
            return tag, filled, Found.BAD_TAG
        weight = _find_name(data, begin, end, names, filled)
        if weight < 0:
            state[State.EXTRA] = end
            return begin, filled, Found.NEW_NAME
        i, found = _read_weight(data, skip_blank(data, i), stop, weight, columns, names, state)
        if found == Found.WEIGHT_TWICE:
            state[State.EXTRA] = end
            return begin, filled, Found.ID_OF_PLACE
        if found != Found.FINE:
            return i, filled, found
        i = skip_blank(data, i)
        if not is_tag(data, i, _WGT_END):
            return i, filled, Found.TEXT_IN_WEIGHTS
        i, found = skip_tag(data, i, stop)
        if found != Found.FINE:
            return i, filled, found
        filled += 1


@compiled
def _read_weights(data: Any, i: int, stop: int, columns: Columns, names: Names, state: Any) -> Any:
    """Read the inside of <weights> from `i`: (where it ends or fails, number of weights, what is wrong)."""
    filled = 0
    while True:
        i = skip_blank(data, i)
        if i >= stop:
            return i, filled, Found.MORE
        if byte(data, i) == 60:
            if not is_tag(data, i, _WEIGHTS_END):
                return i, filled, Found.TEXT_IN_WEIGHTS
            i, found = skip_tag(data, i, stop)
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
        i, found = skip_filler(data, i, stop)
        if found != Found.FINE:
            return i, found
        if byte(data, i) != 60:
            return i, Found.TEXT_IN_EVENT
        if is_tag(data, i, _EVENT_END):
            break
        if is_tag(data, i, _EVENT) or is_tag(data, i, _FILE_END):
            return i, Found.OPEN_EVENT
        rwgt = is_tag(data, i, _RWGT)
        if state[State.WEIGHTS] != WeightMode.SKIP and (rwgt or is_tag(data, i, _WEIGHTS)):
            i, found = skip_tag(data, i, stop)
            if found != Found.FINE:
                return i, found
            if byte(data, i - 2) == 47:
                continue
            if rwgt:
                i, filled, found = _read_rwgt(data, i, stop, columns, names, state)
            else:
                i, filled, found = _read_weights(data, i, stop, columns, names, state)
            total += filled
        else:
            i, found = skip_element(data, i, stop)
        if found != Found.FINE:
            return i, found
    if total != len(names.stamps):
        for weight in range(len(names.stamps)):
            if names.stamps[weight] != state[State.ATTEMPT]:
                if state[State.WEIGHTS] == WeightMode.STRICT:
                    state[State.EXTRA] = weight
                    return i, Found.WEIGHT_MISSING
                columns.weights[weight, state[State.EVENTS]] = np.nan
    return skip_tag(data, i, stop)


@compiled
def _read_event(data: Any, i: int, stop: int, columns: Columns, names: Names, state: Any) -> Any:
    """Read the event whose tag is at `i`, not counting it: (where it ends or fails, its particles, what is wrong)."""
    e = state[State.EVENTS]
    p = state[State.PARTICLES]
    i, found = skip_tag(data, i, stop)
    if found != Found.FINE:
        return i, 0, found
    if byte(data, i - 2) == 47:
        return i - 2, 0, Found.BAD_TAG
    i, found = skip_filler(data, i, stop)
    if found != Found.FINE:
        return i, 0, found
    state[State.EXTRA] = -1
    begin = i
    i, found = _read_integers(data, i, stop, columns.counts, e, state)
    if found != Found.FINE:
        return i, 0, found
    particles = np.int64(columns.counts[0, e])
    if particles < 0:
        state[State.FIELD] = 0
        return begin, 0, Found.BAD_INTEGER
    i, found = _read_decimals(data, i, stop, columns.event, e, Kind.EVENT, columns.undecided, state)
    if found != Found.FINE:
        state[State.FIELD] += 2
        return i, 0, found
    for particle in range(particles):
        i, found = skip_filler(data, i, stop)
        if found != Found.FINE:
            return i, 0, found
        state[State.EXTRA] = particle
        if byte(data, i) == 60:
            state[State.FIELD] = particles
            return i, 0, Found.FEW_PARTICLES
        if p + particle == columns.floats.shape[1]:
            return i, 0, Found.PARTICLES_FULL
        i, found = _read_integers(data, i, stop, columns.integers, p + particle, state)
        if found != Found.FINE:
            state[State.FIELD] += 6
            return i, 0, found
        i, found = _read_decimals(data, i, stop, columns.floats, p + particle, Kind.PARTICLE, columns.undecided, state)
        if found != Found.FINE:
            state[State.FIELD] += 12
            return i, 0, found
    state[State.FIELD] = particles
    i, found = _read_elements(data, i, stop, columns, names, state)
    return i, particles, found


@compiled
def count_lines(data: Any, stop: int) -> int:
    """Return how many lines of `data` end before `stop`."""
    lines = 0
    for i in range(stop):
        lines += byte(data, i) == 10
    return lines


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
        i, found = skip_filler(data, state[State.POSITION], stop)
        state[State.POSITION] = i
        if found != Found.FINE:
            return found
        if is_tag(data, i, _EVENT):
            if state[State.EVENTS] == columns.counts.shape[1]:
                return Found.EVENTS_FULL
            if state[State.GROUP] > _LONGEST_GROUP:
                state[State.WHERE] = i
                return Found.BAD_GROUP
            undecided = state[State.UNDECIDED]
            state[State.ATTEMPT] += 1
            i, particles, found = _read_event(data, i, stop, columns, names, state)
            if found != Found.FINE:
                state[State.UNDECIDED] = undecided
                state[State.WHERE] = i
                return found
            group = state[State.GROUP]
            columns.places[state[State.EVENTS]] = max(group - 1, 0)
            state[State.GROUP] = group + 1 if group else 0
            state[State.EVENTS] += 1
            state[State.PARTICLES] += particles
            columns.offsets[state[State.EVENTS]] = state[State.PARTICLES]
        else:
            state[State.WHERE] = i
            ends, begins = is_tag(data, i, _FILE_END), is_tag(data, i, _GROUP)
            if not (ends or begins or is_tag(data, i, _GROUP_END)):
                return Found.TEXT_BETWEEN_EVENTS
            i, found = skip_tag(data, i, stop)
            if found != Found.FINE:
                return Found.MORE if found == Found.MORE else Found.TEXT_BETWEEN_EVENTS
            if (state[State.GROUP] == 0) != (ends or begins):
                return Found.BAD_GROUP
            if ends:
                state[State.POSITION] = i
                return Found.END
            if byte(data, i - 2) != 47:
                state[State.GROUP] = 1 if begins else 0
        state[State.POSITION] = i
