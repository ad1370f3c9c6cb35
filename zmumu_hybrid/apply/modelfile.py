"""Model files: ONNX with a model card inside, checked before any of it is used.

A file is parsed as data. It is taken only if its graph has nothing but operators of the ONNX standard that this
package writes, with all weights inside, so that loading one never executes code and reads no other file, and if what it
computes is of known and sane sizes (`zmumu_hybrid.apply.memory`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zmumu_hybrid.apply.card import ModelCard
from zmumu_hybrid.apply.graph import OPERATORS, OPSET, inputs_of, outputs_of
from zmumu_hybrid.apply.memory import require_memory
from zmumu_hybrid.errors import MissingInputError, ModelError
from zmumu_hybrid.extras import require
from zmumu_hybrid.files import atomic_path, require_file

__all__ = ["CARD_KEY", "ModelFile", "read_model", "require_onnx", "seal", "write_model"]

CARD_KEY = "zmumu-hybrid"
"""Under which the card stands among the metadata of the ONNX file."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that was checked: its bytes, an ONNX file, and its card."""

    data: bytes
    card: ModelCard


def require_onnx() -> Any:
    """Return the module `onnx`; `MissingDependencyError` where it is not installed."""
    require("onnx")
    import onnx

    return onnx


def seal(model: Any, card: ModelCard) -> ModelFile:
    """Put a card into an `onnx.ModelProto`, with the checksum of both."""
    card = card.sealed(_bytes_of(model))
    entry = model.metadata_props.add()
    entry.key, entry.value = CARD_KEY, card.to_json()
    return ModelFile(model.SerializeToString(), card)


def _bytes_of(model: Any) -> bytes:
    found: bytes = model.graph.SerializeToString(deterministic=True)
    return found


def read_model(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file and check it.

    Raises
    ------
    MissingInputError
        If there is no such file.
    ModelError
        If it is corrupt, was not written by this package, is of another version, or holds what could execute code or
        read other files.
    MissingDependencyError
        If onnx is not installed.
    """
    onnx = require_onnx()
    path = Path(path)
    if path.is_dir():
        raise MissingInputError(f"{path}: is a directory without a config.json: name a model file or a run")
    data = require_file(path).read_bytes()
    return check_model(onnx, data, str(path))


def check_model(onnx: Any, data: bytes, where: str) -> ModelFile:
    """Check the bytes of a model file; errors as `read_model`."""
    message = f"{where}: not an ONNX file, or corrupt: export the model again"
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own errors, which differ between its implementations
        raise ModelError(message) from error
    try:
        return _check_content(onnx, model, data, where)
    except UnicodeDecodeError as error:  # of any text in the file
        raise ModelError(message) from error


def _check_content(onnx: Any, model: Any, data: bytes, where: str) -> ModelFile:
    properties = {entry.key: entry.value for entry in model.metadata_props}
    if CARD_KEY not in properties:
        raise ModelError(f"{where}: has no model card of zmumu-hybrid: make it with `zmumu export`")
    _check_graph(onnx, model, where)
    card = ModelCard.from_json(properties[CARD_KEY], where)
    _check_names("input", {str(value.name) for value in model.graph.input}, set(inputs_of(card.model)), where)
    expected = set(outputs_of(card.model, card.members))
    _check_names("output", {str(value.name) for value in model.graph.output}, expected, where)
    if card.sealed(_bytes_of(model)) != card:
        raise ModelError(f"{where}: corrupt, its graph or card is not what was written: export the model again")
    require_memory(onnx, model, inputs_of(card.model), outputs_of(card.model, card.members), where)
    return ModelFile(data, card)


def _check_graph(onnx: Any, model: Any, where: str) -> None:
    """Refuse all but plain operators of the standard, with their weights in the file."""
    graph = model.graph
    versions = {entry.domain: entry.version for entry in model.opset_import}
    foreign = [domain for domain in versions if domain not in ("", "ai.onnx")]
    if foreign or model.functions or model.training_info:
        what = f"operators of {foreign[0]!r}" if foreign else "functions of its own"
        raise ModelError(f"{where}: has {what}: only operators of the ONNX standard are executed")
    if versions.get("", versions.get("ai.onnx")) != OPSET:
        raise ModelError(f"{where}: is written in version {versions} of the ONNX operators, not {OPSET}")
    for node in graph.node:
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
            raise ModelError(f"{where}: has the operator {node.op_type!r}, which models of this package have not")
        plain = {onnx.AttributeProto.INT, onnx.AttributeProto.FLOAT, onnx.AttributeProto.INTS}
        if any(attribute.type not in plain for attribute in node.attribute):
            raise ModelError(f"{where}: the operator {node.op_type!r} has attributes that are not numbers")
    for tensor in graph.initializer:
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ModelError(f"{where}: the weights {tensor.name!r} are in another file: only whole models are read")
    if graph.sparse_initializer:
        raise ModelError(f"{where}: has sparse weights, which models of this package have not")


def _check_names(kind: str, found: set[str], expected: set[str], where: str) -> None:
    missing = sorted(expected - found)
    if missing:
        have = ", ".join(sorted(found)) or "none"
        raise ModelError(f"{where}: its graph has no {kind} {missing[0]!r}; it has: {have}")
    if found - expected:
        raise ModelError(f"{where}: its graph has an {kind} {min(found - expected)!r} that its card does not describe")


def write_model(model: ModelFile, path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write a model file and, beside it, its card as ``NAME.card.json``; return both paths."""
    path = Path(path)
    beside = path.with_suffix(".card.json")
    with atomic_path(beside) as temporary:
        temporary.write_text(model.card.to_json() + "\n", encoding="utf-8")
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.data)
    return path, beside
