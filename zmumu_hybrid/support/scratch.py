"""Work that is not finished: scratch directories, locks that die with their process, and what a kill has left.

What is not yet what it will be lies under a name that begins with ``.partial-``, in the folder where it will lie, and
the process that makes it holds a lock on it (``flock``). What nobody holds was left by a process that was killed: a set
of files that was complete, and about to be put in place, is put in place by whoever comes next; all else is removed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zmumu_hybrid.errors import OutputError

__all__ = ["PREFIX", "destination", "hold", "put_in_place", "scratch_directory", "sweep", "sync"]

PREFIX = ".partial-"

_LOCK, _PLAN = f"{PREFIX}lock", f"{PREFIX}plan.json"


def hold(path: Path, *, sure: bool = False) -> int | None:
    """Make and lock the file `path` until the handle that is returned is closed; None if another handle has it.

    On a file system without locks everybody gets it, with `sure` nobody.
    """
    for _ in range(100):  # as many others may come between
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if sure or isinstance(error, BlockingIOError):
                os.close(handle)
                return None
            return handle
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)  # whoever had it before has removed it
    return None


def destination(path: Path) -> Path:
    """Return where a path in a scratch directory will lie; the path itself if it is in none."""
    return Path(*(part for part in path.parts if not part.startswith(PREFIX)))


@contextmanager
def scratch_directory(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a new directory in `folder`, removed afterwards with all that is still in it.

    Raises
    ------
    OutputError
        If `folder` cannot be written to.
    """
    try:
        while True:
            path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
            with suppress(FileNotFoundError):  # swept before it was locked
                if (handle := hold(path / _LOCK)) is not None:
                    break
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written to: {error.strerror or error}") from error
    try:
        yield path
    finally:
        if not (path / _PLAN).exists():
            shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def put_in_place(scratch: Path, folder: Path, names: list[str], stale: set[str]) -> None:
    """Move the files `names`, complete in `scratch`, to `folder`, and remove what is `stale` there.

    The last of the names is the mark that the others belong together: it is taken away first and put in place last.
    Stopped at any point, also by a power cut, this is brought to its end by `sweep`.
    """
    for name in names:
        sync(scratch / name)
    plan = scratch / f"{_PLAN}.new"
    plan.write_text(json.dumps({"names": names, "stale": sorted(stale)}), encoding="utf-8")
    sync(plan)
    plan.replace(scratch / _PLAN)
    sync(scratch)
    try:
        _carry_out(scratch, folder)
    except KeyboardInterrupt:
        _carry_out(scratch, folder)
        raise


def _carry_out(scratch: Path, folder: Path) -> None:
    plan: dict[str, Any] = json.loads((scratch / _PLAN).read_text(encoding="utf-8"))
    *names, mark = plan["names"]
    if (scratch / mark).exists():
        if names:
            (folder / mark).unlink(missing_ok=True)
            sync(folder)
        for name in plan["stale"]:
            (folder / name).unlink(missing_ok=True)
        for name in names:
            with suppress(FileNotFoundError):  # it is there already
                (scratch / name).replace(folder / name)
        sync(folder)
        (scratch / mark).replace(folder / mark)
        sync(folder)
    (scratch / _PLAN).unlink()


def sweep(folder: Path) -> int:
    """Put in place, or else remove, what processes that were killed have left in a folder.

    Return how many others are just putting their files in place.
    """
    busy = 0
    for left in sorted(folder.glob(f"{PREFIX}*")):
        lock = left / _LOCK if left.is_dir() else left
        with suppress(OSError):  # gone in this moment, or another user's
            if (handle := hold(lock, sure=True)) is None:
                busy += (left / _PLAN).exists()
            else:
                try:
                    if (left / _PLAN).exists():
                        _carry_out(left, folder)
                    if left.is_dir():
                        shutil.rmtree(left, ignore_errors=True)
                    else:
                        left.unlink()
                finally:
                    os.close(handle)
    return busy


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        if not path.is_dir():  # some file systems cannot do it for a folder
            raise
    finally:
        os.close(handle)
