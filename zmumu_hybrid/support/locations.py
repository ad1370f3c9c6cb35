"""Where inputs are, by the names that users give: files, trees in them, pipes, standard input, addresses.

What is no regular file is read once, into the cache; from there on it is a file as any other, for every executor.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zmumu_hybrid.errors import InputError, MissingDependencyError, MissingInputError, ZmumuError, brief
from zmumu_hybrid.support.cache import cache_entry, cached_copy
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.files import require_file
from zmumu_hybrid.support.progress import progress

__all__ = ["STANDARD_INPUT", "Location", "find", "is_address"]

STANDARD_INPUT = "-"
"""The name that stands for standard input."""

Cache = str | os.PathLike[str] | None

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://.")
_WITH_TREE = re.compile(r"(.+\.root):([^:]+)", re.IGNORECASE | re.DOTALL)
_STREAMS = ("/dev/stdin", "/dev/fd/", "/proc/")
_NEEDED = {"http": ("aiohttp", "requests"), "https": ("aiohttp", "requests"), "root": ("fsspec_xrootd", "XRootD")}
_VERSIONS = ("ETag", "Content-MD5", "Digest", "Last-Modified", "LastModified", "mtime", "created")
_PIECE = 8 << 20
_ANSWERING = 20.0
"""Seconds in which a server must say what it has;"""
_SENDING = 60.0
"""and how long it may then say nothing before the next bytes come."""


@dataclass(frozen=True, slots=True)
class Location:
    """An input: what it is called, and the file that holds it.

    Attributes
    ----------
    name : str
        What the user calls it, without a tree and without a password.
    path : Path
        A regular file.
    tree : str
        The tree that was named behind a colon; else empty.
    """

    name: str
    path: Path
    tree: str = ""

    @contextmanager
    def named(self) -> Iterator[None]:
        """Let errors of the package name the input as the user does."""
        try:
            yield
        except ZmumuError as error:
            if self.name == str(self.path) or str(self.path) not in str(error):
                raise
            raise type(error)(str(error).replace(str(self.path), self.name)) from error


def is_address(name: str | os.PathLike[str]) -> bool:
    """Whether a name is an address, such as ``https://host/file``, and not the name of a file that is there."""
    text = os.fsdecode(name)
    return _ADDRESS.match(text) is not None and not os.path.lexists(text)


def find(name: str | os.PathLike[str], cache: Cache = None, *, show_progress: bool = False) -> Location:
    """Find an input by its name; read it into the cache unless it is a regular file.

    Parameters
    ----------
    name : path-like
        Name of a file or a pipe, `-` for standard input, or an address that fsspec opens; of ROOT files also
        ``FILE:TREE``. The name of a file that is there is never taken for anything else.
    cache : path-like, optional
        Directory of the cache; see `zmumu_hybrid.support.cache`.
    show_progress : bool
        Whether to show a bar on a terminal while an address is read.

    Raises
    ------
    MissingInputError
        If there is nothing of that name, it cannot be read, or a server does not answer in 20 s.
    InputError
        If it is empty, or an address gives another number of bytes than it says.
    MissingDependencyError
        If a package is missing that the address needs.
    OutputError
        If the cache cannot be written to.
    """
    text = os.fsdecode(name)
    if text == STANDARD_INPUT:
        return Location("standard input", _copied(sys.stdin.buffer, "standard input", cache))
    if is_address(text):
        split = _WITH_TREE.fullmatch(text)
        address, tree = split.groups() if split else (text, "")
        return Location(_public(address), _fetched(address, cache, show_progress), tree)
    tree = ""
    if not os.path.lexists(text):
        head, _, behind = text.rpartition(":")
        if behind and os.path.isfile(head):  # noqa: PTH113  (Path's raises for names that are too long)
            text, tree = head, behind
    if _is_stream(text):
        try:
            with open(text, "rb") as stream:  # noqa: PTH123
                return Location(text, _copied(stream, text, cache), tree)
        except OSError as error:
            if isinstance(error, ZmumuError):
                raise
            raise MissingInputError(f"{text}: cannot be read: {error.strerror or error}") from error
    return Location(text, require_file(text), tree)


def _is_stream(name: str) -> bool:
    if os.path.abspath(name).startswith(_STREAMS):  # noqa: PTH100
        return True
    return os.path.exists(name) and not os.path.isfile(name) and not os.path.isdir(name)  # noqa: PTH110, PTH112, PTH113


def _public(address: str) -> str:
    """Return an address without the user and password in it."""
    return re.sub(r"//[^/@]*@", "//", address)


def _copied(stream: Any, name: str, cache: Cache) -> Path:
    first = stream.read(_PIECE)
    if not first:
        raise InputError(f"{name}: is empty")
    return cached_copy(cache, _pieces(first, stream))


def _pieces(first: bytes, stream: Any) -> Iterator[bytes]:
    while first:
        yield first
        first = stream.read(_PIECE)


def _fetched(address: str, cache: Cache, show_progress: bool) -> Path:
    """Return a copy of what is at an address: one made before, if the address says that it has not changed since."""
    scheme, name = address.partition(":")[0].lower(), _public(address)
    with _reading(name):
        import fsspec

        require(*_NEEDED.get(scheme, ()))
        asked = 1 if scheme == "root" else 2  # HEAD, and when that fails GET
        system, path = fsspec.core.url_to_fs(address, **_options(scheme, _ANSWERING / asked))
        about: Mapping[str, Any] = system.info(path)
        system, path = fsspec.core.url_to_fs(address, **_options(scheme, _SENDING))
    size = about.get("size")
    versions = {key: str(about[key]) for key in _VERSIONS if about.get(key)}

    def pieces() -> Iterator[bytes]:
        done = 0
        with (
            progress(f"reading {name}", size, unit="bytes", enabled=show_progress) as advance,
            _reading(name),
            system.open(path, "rb", **({"block_size": 0} if scheme in ("http", "https") else {})) as stream,
        ):
            while piece := stream.read(_PIECE):
                done += len(piece)
                advance(len(piece))
                yield piece
        if not done or (size is not None and done != size):
            raise InputError(f"{name}: gave {done} bytes, not the {size} that it should have: try again")

    if not versions:
        return cached_copy(cache, pieces())

    def make(output: Path) -> dict[str, Any]:
        with output.open("wb") as file:
            file.writelines(pieces())
        return {"address": name, "size": size, **versions}

    key = hashlib.sha256(json.dumps([address, size, versions]).encode()).hexdigest()
    return cache_entry(cache, f"{key}-address", make)[0]


def _options(scheme: str, seconds: float) -> dict[str, Any]:
    """Return options for fsspec: how long a server that says nothing is waited for, and not for all of a transfer."""
    if scheme == "root":
        return {"timeout": seconds}
    if scheme not in ("http", "https"):
        return {}
    import aiohttp

    return {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)}}


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what fsspec and the libraries below it raise into one line."""
    try:
        yield
    except ImportError as error:
        raise MissingDependencyError(f"{name}: {error}") from error
    except ZmumuError:
        raise
    except ValueError as error:
        raise MissingInputError(f"{name}: no such file, nor an address that can be read: {brief(error)}") from error
    except Exception as error:  # each protocol has its own; fsspec turns them into FileNotFoundError
        said = _public(brief(error.__cause__ or error))
        raise MissingInputError(f"{name}: cannot be read: {said}") from error
