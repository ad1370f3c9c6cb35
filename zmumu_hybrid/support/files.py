"""Files: written whole or not at all, and known by their checksum."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from zmumu_hybrid.errors import InputError, MissingInputError, OutputError
from zmumu_hybrid.support.scratch import PREFIX, destination, scratch_directory, sweep, sync
from zmumu_hybrid.support.values import require_finite

__all__ = [
    "atomic_path",
    "checksum_note",
    "compare_checksum",
    "make_directory",
    "parse_json",
    "read_json",
    "read_toml",
    "read_yaml",
    "require_file",
    "sha256",
    "write_checksum",
    "write_json",
]

_LARGEST_TEXT = 1 << 28

_log = logging.getLogger(__name__)


def require_file(path: str | os.PathLike[str]) -> Path:
    """Return `path` as a Path after checking that it is a readable, non-empty file.

    Raises
    ------
    MissingInputError
        If it does not exist, is a directory, or cannot be opened.
    InputError
        If it is empty.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            first = stream.read(1)
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise MissingInputError(f"{path}: is a directory, a file is needed") from None
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be opened: {error.strerror or error}") from error
    if not first:
        raise InputError(f"{path}: the file is empty")
    return path


def make_directory(path: str | os.PathLike[str]) -> Path:
    """Make the directory `path` and its parents; `OutputError` if it cannot be made or written to."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot make this directory: {error.strerror or error}") from error
    if not os.access(path, os.W_OK):
        raise OutputError(f"{path}: this directory cannot be written to")
    return path


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary place for the file `path`, with its suffix; put it in place if all went well, else remove it.

    The new file is on the disk before it replaces the old one: after a power cut one of them is there, whole. A link is
    followed. What killed processes left in the folder is swept.

    Raises
    ------
    OutputError
        If the directory of `path` cannot be written to or the disk is full.
    """
    path = Path(path)
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    make_directory(path.parent)
    if path.is_dir():
        raise OutputError(f"{path}: is a directory, the name of a file is needed")
    with _beside(path) as temporary:
        try:
            yield temporary
            if path != destination(path):  # it is not yet what it will be
                temporary.replace(path)
            else:
                sync(temporary)
                temporary.replace(path)
                sync(path.parent)
            _log.debug("wrote %s", destination(path))
        except OSError as error:
            if isinstance(error, (OutputError, MissingInputError)) or error.filename not in (None, str(temporary)):
                raise
            raise OutputError(f"{destination(path)}: cannot be written: {error.strerror or error}") from error


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a name in the folder of `path` that is removed afterwards; in a scratch directory without ado."""
    if path != destination(path):
        temporary = path.with_name(f"{PREFIX}{secrets.token_hex(4)}{path.suffix}")
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)
    else:
        _sweep_once(path.parent)
        with scratch_directory(path.parent) as scratch:
            yield scratch / path.name


_sweep_once = lru_cache(maxsize=1024)(sweep)


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of the file's bytes as 64 hexadecimal digits."""
    with require_file(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksum_note(path: str | os.PathLike[str]) -> Path:
    """Return the name of the note of a file's checksum."""
    path = Path(path)
    return path.with_name(f"{path.name}.sha256")


def write_checksum(path: str | os.PathLike[str]) -> None:
    """Write beside a file its SHA-256, as `sha256sum` would: ``NAME.sha256``, which ``sha256sum -c`` reads."""
    name = Path(path).name
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    text = f"{'' if escaped == name else chr(92)}{sha256(path)}  {escaped}\n"
    with atomic_path(checksum_note(path)) as temporary:
        temporary.write_bytes(os.fsencode(text))


def compare_checksum(path: str | os.PathLike[str], checksum: str) -> None:
    """Compare the SHA-256 of a file with what the note beside it says, if there is one.

    Raises
    ------
    InputError
        If it says another one.
    """
    note = checksum_note(path)
    try:
        said = os.fsdecode(note.read_bytes()).split(maxsplit=1)[0].lower().removeprefix("\\")
    except (OSError, IndexError):
        return
    if said != checksum:
        raise InputError(
            f"{path}: its SHA-256 is not the one in {note}: the file is damaged or was changed; "
            "get it again, or remove that note"
        )


def write_json(path: str | os.PathLike[str], value: Any, **options: Any) -> None:
    """Write `value` as indented JSON, whole or not at all; `options` go to `json.dumps`. NaN is refused."""
    text = json.dumps(value, indent=2, allow_nan=False, **options)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file; `InputError` names the line if it is not valid JSON, or the key of a number that is not finite.

    So do `read_toml` and `read_yaml`.
    """
    return parse_json(_read_text(path), str(path))


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file; errors as `read_json`."""
    found: dict[str, Any] = _parse(tomllib.loads, _read_text(path), str(path), "TOML")
    return found


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """Read a YAML file of plain values; errors as `read_json`."""
    import yaml

    def load(text: str) -> Any:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(str(error).replace("\n", " ")) from error

    return _parse(load, _read_text(path), str(path), "YAML")


def parse_json(text: str, where: str) -> Any:
    """Return what JSON text says; errors as `read_json`, which name `where`."""
    return _parse(json.loads, text, where, "JSON")


def _parse(parser: Callable[[str], Any], text: str, where: str, kind: str) -> Any:
    try:
        found = parser(text)
    except RecursionError as error:
        raise InputError(f"{where}: not valid {kind}: nested too deeply") from error
    except ValueError as error:
        said = "a number has too many digits" if "set_int_max_str_digits" in str(error) else error
        raise InputError(f"{where}: not valid {kind}: {said}") from error
    return require_finite(found, where)


def _read_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a file that someone wrote or that describes results, which has a sane size."""
    with require_file(path).open("rb") as stream:
        data = stream.read(_LARGEST_TEXT + 1)
    if len(data) > _LARGEST_TEXT:
        raise InputError(f"{path}: is larger than {_LARGEST_TEXT >> 20} MiB: not a file of settings or results")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text in UTF-8: {error}") from error
