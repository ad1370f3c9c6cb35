"""Model files: ONNX with a model card inside, checked before any of it is used.

A file is parsed as data. It is taken only if its graph has nothing but `OPERATORS` of the ONNX standard, with all
weights inside, so that loading one never executes code and reads no other file, and if what it computes is of known and
sane sizes (`zmumu_hybrid.deploy.memory`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid.deploy.memory import require_memory
from zmumu_hybrid.deploy.model_card import ModelCard
from zmumu_hybrid.errors import MissingInputError, ModelError
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.files import make_directory, require_file
from zmumu_hybrid.support.outputs import staged
from zmumu_hybrid.training.data import Arrays

if TYPE_CHECKING:
    from zmumu_hybrid.candidates.training_events import TrainingEvents

__all__ = [
    "CARD_KEY",
    "OPERATORS",
    "OPSET",
    "ModelFile",
    "check_graph",
    "read_model",
    "require_onnx",
    "seal",
    "write_model",
]

CARD_KEY = "zmumu-hybrid"
"""Under which the card stands among the metadata of the ONNX file."""

OPSET = 18
"""Version of the ONNX operators: ONNX Runtime reads it since 1.14, of February 2023."""

OPERATORS = frozenset(
    """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Ceil Cos Cosh CumSum Det Div
    Equal Erf Exp Floor Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow
    Reciprocal Round Sign Sin Sinh Sqrt Sub Sum Tan Tanh Where Xor
    ArgMax ArgMin ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare TopK
    Conv ConvTranspose DFT Einsum Gemm MatMul
    Celu Clip Elu HardSigmoid HardSwish LeakyRelu LogSoftmax Mish PRelu Relu Selu Sigmoid Softmax Softplus Softsign
    ThresholdedRelu
    AveragePool BatchNormalization GRU GlobalAveragePool GlobalMaxPool GroupNormalization InstanceNormalization LSTM
    LayerNormalization LpNormalization MaxPool RNN
    Cast CastLike Concat Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten Gather GatherElements GatherND
    Identity OneHot Pad Range Reshape Resize ScatterElements ScatterND Shape Size Slice SpaceToDepth Split Squeeze Tile
    Transpose Trilu Unsqueeze
    """.split()  # noqa: SIM905
)
"""The operators of the standard that a graph may have: functions of numbers. None has a graph inside, as control flow
has, draws random numbers, or gives as many as there are of some value."""


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
    check_graph(onnx, model, where)
    card = ModelCard.from_json(properties[CARD_KEY], where)
    _check_arrays(onnx, "input", model.graph.input, card.inputs, where)
    _check_arrays(onnx, "output", model.graph.output, card.outputs, where)
    if card.sealed(_bytes_of(model)) != card:
        raise ModelError(f"{where}: corrupt, its graph or card is not what was written: export the model again")
    require_memory(onnx, model, card.inputs, card.outputs, where)
    return ModelFile(data, card)


def check_graph(onnx: Any, model: Any, where: str) -> None:
    """Raise `ModelError` for all but plain operators of the standard, with their weights in the file."""
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
            raise ModelError(f"{where}: has the operator {node.op_type!r}, which a model must not have")
        kinds = ("INT", "FLOAT", "STRING", "TENSOR", "INTS", "FLOATS", "STRINGS")
        if any(each.type not in [getattr(onnx.AttributeProto, kind) for kind in kinds] for each in node.attribute):
            raise ModelError(f"{where}: the operator {node.op_type!r} has attributes that are not numbers or text")
    for tensor in (*graph.initializer, *(each.t for node in graph.node for each in node.attribute)):
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ModelError(f"{where}: the weights {tensor.name!r} are in another file: only whole models are read")
    if graph.sparse_initializer:
        raise ModelError(f"{where}: has sparse weights, which models of this package have not")


def _check_arrays(onnx: Any, kind: str, values: Any, expected: Arrays, where: str) -> None:
    """Compare names and types of what the graph takes or gives with the card; `require_memory` compares the shapes."""
    found = {str(value.name): value.type.tensor_type.elem_type for value in values}
    for name, array in expected.items():
        if name not in found:
            have = ", ".join(sorted(found)) or "none"
            raise ModelError(f"{where}: its graph has no {kind} {name!r}; it has: {have}")
        if found.pop(name) != onnx.helper.np_dtype_to_tensor_dtype(np.dtype(array["dtype"])):
            raise ModelError(f"{where}: the {kind} {name!r} of its graph is not of {array['dtype']}, as its card says")
    if found:
        raise ModelError(f"{where}: its graph has an {kind} {min(found)!r} that its card does not describe")


def write_model(
    model: ModelFile, path: str | os.PathLike[str], known: TrainingEvents | None = None
) -> tuple[Path, Path]:
    """Write a model file, beside it what it was trained on and its card; return the file and ``NAME.card.json``."""
    from zmumu_hybrid.candidates.training_events import events_path

    path = Path(path)
    beside = path.with_suffix(".card.json")
    with staged(make_directory(path.parent), beside.name, [events_path(path).name]) as staging:
        (staging / path.name).write_bytes(model.data)
        if known is not None:
            known.write(staging / path.name)
        (staging / beside.name).write_text(model.card.to_json() + "\n", encoding="utf-8")
    return path, beside
