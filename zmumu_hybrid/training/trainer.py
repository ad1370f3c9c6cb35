"""The training loop: one for every module, one member a core.

A member is a module with its optimiser. It takes one epoch at a time, is measured, and leaves a checkpoint of all that
changes. Every random number of an epoch is keyed by seed, member and epoch, so that what comes after a checkpoint
depends on nothing else: a training that was killed ends with the same weights, and member k has the same weights
whether it is trained alone or with others (bit for bit on one machine).
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from zmumu_hybrid.draws import keys
from zmumu_hybrid.errors import InputError, ModelError
from zmumu_hybrid.training.checkpoints import load_tensors, plain, save_tensors
from zmumu_hybrid.training.config import TrainingConfig
from zmumu_hybrid.training.data import TrainingTable
from zmumu_hybrid.training.inference import Inputs, forward, logits_of
from zmumu_hybrid.training.measures import measure

__all__ = ["Member", "Row", "check_module", "draw_order", "make_member", "train_members"]

Row = dict[str, float]


def make_member(make: Callable[[], nn.Module], seed: int, member: int) -> nn.Module:
    """Return the module of a member, initialised from its own key whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(keys.seed_from(seed, "initialisation", member))
        module = make()
    if not isinstance(module, nn.Module):
        raise InputError(f"the network must be a torch module, not a {type(module).__name__}")
    return module


def draw_order(table: TrainingTable, training: TrainingConfig, member: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows of one epoch of one member in the order of their use: whole batches, shape (S, batch_size).

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
    batch = training.batch_size
    return np.asarray(order[: count // batch * batch], np.int64).reshape(-1, batch)


def losses(predicted: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted cross-entropy (B,) of logits (B,), or (B, K) of several classes 0 to K - 1."""
    if predicted.ndim == 1:
        return functional.binary_cross_entropy_with_logits(predicted, label, weight, reduction="none")
    return weight * functional.cross_entropy(predicted, label.long(), reduction="none")


def check_module(module: nn.Module, inputs: Inputs, table: TrainingTable, batch_size: int) -> bool:
    """Try one step of a copy of the module; return whether it draws random numbers, as dropout does.

    Raises
    ------
    ModelError
        If the logits have another shape than (B,), or (B, K) for K classes, or are not finite, or a parameter has no
        gradient.
    """
    name, rows = type(module).__name__, slice(0, batch_size)
    trial = copy.deepcopy(module).train()
    label, weight = (torch.from_numpy(values[rows].astype(np.float32)) for values in (table.label, table.weight))
    with torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        try:
            predicted = forward(trial, {key: values[rows] for key, values in inputs.items()})
        except TypeError as error:
            raise ModelError(f"{name}: forward does not take the inputs {', '.join(inputs)}: {error}") from error
        drawn = not torch.equal(before, torch.get_rng_state())
    classes = int(table.label.max()) + 1
    shape = tuple(getattr(predicted, "shape", ()))
    fits = len(label) in shape[:1] and (
        (len(shape) == 1 and classes <= 2) or (len(shape) == 2 and shape[1] >= max(classes, 2))
    )
    if not fits:
        wanted = f"({len(label)},)" if classes <= 2 else f"({len(label)}, {classes})"
        raise ModelError(
            f"{name}: its output for {len(label)} events has the shape {shape}, the targets need {wanted}: "
            "one logit an event, or one for each class"
        )
    if not predicted.isfinite().all():
        raise ModelError(f"{name}: gives {predicted[~predicted.isfinite()][0].item()} for finite inputs")
    losses(predicted.float(), label.to(predicted.device), weight.to(predicted.device)).mean().backward()  # type: ignore[no-untyped-call]
    for parameter_name, parameter in trial.named_parameters():
        if parameter.requires_grad and parameter.grad is None:
            raise ModelError(
                f"{name}: the parameter {parameter_name} has no gradient, as its output does not depend on it: "
                "use it in forward, remove it, or set requires_grad_(False)"
            )
    return drawn


class Member:
    """One network in training, and what is known of it.

    Parameters
    ----------
    module : torch.nn.Module
        Initialised.
    number : int
        Its number in the ensemble, which keys its draws.
    training : TrainingConfig
    path : Path
        The checkpoint; if there is one already, the member goes on from it.
    key : str
        Fingerprint of the training.
    random : bool
        Whether the module draws random numbers itself; each epoch then starts them from its own key.

    Attributes
    ----------
    epoch : int
        Epochs taken.
    rows : list of dict
        The metrics after each epoch.
    stopped : bool
        Whether loss or weights were not finite after an epoch; the member keeps what it was before that.

    Raises
    ------
    ModelError
        If the checkpoint is corrupt or of another training.
    """

    def __init__(
        self, module: nn.Module, number: int, training: TrainingConfig, path: Path, key: str, *, random: bool = False
    ) -> None:
        self.module = module.to(training.device)
        self.number, self.training, self.path, self.key, self.random = number, training, path, key, random
        groups = getattr(module, "parameter_groups", None)
        trained = [{"params": [p for p in module.parameters() if p.requires_grad]}] if groups is None else groups()
        self.optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=training.weight_decay, fused=True)
        self.rate = float(getattr(module, "default_learning_rate", 1e-3))
        self.epoch, self.stopped = 0, False
        self.rows: list[Row] = []
        if path.exists():
            self._resume()

    def finished(self) -> bool:
        """Return whether nothing is left to do: all epochs taken, or stopped."""
        return self.stopped or self.epoch >= self.training.epochs

    def state(self) -> dict[str, Tensor]:
        """Return everything that training changes: weights, statistics, and the optimiser's moments. Not copies."""
        state = {f"module.{name}": value for name, value in self.module.state_dict().items()}
        for name, parameter in self.module.named_parameters():
            for kind, value in self.optimizer.state.get(parameter, {}).items():
                state[f"{kind}.{name}"] = value
        return state

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Copy a state in."""
        weights = {name.removeprefix("module."): value for name, value in state.items() if name.startswith("module.")}
        self.module.load_state_dict(weights)
        for name, parameter in self.module.named_parameters():
            moments = {
                kind: state[f"{kind}.{name}"].clone()
                for kind in ("step", "exp_avg", "exp_avg_sq")
                if f"{kind}.{name}" in state
            }
            if moments:
                self.optimizer.state[parameter] = moments

    def _resume(self) -> None:
        form = {"epoch": int, "rows": [{...: (float, None)}], "stopped": bool}
        tensors, known = load_tensors(self.path, self.key, form)
        try:
            self.epoch, self.stopped = known["epoch"], known["stopped"]
            self.rows = [{name: np.nan if x is None else x for name, x in row.items()} for row in known["rows"]]
            self.restore(tensors)
        except (KeyError, RuntimeError, TypeError) as error:
            raise ModelError(f"{self.path}: not a checkpoint of this training ({error}): remove it") from error

    def step(
        self,
        events: Callable[[int], tuple[Inputs, TrainingTable]],
        held_out: tuple[Inputs, TrainingTable] | None,
        check: Callable[[], None],
    ) -> None:
        """Take one epoch, measure it, and leave a checkpoint; `check` may raise to end it."""
        before = {name: value.clone() for name, value in self.state().items()}
        seed = keys.seed_from(self.training.seed, "epoch", self.number, self.epoch)
        with torch.random.fork_rng(devices=[]) if self.random else nullcontext():
            if self.random:
                torch.manual_seed(seed)
            loss = self._take(*events(self.epoch), check)
        self.epoch += 1
        if not (math.isfinite(loss) and all(value.isfinite().all() for value in self.state().values())):
            self.stopped = True
            self.optimizer.state.clear()
            self.restore(before)
        else:
            found = {"member": self.number, "epoch": self.epoch, "training_loss": loss}
            if held_out is not None:
                found |= measure(logits_of(self.module, held_out[0]), held_out[1])
            self.rows.append(found)
        known = {"fingerprint": self.key, "epoch": self.epoch, "rows": plain(self.rows), "stopped": self.stopped}
        save_tensors(self.path, self.state(), known)

    def _take(self, inputs: Inputs, table: TrainingTable, check: Callable[[], None]) -> float:
        """Take the steps of an epoch; return the mean loss."""
        training, device = self.training, self.training.device
        orders = torch.from_numpy(draw_order(table, training, self.number, self.epoch))
        label = torch.from_numpy(table.label.astype(np.float32))
        weighted = training.sampling == "weighted"
        weight = np.ones(len(table)) if weighted else table.weight / table.weight.mean()
        weights = torch.from_numpy(weight.astype(np.float32))
        narrow = training.precision == "bfloat16"
        self.module.train()
        total = torch.zeros((), device=device)
        for rows, rate in zip(orders, training.rates(self.rate, self.epoch, len(orders)), strict=True):
            check()
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.zero_grad()
            batch = {name: values[rows].to(device) for name, values in inputs.items()}
            with torch.autocast(device, torch.bfloat16) if narrow else nullcontext():
                predicted = forward(self.module, batch)
            loss = losses(predicted.float(), label[rows].to(device), weights[rows].to(device)).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            if training.gradient_clip is not None:
                nn.utils.clip_grad_norm_(self.module.parameters(), training.gradient_clip)
            self.optimizer.step()
            total += loss.detach()
        return float(total) / len(orders)


def train_members(
    members: Sequence[Member],
    events: Callable[[int], tuple[Inputs, TrainingTable]],
    held_out: tuple[Inputs, TrainingTable] | None,
    cores: int,
    report: Callable[[Member], None],
) -> None:
    """Take all epochs of all members, one member a core; those that are behind take theirs first.

    Parameters
    ----------
    members : sequence of Member
    events : callable
        Returns the training events of an epoch, counted from 0, as the network reads them and as a table.
    held_out : tuple, optional
        The events on which every epoch is measured, likewise.
    cores : int
        How many members may be at work at once. Modules that draw random numbers share torch's generator: they take
        their epochs one after the other.
    report : callable
        Is told of a member after each of its epochs.
    """
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    waiting = [member for member in members if not member.finished()]
    if any(member.random for member in members):
        cores = 1
    pending: dict[Future[None], Member] = {}
    with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            while waiting or pending:
                waiting.sort(key=lambda member: member.epoch)
                while waiting and len(pending) < cores:
                    member = waiting.pop(0)
                    pending[pool.submit(member.step, events, held_out, check)] = member
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    member = pending.pop(future)
                    future.result()
                    report(member)
                    if not member.finished():
                        waiting.append(member)
        except BaseException:
            stop.set()
            raise
