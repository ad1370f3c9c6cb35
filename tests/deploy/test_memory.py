"""Graphs that ask for more memory than any model needs, or for nobody knows how much, are refused before use."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deploy.models import muon_model, set_model
from zmumu_hybrid.deploy.memory import require_memory
from zmumu_hybrid.deploy.model_file import check_model, seal
from zmumu_hybrid.errors import ModelError

node = helper.make_node


def constant(name: str, values: Any, kind: Any = np.int64) -> Any:
    return numpy_helper.from_array(np.array(values, kind), name)


def doubled(name: str, times: int, axis: int) -> list[Any]:
    """Concatenate a value with itself, and that, and so on."""
    first = node("Concat", [name, name], ["twice_0"], axis=axis)
    return [
        first,
        *(node("Concat", [f"twice_{i}"] * 2, [f"twice_{i + 1}"], axis=axis) for i in range(times)),
    ]


ONES = constant("ones", np.ones((1, 100_000)), np.float32)
ZEROS = constant("zeros", np.zeros(100_000))
CASES = {
    "doubled": (doubled("p4", 40, 2), []),
    "doubled 70 times": (doubled("p4", 70, 2), []),
    "constants doubled": (doubled("numbers", 40, 0), [constant("numbers", [1, 2])]),
    "constants by constants": (
        [node("Reshape", ["ones", "column"], ["upright"]), node("Add", ["ones", "upright"], ["square"])],
        [ONES, constant("column", [-1, 1])],
    ),
    "events by events": (
        [
            node("Reshape", ["p4", "row"], ["all"]),
            node("Reshape", ["p4", "column"], ["upright"]),
            node("Mul", ["all", "upright"], ["square"]),
        ],
        [constant("row", [1, -1]), constant("column", [-1, 1])],
    ),
    "gathered": (
        [node("Gather", ["ones", "zeros"], ["rows"], axis=0), node("Gather", ["rows", "zeros"], ["all"], axis=1)],
        [ONES, ZEROS],
    ),
    "a shape without numbers": ([], [TensorProto(name="x", data_type=1, dims=[10**6, 10**6])]),
    "a shape with few numbers": ([], [TensorProto(name="x", data_type=1, dims=[10**6, 10**6], raw_data=b"0000")]),
    "a negative shape": ([], [TensorProto(name="x", data_type=1, dims=[-1, -1], raw_data=b"0000")]),
    "in no order": ([node("Relu", ["later"], ["x"]), node("Cast", ["p4"], ["later"], to=1)], []),
    "of itself": ([node("Add", ["x", "x"], ["x"])], []),
    "made twice": ([node("Relu", ["ones"], ["x"]), node("Relu", ["ones"], ["x"])], [ONES]),
    "does not fit": ([node("Add", ["ones", "zeros2"], ["x"])], [ONES, constant("zeros2", [0.0] * 3, np.float32)]),
    "no type": ([node("Cast", ["p4"], ["x"], to=99)], []),
}


@pytest.mark.parametrize("name", CASES)
def test_a_model_file_that_asks_for_too_much_is_refused(name: str) -> None:
    """Though its card and its checksum are those of its graph."""
    nodes, constants = CASES[name]
    model = onnx.load_model_from_string(muon_model().data)
    model.ClearField("metadata_props")
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)
    with pytest.raises(ModelError, match=r"^model\.onnx: .{10,400}$"):
        check_model(onnx, seal(model, muon_model().card).data, "model.onnx")


def graph_of(nodes: list[Any], constants: list[Any]) -> Any:
    """Return a graph that sums momenta, and does something else that nobody asks for."""
    sums = [
        node("Cast", ["p4"], ["f"], to=1),
        node("ReduceSum", ["f", "axes"], ["sums"], keepdims=0),
        node("Unsqueeze", ["sums", "one"], ["logits"]),
    ]
    value = helper.make_tensor_value_info
    inputs, outputs = [value("p4", TensorProto.DOUBLE, ["N", 2, 4])], [value("logits", TensorProto.FLOAT, ["N", 1])]
    constants = [constant("axes", [1, 2]), constant("one", [1]), constant("two", [2]), *constants]
    graph = helper.make_graph([*sums, *nodes], "g", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


PAIR: dict[str, Any] = {"p4": {"dtype": "float64", "shape": [2, 4]}}


def check(nodes: list[Any], *constants: Any) -> None:
    require_memory(onnx, graph_of(nodes, list(constants)), PAIR, {"logits": {"shape": [1]}}, "m.onnx")


TWO = constant("shape", [10**6, 10**6])
LENGTH = constant("shape", [10**12])
OTHERS: dict[str, tuple[Any, ...]] = {
    "Expand": ([node("Expand", ["one", "shape"], ["x"])], TWO),
    "ConstantOfShape": ([node("ConstantOfShape", ["shape"], ["x"])], TWO),
    "Tile": ([node("Tile", ["one", "shape"], ["x"])], LENGTH),
    "Range": ([node("Range", ["a", "b", "c"], ["x"])], constant("a", 0), constant("b", 10**12), constant("c", 1)),
    "Pad": ([node("Pad", ["f", "shape"], ["x"])], constant("shape", [0, 0, 0, 10**9, 0, 0])),
    "OneHot": ([node("OneHot", ["one", "depth", "axes"], ["x"])], constant("depth", 10**12)),
    "Resize": ([node("Resize", ["f", "", "scale"], ["x"])], constant("scale", [1, 1e6, 1e6], np.float32)),
    "from the events": ([node("Cast", ["sums"], ["n"], to=7), node("ConstantOfShape", ["n"], ["x"])],),
    "NonZero": ([node("NonZero", ["f"], ["x"])],),
    "calculated": (
        [node("Shape", ["f"], ["n"]), node("Sub", ["n", "n"], ["n2"]), node("ConstantOfShape", ["n2"], ["x"])],
    ),
    "multiplied": (
        [
            node("Shape", ["f"], ["n"]),
            node("Mul", ["n", "n"], ["n2"]),
            node("Mul", ["n2", "n2"], ["n4"]),
            node("ConstantOfShape", ["n4"], ["x"]),
        ],
    ),
    "sizes doubled": ([node("Shape", ["f"], ["n"]), node("Squeeze", ["n", "n"], ["m"]), *doubled("m", 40, 0)],),
    "unknown": ([node("Made", ["f"], ["x"])],),
    "Einsum": (
        [node("Einsum", ["row", "column", "row2", "column2"], ["x"], equation="a,b,ac,bc->")],
        *(constant(name, np.ones(100_000), np.float32) for name in ("row", "column")),
        *(constant(name, np.ones((100_000, 1)), np.float32) for name in ("row2", "column2")),
    ),
    "Conv": (
        [node("Conv", ["image", "kernel"], ["x"], pads=[50_000, 50_000])],
        constant("image", np.ones((1, 1, 100_000)), np.float32),
        constant("kernel", np.ones((1, 1, 100_000)), np.float32),
    ),
    "DFT": ([node("Size", ["f"], ["n"]), node("DFT", ["f", "n"], ["x"], axis=1)],),
}


@pytest.mark.parametrize("name", OTHERS)
def test_whatever_operators_a_graph_may_have(name: str) -> None:
    with pytest.raises(ModelError, match=r"^m\.onnx: .{10,400}$"):
        check(*OTHERS[name])


def test_what_networks_do_is_taken() -> None:
    check_model(onnx, muon_model().data, "model.onnx")
    check_model(onnx, set_model().data, "model.onnx")
    count = [node("Shape", ["p4"], ["n"], start=0, end=1), node("Concat", ["n", "two"], ["shape"], axis=0)]
    check([*count, node("Expand", ["logits", "shape"], ["x"]), node("Softmax", ["x"], ["y"])])
    check([node("MatMul", ["logits", "w"], ["x"])], constant("w", np.ones((1, 3)), np.float32))
    for shape in ([3, 4], [2, 4, 1], [2]):
        with pytest.raises(ModelError, match=r"its input 'p4' has the shape \(None, 2, 4\), not"):
            require_memory(onnx, graph_of([], []), {"p4": {"shape": shape}}, {"logits": {"shape": [1]}}, "m.onnx")
    with pytest.raises(ModelError, match=r"its output 'logits' has the shape \(2048, 1\), not \(2048, 3\)"):
        require_memory(onnx, graph_of([], []), PAIR, {"logits": {"shape": [3]}}, "m.onnx")


def test_every_number_of_a_card_is_finite_and_of_its_type() -> None:
    model = onnx.load_model_from_string(muon_model().data)
    card = model.metadata_props[0].value

    def refused(text: str) -> None:
        model.metadata_props[0].value = text
        with pytest.raises(ModelError, match=r"model\.onnx: .*card"):
            check_model(onnx, model.SerializeToString(), "model.onnx")

    numbers = list(re.finditer(r"(?<=: )-?[\d.]+(e-?\d+)?", card))
    assert len(numbers) > 50
    for found in numbers[:: len(numbers) // 40]:
        refused(card[: found.start()] + "1e999" + card[found.end() :])
    for text in ("NaN", "9" * 5000, "[" * 100_000):
        refused(card[: numbers[-1].start()] + text + card[numbers[-1].end() :])
    known = json.loads(card)
    backwards = {"pt": {"values": 9, "low": 1, "high": 0, "quantiles": {}}}
    for name in known.keys() - {"format", "version"}:
        for other in (1.5, True, 10**9, backwards):
            refused(json.dumps(known | {name: other}))
