"""Les Houches Event files as ROOT in the cache: each converted once, small ones together.

To make, open and read a ROOT file costs more than to convert some thousand events: a thousand small files become one or
two entries of the cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from zmumu_hybrid.events.lhe_to_root import VERSION, Content, convert_known
from zmumu_hybrid.support.cache import cache_entry

__all__ = ["Converted", "cached"]

_SMALL_BYTES = 4 << 20
"""Files below this size share an entry of the cache: to make, open and read one costs more than to convert them."""
_BUNDLE_BYTES = 32 << 20


class Converted(NamedTuple):
    """Where the events of a converted file are: a ROOT file, the first of them in its tree, and their number."""

    readable: Path
    start: int
    events: int


def cached(
    paths: Sequence[str | os.PathLike[str]],
    cache_directory: str | os.PathLike[str] | None = None,
    *,
    known: Sequence[Content] | None = None,
    show_progress: bool = False,
) -> list[Converted]:
    """Say for each of several LHE files where its events are in ROOT, converted now or before.

    An entry of the cache is known by the content of what it was made from, not by names or dates, and by the version
    of the converter. It appears whole or not at all, whoever else makes it at the same time, and is checked by size and
    checksum each time; one that has changed is made again. Small files share an entry: which ones depends on their
    checksums, so that one more file changes one entry.

    Parameters
    ----------
    paths : sequence of path-like
        LHE, plain or gz.
    cache_directory : path-like, optional
        `zmumu_hybrid.support.cache.default_cache_directory` if not given.
    known : sequence of Content, optional
        What is known of the files: they are not read for their checksums then.
    show_progress : bool
        Whether to show a progress bar on a terminal.

    Raises
    ------
    InputError, MissingInputError
        As `convert` does; also if a file changes while it is converted.
    OutputError
        If the cache directory cannot be written to.
    """
    contents = [Content.of(path) for path in paths] if known is None else known
    found: dict[int, Converted] = {}
    for members in _bundles(contents):
        chosen = [contents[index] for index in members]

        def make(output: Path, members: list[int] = members, chosen: list[Content] = chosen) -> dict[str, Any]:
            summary = convert_known([paths[index] for index in members], output, chosen, show_progress)
            return {"events": [note["events"] for note in summary.sources]}

        name = chosen[0].sha256
        if len(chosen) > 1:
            name = hashlib.sha256("".join(content.sha256 for content in chosen).encode()).hexdigest()
        readable, note = cache_entry(cache_directory, f"{name}-v{VERSION}", make)
        starts = accumulate(note["events"], initial=0)
        found |= {
            index: Converted(readable, start, events)
            for index, start, events in zip(members, starts, note["events"], strict=False)
        }
    return [found[index] for index in range(len(paths))]


def _bundles(contents: Sequence[Content]) -> Iterator[list[int]]:
    """Yield the places of files that are converted together: large ones alone, small ones by their checksums."""
    sizes = [content.stamp[2] for content in contents]
    small = [index for index, size in enumerate(sizes) if size < _SMALL_BYTES]
    yield from ([index] for index, size in enumerate(sizes) if size >= _SMALL_BYTES)
    bits = (sum(sizes[index] for index in small) // _BUNDLE_BYTES).bit_length()
    bundles: dict[int, list[int]] = {}
    for index in sorted(small, key=lambda index: contents[index].sha256):
        bundles.setdefault(int(contents[index].sha256[:8], 16) >> (32 - bits), []).append(index)
    yield from bundles.values()
