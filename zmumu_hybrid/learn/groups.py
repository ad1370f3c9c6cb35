"""Members in training: their epochs, metrics and checkpoints, and who takes the next epoch on which core."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from zmumu_hybrid import keys
from zmumu_hybrid.errors import ModelError
from zmumu_hybrid.learn.checkpoints import load_tensors, plain, save_tensors
from zmumu_hybrid.learn.configuration import TrainingConfig
from zmumu_hybrid.learn.engines import Engine, Epoch
from zmumu_hybrid.learn.measures import measure
from zmumu_hybrid.learn.networks import Features
from zmumu_hybrid.learn.tensors import TrainingTable

__all__ = ["Group", "Row", "Sample", "draw_order", "run_groups"]


class Weighted(Protocol):
    """Events with a weight each."""

    @property
    def weight(self) -> NDArray[np.float64]:
        """The weights, shape (N,)."""

    def __len__(self) -> int:
        """Return N."""


Row = dict[str, float]
Sample = tuple[Features, TrainingTable]
"""Events as a network reads them and as they are measured."""


def draw_order(table: Weighted, training: TrainingConfig, member: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows of one epoch of one member in the order of their use: whole batches, shape (S * batch_size,).

    What is left over of the last batch is left out; it is other events in every epoch.
    """
    generator = np.random.Generator(np.random.PCG64(keys.seed_from(training.seed, "order", member, epoch)))
    count = len(table)
    if training.sampling == "weighted":
        reached = np.cumsum(table.weight)
        order = np.searchsorted(reached, generator.random(count) * reached[-1], side="right")
        order = np.minimum(order, count - 1)
    else:
        order = generator.permutation(count)
    batch = training.batch(epoch)
    return np.asarray(order[: count // batch * batch], np.int64)


class Group:
    """Members that take their epochs together, and what is known of them.

    Parameters
    ----------
    engine : Engine
    events : callable
        Returns the training events of an epoch, counted from 0.
    held_out : Sample
        The events on which every epoch is measured.
    path : Path
        The checkpoint; if there is one already, the group goes on from it.
    key : str
        Fingerprint of the training.

    Attributes
    ----------
    epoch : int
        Epochs taken.
    rows : list of dict
        The metrics of each member after each epoch.
    stopped : list of int
        Members whose loss or parameters were not finite after an epoch. They keep what they were before it.

    Raises
    ------
    ModelError
        If the checkpoint is corrupt or of another training.
    """

    def __init__(self, engine: Engine, events: Callable[[int], Sample], held_out: Sample, path: Path, key: str) -> None:
        self.engine, self.events = engine, events
        self.held_out, self.held_out_table = held_out
        self.path, self.key = path, key
        self.epoch = 0
        self.rows: list[Row] = []
        self.stopped: list[int] = []
        if path.exists():
            self._resume()

    def _resume(self) -> None:
        form = {"epoch": int, "steps": int, "rows": [{...: (float, None)}], "stopped": [int]}
        tensors, known = load_tensors(self.path, self.key, form)
        try:
            self.epoch, self.stopped = known["epoch"], known["stopped"]
            self.rows = [{name: np.nan if x is None else x for name, x in row.items()} for row in known["rows"]]
            self.engine.steps = known["steps"]
            self.engine.restore(tensors)
        except (KeyError, RuntimeError, IndexError) as error:
            raise ModelError(f"{self.path}: not a checkpoint of this training ({error}): remove it") from error

    def finished(self, epochs: int) -> bool:
        """Return whether nothing is left to do: all epochs taken, or all members stopped."""
        return self.epoch >= epochs or len(self.stopped) == len(self.engine.members)

    def step(self, check: Callable[[], None]) -> None:
        """Take one epoch, measure it, and leave a checkpoint; `check` may raise to end it."""
        engine = self.engine
        before = {name: value.clone() for name, value in engine.state().items()}
        losses = engine.run(self._events(), check)
        self.epoch += 1
        finite = np.isfinite(losses) & self._finite()
        for member, good in zip(engine.members, finite, strict=True):
            if not good and member not in self.stopped:
                self.stopped.append(member)
        if self.stopped:
            engine.restore(before, [engine.members.index(member) for member in self.stopped])
        for member, loss, logits in zip(engine.members, losses, engine.logits(self.held_out), strict=True):
            if member not in self.stopped:
                measured = measure(logits, self.held_out_table)
                self.rows.append({"member": member, "epoch": self.epoch, "training_loss": float(loss), **measured})
        known = {
            "fingerprint": self.key,
            "epoch": self.epoch,
            "steps": engine.steps,
            "rows": plain(self.rows),
            "stopped": self.stopped,
        }
        save_tensors(self.path, engine.state(), known)

    def _finite(self) -> NDArray[np.bool_]:
        """Return for each member whether all that training changes is finite."""
        each = [value.flatten(1).isfinite().all(1) for value in self.engine.state().values()]
        return np.asarray(torch.stack(each).all(0).cpu().numpy())

    def _events(self) -> Epoch:
        """Gather the events of the next epoch, in the order of their use."""
        training, model = self.engine.training, self.engine.network.config.model
        features, table = self.events(self.epoch)
        orders = [draw_order(table, training, member, self.epoch) for member in self.engine.members]
        rows = np.stack([order.reshape(-1, training.batch(self.epoch)) for order in orders], 1)
        weight = np.ones(len(table))
        if training.sampling == "shuffle":
            weight = table.weight / table.weight.mean()
        index = torch.from_numpy(rows)

        def taken(values: NDArray[np.float64]) -> torch.Tensor:
            return torch.from_numpy(values.astype(np.float32)[rows]).to(training.device)

        return Epoch(
            features.map(lambda values: values[index].to(training.device)),
            taken(table.label),
            taken(weight),
            training.rates(model, self.epoch, len(rows)),
            training.newest(len(rows)),
        )


def run_groups(groups: Sequence[Group], epochs: int, cores: int, report: Callable[[Group], None]) -> None:
    """Take all epochs of all groups; those that are least far take theirs first.

    Parameters
    ----------
    groups : sequence of Group
    epochs : int
        Until each has taken so many.
    cores : int
        How many groups may be at work at once.
    report : callable
        Is told of a group after each of its epochs.
    """
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    waiting = [group for group in groups if not group.finished(epochs)]
    pending: dict[Future[None], Group] = {}
    # A thread takes its number of OpenMP threads from where it was started, not from torch.
    inner = torch.get_num_threads()
    with ThreadPoolExecutor(min(cores, len(groups)), initializer=torch.set_num_threads, initargs=(inner,)) as pool:
        try:
            while waiting or pending:
                waiting.sort(key=lambda group: group.epoch)
                while waiting and len(pending) < cores:
                    group = waiting.pop(0)
                    pending[pool.submit(group.step, check)] = group
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    group = pending.pop(future)
                    future.result()
                    report(group)
                    if not group.finished(epochs):
                        waiting.append(group)
        except BaseException:
            stop.set()
            raise
