"""An event that is in the input twice, named by where it is: file and entry, of event files number and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import awkward as ak
import numpy as np

from zmumu_hybrid.errors import InputError, RepeatedEventError
from zmumu_hybrid.events.input_files import Source
from zmumu_hybrid.events.ntuples import events_by_branches
from zmumu_hybrid.events.reader import chunks, forget, read_chunk
from zmumu_hybrid.lhe.event_stream import LHEStream
from zmumu_hybrid.physics.pair_arrays import IDENTITY

__all__ = ["located"]

_ENTRIES = 250_000


@contextmanager
def located(sources: Sequence[Source]) -> Iterator[None]:
    """Let a `RepeatedEventError` say where in the files the event is, both times."""
    try:
        yield
    except RepeatedEventError as error:
        try:
            places = list(islice(_places(sources, error.identity), 2))
        finally:
            forget()
        if len(places) < 2:
            raise
        (first, where), (second, again) = places
        said = str(error)
        if first == second:
            said = said.replace("give each file once", "leave one of the two out")
        both = where if where == again else f"{where}, and {again}"
        raise InputError(f"{both}: {said}") from error


def _places(sources: Sequence[Source], identity: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """Yield the files that an event is in, and where: once for each time that it is there."""
    for source in sources:
        for low, high in chunks((source.start, source.start + source.entries), _ENTRIES):
            columns = read_chunk(source.readable, source.format, source.tree, source.columns, low, high)
            events = events_by_branches(columns, source.branches, counters=source.counters)
            same = [ak.to_numpy(events[name]) == value for name, value in zip(IDENTITY, identity, strict=True)]
            for index in np.flatnonzero(np.all(same, axis=0)).tolist():
                yield str(source.path), _place(source, low - source.start + index)


def _place(source: Source, entry: int) -> str:
    if source.lhe is not None:
        with LHEStream(source.lhe, weights="skip") as stream:
            return f"{source.path}, event {entry + 1}, line {stream.line_of(entry + 1)}"
    if source.rows:  # an entry is not a row of such a file
        return str(source.path)
    return f"{source.path}, {'row' if source.format == 'parquet' else 'entry'} {entry}"
