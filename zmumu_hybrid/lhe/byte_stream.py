"""The bytes of a file, decompressed if need be, in order and in pieces of bounded size."""

from __future__ import annotations

import hashlib
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from zmumu_hybrid.errors import LHEError, MissingInputError
from zmumu_hybrid.support.locations import find, is_address

__all__ = ["GZIP_MAGIC", "ByteSource"]

GZIP_MAGIC = b"\x1f\x8b"
_RAW_BYTES = 1 << 20


class ByteSource:
    """The text of a plain or gz file, or of standard input (`-`), read once from beginning to end.

    Parameters
    ----------
    path : path-like
        `-` is standard input; what an address holds is read from a copy in the cache. What is gz is known by its first
        bytes.
    piece_bytes : int
        About how many bytes `read` returns.
    checksum : bool
        Whether to work out the SHA-256 of the bytes as they are in the file.

    Attributes
    ----------
    is_standard_input : bool
    name : str
        What errors call the file.
    size : int or None
        Bytes of the file, compressed as they are; None if it is not a regular file.
    consumed : int
        How many of them have been read.
    damage : tuple of str, optional
        What is wrong with the gz data, and the remedy, once that is found.

    Raises
    ------
    MissingInputError
        If there is no such file or it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str], *, piece_bytes: int = 2 << 20, checksum: bool = False) -> None:
        self.is_standard_input = os.fspath(path) == "-"
        self.name = "standard input" if self.is_standard_input else os.fspath(path)
        self.size: int | None = None
        self.consumed = 0
        self._piece_bytes = piece_bytes
        self._digest = hashlib.sha256() if checksum else None
        self._stream = self._open(path)
        self._decompressor: zlib._Decompress | None = None
        self._raw = b""
        self._begun = False
        self.damage: tuple[str, str] | None = None

    def _open(self, path: str | os.PathLike[str]) -> BinaryIO:
        if self.is_standard_input:
            return sys.stdin.buffer
        path = find(path).path if is_address(path) else Path(path)
        if path.is_dir():
            raise MissingInputError(f"{path}: is a directory, a file is needed")
        try:
            stream = path.open("rb", buffering=0)
        except FileNotFoundError:
            raise MissingInputError(f"{path}: no such file") from None
        except OSError as error:
            raise MissingInputError(f"{path}: cannot be opened: {error.strerror or error}") from error
        if path.is_file():
            self.size = path.stat().st_size
        return stream

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was read so far, as hexadecimal digits; "" if it was not asked for."""
        return self._digest.hexdigest() if self._digest else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if not self.is_standard_input:
            self._stream.close()

    def _read_raw(self, size: int) -> bytes:
        try:
            raw = self._stream.read(size)
        except OSError as error:
            raise MissingInputError(f"{self.name}: cannot be read: {error.strerror or error}") from error
        if self._digest and raw:
            self._digest.update(raw)
        self.consumed += len(raw)
        return raw

    def read(self) -> bytes:
        """Return the next piece of the text, empty at its end.

        Raises
        ------
        LHEError
            If the file is empty, or gz that is truncated, damaged, or followed by something else; the text before
            that has been returned by then.
        """
        if not self._begun:
            self._begun = True
            while len(self._raw) < len(GZIP_MAGIC):
                raw = self._read_raw(min(_RAW_BYTES, self._piece_bytes))
                if not raw:
                    break
                self._raw += raw
            if not self._raw:
                raise LHEError(f"{self.name}: the file is empty: generate or copy it again")
            if self._raw.startswith(GZIP_MAGIC):
                self._decompressor = zlib.decompressobj(31)
        if self._decompressor is not None:
            return self._decompress()
        if self._raw:
            raw, self._raw = self._raw, b""
            return raw
        return self._read_raw(self._piece_bytes)

    def _decompress(self) -> bytes:
        """Return the next piece of decompressed text, from as many gz members as there are."""
        pieces: list[bytes] = []
        wanted = self._piece_bytes
        while wanted > 0 and self._decompressor is not None and self.damage is None:
            if self._decompressor.eof:
                self._next_member()
                continue
            raw = self._raw or self._read_raw(_RAW_BYTES)
            if not raw:
                self.damage = "the gz data end too early", "the file is truncated, copy it again"
                break
            before = self._decompressor.copy()
            try:
                piece = self._decompressor.decompress(raw, wanted)
            except zlib.error as error:
                self.damage = f"the gz data are damaged ({error})", "copy the file again"
                pieces += _salvage(before, raw)
                break
            self._raw = self._decompressor.unconsumed_tail
            wanted -= len(piece)
            pieces.append(piece)
        text = b"".join(pieces)
        if self.damage and not text:
            raise LHEError(f"{self.name}: {self.damage[0]}: {self.damage[1]}")
        return text

    def _next_member(self) -> None:
        """Go on to the next gz member, if there is one."""
        rest = self._decompressor.unused_data.lstrip(b"\0") if self._decompressor else b""
        while len(rest) < len(GZIP_MAGIC):
            raw = self._read_raw(_RAW_BYTES)
            if not raw:
                break
            rest = (rest + raw).lstrip(b"\0")
        if not rest:
            self._decompressor = None
            self._raw = b""
        elif rest.startswith(GZIP_MAGIC):
            self._decompressor = zlib.decompressobj(31)
            self._raw = rest
        else:
            self.damage = "something that is not gz follows the gz data", "copy the file again"


def _salvage(decompressor: zlib._Decompress, raw: bytes) -> Iterator[bytes]:
    """Yield the text that comes before the damage in `raw`."""
    for k in range(len(raw)):
        try:
            yield decompressor.decompress(raw[k : k + 1])
        except zlib.error:
            return
