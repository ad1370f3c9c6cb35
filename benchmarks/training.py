"""Speed of training, in member-epochs per second: `python benchmarks/training.py [THREADS] [MODEL]`.

The paper's networks, batch size 128, 80,000 events an epoch, five members. Everything is measured in turns in one run
and the best of all turns counts, because only the ratios of one run mean something on a shared machine:

- the loop that a user would write: a DataLoader, one plain PyTorch network at a time, autograd, `torch.optim.AdamW`;
- the bare matrix products of the same shapes, forward and backward, one member after the other and batched;
- the engines of this package, with the gathering of each epoch's events;
- `train` as a whole, with metrics on 20,000 held-out events and a checkpoint after every epoch.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from zmumu_hybrid.learn.configuration import ModelConfig, TrainingConfig
from zmumu_hybrid.learn.engines import BatchedEngine, Engine, Epoch
from zmumu_hybrid.learn.features import Features
from zmumu_hybrid.learn.groups import draw_order
from zmumu_hybrid.learn.presets import preset
from zmumu_hybrid.learn.single import SingleEngine
from zmumu_hybrid.learn.tensors import TrainingTable, load
from zmumu_hybrid.learn.training import train

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from learned import toy_columns, write

EVENTS, BATCH, MEMBERS = 80_000, 128, 5
EPOCH_STEPS = EVENTS // BATCH
STEPS = 125
"""Steps that are timed at once: a fifth of an epoch."""
TURNS = 4


def plain_stack(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers[:-2])


class PlainNetwork(nn.Module):
    """A network as one would write it without this package."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        self.stacks = nn.ModuleDict({name: plain_stack(widths) for name, widths in model.stacks.items()})

    def forward(self, particles: torch.Tensor, invariants: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch."""
        stacks = self.stacks
        if "particle_map" not in stacks:
            return stacks["classifier"](invariants)[:, 0]  # type: ignore[no-any-return]
        pooled = stacks["particle_map"](particles.flatten(0, 1)).unflatten(0, particles.shape[:2]).sum(1)
        if "gate" in stacks:
            weights = torch.softmax(stacks["gate"](context), 1)
            pooled = weights[:, :1] * pooled + weights[:, 1:] * stacks["invariant_map"](invariants)
        return stacks["classifier"](pooled)[:, 0]  # type: ignore[no-any-return]


def plain_loop(model: ModelConfig, features: Features, table: TrainingTable) -> Callable[[], int]:
    network = PlainNetwork(model)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, weight_decay=0.01)
    loss_function = nn.BCEWithLogitsLoss()
    labels = torch.from_numpy(table.label).float()
    loader = DataLoader(TensorDataset(*features, labels), batch_size=BATCH, shuffle=True)

    def go() -> int:
        for *inputs, label in itertools.islice(loader, STEPS):
            optimizer.zero_grad()
            loss_function(network(*inputs), label).backward()
            optimizer.step()
        return STEPS

    return go


def bare_products(model: ModelConfig, dtype: torch.dtype, *, batched: bool) -> Callable[[], int]:
    """Return the products of one step of all members, forward and backward, and nothing else."""
    shapes = []
    for name, widths in model.stacks.items():
        rows = BATCH * (model.particles if name == "particle_map" else 1)
        bottom = name != "classifier" or model.model == "invariant"
        for place, (before, after) in enumerate(itertools.pairwise(widths)):
            shapes.append((rows, before, after, bottom and place == 0))

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(MEMBERS, *shape).to(dtype)

    layers = [(make(r, i), make(i, o), make(r, o), make(r, o), make(i, o), make(r, i), b) for r, i, o, b in shapes]
    if batched:
        companies, multiply = [layers], torch.bmm
    else:
        companies = [[(*(t[m] for t in layer[:-1]), layer[-1]) for layer in layers] for m in range(MEMBERS)]  # type: ignore[misc]
        multiply = torch.mm

    def go() -> int:
        steps = max(1, STEPS // MEMBERS)
        for _ in range(steps):
            for company in companies:
                for x, w, y, *_ in company:
                    multiply(x, w, out=y)
                for x, w, _, gradient, w_gradient, x_gradient, bottom in reversed(company):
                    multiply(x.mT, gradient, out=w_gradient)
                    if not bottom:
                        multiply(gradient, w.mT, out=x_gradient)
        return steps * MEMBERS

    return go


def gather(engine: Engine, features: Features, table: TrainingTable) -> Epoch:
    orders = [draw_order(table, engine.training, member, 0)[: STEPS * BATCH] for member in engine.members]
    rows = torch.from_numpy(np.stack([order.reshape(-1, BATCH) for order in orders], 1))
    taken = features.map(itemgetter(rows))
    labels = torch.from_numpy(table.label).float()[rows]
    return Epoch(taken, labels, torch.ones_like(labels))


def engine_loop(engines: Sequence[Engine], features: Features, table: TrainingTable, threads: int) -> Callable[[], int]:
    inner = max(1, threads // len(engines))

    def one(engine: Engine) -> int:
        return len(engine.run(gather(engine, features, table), lambda: None)) * STEPS

    def go() -> int:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(inner,)) as pool:
            return sum(pool.map(one, engines))

    return go


def whole(data: Path, model: ModelConfig, threads: int, precision: str) -> float:
    with tempfile.TemporaryDirectory() as run:
        settings = TrainingConfig(members=MEMBERS, epochs=2, precision=precision)
        return MEMBERS * 2 / train(model, data, run, settings, threads=threads).seconds


def main(threads: int, name: str) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = preset(name)
    with tempfile.TemporaryDirectory() as folder:
        data = write(toy_columns(EVENTS * 5 // 8), Path(folder))
        table = load(data, part="train")
        settings = {kind: TrainingConfig(members=MEMBERS, precision=kind) for kind in ("float32", "bfloat16")}
        # As many engines as keep all cores busy to the end, as a training of many epochs does with any number.
        count = -(-MEMBERS // threads) * threads
        singles = {k: [SingleEngine(model, s, [m]) for m in range(count)] for k, s in settings.items()}
        features = singles["float32"][0].network.features(torch.from_numpy(table.p4), torch.from_numpy(table.pt))
        batched = [BatchedEngine(model, settings["float32"], range(MEMBERS))]
        runs: dict[str, Callable[[], int]] = {
            "plain loop": plain_loop(model, features, table),
            "products, float32": bare_products(model, torch.float32, batched=False),
            "products, float32, batched": bare_products(model, torch.float32, batched=True),
            "products, bfloat16, batched": bare_products(model, torch.bfloat16, batched=True),
            "autograd, all members batched": engine_loop(batched, features, table, threads),
            "engine, float32": engine_loop(singles["float32"], features, table, threads),
            "engine, bfloat16": engine_loop(singles["bfloat16"], features, table, threads),
        }
        rates = dict.fromkeys(runs, 0.0)
        for _, (what, go) in itertools.product(range(TURNS), runs.items()):
            torch.set_num_threads(threads)
            start = time.perf_counter()
            steps = go()
            rates[what] = max(rates[what], steps / EPOCH_STEPS / (time.perf_counter() - start))
        for kind in settings:
            rates[f"train as a whole, {kind}"] = whole(data, model, threads, kind)
    products = max(rates["products, float32"], rates["products, float32, batched"])
    print(f"{name}, {threads} threads, torch {torch.__version__}")
    print(f"{'':32s} {'member-epochs/s':>15s} {'x plain loop':>13s} {'x float32 products':>19s}")
    for what, rate in rates.items():
        print(f"{what:32s} {rate:15.2f} {rate / rates['plain loop']:13.2f} {rate / products:19.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else torch.get_num_threads(), (sys.argv[2:] or ["pfn"])[0])
