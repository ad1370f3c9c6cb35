"""How fast a network is applied, on one core: against its bare matrix products, from arrays, from events, from files.

    python benchmarks/applying.py [events]

The products have the shapes of the network's layers for a chunk of events, by each library that is at hand: numpy,
PyTorch and ONNX Runtime itself; the fastest counts.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from zmumu_hybrid.deploy import Discriminant
from zmumu_hybrid.deploy.model_file import OPSET, ModelFile, write_model
from zmumu_hybrid.deploy.onnx_export import to_model
from zmumu_hybrid.deploy.session import CHUNK, run_session
from zmumu_hybrid.jobs.apply import ApplyOptions, apply
from zmumu_hybrid.nets import ranges
from zmumu_hybrid.nets.config import MODELS, NetworkConfig
from zmumu_hybrid.nets.dimuon import build
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.training.ensemble import Ensemble
from zmumu_hybrid.training.inference import observe

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from toyfiles import toy_root
from toys import toy_pairs

Shape = tuple[int, int, int]


def best(work: Callable[[], object], repeats: int = 5) -> float:
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def shapes(config: NetworkConfig, events: int) -> list[Shape]:
    """Return rows, inner and columns of every product of a network."""
    found = []
    for name, widths in config.stacks.items():
        rows = events * (config.events.particles if name == "particle_map" else 1)
        found += [(rows, *pair) for pair in itertools.pairwise(widths)]
    return found


def bare_onnx(products: Sequence[Shape]) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    nodes, weights, inputs, outputs, given = [], [], [], [], {}
    for k, (rows, inner, columns) in enumerate(products):
        weights.append(numpy_helper.from_array(rng.normal(size=(inner, columns)).astype(np.float32), f"w{k}"))
        inputs.append(helper.make_tensor_value_info(f"x{k}", TensorProto.FLOAT, [rows, inner]))
        outputs.append(helper.make_tensor_value_info(f"y{k}", TensorProto.FLOAT, [rows, columns]))
        nodes.append(helper.make_node("MatMul", [f"x{k}", f"w{k}"], [f"y{k}"]))
        given[f"x{k}"] = rng.normal(size=(rows, inner)).astype(np.float32)
    graph = helper.make_graph(nodes, "products", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for name, values in given.items():
        binding.bind_cpu_input(name, values)
    for value, (rows, _, columns) in zip(outputs, products, strict=True):
        room = np.empty((rows, columns), np.float32)
        given[value.name] = room
        binding.bind_output(value.name, "cpu", 0, np.float32, room.shape, room.ctypes.data)
    return lambda: (session.run_with_iobinding(binding), given)


def bare(products: Sequence[Shape]) -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    arrays = [
        tuple(rng.normal(size=size).astype(np.float32) for size in ((r, i), (i, c), (r, c))) for r, i, c in products
    ]
    tensors = [tuple(map(torch.from_numpy, each)) for each in arrays]
    return {
        "numpy": lambda: [np.matmul(x, w, out=y) for x, w, y in arrays],
        "PyTorch": lambda: [torch.mm(x, w, out=y) for x, w, y in tensors],
        "ONNX Runtime": bare_onnx(products),
    }


def model_of(config: NetworkConfig, members: int) -> ModelFile:
    torch.manual_seed(0)
    ensemble = Ensemble([build(config) for _ in range(members)])
    ensemble.ranges = ranges.describe(observe(ensemble[0], {"p4": momenta(10_000)}))
    return to_model(ensemble)


def momenta(events: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(1)
    p = rng.normal(0, 30, (events, 2, 3))
    return np.concatenate([np.sqrt((p**2).sum(-1, keepdims=True) + 0.011), p], -1)


def against_products(config: NetworkConfig, members: int) -> None:
    repeats = 20
    rates = {}
    for name, work in bare(shapes(config, CHUNK)).items():
        rates[name] = CHUNK * repeats / members / best(lambda: [work() for _ in range(repeats)])
    model = model_of(config, members)
    chunk = {"p4": momenta(CHUNK)}
    network = (
        CHUNK * repeats / best(lambda: [run_session(model.data, chunk, [*model.card.outputs]) for _ in range(repeats)])
    )
    fastest = max(rates.values())
    print(f"{config.model}, {members} member{'s' if members > 1 else ''}, chunks of {CHUNK}:")
    for name, rate in rates.items():
        print(f"  bare products, {name:16s} {rate:12,.0f} events/s")
    print(f"  the model                       {network:12,.0f} events/s = {network / fastest:.0%} of the fastest")


def by_chunk(config: NetworkConfig) -> None:
    model, p4 = model_of(config, 1), momenta(65_536)
    print(f"{config.model}, 1 member, by the number of events at a time:")
    for size in (256, 1024, 2048, 4096, 8192, 32768):
        parts = np.split(p4, len(p4) // size)
        rate = len(p4) / best(
            lambda: [run_session(model.data, {"p4": part}, [*model.card.outputs]) for part in parts], 3
        )
        print(f"  {size:6,} {rate:12,.0f} events/s")


def in_use(config: NetworkConfig, members: int, events: int) -> None:
    model = model_of(config, members)
    discriminant = Discriminant(model, out_of_range="ignore")
    p4, pairs = momenta(events), toy_pairs(events)
    print(f"{config.model}, {members} member{'s' if members > 1 else ''}, {events:,} events, one core:")
    print(f"  arrays, checks and ranges in    {events / best(lambda: discriminant.evaluate(p4), 3):12,.0f} events/s")
    print(f"  awkward pairs                   {events / best(lambda: discriminant.pairs(pairs), 3):12,.0f} events/s")
    with tempfile.TemporaryDirectory() as folder:
        file = toy_root(Path(folder) / "toys.root", events)
        path, _ = write_model(model, Path(folder) / "model.onnx")
        work = lambda: apply(path, [file], Path(folder) / "out.root", ApplyOptions(), show_progress=False)  # noqa: E731
        print(f"  zmumu apply, file to file       {events / best(work, 2):12,.0f} events/s")


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    for name in MODELS:
        against_products(preset(name), 1)
    against_products(preset("hybrid"), 5)
    by_chunk(preset("hybrid"))
    in_use(preset("hybrid"), 1, events)
    in_use(preset("hybrid"), 5, events)


if __name__ == "__main__":
    main()
