"""One pass over a Les Houches Event file, in bounded memory: bytes in, arrays of events out."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Literal, Self, get_args

import numpy as np

from zmumu_hybrid.errors import ConfigurationError, LHEError
from zmumu_hybrid.lhe.byte_stream import ByteSource
from zmumu_hybrid.lhe.columns import EventBuffer, WeightTable
from zmumu_hybrid.lhe.decimals import parse_decimal
from zmumu_hybrid.lhe.header import LHEInit, UnfinishedError, excerpt, line_at, parse_preamble
from zmumu_hybrid.lhe.layout import WEIGHT_FIELD, Found, Kind, State, WeightMode
from zmumu_hybrid.lhe.messages import event_error, truncated
from zmumu_hybrid.lhe.scanner import count_lines, scan

__all__ = ["LHEStream", "Weights"]

Weights = Literal["strict", "fill", "skip"]

_LONGEST_EVENT = 64 << 20
_MOST_WEIGHTS = 10_000
_ROOM = 1 << 14
_PARTICLES_IN_CHUNK = 400_000
_WEIGHTS_IN_CHUNK = 3_000_000
_BETWEEN_EVENTS = (b"<eventgroup", b"</eventgroup", b"</LesHouchesEvents", b"<!--")
_OPEN_EVENT = re.compile(rb"<event[ \t\r\n/>]")
_TRAILER = re.compile(rb"(?:[ \t\r\n]+|#(?:[^\n<]|<(?![A-Za-z/!?]))*|<!--(?:[^-]|-(?!->))*-->)*+")


class LHEStream:
    """One pass over one Les Houches Event file; a context manager.

    Parameters
    ----------
    path : path-like
        Plain or gz, by the first bytes; `-` is standard input.
    weights : {"strict", "fill", "skip"}
        What becomes of the named weights, see `zmumu_hybrid.lhe.read_lhe`.
    piece_bytes : int
        About how many bytes are read, decompressed and parsed at a time.
    checksum : bool
        Whether to work out the SHA-256 of the file on the way.

    Attributes
    ----------
    init : LHEInit
        What stands before the events.
    source : ByteSource
        Where the text comes from: its name, size, bytes read, and checksum.

    Raises
    ------
    LHEError
        If the file does not begin as a Les Houches Event file.
    MissingInputError
        If it cannot be opened.
    ConfigurationError
        If `weights` is none of these.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        weights: Weights = "strict",
        piece_bytes: int = 2 << 20,
        checksum: bool = False,
    ) -> None:
        if weights not in get_args(Weights):
            raise ConfigurationError(f"weights {weights!r}: use one of {', '.join(get_args(Weights))}")
        self._mode = WeightMode[weights.upper()]
        self.source = ByteSource(path, piece_bytes=piece_bytes, checksum=checksum)
        self._pieces = self._read_ahead()
        self._events = 0
        self._last = 0, 0  # luminosityBlock and event of the last event that was taken
        self._limit: int = sys.maxsize
        self._room: int = sys.maxsize
        self._next: tuple[bytes, int] = (b"", 0)  # a text, and where in it the next event begins
        try:
            self.init, self._left, self._lines = self._read_preamble()
        except BaseException:
            self.close()
            raise
        self._weights = WeightTable(self.init.weights)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._pieces.close()
        self.source.close()

    @property
    def weight_names(self) -> tuple[str, ...]:
        """The names of the weights that the events read so far have."""
        return tuple(self._weights.names)

    def _read_ahead(self) -> Any:
        """Yield the pieces of the text, as far as they are sound, the next one got meanwhile by a thread."""
        try:
            if self.source.is_standard_input:
                while piece := self.source.read():
                    yield piece
                return
            with ThreadPoolExecutor(1, "lhe-reader") as pool:
                pending = pool.submit(self.source.read)
                while piece := pending.result():
                    pending = pool.submit(self.source.read)
                    yield piece
        except LHEError:
            if self.source.damage is None:
                raise

    def _read_preamble(self) -> tuple[LHEInit, bytes, int]:
        """Return the preamble, the text that was read beyond it, and the number of lines before that."""
        text = b""
        for piece in self._pieces:
            text += piece
            try:
                init, position = parse_preamble(text, self.source.name)
            except UnfinishedError as error:
                unfinished = error
                if len(text) > _LONGEST_EVENT:
                    break
            else:
                return init, text[position:], text.count(b"\n", 0, position)
        problem = "it is truncated, copy or generate it again"
        if len(text) > _LONGEST_EVENT:
            problem = f"nothing before the events may be longer than {_LONGEST_EVENT >> 20} MiB"
        ends, problem = self.source.damage or ("the file ends", problem)
        if not text:
            raise LHEError(f"{self.source.name}: {ends}: {problem}")
        where = f"line {line_at(text, unfinished.position)}: {ends} inside {unfinished.what}, on this line or later"
        raise LHEError(f"{self.source.name}: {where}: {problem}")

    def _texts(self) -> Iterator[tuple[bytes, bool]]:
        """Yield (text that ends after a tag of the end of an event, followed by NUL; whether this is the last).

        What is not used of it is to be left in `_left`, which the next text begins with.
        """
        tail = b""
        for piece in self._pieces:
            cut = _after_last_event(piece)
            if cut:
                yield b"".join((self._left, tail, memoryview(piece)[:cut], b"\0")), False
                tail = piece[cut:]
            else:
                tail += piece
            if len(tail) + len(self._left) > _LONGEST_EVENT:
                raise LHEError(
                    f"{self.source.name}: line {self._lines + 1}: no event ends within {_LONGEST_EVENT >> 20} MiB from "
                    "here: the file is damaged, copy or generate it again"
                )
        yield b"".join((self._left, tail, b"\0")), True

    def chunks(self, events_per_chunk: int | None = None) -> Iterator[Any]:
        """Yield the events as awkward arrays (see `read_lhe`), in the file's order; can be gone through once.

        Parameters
        ----------
        events_per_chunk : int, optional
            How many events an array has, the last one excepted; fewer if they have so many particles or weights that
            these would take more than 32 or 24 MB. Without it there is one array, also for a file with no events.

        Raises
        ------
        LHEError
            At the first thing that is wrong; arrays of the events before it may have been yielded.
        """
        if events_per_chunk is not None and events_per_chunk < 1:
            raise ConfigurationError(f"events_per_chunk is {events_per_chunk}, it must be at least 1")
        yield from self._chunks(events_per_chunk)

    def line_of(self, event: int) -> int:
        """Return the line on which an event, counted from 1, begins; nothing else can be read of this stream then."""
        left = event - 1
        for chunk in self._chunks(min(left, _ROOM)):
            left -= len(chunk)
            if left == 0:
                break
            self._limit = min(left, self._limit)
        return self._line(*self._next)

    def _chunks(self, events_per_chunk: int | None) -> Iterator[Any]:
        """Yield what `chunks` does; `_limit` may be lowered between two arrays, and `_next` is where it goes on."""
        if events_per_chunk is not None:
            self._limit, self._room = events_per_chunk, _PARTICLES_IN_CHUNK
        state = np.zeros(len(State), np.int64)
        state[State.WEIGHTS] = self._mode
        buffer = EventBuffer(min(self._limit, _ROOM), 8 * min(self._limit, _ROOM), 0)
        ended = False
        for text, last in self._texts():
            data = np.frombuffer(text, np.uint8)
            stop = len(text) - 1
            state[State.POSITION] = 0
            while not ended:
                found = Found(scan(data, stop, buffer.columns, self._weights.arrays, state))
                self._resolve(text, buffer, state)
                if found == Found.END:
                    ended = True
                elif found == Found.MORE or (last and self._is_cut(found, text, state)):
                    break
                elif state[State.EVENTS] >= self._limit or (
                    found == Found.PARTICLES_FULL and buffer.particles >= self._room and state[State.EVENTS]
                ):
                    self._next = text, int(state[State.POSITION])
                    yield self._take(buffer, state)
                    room = min(self._limit, buffer.events)
                    buffer = EventBuffer(room, buffer.particles, len(self._weights.names))
                else:
                    buffer = self._go_on(found, text, buffer, state)
            position = int(state[State.POSITION])
            self._lines += int(count_lines(data, position))
            self._left = text[position:-1]
            if ended:
                self._left = self._check_trailer(self._left, last and self.source.damage is None)
            if last and (self.source.damage or not ended):
                inside = not ended and _OPEN_EVENT.match(self._left) is not None
                line = self._lines + self._left.count(b"\n") + 1
                events = self._events + int(state[State.EVENTS])
                raise truncated(self.source.name, line, events, inside, self.source.damage)
        if events_per_chunk is None or state[State.EVENTS]:
            yield self._take(buffer, state)

    def _is_cut(self, found: Found, text: bytes, state: Any) -> bool:
        """Whether what is wrong in the last text is only that it does not go on."""
        if found < Found.BAD_NUMBER:
            return False
        rest = text[state[State.WHERE] : -1]
        between = found == Found.TEXT_BETWEEN_EVENTS and any(tag.startswith(rest) for tag in _BETWEEN_EVENTS)
        return between or self.source.damage is not None

    def _take(self, buffer: EventBuffer, state: Any) -> Any:
        """Return the events of the buffer as an awkward array, and count from zero again."""
        events, particles = int(state[State.EVENTS]), int(state[State.PARTICLES])
        self._events += events
        state[State.EVENTS] = state[State.PARTICLES] = 0
        taken = buffer.to_awkward(events, particles, self._weights.names, self._last)
        if state[State.GROUP] > 1 and events:
            self._last = int(taken.luminosityBlock[-1]), int(taken.event[-1])
        return taken

    def _go_on(self, found: Found, text: bytes, buffer: EventBuffer, state: Any) -> EventBuffer:
        """Make room, or learn the weights; or raise what is wrong."""
        if found == Found.EVENTS_FULL:
            buffer.grow_events(self._limit)
        elif found == Found.PARTICLES_FULL:
            buffer.grow_particles(self._room)
        elif found == Found.UNDECIDED_FULL:
            buffer.grow_undecided()
        elif self._learn(found, text, state):
            names = self._weights.names
            if len(names) > _MOST_WEIGHTS or len(set(names)) < len(names):
                problem = "two weights have the same name" if len(names) <= _MOST_WEIGHTS else f"{len(names)} weights"
                event, line = self._events + state[State.EVENTS] + 1, self._line(text, int(state[State.WHERE]))
                raise LHEError(
                    f"{self.source.name}: event {event}, line {line}: {problem}: give an event at most "
                    f"{_MOST_WEIGHTS} weights, each with its own name"
                )
            self._limit = min(self._limit, math.ceil(_WEIGHTS_IN_CHUNK / len(names)))
            if state[State.EVENTS]:
                buffer.grow_weights(len(names))
            else:
                buffer = EventBuffer(min(self._limit, buffer.events), buffer.particles, len(names))
        else:
            where = int(state[State.WHERE])
            raise event_error(
                found,
                text[:-1],
                where,
                int(state[State.FIELD]),
                int(state[State.EXTRA]),
                name=self.source.name,
                line=self._line(text, where),
                event=self._events + int(state[State.EVENTS]) + 1,
                weights=self._weights.names,
            )
        return buffer

    def _learn(self, found: Found, text: bytes, state: Any) -> bool:
        """Learn weights that are not known yet, where that is allowed; return whether there is something new."""
        event, where = self._events + int(state[State.EVENTS]), int(state[State.WHERE])
        if event and self._mode != WeightMode.FILL:
            return False
        if found == Found.NEW_PLACE:
            self._weights.learn_places(text, where, event)
            return True
        named = found in (Found.NEW_NAME, Found.ID_OF_PLACE)
        return named and self._weights.learn_id(text[where : state[State.EXTRA]], event)

    def _line(self, text: bytes, where: int) -> int:
        return self._lines + line_at(text, where)

    def _resolve(self, text: bytes, buffer: EventBuffer, state: Any) -> None:
        """Read the numbers that the compiled code has left undecided."""
        columns = buffer.columns
        for kind, row, column, begin, end in columns.undecided[: state[State.UNDECIDED]].tolist():
            value = parse_decimal(text[begin:end])
            event, field, extra = column, 2 + row, -1
            if kind == Kind.EVENT:
                columns.event[row, column] = value
            elif kind == Kind.WEIGHT:
                columns.weights[row, column] = value
                field, extra = WEIGHT_FIELD, row
            else:
                columns.floats[row, column] = value
                event = int(np.searchsorted(columns.offsets[: state[State.EVENTS] + 1], column, "right")) - 1
                field, extra = 12 + row, column - int(columns.offsets[event])
            if math.isinf(value):
                raise event_error(
                    Found.BAD_NUMBER,
                    text[:-1],
                    begin,
                    field,
                    extra,
                    name=self.source.name,
                    line=self._line(text, begin),
                    event=self._events + event + 1,
                    weights=self._weights.names,
                )
        state[State.UNDECIDED] = 0

    def _check_trailer(self, text: bytes, last: bool) -> bytes:
        """Refuse anything but comments after the end; return what may be the beginning of one."""
        end = _TRAILER.match(text).end()  # type: ignore[union-attr]
        rest = text[end:]
        if rest and (last or not rest.startswith(b"<!--"[: len(rest)])):
            raise LHEError(
                f"{self.source.name}: line {self._line(text, end)}: {excerpt(rest, 0)} follows </LesHouchesEvents>: "
                "nothing but comments may; if files were joined, give them one by one"
            )
        self._lines += text.count(b"\n", 0, end)
        return rest


def _after_last_event(piece: bytes) -> int:
    """Return the position after the last tag that begins with </event, 0 if there is none."""
    begin = piece.rfind(b"</event")
    end = piece.find(b">", begin)
    if end < 0:
        begin = piece.rfind(b"</event", 0, begin)
        end = piece.find(b">", begin)
    return 0 if begin < 0 else end + 1
