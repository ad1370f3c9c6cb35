"""White space, comments, tags and elements in the bytes of an event file, compiled.

Positions are indices into a uint8 array that has a NUL at `stop` or later.
"""
# ruff: noqa: PLR0911  (a parser has many ways to fail)

from __future__ import annotations

from typing import Any

import numpy as np

from zmumu_hybrid.lhe.layout import Found
from zmumu_hybrid.support.compiled import byte, compiled

__all__ = [
    "find_attribute_id",
    "is_blank",
    "is_tag",
    "skip_blank",
    "skip_element",
    "skip_filler",
    "skip_space",
    "skip_tag",
]

_EVENT_END = np.frombuffer(b"</event", np.uint8)
_COMMENT = np.frombuffer(b"<!--", np.uint8)
_COMMENT_END = np.frombuffer(b"-->", np.uint8)
_CDATA = np.frombuffer(b"<![CDATA[", np.uint8)
_CDATA_END = np.frombuffer(b"]]>", np.uint8)


@compiled
def is_blank(c: Any) -> Any:
    """Whether the byte `c` is white space, the end of a line included."""
    return c in (32, 10, 13, 9)


@compiled
def _is_letter(c: Any) -> Any:
    return 97 <= c <= 122 or 65 <= c <= 90


@compiled
def _begins(data: Any, i: int, literal: Any) -> Any:
    for k in range(len(literal)):  # noqa: SIM110  (numba compiles no generators)
        if byte(data, i + k) != literal[k]:
            return False
    return True


@compiled
def is_tag(data: Any, i: int, literal: Any) -> Any:
    """Whether the tag that begins with `literal`, and has no longer name, stands at `i`."""
    if not _begins(data, i, literal):
        return False
    c = byte(data, i + len(literal))
    return c in (62, 47) or is_blank(c)


@compiled
def _after(data: Any, i: int, stop: int, literal: Any) -> Any:
    """Return where the next `literal` ends, or -1."""
    while i < stop:
        if byte(data, i) == literal[0] and _begins(data, i, literal):
            return i + len(literal)
        i += 1
    return -1


@compiled
def skip_filler(data: Any, i: int, stop: int) -> Any:
    """Return (the next byte that is not filler, FINE), or (where the filler goes on, MORE) if there is none."""
    while i < stop:
        c = byte(data, i)
        if is_blank(c):
            i += 1
        elif c == 35:
            while i < stop and byte(data, i) != 10:
                if byte(data, i) == 60 and (byte(data, i + 1) in (33, 47, 63) or _is_letter(byte(data, i + 1))):
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
def skip_blank(data: Any, i: int) -> Any:
    """Return the position of the next byte that is not white space."""
    while is_blank(byte(data, i)):
        i += 1
    return i


@compiled
def skip_space(data: Any, i: int) -> Any:
    """Return the position of the next byte that is not white space on the same line."""
    while byte(data, i) in (32, 9, 13):
        i += 1
    return i


@compiled
def skip_tag(data: Any, i: int, stop: int) -> Any:
    """Return (the byte after the tag that begins at `i`, FINE), or (where it stops making sense, what is wrong)."""
    quote: Any = 0
    i += 1
    while i < stop:
        c = byte(data, i)
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
def skip_element(data: Any, start: int, stop: int) -> Any:
    """Return (the byte after the element that begins at `start`, FINE), or (where it fails, what is wrong)."""
    name = start + 1
    end = name
    while _is_letter(byte(data, end)) or 48 <= byte(data, end) <= 58 or byte(data, end) in (45, 46, 95):
        end += 1
    if end >= stop:
        return start, Found.MORE
    if not _is_letter(byte(data, name)):
        return start, Found.BAD_TAG
    i, found = skip_tag(data, start, stop)
    if found != Found.FINE or byte(data, i - 2) == 47:
        return i, found
    while i < stop:
        if byte(data, i) != 60:
            i += 1
        elif _begins(data, i, _COMMENT) or _begins(data, i, _CDATA):
            i = _after(data, i + 4, stop, _COMMENT_END if byte(data, i + 2) == 45 else _CDATA_END)
            if i < 0:
                return start, Found.MORE
        elif is_tag(data, i, _EVENT_END):
            return start, Found.OPEN_ELEMENT
        elif (
            byte(data, i + 1) == 47
            and _begins(data, i + 2, data[name:end])
            and is_tag(data, i, data[i : i + 2 + end - name])
        ):
            return skip_tag(data, i, stop)
        else:
            i += 1
    return start, Found.MORE


@compiled
def find_attribute_id(data: Any, i: int, stop: int) -> Any:
    """Return where the value of the attribute `id` begins and ends in the tag from `i` to `stop`, or (-1, -1)."""
    while byte(data, i) not in (62, 47) and not is_blank(byte(data, i)):
        i += 1
    while True:
        i = skip_blank(data, i)
        name = i
        while byte(data, i) not in (61, 62, 47) and not is_blank(byte(data, i)):
            i += 1
        is_id = i - name == 2 and byte(data, name) == 105 and byte(data, name + 1) == 100
        i = skip_blank(data, i)
        if byte(data, i) != 61:
            return -1, -1
        i = skip_blank(data, i + 1)
        quote = byte(data, i)
        if quote not in (34, 39):
            return -1, -1
        i += 1
        begin = i
        while i < stop and byte(data, i) != quote:
            i += 1
        if i == stop:
            return -1, -1
        if is_id:
            return begin, i
        i += 1
