"""What to tell about a damaged event: file, event, line, field, value, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from zmumu_hybrid.errors import LHEError
from zmumu_hybrid.lhe.decimals import parse_decimal
from zmumu_hybrid.lhe.header import decode
from zmumu_hybrid.lhe.layout import (
    EVENT_FLOATS,
    EVENT_INTEGERS,
    PARTICLE_FLOATS,
    PARTICLE_INTEGERS,
    WEIGHT_FIELD,
    Found,
)

__all__ = ["event_error", "truncated"]

_FIELDS = (*EVENT_INTEGERS, *EVENT_FLOATS, *PARTICLE_INTEGERS, *PARTICLE_FLOATS)
_TOKEN = re.compile(rb"[^ \t\r\n<]+|<[^ \t\r\n<>]*>?")
_NOT_FINITE = re.compile(rb"[+-]?(?:nan|inf)", re.IGNORECASE)
_REMEDY = "the file is damaged: copy or generate it again"
_OTHER_WEIGHTS = "read the file with weights='fill' for NaN in place of what is missing, or weights='skip' for none"


def truncated(name: str, line: int, events: int, inside: bool, damage: tuple[str, str] | None = None) -> LHEError:
    """Return the error for a file that ends, or whose gz data are damaged, inside event `events` + 1 or between events.

    Parameters
    ----------
    name : str
        The file.
    line, events : int
        How far it was read: the line it ends in, and the number of whole events.
    inside : bool
        Whether the next event has begun.
    damage : tuple of str, optional
        What is wrong with the gz data, and the remedy.
    """
    where = f"inside event {events + 1}, before its </event>" if inside else f"after event {events}"
    if damage:
        return LHEError(f"{name}: line {line}: {damage[0]}, {where}: {damage[1]}")
    return LHEError(
        f"{name}: line {line}: the file ends {where}, without </LesHouchesEvents>: it is truncated, copy or generate "
        "it again"
    )


def _field(field: int, extra: int, weights: Sequence[str]) -> str:
    if field == WEIGHT_FIELD:
        return f"the weight {weights[extra]!r}"
    return _FIELDS[field] + (f" of particle {extra + 1}" if extra >= 0 else "")


def _is_number(token: bytes) -> bool:
    """Whether a token that is no finite number is a number at all: NaN, infinite, or too large."""
    try:
        parse_decimal(token)
    except ValueError:
        return _NOT_FINITE.match(token) is not None
    return True


def event_error(  # noqa: PLR0912
    found: Found,
    text: bytes,
    where: int,
    field: int,
    extra: int,
    *,
    name: str,
    line: int,
    event: int,
    weights: Sequence[str],
) -> LHEError:
    """Return the error for what `scan` found wrong.

    Parameters
    ----------
    found : Found
    text : bytes
        What `scan` read.
    where, field, extra : int
        What it left in the state.
    name : str
        The file.
    line : int
        Number of the line that `where` is in.
    event : int
        Number of the event, counted from 1.
    weights : sequence of str
        Names of the weights.
    """
    match = _TOKEN.match(text, where)
    token = match[0] if match else text[where : where + 1]
    value = repr(decode(token[:40]))
    remedy = _REMEDY
    if found == Found.BAD_NUMBER:
        kind = "a finite number" if _is_number(token) else "a number"
        what = f"{_field(field, extra, weights)} is {value}, not {kind}"
    elif found == Found.BAD_INTEGER:
        kind = "an integer of the allowed range" if token.lstrip(b"+-").isdigit() else "an integer"
        what = f"{_field(field, extra, weights)} is {value}, not {kind}"
    elif found == Found.FEW_COLUMNS:
        what = f"the line ends before {_field(field, extra, weights)}"
    elif found == Found.MANY_COLUMNS:
        what = f"{value} stands after the last column of the line"
    elif found == Found.FEW_PARTICLES:
        what = f"NUP is {field}, but only {extra} particle lines come before {value}"
    elif found == Found.TEXT_IN_EVENT:
        what = f"{value} stands after the last of the NUP = {field} particle lines"
    elif found == Found.TEXT_IN_WEIGHTS:
        what = f"{value} stands where a weight, or the end of the weights, should"
    elif found == Found.TEXT_BETWEEN_EVENTS:
        return LHEError(f"{name}: line {line}: {value} stands after event {event - 1}, outside any event: {remedy}")
    elif found == Found.BAD_GROUP:
        place = "outside any" if token.startswith(b"</eventgroup") else "inside an"
        what = f"{value} stands after event {event - 1}, {place} <eventgroup>"
        return LHEError(f"{name}: line {line}: {what}: {remedy}")
    elif found == Found.BAD_TAG:
        what = f"{value} is not a valid tag here"
    elif found == Found.OPEN_ELEMENT:
        what = f"the element {value} is not closed before </event>"
    elif found == Found.OPEN_EVENT:
        what = f"there is no </event> before {value}"
    elif found in (Found.WEIGHT_TWICE, Found.ID_OF_PLACE):
        which = repr(decode(text[where:extra])) if found == Found.ID_OF_PLACE else repr(weights[extra])
        what = f"the weight {which} is given twice"
    elif found == Found.WEIGHT_MISSING:
        what = f"the weight {weights[extra]!r} of the first event is missing"
        remedy = _OTHER_WEIGHTS
    else:
        which = (
            repr(decode(text[where : min(extra, where + 80)])) if found == Found.NEW_NAME else f"in place {extra + 1}"
        )
        what = f"the weight {which} is not among those of the first event"
        remedy = _OTHER_WEIGHTS
    return LHEError(f"{name}: event {event}, line {line}: {what}: {remedy}")
