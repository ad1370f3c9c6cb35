"""A model on ONNX Runtime: one session a process, events in chunks that fit a core's cache."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.apply.graph import inputs_of, outputs_of
from zmumu_hybrid.apply.modelfile import ModelFile
from zmumu_hybrid.errors import InputError, ModelError
from zmumu_hybrid.extras import require
from zmumu_hybrid.learn.configuration import ModelConfig

__all__ = ["CHUNK", "checked", "run_chunks", "run_session"]

Arrays = dict[str, NDArray[Any]]

CHUNK = 2048
"""Events that go through a model at once: their activations stay in a core's cache."""


@lru_cache(maxsize=8)
def _session(data: bytes, threads: int) -> Any:
    """Return this process's ONNX Runtime session of a model that was checked before."""
    require("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, without a common base
        raise ModelError(f"ONNX Runtime refuses the model: {' '.join(str(error).split())}") from error


def run_session(data: bytes, inputs: Mapping[str, NDArray[Any]], threads: int = 1) -> Arrays:
    """Return the outputs of a model for N events at once, by name."""
    session = _session(data, threads)
    names = [output.name for output in session.get_outputs()]
    known = {value.name for value in session.get_inputs()}
    try:
        found = session.run(names, {name: values for name, values in inputs.items() if name in known})
    except Exception as error:  # likewise
        raise ModelError(f"ONNX Runtime cannot execute the model: {' '.join(str(error).split())}") from error
    return dict(zip(names, found, strict=True))


def run_chunks(model: ModelFile, inputs: Arrays, threads: int) -> Arrays:
    """Return the outputs of a model for inputs as from `checked`, by name."""
    count = len(inputs["p4"])
    shapes = outputs_of(model.card.model, model.card.members)
    found: Arrays = {name: np.empty((count, *shape), np.float32) for name, shape in shapes.items()}
    step = CHUNK * threads
    for start in range(0, count, step):
        chosen = slice(start, start + step)
        chunk = {name: values[chosen] for name, values in inputs.items()}
        for name, values in run_session(model.data, chunk, threads).items():
            found[name][chosen] = values
    return found


def checked(config: ModelConfig, given: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return the inputs of a model in its types, after checking them."""
    expected = inputs_of(config)
    for name in given:
        if name not in expected:
            raise InputError(f"the model takes no {name}; it takes: {', '.join(expected)}")
    inputs = {}
    for name, (kind, shape) in expected.items():
        if name not in given:
            raise InputError(f"the model needs {name} of shape {('N', *shape)}; given are: {', '.join(given)}")
        values = np.ascontiguousarray(given[name], kind)
        if values.shape != (len(given["p4"]), *shape):
            raise InputError(f"{name} must have the shape {('N', *shape)}, not {values.shape}")
        inputs[name] = values
    p4 = inputs["p4"]
    if not np.isfinite(p4).all():
        finite = np.isfinite(p4).all(-1) | (~inputs["mask"] if "mask" in inputs else False)
        if not finite.all():
            row, particle = np.argwhere(~finite)[0]
            raise InputError(f"p4 of row {row}, particle {particle} is not finite: {p4[row, particle].tolist()}")
    return inputs
