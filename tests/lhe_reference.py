"""A slow and strict reader of event files in plain Python, to hold the compiled one against.

It shares no code with the package: whole text, regular expressions, one event at a time.
"""

from __future__ import annotations

import html
import math
import re
import struct
import zlib
from dataclasses import dataclass, field

BLANK = rb"[ \t\r\n]"
FILLER = re.compile(rb"(?:[ \t\r\n]+|#(?:[^\n<]|<(?![A-Za-z/!?]))*|<!--(?s:.*?)-->)*+")
REST_OF_TAG = rb"""(?:[^<>"']|"[^"<]*"|'[^'<]*')*+>"""
FLOAT = re.compile(rb"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eEdD]([+-]?\d+)|([+-]\d+))?")
INTEGER = re.compile(rb"[+-]?\d{1,18}")
WORD = re.compile(rb"[^ \t\r\n<]+")


class MalformedError(Exception):
    """Not a valid file; `event` is the number of the event inside or after which it is found."""

    def __init__(self, event: int | None) -> None:
        super().__init__(event)
        self.event = event


@dataclass
class Event:
    counts: list[int]
    numbers: list[float]
    particles: list[tuple[list[int], list[float]]] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    place: int = 0  # how many events of the same <eventgroup> come before

    def bits(self) -> tuple[object, ...]:
        """Everything in a form that is equal only if it is the same bit for bit."""
        return (
            self.counts,
            self.place,
            _bits(self.numbers),
            [(integers, _bits(floats)) for integers, floats in self.particles],
            list(self.weights),
            _bits(list(self.weights.values())),
        )


def _bits(values: list[float]) -> bytes:
    return struct.pack(f"{len(values)}d", *values)


def number(token: bytes, event: int | None) -> float:
    match = FLOAT.fullmatch(token)
    if match is None:
        raise MalformedError(event)
    value = float((match[1] + b"e" + (match[2] or match[3] or b"0")).decode())
    if not math.isfinite(value):
        raise MalformedError(event)
    return value


def integer(token: bytes, event: int | None) -> int:
    if INTEGER.fullmatch(token) is None or not -(2**31) <= int(token) < 2**31:
        raise MalformedError(event)
    return int(token)


class Text:
    """The text and how far it has been read."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = 0
        self.event: int | None = None

    def fail(self) -> MalformedError:
        return MalformedError(self.event)

    def fill(self) -> None:
        self.at = FILLER.match(self.text, self.at).end()

    def begins(self, tag: bytes) -> bool:
        return re.compile(re.escape(tag) + rb"[ \t\r\n/>]").match(self.text, self.at) is not None

    def take(self, pattern: bytes) -> bytes:
        match = re.compile(pattern).match(self.text, self.at)
        if match is None:
            raise self.fail()
        self.at = match.end()
        return match[0]

    def take_tag(self) -> bytes:
        return self.take(rb"<" + REST_OF_TAG)

    def word(self) -> bytes:
        match = WORD.match(self.text, self.at)
        if match is None or match.end() == len(self.text):
            raise self.fail()
        self.at = match.end()
        return match[0]

    def columns(self, count: int) -> list[bytes]:
        end = re.compile(rb"[^\n<]*").match(self.text, self.at).end()
        line = self.text[self.at : end]
        comment = re.search(rb"(?:^|(?<=[ \t\r]))#", line)
        if comment:
            end = self.at + comment.start()
            line = line[: comment.start()]
        words = [word for word in re.split(rb"[ \t\r]+", line) if word]
        if len(words) != count or end == len(self.text):
            raise self.fail()
        self.at = end
        return words


def gunzip(data: bytes) -> bytes:
    """Return the text of gz members; unlike Python's gzip it refuses reserved flags, as RFC 1952 asks."""
    text = b""
    while data:
        member = zlib.decompressobj(31)
        text += member.decompress(data)
        if not member.eof:
            raise EOFError
        data = member.unused_data.lstrip(b"\0")
    return text


Name = tuple[bytes, int]
"""Of a weight: (the id of its <wgt>, -1), or (b"", its place in <weights>)."""


def read_reference(data: bytes, mode: str = "strict") -> list[Event]:  # noqa: PLR0912
    """Return all events, or raise MalformedError; `mode` is what becomes of weights, as in `read_lhe`."""
    if not data:
        raise MalformedError(None)
    if data[:2] == b"\x1f\x8b":
        try:
            data = gunzip(data)
        except (OSError, EOFError, zlib.error):
            raise MalformedError(None) from None
    text = Text(data)
    declared = _head(text)
    events: list[Event] = []
    weights = Weights(declared, mode)
    group: int | None = None
    while True:
        text.event = len(events)
        text.fill()
        begins = text.begins(b"<eventgroup")
        if text.begins(b"</LesHouchesEvents") or begins or text.begins(b"</eventgroup"):
            ends = text.begins(b"</LesHouchesEvents")
            tag = text.take_tag()
            if (group is None) != (ends or begins):
                raise text.fail()
            if ends:
                break
            if not tag.endswith(b"/>"):
                group = 0 if begins else None
        elif text.begins(b"<event"):
            text.event = len(events) + 1
            event, found = _event(text, mode)
            if not weights.add(found):
                raise text.fail()
            if group is not None:
                event.place, group = group, group + 1
            events.append(event)
        else:
            raise text.fail()
    for event, values in zip(events, weights.rows, strict=True):
        event.weights = {
            name: values.get(column, math.nan) for name, column in zip(weights.names, weights.columns, strict=True)
        }
    text.event = None
    text.fill()
    if text.at != len(data):
        raise text.fail()
    return events


class Weights:
    """The weights of all events, by what first named each; `names` is what they are called in the end."""

    def __init__(self, declared: list[str], mode: str) -> None:
        self.declared = declared
        self.mode = mode
        self.columns: list[Name] = []
        self.names: list[str] = []
        self.rows: list[dict[Name, float]] = []

    def add(self, found: dict[Name, float]) -> bool:
        """Add what an event has; False if it may not have it."""
        first = not self.rows
        row: dict[Name, float] = {}
        new: list[Name] = []
        for key, value in found.items():
            column = self._column(key)
            if column in row:
                return False
            row[column] = value
            if column not in self.columns:
                if column[1] < 0 and html.unescape(_decode(column[0])) in self._names_of_places():
                    return False
                new.append(column)
        if new and not first and self.mode != "fill":
            return False
        self.columns += new
        if new and not self._name():
            return False
        if self.mode == "strict" and set(row) != set(self.columns):
            return False
        self.rows.append(row)
        return True

    def _column(self, key: Name) -> Name:
        """Return the column of a weight: for a new <wgt> that of <weights> which is called so, if there is one."""
        raw, place = key
        if key in self.columns or place >= 0:
            return key
        for known, name in zip(self.columns, self.names, strict=True):
            if known[1] >= 0 and name.encode() == raw:
                return known
        return key

    def _names_of_places(self) -> set[str]:
        return {name for (_, place), name in zip(self.columns, self.names, strict=True) if place >= 0}

    def _called(self, place: int) -> str:
        return self.declared[place] if place < len(self.declared) else str(place + 1)

    def _name(self) -> bool:
        names = {key: html.unescape(_decode(key[0])) for key in self.columns if key[1] < 0}
        for key in sorted((key for key in self.columns if key[1] >= 0), key=lambda key: key[1]):
            name = self._called(key[1])
            if name in names.values():
                name = str(key[1] + 1)
            while name in names.values():
                name = f"weights[{name}]"
            names[key] = name
        self.names = [names[key] for key in self.columns]
        return len(set(self.names)) == len(self.names)


def _decode(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _event(text: Text, mode: str) -> tuple[Event, dict[Name, float]]:
    if text.take_tag().endswith(b"/>"):
        raise text.fail()
    text.fill()
    words = text.columns(6)
    event = Event([integer(word, text.event) for word in words[:2]], [number(word, text.event) for word in words[2:]])
    if event.counts[0] < 0:
        raise text.fail()
    for _ in range(event.counts[0]):
        text.fill()
        words = text.columns(13)
        event.particles.append(
            ([integer(word, text.event) for word in words[:6]], [number(word, text.event) for word in words[6:]])
        )
    weights: dict[Name, float] = {}
    while True:
        text.fill()
        if text.begins(b"</event"):
            text.take_tag()
            return event, weights
        if text.begins(b"<event") or text.begins(b"</LesHouchesEvents"):
            raise text.fail()
        if text.begins(b"<rwgt") and mode != "skip":
            _rwgt(text, weights)
        elif text.begins(b"<weights") and mode != "skip":
            _weights(text, weights)
        else:
            _element(text)


def _add(text: Text, weights: dict[Name, float], name: Name, value: float) -> None:
    if name in weights:
        raise text.fail()
    weights[name] = value


def _rwgt(text: Text, weights: dict[Name, float]) -> None:
    if text.take_tag().endswith(b"/>"):
        return
    while True:
        text.fill()
        if text.begins(b"</rwgt"):
            text.take_tag()
            return
        if not text.begins(b"<wgt"):
            raise text.fail()
        tag = text.take_tag()
        name = _identifier(tag)
        if name is None or tag.endswith(b"/>"):
            raise text.fail()
        text.take(BLANK + rb"*")
        value = number(text.word(), text.event)
        text.take(BLANK + rb"*")
        if not text.begins(b"</wgt"):
            raise text.fail()
        text.take_tag()
        _add(text, weights, (name, -1), value)


def _identifier(tag: bytes) -> bytes | None:
    attribute = re.compile(rb"""[ \t\r\n]*([^=>/ \t\r\n]*)[ \t\r\n]*=[ \t\r\n]*(?:"([^"]*)"|'([^']*)')""")
    at = re.compile(rb"[^>/ \t\r\n]*").match(tag).end()
    while match := attribute.match(tag, at):
        if match[1] == b"id":
            return match[2] if match[2] is not None else match[3]
        at = match.end()
    return None


def _weights(text: Text, weights: dict[Name, float]) -> None:
    if text.take_tag().endswith(b"/>"):
        return
    place = 0
    while True:
        text.take(BLANK + rb"*")
        if text.begins(b"</weights"):
            text.take_tag()
            return
        _add(text, weights, (b"", place), number(text.word(), text.event))
        place += 1


def _element(text: Text) -> None:
    name = re.compile(rb"<([A-Za-z][A-Za-z0-9:._-]*)").match(text.text, text.at)
    if name is None:
        raise text.fail()
    if text.take_tag().endswith(b"/>"):
        return
    while True:
        text.take(rb"[^<]*+(?=<)")
        if text.text.startswith(b"<!--", text.at):
            text.take(rb"<!--(?s:.*?)-->")
        elif text.text.startswith(b"<![CDATA[", text.at):
            text.take(rb"<!\[CDATA\[(?s:.*?)\]\]>")
        elif text.begins(b"</event"):
            raise text.fail()
        elif text.begins(b"</" + name[1]):
            text.take_tag()
            return
        else:
            text.at += 1


def _head(text: Text) -> list[str]:
    """Read up to and with </init>; return the ids that <initrwgt> declares."""
    _prolog(text)
    header = b""
    while True:
        text.fill()
        name = re.compile(rb"<([A-Za-z_][A-Za-z0-9_.:-]*)(?=[ \t\r\n/>])").match(text.text, text.at)
        if name is None or name[1] == b"event":
            raise text.fail()
        start = text.at
        body = b""
        if not text.take_tag().endswith(b"/>"):
            end = rb"</" + re.escape(name[1]) + rb"[ \t\r\n]*>"
            inner = rb"(?s:<!--.*?-->|<!\[CDATA\[.*?\]\]>|(?!" + end + rb"|<!--|<!\[CDATA\[).)*+"
            body = text.take(inner)
            text.take(end)
        if name[1] == b"init":
            _init(text, body)
            return _declared(text, re.sub(rb"(?s:<!--.*?-->|<!\[CDATA\[.*?\]\]>)", b"", header + body))
        header += text.text[start : text.at]


def _prolog(text: Text) -> None:
    text.take(rb"(?:\xef\xbb\xbf)?")
    while True:
        text.fill()
        if text.text.startswith(b"<?", text.at):
            text.take(rb"<\?(?s:.*?)\?>")
        elif text.text.startswith(b"<!DOCTYPE", text.at):
            text.take(rb"""<!DOCTYPE(?:[^\[\]<>"']|"[^"]*"|'[^']*')*(?:\[(?:[^\]"']|"[^"]*"|'[^']*')*\])?[ \t\r\n]*>""")
        else:
            break
    if not text.begins(b"<LesHouchesEvents"):
        raise text.fail()
    text.take_tag()


def _declared(text: Text, header: bytes) -> list[str]:
    declared = []
    for block in re.findall(rb"(?s:<initrwgt.*?(?=</initrwgt))", header):
        for tag in re.findall(rb"<weight(?:[ \t\r\n/]" + REST_OF_TAG + rb"|>)", block):
            name_of = re.search(rb"""(?<=[ \t\r\n/"'])id[ \t\r\n]*=[ \t\r\n]*(?:"([^"]*)"|'([^']*)')""", tag)
            if name_of is None:
                raise text.fail()
            declared.append(html.unescape(_decode(name_of[1] if name_of[1] is not None else name_of[2])))
    return declared


def _init(text: Text, body: bytes) -> None:
    body = re.sub(rb"(?s:<!--.*?-->|<!\[CDATA\[.*?\]\]>)", b"\n", body).partition(b"<")[0]
    rows = [row.partition(b"#")[0].split() for row in body.split(b"\n")]
    rows = [row for row in rows if row]
    if not rows or len(rows[0]) != 10 or any(len(row) != 4 for row in rows[1:]):
        raise text.fail()
    for row, kinds in zip(rows, ["iiffiiiiii"] + ["fffi"] * (len(rows) - 1), strict=True):
        for word, kind in zip(row, kinds, strict=True):
            if kind == "f":
                number(word, None)
            elif not re.fullmatch(rb"[+-]?\d+", word):
                raise text.fail()
    if int(rows[0][9]) != len(rows) - 1:
        raise text.fail()
