"""A model on ONNX Runtime: one session a process, events in chunks that fit a core's cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.deploy.model_file import ModelFile
from zmumu_hybrid.errors import InputError, ModelError
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.training.data import Arrays

__all__ = ["CHUNK", "checked", "run_chunks", "run_session"]

Events = dict[str, NDArray[Any]]

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


def run_session(data: bytes, inputs: Mapping[str, NDArray[Any]], names: Sequence[str], threads: int = 1) -> Events:
    """Return outputs of a model for N events at once, by name."""
    session = _session(data, threads)
    try:
        found = session.run(list(names), dict(inputs))
    except Exception as error:  # likewise
        raise ModelError(f"ONNX Runtime cannot execute the model: {' '.join(str(error).split())}") from error
    return dict(zip(names, found, strict=True))


def run_chunks(model: ModelFile, inputs: Events, names: Sequence[str], threads: int) -> Events:
    """Return outputs of a model for inputs as from `checked`, by name."""
    count, arrays = len(next(iter(inputs.values()))), model.card.outputs
    found = {name: np.empty((count, *arrays[name]["shape"]), arrays[name]["dtype"]) for name in names}
    step = CHUNK * threads
    for start in range(0, count, step):
        chosen = slice(start, start + step)
        chunk = {name: values[chosen] for name, values in inputs.items()}
        for name, values in run_session(model.data, chunk, names, threads).items():
            found[name][chosen] = values
    return found


def checked(expected: Arrays, given: Mapping[str, NDArray[Any]]) -> Events:
    """Return the inputs of a model in its types, after checking that they are what it takes, and finite."""
    for name in given:
        if name not in expected:
            raise InputError(f"the model takes no {name}; it takes: {', '.join(expected)}")
    inputs: Events = {}
    for name, array in expected.items():
        if name not in given:
            raise InputError(f"the model needs {name} of shape {('N', *array['shape'])}; given are: {', '.join(given)}")
        values, kind = np.asarray(given[name]), np.dtype(array["dtype"])
        if not (kind.kind == "b" or np.can_cast(values.dtype, kind, "same_kind")):
            raise InputError(f"{name} must be of the type {kind}, not {values.dtype}")
        values = np.ascontiguousarray(values, kind)
        events = len(next(iter(inputs.values()), values)) if values.ndim else 0
        if values.shape != (events, *array["shape"]):
            raise InputError(f"{name} must have the shape {('N', *array['shape'])}, not {values.shape}")
        inputs[name] = values
    mask = inputs.get("mask")
    for name, values in inputs.items():
        finite = np.isfinite(values)
        if mask is not None and values.shape[:2] == mask.shape:
            finite |= ~mask.astype(bool).reshape(*mask.shape, *[1] * (values.ndim - mask.ndim))
        if not finite.all():
            row, *place = np.argwhere(~finite)[0].tolist()
            raise InputError(f"{name} of row {row} is not finite: {values[(row, *place)]} at {place}")
    return inputs
