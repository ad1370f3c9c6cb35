"""Files that are made once and kept: each entry known by a name that says all it was made from.

An entry appears whole or not at all, whoever else makes it at the same time, and is checked by size and checksum each
time it is asked for; one that has changed is made again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from zmumu_hybrid.errors import OutputError, ZmumuError
from zmumu_hybrid.support.files import make_directory, read_json, sha256, write_json
from zmumu_hybrid.support.scratch import scratch_directory

__all__ = ["cache_entry", "cached_copy", "default_cache_directory"]

_CACHED_FILE, _CACHED_NOTE = "events.root", "entry.json"


def default_cache_directory() -> Path:
    """Return $ZMUMU_CACHE, else zmumu-hybrid in $XDG_CACHE_HOME or in ~/.cache."""
    if given := os.environ.get("ZMUMU_CACHE"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "zmumu-hybrid"


def cache_entry(
    cache_directory: str | os.PathLike[str] | None, name: str, make: Callable[[Path], dict[str, Any]]
) -> tuple[Path, dict[str, Any]]:
    """Return the file of an entry of the cache, and what is noted of its source; make it if it is not there intact.

    Parameters
    ----------
    cache_directory : path-like, optional
        `default_cache_directory` if not given.
    name : str
        Of the entry: says the content of the source and all that decides what is made of it.
    make : callable
        Writes the file to the path that it is given, and returns a note on the source that can be written as JSON.

    Raises
    ------
    OutputError
        If the cache directory cannot be written to.
    """
    directory = make_directory(default_cache_directory() if cache_directory is None else cache_directory)
    entry = directory / name
    if not _is_intact(entry):
        with scratch_directory(directory) as scratch:
            made = make_directory(scratch / name)
            _finish(made, entry, make(made / _CACHED_FILE))
    return entry / _CACHED_FILE, read_json(entry / _CACHED_NOTE)["source"]


def cached_copy(cache_directory: str | os.PathLike[str] | None, pieces: Iterable[bytes]) -> Path:
    """Return a file of the cache that holds what the pieces do together; it is known by its content."""
    directory = make_directory(default_cache_directory() if cache_directory is None else cache_directory)
    digest = hashlib.sha256()
    with scratch_directory(directory) as scratch:
        made = make_directory(scratch / "copy")
        with (made / _CACHED_FILE).open("wb") as file:
            for piece in pieces:
                digest.update(piece)
                try:
                    file.write(piece)
                except OSError as error:
                    raise OutputError(f"{directory}: cannot be written to: {error.strerror or error}") from error
        entry = directory / f"{digest.hexdigest()}-copy"
        if not _is_intact(entry):
            _finish(made, entry, {})
    return entry / _CACHED_FILE


def _finish(made: Path, entry: Path, source: dict[str, Any]) -> None:
    """Note what is in a new entry, and put it in its place."""
    file = made / _CACHED_FILE
    write_json(made / _CACHED_NOTE, {"bytes": file.stat().st_size, "sha256": sha256(file), "source": source})
    _install(made, entry)


def _is_intact(entry: Path) -> bool:
    """Whether the entry of the cache is there and as it was made."""
    try:
        note = read_json(entry / _CACHED_NOTE)
        file = entry / _CACHED_FILE
        return bool(file.stat().st_size == note["bytes"] and sha256(file) == note["sha256"])
    except (OSError, ZmumuError, KeyError, TypeError):
        return False


def _install(made: Path, entry: Path) -> None:
    """Rename the new entry to its place; a damaged one makes way, that of another process which was faster stays."""
    if entry.exists() and not _is_intact(entry):
        with scratch_directory(entry.parent) as bin_, suppress(OSError):
            entry.rename(bin_ / entry.name)
    try:
        made.rename(entry)
    except OSError as error:
        if not _is_intact(entry):
            raise OutputError(f"{entry}: cannot be written: {error.strerror or error}") from error
