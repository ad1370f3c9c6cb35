"""A network as an ONNX graph: momenta in, invariants and context computed inside, logits and scores out.

The graph is written out node by node from the description of the network and its weights, with operators of the ONNX
standard alone. Invariants and context are in float64, all that follows in float32. Members are side by side, each with
products of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.learn.configuration import BATCH_NORM_EPSILON, ModelConfig
from zmumu_hybrid.learn.quantities import PairQuantities
from zmumu_hybrid.learn.variables import ETA_FLOOR, METRIC, ContextVariable, Product, pair_indices

__all__ = ["OPERATORS", "OPSET", "build_graph", "inputs_of", "outputs_of"]

Array = NDArray[Any]

OPSET = 17
"""Version of the ONNX operators: old enough for any ONNX Runtime of the last years."""

_ARITHMETIC = ("Abs", "Add", "Div", "Gemm", "Greater", "Log", "Mul", "ReduceSum", "Sign", "Sqrt", "Sub")
_ACTIVATIONS = ("Clip", "Relu", "Sigmoid", "Softmax")
_SHAPES = ("Cast", "Concat", "Gather", "Reshape", "Unsqueeze", "Where")
OPERATORS = frozenset((*_ARITHMETIC, *_ACTIVATIONS, *_SHAPES))
"""The operators of the standard that a graph may have."""


def inputs_of(config: ModelConfig) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return the inputs of a graph: for each name the type and the shape of one event."""
    inputs: dict[str, tuple[str, tuple[int, ...]]] = {"p4": ("float64", (config.particles, 4))}
    if config.masked:
        inputs["mask"] = ("bool", (config.particles,))
    if config.labels:
        inputs["labels"] = ("float64", (config.particles, config.labels))
    if _reads_context(config) and not config.context_definitions:
        inputs["context"] = ("float64", (config.context,))
    return inputs


def outputs_of(config: ModelConfig, members: int) -> dict[str, tuple[int, ...]]:
    """Return the outputs of a graph, all float32: for each name the shape of one event."""
    each: tuple[int, ...] = (members,) if config.classes == 1 else (members, config.classes)
    outputs = {"logits": each, "scores": each}
    return outputs | {"general_weight": (members,)} if config.has_gate else outputs


def _reads_context(config: ModelConfig) -> bool:
    return config.model == "hybrid"


def build_graph(config: ModelConfig, weights: Mapping[str, Array], members: int) -> Any:
    """Return an `onnx.ModelProto` of a network.

    Parameters
    ----------
    config : ModelConfig
    weights : mapping of str to numpy.ndarray
        The state of a `zmumu_hybrid.learn.networks.Network` with `members` members. Batch normalisation goes into the
        products where it can.
    members : int
    """
    return _Writer(config, weights, members).model()


class _Writer:
    """Collects nodes and constants; every method that adds nodes returns the name of what they give."""

    def __init__(self, config: ModelConfig, weights: Mapping[str, Array], members: int) -> None:
        self.config, self.weights, self.members = config, weights, members
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.known: dict[tuple[Any, ...], str] = {}
        self.pair: PairQuantities | None = None

    def model(self) -> Any:
        """Write the whole graph."""
        from onnx import TensorProto, helper

        types = {"float64": TensorProto.DOUBLE, "bool": TensorProto.BOOL}
        self._write()
        graph = helper.make_graph(
            self.nodes,
            "discriminant",
            [
                helper.make_tensor_value_info(name, types[kind], ["events", *shape])
                for name, (kind, shape) in inputs_of(self.config).items()
            ],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["events", *shape])
                for name, shape in outputs_of(self.config, self.members).items()
            ],
            self.constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)

    def node(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output."""
        from onnx import helper

        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, kind: type = np.float32) -> str:
        """Add a constant, once for each value."""
        from onnx import numpy_helper

        array: Array = np.ascontiguousarray(values, kind)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.known:
            self.known[key] = f"constant_{len(self.known)}"
            self.constants.append(numpy_helper.from_array(array, self.known[key]))
        return self.known[key]

    def reshape(self, x: str, *shape: int) -> str:
        return self.node("Reshape", x, self.constant(shape, np.int64))

    def narrow(self, x: str) -> str:
        from onnx import TensorProto

        return self.node("Cast", x, to=TensorProto.FLOAT)

    def total(self, x: str, axis: int) -> str:
        return self.node("ReduceSum", x, self.constant([axis], np.int64), keepdims=0)

    def _write(self) -> None:
        from onnx import TensorProto

        config = self.config
        momenta, labels, mask = "p4", "labels", None
        if config.masked:
            there = self.node("Unsqueeze", "mask", self.constant([2], np.int64))
            zero = self.constant(0.0, np.float64)
            momenta = self.node("Where", there, "p4", zero)
            labels = self.node("Where", there, "labels", zero) if config.labels else labels
            mask = self.node("Cast", "mask", to=TensorProto.FLOAT)
        flat = self.reshape(momenta, -1, 4 * config.particles)
        general, symmetric = [""] * self.members, [""] * self.members
        if config.model != "invariant":
            general = self._general(momenta, labels, mask, flat)
        if config.model != "pfn":
            symmetric = self._symmetric(flat, labels, mask)
        pooled = {"pfn": general, "invariant": symmetric}.get(config.model)
        if pooled is None:
            pooled = self._pool(general, symmetric, flat)
        logits = [self.stack("classifier", member, x) for member, x in enumerate(pooled)]
        if config.classes > 1:
            logits = [self.node("Unsqueeze", x, self.constant([1], np.int64)) for x in logits]
        self.node("Concat", *logits, axis=1, output="logits")
        if config.classes == 1:
            self.node("Sigmoid", "logits", output="scores")
        else:
            self.node("Softmax", "logits", axis=-1, output="scores")

    def stack(self, name: str, member: int, x: str, *, summed: int = 1) -> str:
        """Apply an MLP to rows x; with `summed`, sum its result over so many consecutive rows."""
        widths, source = self.config.stacks[name], self.config.sources.get(name)
        last = len(widths) - 2
        by_particle = name == "particle_map" and self.config.particle_norm == "particle"
        for place in range(last + 1):
            weight, bias = (self._weight(f"{name}.linears.{place}.{part}", member) for part in ("weight", "bias"))
            norm = self._norm(name, place, member)
            if norm and not by_particle:  # goes into the product
                weight, bias, norm = weight * norm[0], bias * norm[0] + norm[1], None
            if place == 0 and source is not None and self.config.standardised:  # so does this
                shift, scale = (self._weight(f"standard_{source}.{part}", member) for part in ("shift", "scale"))
                weight = weight / scale[:, None]
                bias = bias - shift @ weight
            if place == last and summed > 1:  # so does the sum
                x = self.reshape(x, -1, summed * widths[place])
                weight, bias = np.tile(weight, (summed, 1)), summed * bias
            x = self.node("Gemm", x, self.constant(weight), self.constant(bias))
            if norm:
                x = self.reshape(x, -1, self.config.particles, widths[place + 1])
                x = self.node("Mul", x, self.constant(norm[0][:, None]))
                x = self.node("Add", x, self.constant(norm[1][:, None]))
                x = self.reshape(x, -1, widths[place + 1])
            if place < last:
                relu = self.config.activation == "relu"
                x = self.node("Relu", x) if relu else self.node("Mul", x, self.node("Sigmoid", x))
        return x

    def _weight(self, name: str, member: int) -> Array:
        return self.weights[name][member].astype(np.float64)

    def _norm(self, name: str, place: int, member: int) -> tuple[Array, Array] | None:
        """Return scale and shift of the normalisation after a product, None if there is none."""
        if f"{name}.norms.{place}.weight" not in self.weights:
            return None
        parts = ("weight", "bias", "running_mean", "running_var")
        weight, bias, mean, variance = (self._weight(f"{name}.norms.{place}.{part}", member) for part in parts)
        scale = weight / np.sqrt(variance + BATCH_NORM_EPSILON)
        return scale, bias - mean * scale

    def _general(self, momenta: str, labels: str, mask: str | None, flat: str) -> list[str]:
        """Return the sum over the particles of their map, for each member."""
        config = self.config
        read = self.node("Concat", momenta, labels, axis=2) if config.labels else momenta
        if config.particle_features is not None:
            pair = self._pair(flat)
            columns = zip(*(pair.particle(name) for name in config.particle_features), strict=True)
            read = self.node("Concat", *(column.name for muon in columns for column in muon), axis=1)
        rows = self.reshape(self.narrow(read), -1, config.stacks["particle_map"][0])
        return [self._summed("particle_map", member, rows, config.particles, mask) for member in range(self.members)]

    def _summed(self, name: str, member: int, rows: str, count: int, mask: str | None) -> str:
        if mask is None and len(self.config.stacks[name]) > 2:
            return self.stack(name, member, rows, summed=count)
        x = self.reshape(self.stack(name, member, rows), -1, count, self.config.stacks[name][-1])
        if mask is not None:
            x = self.node("Mul", x, self.node("Unsqueeze", mask, self.constant([2], np.int64)))
        return self.total(x, 1)

    def _symmetric(self, flat: str, labels: str, mask: str | None) -> list[str]:
        """Return the invariants and the sum over the pairs of their map, for each member."""
        config = self.config
        event = config.event_invariants
        parts = [self.narrow(self._products(flat, event))] if event else []
        parts += [self.narrow(self._pair(flat).event(name).name) for name in config.invariant_features]
        if len(parts) > 1:
            parts = [self.node("Concat", *parts, axis=1)]
        if not config.pair_invariants:
            return parts * self.members
        places = pair_indices(config.particles)
        first, second = (self.constant(side, np.int64) for side in zip(*places, strict=True))
        count = len(places)
        pairs = self._products(flat, config.all_pair_invariants)
        pairs = self.reshape(pairs, -1, count, len(config.pair_invariants))
        if config.labels:
            one, other = (self.node("Gather", labels, side, axis=1) for side in (first, second))
            both = self.node("Add", one, other), self.node("Mul", one, other)
            pairs = self.node("Concat", pairs, *both, axis=2)
        rows = self.reshape(self.narrow(pairs), -1, config.stacks["pair_map"][0])
        if mask is not None:
            mask = self.node("Mul", *(self.node("Gather", mask, side, axis=1) for side in (first, second)))
        found = [self._summed("pair_map", member, rows, count, mask) for member in range(self.members)]
        return [self.node("Concat", *parts, x, axis=1) if parts else x for x in found]

    def _sums(self, flat: str, rows: Sequence[tuple[int, ...]]) -> str:
        """Return sums of momenta, (N, 4 k): one product with the signs."""
        signs = np.kron(np.array(rows, np.float64).T, np.eye(4))
        return self.node("Gemm", flat, self.constant(signs, np.float64))

    def _products(self, flat: str, invariants: Sequence[Product]) -> str:
        """Return sign(x) log(1 + abs(x)) of Minkowski products x, (N, I) in float64."""
        left, right = (self._sums(flat, [getattr(each, side) for each in invariants]) for side in ("left", "right"))
        metric = np.kron(np.eye(len(invariants)), np.array(METRIC)[:, None])
        x = self.node("Gemm", self.node("Mul", left, right), self.constant(metric, np.float64))
        log = self.node("Log", self.node("Add", self.node("Abs", x), self.constant(1.0, np.float64)))
        return self.node("Mul", self.node("Sign", x), log)

    def _context(self, flat: str) -> str:
        """Return the context, (N, C) in float32."""
        variables = self.config.context_definitions
        if not variables:
            return self.narrow("context")
        columns = [
            self._pair(flat).event(variable.name).name if variable.kind == "pair" else self._variable(flat, variable)
            for variable in variables
        ]
        return self.narrow(self.node("Concat", *columns, axis=1) if len(columns) > 1 else columns[0])

    def _variable(self, flat: str, variable: ContextVariable) -> str:
        """Return a context variable that is not one of a muon pair alone."""
        particles = self.config.particles
        if variable.kind == "ht":
            return self._row_sum(self._pt(flat, particles))
        if variable.kind == "count":
            energies = self._component(flat, 0, particles)
            there = self.node("Greater", energies, self.constant(0.0, np.float64))
            one, zero = self.constant(1.0, np.float64), self.constant(0.0, np.float64)
            return self._row_sum(self.node("Where", there, one, zero))
        p = self._sums(flat, [variable.signs])
        if variable.kind in ("energy", "pz"):
            return self._component(p, 0 if variable.kind == "energy" else 3, 1)
        if variable.kind == "pt":
            return self._pt(p, 1)
        if variable.kind == "mass":
            squared = self.node("Gemm", self.node("Mul", p, p), self.constant(np.array(METRIC)[:, None], np.float64))
            return self.node("Sqrt", self.node("Clip", squared, self.constant(0.0, np.float64)))
        floored = self.node("Clip", self._pt(p, 1), self.constant(ETA_FLOOR, np.float64))
        return self._asinh(self.node("Div", self._component(p, 3, 1), floored))

    def _pair(self, flat: str) -> PairQuantities:
        """Return the conditioned quantities of muon pairs, (N, 1) in float64, once for the whole graph."""
        if self.pair is None:
            components = [_Symbol(self, self._component(self._row_of(flat, k), j, 1)) for k in (0, 1) for j in range(4)]
            self.pair = PairQuantities(components[:4], components[4:], _Symbol.sqrt, _Symbol.log)
        return self.pair

    def _row_of(self, flat: str, particle: int) -> str:
        signs = [0] * self.config.particles
        signs[particle] = 1
        return self._sums(flat, [tuple(signs)])

    def _asinh(self, x: str) -> str:
        """Return sign(x) log(abs(x) + sqrt(x^2 + 1)): the operator of that name is not there for float64."""
        size = self.node("Abs", x)
        root = self.node("Sqrt", self.node("Add", self.node("Mul", x, x), self.constant(1.0, np.float64)))
        return self.node("Mul", self.node("Sign", x), self.node("Log", self.node("Add", size, root)))

    def _component(self, flat: str, component: int, count: int) -> str:
        pick = np.kron(np.eye(count), np.eye(4)[:, [component]])
        return self.node("Gemm", flat, self.constant(pick, np.float64))

    def _pt(self, flat: str, count: int) -> str:
        squares = np.kron(np.eye(count), np.array([[0.0], [1.0], [1.0], [0.0]]))
        squared = self.node("Gemm", self.node("Mul", flat, flat), self.constant(squares, np.float64))
        return self.node("Sqrt", squared)

    def _row_sum(self, x: str) -> str:
        return self.node("Gemm", x, self.constant(np.ones((self.config.particles, 1)), np.float64))

    def _pool(self, general: Sequence[str], symmetric: Sequence[str], flat: str) -> list[str]:
        """Join the latents of a hybrid, for each member."""
        config, context = self.config, self._context(flat)
        latents = [self.stack("invariant_map", member, x) for member, x in enumerate(symmetric)]
        both = list(zip(general, latents, strict=True))
        if config.pooling == "concatenation-with-pt":
            first = self.node("Gather", context, self.constant([0], np.int64), axis=1)
            return [self.node("Concat", g, s, first, axis=1) for g, s in both]
        weights = [self._gate(member, context) for member in range(self.members)]
        self.node("Concat", *weights, axis=1, output="general_weight")
        return [self._join(g, s, w) for (g, s), w in zip(both, weights, strict=True)]

    def _gate(self, member: int, context: str) -> str:
        """Return w: a softmax of two is a sigmoid of their difference."""
        pair = self.stack("gate", member, context)
        difference = self.node("Gemm", pair, self.constant([[1.0], [-1.0]]))
        return self.node("Sigmoid", difference)

    def _join(self, g: str, s: str, w: str) -> str:
        if self.config.pooling == "concatenation-with-weight":
            return self.node("Concat", g, s, w, axis=1)
        if self.config.pooling == "weighted-sum":
            return self.node("Add", s, self.node("Mul", w, self.node("Sub", g, s)))
        rest = self.node("Sub", self.constant(1.0), w)
        return self.node("Concat", self.node("Mul", w, g), self.node("Mul", rest, s), axis=1)


class _Symbol:
    """A value of float64 in a graph that is written as it is computed with."""

    def __init__(self, writer: _Writer, name: str) -> None:
        self.writer, self.name = writer, name

    def _with(self, operator: str, *others: _Symbol | float) -> _Symbol:
        names = [
            other.name if isinstance(other, _Symbol) else self.writer.constant(other, np.float64) for other in others
        ]
        return _Symbol(self.writer, self.writer.node(operator, self.name, *names))

    def __add__(self, other: _Symbol | float) -> _Symbol:
        return self._with("Add", other)

    def __sub__(self, other: _Symbol | float) -> _Symbol:
        return self._with("Sub", other)

    def __mul__(self, other: _Symbol | float) -> _Symbol:
        return self._with("Mul", other)

    def __truediv__(self, other: _Symbol | float) -> _Symbol:
        return self._with("Div", other)

    def __abs__(self) -> _Symbol:
        return self._with("Abs")

    def sqrt(self) -> _Symbol:
        return self._with("Sqrt")

    def log(self) -> _Symbol:
        return self._with("Log")
