"""Several files that belong together: prepared out of sight, moved in at the end, the one that says "done" last."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from zmumu_hybrid.errors import OutputError
from zmumu_hybrid.files import make_directory

__all__ = ["staging_directory"]

_PREFIX = ".partial-"


@contextmanager
def staging_directory(output: str | os.PathLike[str], names: Sequence[str]) -> Iterator[Path]:
    """Give an empty directory inside `output`; when the block ends well, move the files `names` from it to `output`.

    The last of `names` is the mark that the others are complete: it is the first to be taken away and the last to be
    put in place, so that at no moment do files of two runs stand beside it. What an earlier run of these names left is
    removed, also the directory of a run that was killed. When the block fails, `output` keeps what it had,
    and is removed if it was not there.

    Parameters
    ----------
    output : path
        The directory to write to; made if it does not exist.
    names : sequence of str
        Names of files, the mark last. A name that the block did not write is missing afterwards.

    Raises
    ------
    OutputError
        If `output` cannot be made or written to, or the disk is full.
    """
    existed = os.path.lexists(output)
    output = make_directory(output)
    _sweep(output)
    try:
        staging = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=output))
    except OSError as error:
        raise OutputError(f"{output}: cannot be written to: {error.strerror or error}") from error
    handle = os.open(staging, os.O_RDONLY)
    try:
        _lock(handle)
        yield staging
        for name in reversed(names):
            (output / name).unlink(missing_ok=True)
        for name in names:
            if (staging / name).exists():
                (staging / name).replace(output / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(handle)
        if not existed:
            with suppress(OSError):  # it has files in it, as it should
                output.rmdir()


def _lock(handle: int) -> bool:
    """Lock a directory for as long as this process lives; False if another one has it or locks do not work here."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(output: Path) -> None:
    """Remove the directories of runs that were killed: those that no living process holds."""
    for stale in output.glob(f"{_PREFIX}*/"):
        try:
            handle = os.open(stale, os.O_RDONLY)
        except OSError:  # gone in this moment, or another user's
            continue
        try:
            if _lock(handle):
                shutil.rmtree(stale, ignore_errors=True)
        finally:
            os.close(handle)
