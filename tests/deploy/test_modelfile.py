"""Model files that are damaged, foreign or malicious."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from deploy.models import muon_model, muon_pairs
from laws import examples
from zmumu_hybrid.deploy import Discriminant
from zmumu_hybrid.deploy.model_file import CARD_KEY, check_model, read_model
from zmumu_hybrid.errors import InputError, MissingDependencyError, MissingInputError, ModelError, ZmumuError


def spoilt(change: Callable[[Any], object]) -> bytes:
    """Return the bytes of a model that was changed as ONNX."""
    model = onnx.load_model_from_string(muon_model().data)
    change(model)
    return model.SerializeToString()


def with_card(**changes: object) -> Callable[[Any], object]:
    def change(model: Any) -> None:
        card = json.loads(model.metadata_props[0].value) | changes
        model.metadata_props[0].value = json.dumps(card, indent=2)

    return change


def outside(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def reversed_weights(model: Any) -> None:
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    tensor.raw_data = tensor.raw_data[::-1]


def own_function(model: Any) -> None:
    model.functions.append(helper.make_function("local", "F", ["x"], ["y"], [], [helper.make_opsetid("", 17)]))


def with_node(*arguments: Any, **attributes: Any) -> Callable[[Any], object]:
    return lambda model: model.graph.node.append(helper.make_node(*arguments, **attributes))


def sparse(model: Any) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "values")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3]))


CASES = {
    "no card": (lambda model: model.ClearField("metadata_props"), "has no model card of zmumu-hybrid"),
    "card not JSON": (lambda model: setattr(model.metadata_props[0], "value", "{"), "model card: not valid JSON"),
    "foreign card": (with_card(format="something"), "does not say 'zmumu-hybrid model'"),
    "older version": (with_card(version=1), "version 1 of the model format cannot be read, only 2: export it again"),
    "unknown field": (with_card(secret=1), "model card cannot be used: .*secret"),
    "unknown type": (
        with_card(inputs={"p4": {"dtype": "object", "shape": [2, 4]}}),
        "inputs: p4: dtype must be one of bool, float32, .*, not 'object'",
    ),
    "no shape": (with_card(inputs={"p4": {"dtype": "float64", "shape": [0]}}), r"shape must be of .*, not \[0\]"),
    "unknown task": (with_card(task="jets"), "the task 'jets' is not one of muon pair, particles, arrays"),
    "other task": (with_card(task="arrays"), "the task 'arrays' does not fit its inputs"),
    "other members": (with_card(members=3), r"outputs: logits must be of 3 members, not of the shape \[2\]"),
    "changed card": (with_card(git_revision="other"), "its graph or card is not what was written"),
    "missing input": (
        lambda model: setattr(model.graph.input[0], "name", "q"),
        "its graph has no input 'p4'; it has: q",
    ),
    "missing output": (lambda model: model.graph.output.pop(1), "its graph has no output 'scores'; it has: dot"),
    "other type": (
        lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", TensorProto.FLOAT),
        "the input 'p4' of its graph is not of float64, as its card says",
    ),
    "more inputs": (
        lambda model: model.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])),
        "has an input 'x' that its card does not describe",
    ),
    "changed weights": (reversed_weights, "its graph or card is not what was written"),
    "other opset": (
        lambda model: setattr(model.opset_import[0], "version", 9),
        "in version {'': 9} of the ONNX operators",
    ),
    "foreign domain": (
        lambda model: model.opset_import.append(helper.make_opsetid("com.evil", 1)),
        "has operators of 'com.evil': only operators of the ONNX standard are executed",
    ),
    "functions": (own_function, "has functions of its own"),
    "foreign operator": (with_node("Gemm", ["a"], ["b"], domain="com.evil"), "has the operator 'Gemm'"),
    "control flow": (with_node("Loop", ["a"], ["b"]), "has the operator 'Loop', which a model must not have"),
    "graph inside": (
        with_node("Cast", ["a"], ["b"], to=helper.make_graph([], "inner", [], [])),
        "the operator 'Cast' has attributes that are not numbers or text",
    ),
    "external constant": (
        with_node("Constant", [], ["b"], value=TensorProto(name="x", data_location=TensorProto.EXTERNAL)),
        "the weights 'x' are in another file",
    ),
    "external data": (outside, "are in another file: only whole models are read"),
    "sparse": (sparse, "has sparse weights"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_a_whole_model_of_this_package_is_refused(name: str) -> None:
    change, message = CASES[name]
    with pytest.raises(ModelError, match=f"model.onnx: .*{message}"):
        check_model(onnx, spoilt(change), "model.onnx")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        read_model(tmp_path / "missing.onnx")
    with pytest.raises(MissingInputError, match=r"is a directory without a config.json"):
        Discriminant.load(tmp_path)
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(InputError, match="the file is empty"):
        read_model(tmp_path / "empty.onnx")
    data = muon_model().data
    texts = {
        "letter": b"Dear Sir or Madam,\n" * 20,
        "cut": data[: len(data) // 2],
        "pickle": b"\x80\x04\x95posix\nsystem",
    }
    for name, content in texts.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=f"{name}: (not an ONNX file, or corrupt|has no model card)"):
            read_model(tmp_path / name)


@given(st.data())
@examples(60)
def test_a_spoilt_byte_is_noticed_or_changes_nothing(data: st.DataObject) -> None:
    whole = bytearray(muon_model().data)
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    try:
        model = check_model(onnx, bytes(whole), "model.onnx")
        found = Discriminant(model, out_of_range="ignore").evaluate(muon_pairs(4)).score
    except ZmumuError:
        return
    expected = Discriminant(muon_model(), out_of_range="ignore").evaluate(muon_pairs(4)).score
    np.testing.assert_array_equal(found, expected)


def test_without_onnx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(muon_model().data)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match=r"onnx is not installed: pip install 'zmumu-hybrid\[apply\]'"):
        read_model(tmp_path / "model.onnx")


def test_a_model_is_whole_under_its_key() -> None:
    model = onnx.load_model_from_string(muon_model().data)
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, [entry.version for entry in model.opset_import]) == (8, [18])
    assert str(Path(__file__).parents[2]).encode() not in muon_model().data
    assert [entry.key for entry in model.metadata_props] == [CARD_KEY]
    assert model.producer_name == "zmumu-hybrid"
