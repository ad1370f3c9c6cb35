"""How much memory a graph asks for: from the shapes of all that it computes, before any of it is made.

The shapes are inferred for given numbers of events. They are products of constants and the number of events, never
computed from the events or in another way, so that what holds for these numbers holds between them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from zmumu_hybrid.errors import ModelError
from zmumu_hybrid.training.data import Arrays

__all__ = ["LIMIT", "require_memory"]

LIMIT = 4 << 30
"""Bytes for `EVENTS` events, or fewer: the weights, and at any time what is still needed."""

EVENTS = 2048
_TRIED = (EVENTS, 64 * EVENTS)

_SMALL = 1024
"""Bytes of a constant that may be a shape."""
_LONG = 100_000
"""Numbers of the sizes that are put together."""

_SHAPE_INPUTS = {"Reshape": 1, "Expand": 1, "Slice": 1, "Tile": 1, "Pad": 1, "Split": 1, "TopK": 1, "OneHot": 1}
_SHAPE_INPUTS |= {"ConstantOfShape": 0, "Range": 0, "Resize": 1, "Unsqueeze": 1, "Squeeze": 1, "Trilu": 1, "DFT": 1}
"""The operators that make something of a size that they are given, and from which input on."""

_MOVING = (
    "Cast",
    "Concat",
    "Constant",
    "Gather",
    "Identity",
    "Mul",
    "Reshape",
    "Shape",
    "Slice",
    "Squeeze",
    "Unsqueeze",
)
"""What may be done with sizes: products, and nothing else that calculates."""


def require_memory(onnx: Any, model: Any, inputs: Arrays, outputs: Arrays, where: str) -> None:
    """Raise `ModelError`, naming `where`, for a graph that asks for too much memory or for nobody knows how much.

    Parameters
    ----------
    onnx : module
    model : onnx.ModelProto
        Of operators of the standard, without subgraphs.
    inputs, outputs : dict
        What it should take and give: for each name the "shape" of one event.
    """
    attributes = (each for node in model.graph.node for each in node.attribute)
    for tensor in (*model.graph.initializer, *(each.t for each in attributes if each.HasField("t"))):
        numbers = math.prod(tensor.dims) if all(each >= 0 for each in tensor.dims) else -1
        if _held(tensor) != numbers * _width(onnx, tensor.data_type, where):
            raise ModelError(f"{where}: the weights {tensor.name!r} have not as many numbers as their shape says")
    for value in model.graph.input:
        shape = inputs[value.name]["shape"]
        dims = tuple(
            each.dim_value if each.HasField("dim_value") else None for each in value.type.tensor_type.shape.dim
        )
        good = len(dims) == len(shape) + 1 and dims[0] is None
        if not good or any(given not in (None, wanted) for given, wanted in zip(dims[1:], shape, strict=True)):
            raise ModelError(f"{where}: its input {value.name!r} has the shape {dims}, not {('events', *shape)}")
    _refuse_calculated_sizes(model.graph, where)
    weights = model.graph.ByteSize()
    for events in _TRIED:
        found = _shapes(onnx, model, {name: (events, *each["shape"]) for name, each in inputs.items()}, where)
        for name, each in outputs.items():
            given, expected = found.get(name, (0, None))[1], (events, *each["shape"])
            if given != expected:
                raise ModelError(f"{where}: its output {name!r} has the shape {given}, not {expected}")
        shapes = {name: shape for name, (_, shape) in found.items()}
        shapes |= {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
        shapes |= {name: (events, *each["shape"]) for name, each in inputs.items()}
        sizes = {name: width * math.prod(shape) for name, (width, shape) in found.items()}
        peak = weights + _peak(model.graph, sizes, shapes)
        if peak > LIMIT * (events // EVENTS):
            raise ModelError(
                f"{where}: its graph asks for {peak / 2**30:,.1f} GiB of memory for {events:,} events: only models "
                f"that need less than {LIMIT >> 30} GiB for {EVENTS:,} events are executed"
            )


def _held(tensor: Any) -> int:
    """Return the bytes of a tensor's numbers, whichever field has them."""
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data)
    fields = {"float_data": 4, "double_data": 8, "int64_data": 8, "uint64_data": 8}
    held = sum(width * len(getattr(tensor, name)) for name, width in fields.items())
    return held + len(tensor.int32_data) * {2: 1, 3: 1, 9: 1, 4: 2, 5: 2, 10: 2, 16: 2}.get(tensor.data_type, 4)


def _width(onnx: Any, kind: int, where: str) -> int:
    """Return the bytes of a number of an ONNX type."""
    try:
        return max(int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize), 1)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{where}: has numbers of the type {kind}, which is none") from error


def _refuse_calculated_sizes(graph: Any, where: str) -> None:
    """Refuse sizes that are neither constants nor sizes of something else, and names that are not made before."""
    sizes = {"", *(tensor.name for tensor in graph.initializer)}
    known = sizes | {value.name for value in graph.input}
    for node in graph.node:
        said = f"{where}: {node.op_type!r} in its graph"
        if missing := [name for name in node.input if name not in known]:
            raise ModelError(f"{said} reads {missing[0]!r}, which is not made before it")
        if again := [name for name in node.output if name and name in known]:
            raise ModelError(f"{said} makes {again[0]!r}, which is made before it")
        known.update(node.output)
        first = _SHAPE_INPUTS.get(node.op_type, len(node.input))
        if calculated := [name for name in node.input[first:] if name not in sizes]:
            raise ModelError(f"{said} takes a size that is calculated, {calculated[0]!r}")
        if node.op_type == "Shape" or (node.op_type in _MOVING and sizes.issuperset(node.input)):
            sizes.update(node.output)


def _shapes(
    onnx: Any, model: Any, inputs: Mapping[str, tuple[int, ...]], where: str
) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Return of every value that a node gives the bytes of a number and the shape, for inputs of these shapes."""
    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    bare.graph.name = "sizes"
    for node in model.graph.node:
        bare.graph.node.add(op_type=node.op_type, input=node.input, output=node.output, attribute=node.attribute)
    for tensor in model.graph.initializer:
        if _held(tensor) <= _SMALL:
            bare.graph.initializer.add().CopyFrom(tensor)
        else:
            bare.graph.initializer.add(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    for value in model.graph.input:
        kind = value.type.tensor_type.elem_type
        bare.graph.input.append(onnx.helper.make_tensor_value_info(value.name, kind, inputs[value.name]))
    for value in model.graph.output:
        kind = value.type.tensor_type.elem_type
        bare.graph.output.append(onnx.helper.make_tensor_value_info(value.name, kind, None))
    found: dict[str, tuple[int, tuple[int, ...]]] = {}
    for propagate in (False, True):  # the values of sizes, if shapes alone do not do
        try:
            inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=propagate)
        except Exception as error:  # of the library's own classes
            said = " ".join(str(error).split())[:300]
            raise ModelError(f"{where}: its graph does not fit together: {said}") from error
        kinds = {}
        for value in (*inferred.graph.value_info, *inferred.graph.output):
            described = value.type.tensor_type
            kinds[value.name] = described.elem_type
            dims = [each.dim_value if each.HasField("dim_value") else -1 for each in described.shape.dim]
            if described.HasField("shape") and all(each >= 0 for each in dims):
                found[value.name] = (_width(onnx, described.elem_type, where), tuple(dims))
        unknown = [(node, name) for node in model.graph.node for name in node.output if name and name not in found]
        if not unknown:
            break
        _refuse_long_sizes(model.graph, kinds, where)
    for node, name in unknown:
        raise ModelError(f"{where}: the size of {name!r}, which {node.op_type!r} gives, is not known before")
    return found


def _refuse_long_sizes(graph: Any, kinds: Mapping[str, int], where: str) -> None:
    """Refuse values that could be sizes, and are more numbers than sizes are: they would be kept one by one."""
    lengths = {tensor.name: math.prod(tensor.dims) if _held(tensor) <= _SMALL else 0 for tensor in graph.initializer}
    for node in graph.node:
        length = {"Shape": 64, "Constant": node.ByteSize()}.get(
            node.op_type, sum(lengths.get(name, 0) for name in node.input)
        )
        for name in node.output:
            lengths[name] = length if kinds.get(name, 7) in (6, 7) else 0  # int32, int64
            if lengths[name] > _LONG:
                raise ModelError(f"{where}: {node.op_type!r} in its graph makes more sizes than a shape can have")


def _workspace(node: Any, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return how many numbers an operator makes for itself, beside what it reads and gives; 0 for most."""
    read = [shapes[name] for name in node.input if name]
    if node.op_type in ("Conv", "ConvTranspose"):  # every place of the kernel at every place
        seen = shapes[node.output[0]] if node.op_type == "Conv" else read[0]
        return math.prod(read[1][1:]) * math.prod(seen[2:])
    if node.op_type in ("LSTM", "GRU", "RNN"):  # all gates at all times
        return math.prod(read[0][:2]) * math.prod(read[1][:2])
    if node.op_type != "Einsum":
        return 0
    equation = b"".join(each.s for each in node.attribute if each.name == "equation").decode(errors="replace")
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms, lengths, made, most = left.split(","), dict[str, int](), set[str](), 0
    for term, shape in zip(terms, read, strict=False):
        first, dots, last = term.partition("...")
        end = len(shape) - len(last)
        each = [*zip(first, shape, strict=False), *zip(last, shape[end:], strict=False)]
        for label, length in [*each, *[(".", math.prod(shape[len(first) : end]))] * bool(dots)]:
            lengths[label] = max(length, lengths.get(label, 1))
    for place, term in enumerate(terms):  # one after the other is joined, and what is needed later is kept
        made |= set(term)
        needed = set(right if arrow else left).union(*terms[place + 1 :])
        most = max(most, math.prod(lengths.get(label, 1) for label in made & needed))
    return most


def _peak(graph: Any, sizes: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return the bytes of what is needed at once, at the most, when the nodes are computed in their order."""
    last: dict[str, int] = {}
    for place, node in enumerate(graph.node):
        last |= dict.fromkeys((*node.output, *node.input), place)
    last |= dict.fromkeys((value.name for value in graph.output), len(graph.node))
    ends: dict[int, list[str]] = {}
    for name, place in last.items():
        ends.setdefault(place, []).append(name)
    held = peak = 0
    for place, node in enumerate(graph.node):
        held += sum(sizes[name] for name in node.output if name)
        peak = max(peak, held + 8 * _workspace(node, shapes))
        held -= sum(sizes.get(name, 0) for name in ends.get(place, ()))
    return peak
