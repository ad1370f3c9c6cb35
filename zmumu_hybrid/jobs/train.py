"""Training of an ensemble: what is trained, on what, and what a run leaves in its folder."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import MISSING, asdict, dataclass, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from zmumu_hybrid.candidates.training_events import TrainingEvents
from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError
from zmumu_hybrid.execution.workers import available_cores
from zmumu_hybrid.nets import ranges
from zmumu_hybrid.nets.config import NetworkConfig, parameters_of
from zmumu_hybrid.nets.dimuon import build
from zmumu_hybrid.nets.presets import TRAININGS, preset
from zmumu_hybrid.support import provenance
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.files import atomic_path, sha256, write_json
from zmumu_hybrid.support.handles import create_parquet
from zmumu_hybrid.support.outputs import output_folder, reading
from zmumu_hybrid.support.scratch import sweep
from zmumu_hybrid.support.values import require_count
from zmumu_hybrid.training.augmentation import BoostedCopies
from zmumu_hybrid.training.checkpoints import fingerprint, load_tensors, plain, read_config, save_tensors, write_config
from zmumu_hybrid.training.config import TrainingConfig
from zmumu_hybrid.training.data import TrainingTable, describe_inputs, load, table_path
from zmumu_hybrid.training.display import live_members
from zmumu_hybrid.training.ensemble import Ensemble, describe_network, load_ensemble, name_of, stack_states
from zmumu_hybrid.training.inference import Inputs, named_inputs, observe, prepare
from zmumu_hybrid.training.measures import METRICS, read_metrics
from zmumu_hybrid.training.resmearing import FreshSmearing
from zmumu_hybrid.training.tensorboard import event_log, write_events
from zmumu_hybrid.training.trainer import Member, Row, check_module, make_member, train_members

__all__ = ["Network", "RunSummary", "read_rows", "require_resources", "train"]

_log = logging.getLogger(__name__)

Network = str | NetworkConfig | Callable[[], nn.Module]

FINAL = {"member": float, "epoch": float, ...: (float, None)}
"""What is needed of the metrics of a member after its last epoch."""

MAX_STATE = 10**9
"""Parameters of all members, more than any machine can train."""

EVENTS = "tensorboard"
"""The folder of a run for TensorBoard."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a training did.

    Attributes
    ----------
    output : Path
        The folder of the run.
    ensemble : Ensemble
        What was trained.
    final : list of dict
        The metrics of each member after its last epoch: "member", "epoch", "training_loss" and `METRICS`.
    stopped : list of int
        Members that were stopped because their loss or parameters were not finite.
    seconds : float
        Wall time of this call.
    repeated : bool
        Whether all was done before and nothing was trained.
    """

    output: Path
    ensemble: Ensemble
    final: list[dict[str, Any]]
    stopped: list[int]
    seconds: float
    repeated: bool = False


def train(
    network: Network,
    data: str | os.PathLike[str] | TrainingTable,
    output: str | os.PathLike[str] | None = None,
    training: TrainingConfig | None = None,
    *,
    held_out: TrainingTable | None = None,
    threads: int | None = None,
    tensorboard: bool = False,
    watch: Callable[[Member], None] | None = None,
    show_progress: bool = False,
) -> RunSummary:
    """Train an ensemble of any networks; go on where an earlier call with the same output was interrupted.

    Parameters
    ----------
    network : str, NetworkConfig or callable
        "hybrid", "pfn" or "invariant", with a preset in front for another than the paper's, as "tuned hybrid"; or a
        description from `zmumu_hybrid.nets.presets.preset`; or a function that makes a module whose `forward` takes the
        inputs of the table and gives logits, (B,) or (B, K) for K classes.
    data : path or TrainingTable
        Directory of `zmumu process`, or a candidate table; or events from `TrainingTable.of`.
    output : path, optional
        Gets `config.json`, `members.safetensors`, `metrics.parquet`, one row per member and epoch, `ranges.json`, the
        ranges of the training events, and for a candidate table `training_events.parquet`, which events they are. By
        default nothing is kept but what is returned.
    training : TrainingConfig, optional
        The paper's by default, or the preset's.
    held_out : TrainingTable, optional
        Events on which each epoch is measured, where `data` is a `TrainingTable`; else they are the held-out ones of
        the table.
    threads : int, optional
        Cores to use; by default those that this process may use.
    tensorboard : bool
        Also write the metrics to `output/tensorboard`.
    watch : callable, optional
        Is told of each member before the first and after each of its epochs. What it raises ends the training, which
        the same call without it goes on with.
    show_progress : bool
        Show every member's progress, loss and AUC on a terminal.

    Raises
    ------
    ConfigurationError
        If `output` holds another training, or a file that it would write is one that is read.
    OutputError
        If `output` holds files of something else, or is being written by another process.
    InputError
        If the table cannot be trained on, see `zmumu_hybrid.training.data.load`; or a weight is negative and events
        are to be drawn by weight; or they are to be smeared anew and it is not known how.
    ModelError
        If the module does not fit the events, a checkpoint is corrupt or foreign, or no member has a finite loss.
    MissingDependencyError
        If TensorBoard is wanted and not installed.

    Examples
    --------
    A module of one's own on arrays:

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(400, 3))
    >>> table = TrainingTable.of(x, x.sum(1) > 0)
    >>> make = lambda: nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    >>> settings = TrainingConfig(members=2, epochs=20, learning_rate=0.05, batch_size=50)
    >>> summary = train(make, table, training=settings, held_out=table)
    >>> all(row["auc"] > 0.95 for row in summary.final)
    True
    """
    if tensorboard:
        require("tensorboard")
    if threads is not None:
        require_count("threads", threads, 1, 4096)
    make, training = _resolve(network, training)
    reads = () if isinstance(data, TrainingTable) else (data,)
    with ExitStack() as stack:
        if output is None:
            output = stack.enter_context(tempfile.TemporaryDirectory(prefix="zmumu-"))
        stack.enter_context(output_folder(output, "train", reads))
        return _train(make, data, Path(output), training, held_out, threads, tensorboard, watch, show_progress)


def _train(
    make: Callable[[], nn.Module],
    data: str | os.PathLike[str] | TrainingTable,
    run: Path,
    training: TrainingConfig,
    held_out: TrainingTable | None,
    threads: int | None,
    tensorboard: bool,
    watch: Callable[[Member], None] | None,
    show_progress: bool,
) -> RunSummary:
    """Do what `train` does, with its output held."""
    started = time.perf_counter()
    first = make_member(make, training.seed, 0)
    require_resources(sum(values.numel() for values in first.parameters()), training)
    with reading(data):
        config = _describe(run, first, training, data)
        key = fingerprint(config)
        if (run / "members.safetensors").exists():
            _, known = load_tensors(run / "members.safetensors", key, {"final": [FINAL], "stopped": [int]})
            _tidy(run)
            if tensorboard:
                write_events(run / EVENTS, read_rows(run))
            ensemble = load_ensemble(run, make)
            return RunSummary(
                run, ensemble, known["final"], known["stopped"], time.perf_counter() - started, repeated=True
            )
        table, held_out, fresh = _events(data, held_out, training)
        used = None if isinstance(data, TrainingTable) else TrainingEvents.of_sample(data)
    inputs, ready = _prepared(first, table), None if held_out is None else (_prepared(first, held_out), held_out)
    modules = _standardised(make, training, inputs)
    random = check_module(modules[0], inputs, table, training.batch_size)
    write_config(run, {**config, "inputs": describe_inputs(named_inputs(first, table.inputs))})
    write_json(run / "ranges.json", ranges.describe(observe(first, table.inputs)))
    if used is not None:
        used.write(run)
    members = [
        Member(module, number, training, run / "checkpoints" / f"member-{number}.safetensors", key, random=random)
        for number, module in enumerate(modules)
    ]

    where = f"{run}: {name_of(first)}, {training.members} members, {training.epochs} epochs"
    _log.info("training in %s on %d events", where, len(table.label))

    @lru_cache(maxsize=2)  # all members are at one epoch or at the next
    def events(epoch: int) -> tuple[Inputs, TrainingTable]:
        if fresh is None:
            return inputs, table
        anew = fresh.epoch(epoch)
        return _prepared(first, anew), anew

    with ExitStack() as stack:
        told = [stack.enter_context(live_members(name_of(first), members, training.epochs, enabled=show_progress))]
        if tensorboard:
            told.append(stack.enter_context(event_log(run / EVENTS)))
        if watch is not None:
            told.append(watch)

        def report(member: Member) -> None:
            _log.debug("member %d: %d of %d epochs", member.number, member.epoch, training.epochs)
            for tell in told:
                tell(member)

        for member in members:
            report(member)
        train_members(members, events, ready, threads or available_cores(), report)
    return _finish(run, key, members, started, make)


def _resolve(network: Network, training: TrainingConfig | None) -> tuple[Callable[[], nn.Module], TrainingConfig]:
    """Return what makes a network and how it is trained."""
    if isinstance(network, str):
        name, _, model = network.rpartition(" ")
        training = training or TrainingConfig(**TRAININGS.get(name, {}))
        network = preset(model, name or "paper")
    training = training or TrainingConfig()
    if isinstance(network, NetworkConfig):
        require_resources(parameters_of(network), training)
        network = partial(build, network)
    return network, training


def require_resources(parameters: int, training: TrainingConfig) -> None:
    """Refuse an ensemble that is too large, a device that is not there, and a precision that would be emulated.

    Raises
    ------
    ConfigurationError
    """
    if training.members * parameters > MAX_STATE:
        raise ConfigurationError(
            f"{training.members:,} members of {parameters:,} parameters: more than {MAX_STATE:,} in all"
        )
    if training.device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device 'cuda': torch finds no GPU that it can use here: take the device 'cpu'")
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if training.device == "cpu" and training.precision == "bfloat16" and not fast:
        raise ConfigurationError("precision 'bfloat16': this processor has no bfloat16 and emulates it: take 'float32'")


def _prepared(module: nn.Module, table: TrainingTable) -> Inputs:
    return prepare(module, table.inputs)


def _standardised(make: Callable[[], nn.Module], training: TrainingConfig, inputs: Inputs) -> list[nn.Module]:
    """Return the modules of all members, with the standardisation of the training events where they have one."""
    modules = [make_member(make, training.seed, number) for number in range(training.members)]
    for module in modules:
        if callable(learn := getattr(module, "standardise", None)):
            learn(inputs)
    return modules


def _events(
    data: str | os.PathLike[str] | TrainingTable, held_out: TrainingTable | None, training: TrainingConfig
) -> tuple[TrainingTable, TrainingTable | None, FreshSmearing | BoostedCopies | None]:
    """Return training and held-out events, and what makes those of each epoch if they change."""
    fresh: FreshSmearing | BoostedCopies | None = None
    if isinstance(data, TrainingTable):
        if training.resmear or training.copies != "none" or training.fraction != 1.0:
            raise ConfigurationError("resmear, copies and fraction need a directory of `zmumu process`, not a table")
        data.require_classes("the table", training.batch_size)
        table, where = data, "the table"
    else:
        table = load(data, fraction=training.fraction, seed=training.seed, batch_size=training.batch_size)
        held_out, where = load(data, split="test"), str(table_path(data))
        if training.resmear:
            fresh = FreshSmearing(data, training.fraction, training.seed)
        elif training.copies != "none":
            fresh = BoostedCopies(data, training.copies, training.fraction, training.seed)
    if training.sampling == "weighted" and (table.weight < 0).any():
        raise InputError(
            f"{where}: {(table.weight < 0).sum()} training events have a negative weight and cannot be "
            "drawn with a probability proportional to it: train with sampling 'shuffle'"
        )
    return table, held_out, fresh


def read_rows(run: Path) -> list[Row]:
    """Return the metrics of every member and epoch of a finished training; errors as `measures.read_metrics`."""
    table = read_metrics(run / "metrics.parquet")
    return [dict(zip(table, row, strict=True)) for row in zip(*map(list, table.values()), strict=True)]


def _describe(
    run: Path, module: nn.Module, training: TrainingConfig, data: str | os.PathLike[str] | TrainingTable
) -> dict[str, Any]:
    """Return what is to be trained, after checking that nothing else was begun in the folder."""
    checksum = data.checksum() if isinstance(data, TrainingTable) else sha256(table_path(data))
    described = {
        "network": describe_network(module),
        "training": asdict(training),
        "data": {"sha256": checksum},
        "versions": provenance.versions(("numpy", "torch", "safetensors")),
        "git_revision": provenance.git_revision(),
    }
    described = json.loads(json.dumps(described))  # as a file would give it back: tuples are lists
    if not (run / "config.json").exists():
        return described
    known = read_config(run)
    usual = {field.name: field.default for field in fields(TrainingConfig) if field.default is not MISSING}
    held = {**known, "training": usual | known.get("training", {})}  # a field that was added since has its default
    for place in ("network", "training", "data"):
        for name, value in described[place].items():
            if held.get(place, {}).get(name) != value:
                raise ConfigurationError(
                    f"{run}: holds a training with {place} {name} = {held.get(place, {}).get(name)!r}, not "
                    f"{value!r}: name another output, or remove it"
                )
    return known


def _finish(
    run: Path, key: str, members: Sequence[Member], started: float, make: Callable[[], nn.Module]
) -> RunSummary:
    """Write metrics and weights, the weights last; then the checkpoints are not needed any more."""
    import pyarrow as pa

    stopped = [member.number for member in members if member.stopped]
    rows = [row for member in members for row in member.rows]
    if len(stopped) == len(members):
        raise ModelError(f"{run}: no member has a finite loss any more: take a smaller learning rate")
    names = ("member", "epoch", "training_loss", *METRICS)
    columns = {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}
    columns |= {name: columns[name].astype(np.int64) for name in ("member", "epoch")}
    table = pa.table(columns)
    with atomic_path(run / "metrics.parquet") as temporary, create_parquet(temporary, table.schema) as writer:
        writer.write_table(table)
    final = plain({name: member.rows[-1].get(name, np.nan) for name in names} for member in members if member.rows)
    weights = stack_states([member.module.cpu() for member in members])
    save_tensors(run / "members.safetensors", weights, {"fingerprint": key, "final": final, "stopped": stopped})
    _tidy(run)
    return RunSummary(run, load_ensemble(run, make), final, stopped, time.perf_counter() - started)


def _tidy(run: Path) -> None:
    """Remove what a finished training does not need any more, also where a kill came before that."""
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    sweep(run)
