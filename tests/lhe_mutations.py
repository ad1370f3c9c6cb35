"""Damaged event files, and the comparison of the compiled reader with the reference on them."""

from __future__ import annotations

import gzip
import math
import random
import re
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from lhe_reference import Event, MalformedError, read_reference
from lhe_samples import REAL, dialects, document, listed_document, real_text, rich_document
from zmumu_hybrid.draws.keys import GROUPED_RUN
from zmumu_hybrid.errors import LHEError
from zmumu_hybrid.lhe.event_stream import LHEStream, Weights
from zmumu_hybrid.lhe.layout import EVENT_FLOATS, EVENT_INTEGERS, PARTICLE_FLOATS, PARTICLE_INTEGERS

BYTES = b"<>/#!-'\"= \n\t\r\0\x0b\x0c\xff\xe9eEdD+-.0123456789nNaAiIfFxX&;_,[]?"
TOKENS = (
    *(b"nan", b"-inf", b"Infinity", b"1e999", b"-0.0", b"1e-400", b"4.9e-324", b"9007199254740993", b"1.5-104"),
    *(b"0x10", b"1_0", b"++1", b"1.2.3", b"99999999999", b"-2147483649", b"1" * 30, b"0." + b"3" * 40, b"*****"),
    *(
        b"<event>",
        b"</event>",
        b"<event/>",
        b"</LesHouchesEvents>",
        b"<init>",
        b"</init>",
        b"</header>",
        b"<eventgroup>",
        b"</eventgroup>",
    ),
    *(
        b"<rwgt>",
        b"</rwgt>",
        b"<wgt id='1001'>1</wgt>",
        b"<weights>",
        b"</weights>",
        b"<x>",
        b"</x>",
        b"<x/>",
        b"<x a='",
    ),
    *(b"<!--", b"-->", b"<![CDATA[", b"]]>", b"# ", b"#\n", b"\r\n", b"&amp;", b"<?xml?>", b"<!DOCTYPE a [", b"\0"),
)


def bases() -> list[bytes]:
    """Return small valid files to begin with: the real ones with few events, and those that have everything."""
    texts = [_cut(real_text(path), 3) for path in REAL]
    rich = rich_document(3)
    return [*texts, rich, listed_document(3), document(), rich.replace(b"\n", b"\r\n"), *dialects()]


def _cut(text: bytes, events: int) -> bytes:
    ends = [match.end() for match in re.finditer(rb"</event>\n", text)]
    return text[: ends[events - 1]] + text[ends[-1] :]


def _span(rng: random.Random, size: int) -> tuple[int, int]:
    begin = rng.randrange(size + 1)
    return begin, min(size, begin + int(rng.expovariate(1 / 40)))


def mutate(rng: random.Random, data: bytes) -> bytes:  # noqa: PLR0911
    """Return the data with one thing changed."""
    kind = rng.randrange(10)
    a, b = _span(rng, len(data))
    if kind <= 1:
        return data[:a] + bytes([rng.choice(BYTES)]) + data[a + 1 :]
    if kind == 2:
        return data[:a] + bytes([rng.choice(BYTES)]) + data[a:]
    if kind == 3:
        return data[:a] + data[b:]
    if kind == 4:
        c = rng.randrange(len(data) + 1)
        return data[:c] + data[a:b] + data[c:]
    if kind == 5:
        return data[:a] if rng.random() < 0.3 else data[:a] + rng.choice(TOKENS) + data[a:]
    words = [match.span() for match in re.finditer(rb"[^ \t\r\n<>]+" if kind <= 7 else rb"[^\n]*\n", data)]
    if not words:
        return data
    a, b = rng.choice(words)
    if kind == 6:
        return data[:a] + rng.choice(TOKENS) + data[b:]
    c, d = rng.choice(words)
    if kind == 7:
        return data[:a] + data[c:d] + data[b:]
    return data[:a] + (data[b:] if kind == 8 else data[c:d] + data[a:])


def mutant(rng: random.Random, starts: list[bytes]) -> bytes:
    """Return a damaged file; one in eight is gz, half of those damaged after compression."""
    data = rng.choice(starts)
    compressed = rng.random() < 0.125
    if compressed and rng.random() < 0.5:
        data = gzip.compress(data, 1, mtime=0)
        if rng.random() < 0.5:
            data += gzip.compress(b"", 1, mtime=0)
        compressed = False
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        data = mutate(rng, data) or b" "
    return gzip.compress(data, 1, mtime=0) if compressed else data


def read_compiled(
    path: Path, piece_bytes: int, events_per_chunk: int | None, weights: Weights = "strict"
) -> list[ak.Array]:
    with LHEStream(path, piece_bytes=piece_bytes, weights=weights) as stream:
        return list(stream.chunks(events_per_chunk))


def assert_same(chunks: list[ak.Array], events: list[Event], *, fills: bool = False) -> None:
    """Compare bit for bit; where missing weights are filled, a field may begin with a later chunk."""
    assert sum(map(len, chunks)) == len(events)
    first = 0
    for chunk in chunks:
        part = events[first : first + len(chunk)]
        first += len(part)
        particles = [particle for event in part for particle in event.particles]
        assert ak.num(chunk.particles, axis=1).tolist() == [len(event.particles) for event in part]
        names = list(part[0].weights) if part else []
        assert chunk.weights.fields == (names[: len(chunk.weights.fields)] if fills else names)
        assert all(math.isnan(event.weights[name]) for name in names[len(chunk.weights.fields) :] for event in part)
        assert chunk.run.tolist() == [GROUPED_RUN + event.place if event.place else 1 for event in part]
        for k, name in enumerate(EVENT_INTEGERS):
            assert chunk.eventinfo[name].tolist() == [event.counts[k] for event in part]
        columns = [(chunk.eventinfo[name], [event.numbers[k] for event in part]) for k, name in enumerate(EVENT_FLOATS)]
        columns += [(chunk.weights[name], [event.weights[name] for event in part]) for name in chunk.weights.fields]
        flat = ak.flatten(chunk.particles, axis=1)
        for k, name in enumerate(PARTICLE_INTEGERS):
            assert flat[name].tolist() == [integers[k] for integers, _ in particles]
        columns += [(flat[name], [floats[k] for _, floats in particles]) for k, name in enumerate(PARTICLE_FLOATS)]
        for mine, theirs in columns:
            assert ak.to_numpy(mine).tobytes() == np.array(theirs, np.float64).tobytes()


def event_named(error: LHEError, path: Path) -> int | None:
    """Return the number of the event that the message names."""
    match = re.match(r": (?:.*?(?:inside|after) )?event (\d+)", str(error).removeprefix(str(path)))
    return int(match[1]) if match else None


def compare(
    data: bytes,
    path: Path,
    piece_bytes: int = 8 << 20,
    events_per_chunk: int | None = None,
    weights: Weights = "strict",
) -> str:
    """Read `data` with both readers and require the same; return "read" or "refused"."""
    path.write_bytes(data)
    expected: list[Event] | MalformedError
    try:
        expected = read_reference(data, weights)
    except MalformedError as refusal:
        expected = refusal
    if not isinstance(expected, MalformedError):
        chunks = read_compiled(path, piece_bytes, events_per_chunk, weights)
        assert_same(chunks, expected, fills=weights == "fill")
        return "read"
    with pytest.raises(LHEError) as caught:
        read_compiled(path, piece_bytes, events_per_chunk, weights)
    assert str(caught.value).startswith(f"{path}: ")
    if not data.startswith(b"\x1f\x8b"):
        assert event_named(caught.value, path) == expected.event, str(caught.value)
    return "refused"
