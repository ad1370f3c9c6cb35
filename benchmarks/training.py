"""Speed of training, in milliseconds a step and member: `python benchmarks/training.py [MODEL ...]`.

The paper's networks, batch size 128. Everything is measured in turns in one run and the best of all turns counts,
because only the ratios of one run mean something on a shared machine:

- the loop that a user would write: a DataLoader, one plain PyTorch network at a time on all cores, `torch.optim.AdamW`;
- one step on one core: eager, and as `torch.compile` makes it, which first compiles for some time;
- `train` as a whole, one member a core, with its checkpoint after every epoch and metrics on held-out events.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.nets.dimuon import build
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.training import TrainingConfig
from zmumu_hybrid.training.data import load
from zmumu_hybrid.training.inference import prepare

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from learned import toy_columns, write

EVENTS, BATCH, STEPS, TURNS = 40_000, 128, 60, 6
CORES = len(os.sched_getaffinity(0))


def plain_loop(model: str, features: dict[str, torch.Tensor], label: torch.Tensor) -> Callable[[], int]:
    """Return steps of the loop that a user would write, on features that are computed before."""
    network = build(preset(model))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, weight_decay=0.01)
    loss_function = nn.BCEWithLogitsLoss()
    loader = DataLoader(TensorDataset(*features.values(), label), batch_size=BATCH, shuffle=True)

    def go() -> int:
        torch.set_num_threads(CORES)
        for *inputs, target in itertools.islice(loader, STEPS):
            optimizer.zero_grad()
            loss_function(network.classify(dict(zip(features, inputs, strict=True))), target).backward()
            optimizer.step()
        return STEPS

    return go


def step_loop(
    model: str, features: dict[str, torch.Tensor], label: torch.Tensor, *, compiled: bool
) -> Callable[[], int]:
    """Return steps on one core and nothing else."""
    network = build(preset(model))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, weight_decay=0.01, fused=True)

    def loss_of(batch: dict[str, torch.Tensor], target: torch.Tensor) -> torch.Tensor:
        return nn.functional.binary_cross_entropy_with_logits(network.classify(batch), target)

    function = torch.compile(loss_of) if compiled else loss_of

    def go() -> int:
        torch.set_num_threads(1)
        for step in range(STEPS):
            rows = slice(step * BATCH, (step + 1) * BATCH)
            optimizer.zero_grad()
            function({name: values[rows] for name, values in features.items()}, label[rows]).backward()
            optimizer.step()
        return STEPS

    return go


def whole(data: Path, model: str) -> Callable[[], int]:
    """Return an epoch of the trainer, with as many members as there are cores."""

    def go() -> int:
        with tempfile.TemporaryDirectory() as run:
            train(model, data, run, TrainingConfig(members=CORES, epochs=1))
        return CORES * int(EVENTS * 0.8 / BATCH)

    return go


def main(models: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = write(toy_columns(EVENTS // 2), Path(folder))
        table = load(data)
        print(f"{CORES} cores; {torch.backends.cpu.get_cpu_capability()}; torch {torch.__version__}")
        for model in models:
            network = build(preset(model))
            features = prepare(network, table.inputs)
            label = torch.from_numpy(table.label).float()
            cases = {
                "plain loop, all cores": plain_loop(model, features, label),
                "step, eager, one core": step_loop(model, features, label, compiled=False),
                "step, torch.compile, one core": step_loop(model, features, label, compiled=True),
                "trainer, a member a core": whole(data, model),
            }
            began = time.perf_counter()
            cases["step, torch.compile, one core"]()
            print(f"{model}: compiled in {time.perf_counter() - began:.0f} s", flush=True)
            best = dict.fromkeys(cases, float("inf"))
            for _, (name, case) in itertools.product(range(TURNS), cases.items()):
                began = time.perf_counter()
                steps = case()
                best[name] = min(best[name], 1e3 * (time.perf_counter() - began) / steps)
            for name, milliseconds in best.items():
                ratio = best["plain loop, all cores"] / milliseconds
                print(f"  {name:32s} {milliseconds:6.2f} ms  {ratio:5.2f} times the plain loop", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["pfn", "hybrid", "invariant"])
