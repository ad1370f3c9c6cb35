"""What commands write, and how it is kept: no input is overwritten, nor what another command wrote or is writing.

A command holds its output, a file or a folder, from its beginning to its end. Files that belong together are written
out of sight and put in place together, the one that says so last: `process.json` and `analysis.json` list the others
with their checksums, and whoever reads a folder of `zmumu process` compares them.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from zmumu_hybrid.errors import ConfigurationError, InputError, MissingInputError, OutputError, ZmumuError
from zmumu_hybrid.support.files import make_directory, read_json, sha256, write_json
from zmumu_hybrid.support.scratch import PREFIX, hold, put_in_place, scratch_directory, sweep
from zmumu_hybrid.support.values import require_form

__all__ = [
    "FILES",
    "FOLDERS",
    "output_file",
    "output_folder",
    "read_mark",
    "reading",
    "require_mark",
    "staged",
    "write_mark",
]

FILES: dict[str, tuple[tuple[str, ...], bytes]] = {
    "generate": ((".lhe", ".lhe.gz"), rb"(\x1f\x8b|\s*<LesHouchesEvents).*zmumu-hybrid"),
    "convert": ((".root", ".parquet"), rb"root.*\x0aTObjString\x0aprovenance|PAR1.*provenance"),
    "evaluate": ((".json",), rb'\{\s*"run":'),
    "limit": ((".json",), rb'\{\s*"auc":'),
    "export-smearing": ((".json", ".json.gz"), rb'\{\s*"schema_version":|\x1f\x8b'),
    "export": ((".onnx",), rb"\x08.\x12.*zmumu-hybrid"),
    "apply": ((".root",), rb"root.*\x05TTree\x06scores"),
}
"""For each command that writes a file: how its name ends, and a regular expression for what is in it."""

VERSION = 2
"""Of `process.json` and `analysis.json`: the first had no number, and `reversed_muons` for `negative_pt_muons`."""

_KNOWN = rb"root\0|PAR1|\x08.\x12|.{8}\{|\s*[{\[<]|\x1f\x8b|PK\x03\x04|\x89|%PDF|SQLite|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd"
"""How a file begins that is something: ROOT, Parquet, ONNX, safetensors, JSON, LHE, archives, HDF5, pictures."""

FOLDERS: dict[str, tuple[str, ...]] = {
    "process": ("histograms.json", "histograms.root", "candidates.parquet", "reweighting.json", "process.json"),
    "analyse": ("histograms.json", "histograms.root", "analysis.json"),
    "train": ("metrics.parquet", "ranges.json", "training_events.parquet", "members.safetensors", "config.json"),
    "scan": ("scan.json", "config.json"),
    "reproduce": ("report.html", "claims.md", "summary.json", "stages"),
    "plot": (),
}
"""For each command that writes a folder: what it writes; the last is there in every folder that it has written to."""

_log = logging.getLogger(__name__)

Paths = Iterable[str | os.PathLike[str] | None]

_mine: ContextVar[frozenset[Path]] = ContextVar("outputs that are held", default=frozenset())


@contextmanager
def output_file(
    path: str | os.PathLike[str], command: str, reads: Paths = (), beside: Iterable[Path] = ()
) -> Iterator[Path]:
    """Hold the file `path` as the output of a command while the block runs; give it, with a link followed.

    Parameters
    ----------
    path : path
        May not exist.
    command : str
        Key of `FILES`.
    reads : iterable of path
        Files that the command reads; None is skipped, - is standard input.
    beside : iterable of path
        Other files that it writes.

    Raises
    ------
    ConfigurationError
        If the name has another ending, or is that of a file that is read, by whatever path or link.
    OutputError
        If the command did not write what is there now, another process is writing it, or the folder cannot be used.
    """
    path = Path(path)
    endings, content = FILES[command]
    _refuse_inputs([path, *beside], reads)
    if path.is_dir():
        raise OutputError(f"{path}: is a directory, the name of a file is needed")
    place = Path(os.path.realpath(path))
    for name in (path.name, place.name):
        if not name.endswith(endings):
            raise ConfigurationError(f"{path}: the name of the output ({name}) must end in {', or in '.join(endings)}")
    if path.exists() and (not path.is_file() or (_begins(path, _KNOWN) and not _begins(path, content))):
        raise OutputError(f"{path}: was not written by `zmumu {command}`, so it is kept: name another output")
    if len(os.fsencode(name)) > 240:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    with _held(path, place.parent, f"{PREFIX}{name}.lock"):
        yield place if path.is_symlink() else path


@contextmanager
def output_folder(
    path: str | os.PathLike[str], command: str, reads: Paths = (), more: Iterable[str] = ()
) -> Iterator[None]:
    """Hold the folder `path` as the output of a command while the block runs; it is made if it is not there.

    Parameters
    ----------
    path : path
    command : str
        Key of `FOLDERS`.
    reads : iterable of path
        Files that the command reads; None is skipped.
    more : iterable of str
        Names of other files that it writes, beside those in `FOLDERS`.

    Raises
    ------
    ConfigurationError
        If one of the files that it writes is one that it reads.
    OutputError
        If one is there already and not of this command, another process is writing to the folder, or it cannot be used.
    """
    path = Path(path)
    names = [*more, *FOLDERS[command]]
    _refuse_inputs([path / name for name in names], reads)
    with _held(path, path, f"{PREFIX}lock"):
        if names:
            mark = path / names[-1]
            known = _listed(mark) if mark.exists() else set()
            for name in names[:-1]:
                if name not in known and (path / name).exists():
                    raise OutputError(f"{path / name}: was not written by `zmumu {command}`: name another output")
        yield


@contextmanager
def _held(output: Path, folder: Path, name: str) -> Iterator[None]:
    """Hold the lock `name` in `folder`, which is made if need be, and removed again if nothing is in it.

    Who holds it already, further up in the calls of this thread, goes on holding it.
    """
    existed = folder.is_dir()
    lock = make_directory(folder).resolve() / name
    if lock in _mine.get():
        yield
        return
    try:
        handle = hold(lock)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written to: {error.strerror or error}") from error
    if handle is None:
        raise OutputError(f"{output}: is being written by {_holder(lock)}: wait for its end, or name another output")
    token = _mine.set(_mine.get() | {lock})
    try:
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        who = f"process {os.getpid()} on {os.uname().nodename} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
        os.ftruncate(handle, 0)
        os.write(handle, f"{who} ({command[:200]})".encode(errors="replace"))
        sweep(folder)
        yield
    finally:
        _mine.reset(token)
        lock.unlink(missing_ok=True)
        os.close(handle)
        if not existed:
            with suppress(OSError):  # it has files in it, as it should
                folder.rmdir()


def _holder(lock: Path) -> str:
    with suppress(OSError):
        return lock.read_text(encoding="utf-8", errors="replace") or "another process"
    return "another process"


def _refuse_inputs(outputs: Iterable[Path], reads: Paths) -> None:
    """Refuse an output that is a file to be read, by whatever path or link."""
    written = {identity: output for output in outputs for identity in _identities(output)}
    for read in reads:
        name = "" if read is None else "/dev/stdin" if str(read) == "-" else os.fspath(read)
        for identity in (*_identities(name), *_identities(name.rpartition(":")[0])):  # of FILE and of FILE:TREE
            if identity in written:
                output = written[identity]
                other = "" if str(output) == str(read) else f" (it is the same file as {read})"
                raise ConfigurationError(
                    f"{output}: is to be both read and written{other}: give the output another name"
                )


def _identities(name: str | os.PathLike[str]) -> list[tuple[int, int]]:
    """Return device and inode of what has a name, whatever path or link leads there; nothing if there is nothing."""
    try:
        status = os.stat(name)  # noqa: PTH116  (Path("") is the working directory)
    except (OSError, ValueError):
        return []
    return [(status.st_dev, status.st_ino)]


def _begins(path: Path, content: bytes) -> bool:
    """Whether the bytes of a file match a regular expression."""
    try:
        if path.stat().st_size == 0:
            return False
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return re.match(content, data, re.DOTALL) is not None
    except OSError as error:
        raise OutputError(f"{path}: cannot be replaced: {error.strerror or error}") from error


@contextmanager
def staged(folder: str | os.PathLike[str], mark: str, former: Iterable[str] = ()) -> Iterator[Path]:
    """Give a scratch directory; when the block ends well, the files in it are put in place in `folder` together.

    At no moment do files of two runs stand beside the `mark`, the one of them that says that they belong together. What
    the mark of before lists, or `former` names, and is not written anew is removed. When the block fails, `folder`
    stays as it is.

    Raises
    ------
    OutputError
        If `folder` cannot be written to, or the disk is full.
    """
    folder = Path(folder)
    with scratch_directory(folder) as scratch:
        yield scratch
        names = sorted(_files(scratch), key=lambda name: (name == mark, name))
        if taken := [name for name in names if (folder / name).is_dir()]:
            raise OutputError(f"{folder / taken[0]}: is a directory, a file is needed there: name another output")
        try:
            put_in_place(scratch, folder, names, {*_listed(folder / mark), *former} - {*names})
            _log.info("wrote %s in %s", ", ".join(names), folder)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written to: {error.strerror or error}") from error


def write_mark(path: Path, record: Mapping[str, Any]) -> None:
    """Write the JSON file that says that the files in its folder belong together, with their checksums as "outputs"."""
    others = [name for name in _files(path.parent) if name != path.name]
    write_json(path, {"version": VERSION, **record, "outputs": {name: sha256(path.with_name(name)) for name in others}})


def read_mark(path: Path) -> Any:
    """Read `process.json` or `analysis.json`, of this version or of one before; without a number it is of the first.

    Raises
    ------
    MissingInputError, InputError
        If there is none, it is not JSON, or it is of a later version.
    """
    record = read_json(path)
    version = record.get("version", 1) if isinstance(record, dict) else 1
    if require_form(version, int, f"{path}: version") > VERSION:
        raise InputError(
            f"{path}: is of version {version}, this release reads up to {VERSION}: use a later release, or make it anew"
        )
    return record


def _files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_file() and not each.name.startswith(PREFIX))


def _listed(mark: Path) -> set[str]:
    """Return the names that a mark lists; those that its command writes where it lists none."""
    usual = next((set(names[:-1]) for names in FOLDERS.values() if names and names[-1] == mark.name), set())
    try:
        record = read_mark(mark) if mark.name in ("process.json", "analysis.json") else {}
        return set(record.get("outputs", usual))
    except (ZmumuError, AttributeError, TypeError):
        return usual


def require_mark(folder: str | os.PathLike[str]) -> Path:
    """Return the `process.json` of a folder, after putting in place what a killed run was about to.

    Raises
    ------
    MissingInputError
        If there is none.
    """
    mark = Path(folder) / "process.json"
    for _ in range(50):
        if mark.is_file() or sweep(mark.parent) == 0:
            break
        time.sleep(0.1)  # another process puts its results in place
    if not mark.is_file():
        raise MissingInputError(
            f"{mark}: no such file: {folder} is not a complete output of `zmumu process`, run it again"
        )
    return mark


@contextmanager
def reading(data: Any) -> Iterator[None]:
    """Read files in a folder of `zmumu process` in the block, and nothing but files of one run; or one file alone.

    Raises
    ------
    MissingInputError
        If the folder has no `process.json`.
    InputError
        If a file is not the one that it lists, or a run replaces them during the block.
    """
    if not isinstance(data, (str, os.PathLike)):  # it is in memory
        yield
        return
    path = Path(data)
    folder = path.is_dir()
    if folder:
        path = require_mark(path)
    before = _stamp(path)
    if (wrong := _differing(path) if folder else None) is None:
        yield
    if _stamp(path) != before:
        raise InputError(f"{path}: was replaced while it was read: run the same command again")
    if wrong is not None:
        raise InputError(
            f"{wrong}: is not the file that {path} describes: run `zmumu process` again, "
            "or name the table alone to use it as it is"
        )


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is replaced; nothing if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _differing(mark: Path) -> Path | None:
    """Return the first of the files that a mark lists that has another checksum; None if there is none."""
    record = read_mark(mark)
    listed = record.get("outputs") if isinstance(record, dict) else None
    named = {mark.with_name(name): checksum for name, checksum in listed.items()} if isinstance(listed, dict) else {}
    return next((path for path, checksum in named.items() if sha256(path) != checksum), None)
