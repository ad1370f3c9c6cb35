from __future__ import annotations

import gzip
import hashlib
import io
import os
import threading
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmumu_hybrid.errors import LHEError, MissingInputError
from zmumu_hybrid.lhe.byte_stream import ByteSource

TEXT = bytes(range(256)) * 40


def read_all(path: object, **options: int) -> bytes:
    with ByteSource(path, **options) as source:
        return b"".join(iter(source.read, b""))


@given(st.binary(min_size=1, max_size=3000), st.integers(1, 4000), st.integers(0, 3), st.integers(0, 3))
def test_any_text_comes_back_in_any_pieces(
    tmp_path_factory: pytest.TempPathFactory, text: bytes, piece: int, members: int, padding: int
) -> None:
    if members:
        cuts = [len(text) * k // members for k in range(members + 1)]
        data = b"".join(gzip.compress(text[a:b], mtime=0) for a, b in pairwise(cuts)) + b"\0" * padding
    else:
        text = data = b"x" + text
    path = tmp_path_factory.getbasetemp() / "pieces"
    path.write_bytes(data)
    assert read_all(path, piece_bytes=piece) == text


def test_knows_size_progress_and_checksum(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(TEXT, mtime=0))
    with ByteSource(path, checksum=True) as source:
        assert source.size == path.stat().st_size
        while source.read():
            pass
        assert source.consumed == source.size
        assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with ByteSource(path) as source:
        assert source.sha256 == ""


@pytest.mark.parametrize("compress", [False, True])
def test_standard_input(monkeypatch: pytest.MonkeyPatch, compress: bool) -> None:
    stream = io.BytesIO(gzip.compress(TEXT, mtime=0) if compress else TEXT)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=stream))
    assert read_all("-") == TEXT
    assert not stream.closed


def test_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(TEXT,))
    writer.start()
    with ByteSource(path) as source:
        assert source.size is None
        assert b"".join(iter(source.read, b"")) == TEXT
    writer.join()


def test_missing_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"none: no such file"):
        ByteSource(tmp_path / "none")
    with pytest.raises(MissingInputError, match="is a directory"):
        ByteSource(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(MissingInputError, match="cannot be opened: Not a directory"):
        ByteSource(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: b"", "the file is empty"),
        (lambda data: data[:-1], "end too early: the file is truncated"),
        (lambda data: data[: len(data) // 2], "end too early: the file is truncated"),
        (lambda data: data[:5], "end too early: the file is truncated"),
        (lambda data: data[:-8] + b"\0\0\0\0" + data[-4:], "damaged .*incorrect data check"),
        (lambda data: data[:-4] + b"\0\0\0\0", "damaged .*incorrect length check"),
        (lambda data: data[:40] + b"\xff" * 10 + data[50:], "the gz data are damaged"),
        (lambda data: data + b"more", "something that is not gz follows"),
        (lambda data: data + data[:1], "something that is not gz follows"),
        (lambda data: data + data[:9], "end too early: the file is truncated"),
    ],
)
def test_damaged_gz(tmp_path: Path, damage: object, message: str) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(damage(gzip.compress(TEXT, mtime=0)))
    with pytest.raises(LHEError, match=rf"text\.gz: .*{message}"):
        read_all(path)


def test_a_file_that_cannot_be_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text"
    path.write_bytes(TEXT)
    with ByteSource(path) as source:

        def fail(_size: int) -> bytes:
            raise OSError(5, "Input/output error")

        stream = source._stream
        monkeypatch.setattr(source, "_stream", SimpleNamespace(read=fail, close=stream.close))
        with pytest.raises(MissingInputError, match="cannot be read: Input/output error"):
            source.read()
