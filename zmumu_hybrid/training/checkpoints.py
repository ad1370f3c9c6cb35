"""Checkpoints and runs on disk: safetensors and JSON, written whole, never executed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zmumu_hybrid.errors import InputError, MissingInputError, ModelError
from zmumu_hybrid.support.files import atomic_path, parse_json, read_json, write_json
from zmumu_hybrid.support.values import require_form

__all__ = ["FORMAT", "VERSION", "fingerprint", "load_tensors", "plain", "read_config", "save_tensors", "write_config"]

FORMAT = "zmumu-hybrid ensemble"
VERSION = 2


def fingerprint(config: Mapping[str, Any]) -> str:
    """Return a hash of what determines a training: network, training and data."""
    text = json.dumps({name: config[name] for name in ("network", "training", "data")}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_config(run: Path, config: Mapping[str, Any]) -> None:
    """Write `run/config.json`, with the format and its version first."""
    write_json(run / "config.json", {"format": FORMAT, "version": VERSION, **config})


def read_config(run: Path) -> dict[str, Any]:
    """Read `run/config.json`.

    Raises
    ------
    MissingInputError
        If there is none.
    ModelError
        If it is not the description of an ensemble, or of another version.
    """
    path = run / "config.json"
    if not path.is_file():
        raise MissingInputError(f"{run}: no config.json in it: name the output of `zmumu train`")
    try:
        config = read_json(path)
    except InputError as error:
        raise ModelError(f"{error}: train again into another folder") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelError(f"{path}: does not describe an ensemble: format must be {FORMAT!r}")
    if config.get("version") != VERSION:
        raise ModelError(
            f"{path}: is of version {config.get('version')!r}, this release reads version {VERSION}: train again"
        )
    data = {"sha256": (None, str), "task": (None, str), "scalars": (None, [str])}
    try:
        return dict(require_form(config, {"network": dict, "training": dict, "data": data}, str(path)))
    except InputError as error:
        raise ModelError(f"{error}: not the description of an ensemble") from error


def plain(rows: Iterable[Mapping[str, float]]) -> list[dict[str, float | None]]:
    """Return metrics as JSON holds them: null where a number is not finite."""
    return [{name: value if math.isfinite(value) else None for name, value in row.items()} for row in rows]


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """Return a hash of names and values, in the order of the names."""
    state = hashlib.sha256()
    for name in sorted(tensors):
        state.update(name.encode())
        state.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return state.hexdigest()


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors and JSON metadata to a safetensors file with a checksum, whole or not at all."""
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    described = json.dumps({"checksum": _checksum(whole), **metadata}, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(whole, {"zmumu-hybrid": described}))  # its save_file takes names in UTF-8 alone


def load_tensors(
    path: Path, expected: str, form: Mapping[str, Any] | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and metadata written by `save_tensors` for the fingerprint `expected`.

    Parameters
    ----------
    path : Path
    expected : str
    form : mapping, optional
        What else is needed of the metadata; see `zmumu_hybrid.support.values.require_form`.

    Raises
    ------
    ModelError
        If the file is corrupt, was not written by this package, or belongs to another training.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        data = path.read_bytes()
        tensors = load(data)
        header = parse_json(data[8 : 8 + int.from_bytes(data[:8], "little")].decode(), "its header")
        metadata = parse_json(header["__metadata__"]["zmumu-hybrid"], "its metadata")
        require_form(metadata, {"fingerprint": str, "checksum": str, **(form or {})}, "its metadata")
        found, checksum = metadata["fingerprint"], metadata["checksum"]
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such file") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: corrupt or not of this package ({error}): remove it and train again") from error
    if checksum != _checksum(tensors):
        raise ModelError(f"{path}: corrupt, its values are not those that were written: remove it and train again")
    if found != expected:
        raise ModelError(f"{path}: belongs to another training than config.json beside it: remove it and train again")
    return tensors, metadata
