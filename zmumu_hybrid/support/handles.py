"""ROOT and Parquet files, opened by their names as these stand.

Whatever name the file system takes is the name of a file: `a::b.root`, `run:1`, one that is not UTF-8. Out of such
names uproot and fsspec would read trees, chains of protocols and addresses, Arrow schemes. They are given open files
here, or a class that opens a name as it is, and the rest of the package opens such files here alone.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["create_parquet", "open_parquet", "open_root", "plain_name", "recreate_root"]


def open_root(path: str | os.PathLike[str], **options: Any) -> Any:
    """Open a ROOT file for reading, as `uproot.open` does, without the event loop that a local file does not need."""
    import uproot
    from uproot.source.file import MultithreadedFileSource

    return uproot.open({os.fspath(path): None}, handler=MultithreadedFileSource, num_workers=1, **options)


@contextmanager
def recreate_root(path: str | os.PathLike[str], **options: Any) -> Iterator[Any]:
    """Open a ROOT file for writing, as `uproot.recreate` does."""
    import uproot

    with open(path, "w+b") as stream, uproot.recreate(stream, **options) as file:  # noqa: PTH123
        yield file


@contextmanager
def open_parquet(path: str | os.PathLike[str], **options: Any) -> Iterator[Any]:
    """Open a Parquet file for reading, as `pyarrow.parquet.ParquetFile` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pa.OSFile(os.fsencode(path)) as stream, pq.ParquetFile(stream, **options) as file:
        yield file


@contextmanager
def create_parquet(path: str | os.PathLike[str], schema: Any, **options: Any) -> Iterator[Any]:
    """Open a Parquet file for writing, as `pyarrow.parquet.ParquetWriter` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pa.OSFile(os.fsencode(path), "wb") as stream, pq.ParquetWriter(stream, schema, **options) as writer:
        yield writer


@contextmanager
def plain_name(folder: Path) -> Iterator[Path]:
    """Give a folder a name that every library takes, as long as the block lasts: a link, unless it has one already."""
    name = str(folder)
    if name.isascii() and name.isprintable() and not set(name) & set(":%?#[]*"):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="zmumu-") as place:
        link = Path(place) / "folder"
        link.symlink_to(folder.absolute())
        yield link
