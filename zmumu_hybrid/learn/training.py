"""Training of an ensemble: keyed initialisation and order, metrics of every epoch, and exact resumption.

The members are trained in groups (`zmumu_hybrid.learn.groups`): one member a core where an engine can do that
(`zmumu_hybrid.learn.single`), else all in one batched product. A group takes one epoch at a time, and after each leaves
a checkpoint of all that changes; what comes after depends on nothing else, so that a training that was killed ends
with the same weights.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import MISSING, asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zmumu_hybrid import provenance
from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError
from zmumu_hybrid.extras import require
from zmumu_hybrid.files import atomic_path, make_directory, sha256, write_json
from zmumu_hybrid.handles import create_parquet
from zmumu_hybrid.learn import ranges
from zmumu_hybrid.learn.augmentation import BoostedCopies
from zmumu_hybrid.learn.checkpoints import fingerprint, load_tensors, plain, read_config, save_tensors, write_config
from zmumu_hybrid.learn.configuration import ModelConfig, TrainingConfig
from zmumu_hybrid.learn.display import live_members
from zmumu_hybrid.learn.engines import BatchedEngine, require_resources
from zmumu_hybrid.learn.groups import Group, Row, Sample, run_groups
from zmumu_hybrid.learn.measures import METRICS, read_metrics
from zmumu_hybrid.learn.resmearing import FreshSmearing
from zmumu_hybrid.learn.single import SingleEngine
from zmumu_hybrid.learn.tensorboard import event_log, write_events
from zmumu_hybrid.learn.tensors import TrainingTable, load, table_path
from zmumu_hybrid.training_events import TrainingEvents
from zmumu_hybrid.values import require_count

__all__ = ["RunSummary", "read_rows", "train"]

FINAL = dict.fromkeys(("member", "epoch", "loss", "auc", "auc_uncertainty"), float)
"""What is needed of the metrics of a member after its last epoch."""

EVENTS = "tensorboard"
"""The folder of a run for TensorBoard."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a training did.

    Attributes
    ----------
    output : Path
        The folder of the run.
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
    final: list[Row]
    stopped: list[int]
    seconds: float
    repeated: bool = False


def train(
    model: ModelConfig,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    training: TrainingConfig | None = None,
    *,
    threads: int | None = None,
    tensorboard: bool = False,
    watch: Callable[[Group], None] | None = None,
    show_progress: bool = False,
) -> RunSummary:
    """Train an ensemble and leave it in the folder `output`; go on where an earlier call was interrupted.

    Parameters
    ----------
    model : ModelConfig
        What to train; see `zmumu_hybrid.learn.presets.preset`.
    data : path
        Directory of `zmumu process`, or a candidate table.
    output : path
        Gets `config.json`, `members.safetensors`, `metrics.parquet`, one row per member and epoch, `ranges.json`,
        the ranges of the training events, and `training_events.parquet`, which events they are.
    training : TrainingConfig, optional
        The paper's by default.
    threads : int, optional
        Cores to use; by default those that this process may use.
    tensorboard : bool
        Also write the metrics to `output/tensorboard`.
    watch : callable, optional
        Is told of each group of members before the first and after each of its epochs. What it raises ends the
        training, which the same call without it goes on with.
    show_progress : bool
        Show every member's progress, loss and AUC on a terminal.

    Raises
    ------
    ConfigurationError
        If `output` holds another training, the ensemble is too large, or there is no such device.
    InputError
        If the table cannot be trained on, see `zmumu_hybrid.learn.tensors.load`; or a weight is negative and events
        are to be drawn by weight; or they are to be smeared anew and it is not known how.
    ModelError
        If a checkpoint is corrupt or foreign, or no member has a finite loss.
    MissingDependencyError
        If TensorBoard is wanted and not installed.
    """
    if tensorboard:
        require("tensorboard")
    training = training or TrainingConfig()
    require_resources(model, training)
    if threads is not None:
        require_count("threads", threads, 1, 4096)
    started = time.perf_counter()
    run = Path(output)
    config = _describe(run, model, training, data)
    key = fingerprint(config)
    if (run / "members.safetensors").exists():
        _, known = load_tensors(run / "members.safetensors", key, {"final": [FINAL], "stopped": [int]})
        if tensorboard:
            write_events(run / EVENTS, read_rows(run))
        return RunSummary(run, known["final"], known["stopped"], time.perf_counter() - started, repeated=True)
    cores = threads or len(os.sched_getaffinity(0))
    table = load(data, part="train", fraction=training.fraction, seed=training.seed, batch_size=training.batch_size)
    if training.sampling == "weighted" and (table.weight < 0).any():
        raise InputError(
            f"{table_path(data)}: {(table.weight < 0).sum()} training events have a negative weight and cannot be "
            "drawn with a probability proportional to it: train with sampling 'shuffle'"
        )
    held_out = load(data, part="test")
    fresh: FreshSmearing | BoostedCopies | None = None
    if training.resmear:
        fresh = FreshSmearing(data, training.fraction, training.seed)
    elif training.copies != "none":
        fresh = BoostedCopies(data, training.copies, training.fraction, training.seed)
    make_directory(run)
    write_config(run, config)
    write_json(run / "ranges.json", ranges.describe(ranges.observables(model, table.p4, table.pt)))
    TrainingEvents.of_sample(data).write(run)
    groups = _groups(model, training, (table, held_out), fresh, run, key)
    before = torch.get_num_threads()
    # Sums over several threads are in another order: members that are trained apart must not depend on their number.
    inner = 1 if model.standardised else max(1, cores // len(groups))
    torch.set_num_threads(inner if training.device == "cpu" else before)
    try:
        with ExitStack() as stack:
            told = [stack.enter_context(live_members(model.model, groups, training.epochs, enabled=show_progress))]
            if tensorboard:
                told.append(stack.enter_context(event_log(run / EVENTS)))
            if watch is not None:
                told.append(watch)

            def report(group: Group) -> None:
                for tell in told:
                    tell(group)

            for group in groups:
                report(group)
            run_groups(groups, training.epochs, cores, report)
    finally:
        torch.set_num_threads(before)
    return _finish(run, key, groups, started)


def read_rows(run: Path) -> list[Row]:
    """Return the metrics of every member and epoch of a finished training; errors as `measures.read_metrics`."""
    table = read_metrics(run / "metrics.parquet")
    return [dict(zip(table, row, strict=True)) for row in zip(*map(list, table.values()), strict=True)]


def _describe(run: Path, model: ModelConfig, training: TrainingConfig, data: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what is to be trained, after checking that nothing else was begun in the folder."""
    path = table_path(data)
    described = {
        "model": asdict(model),
        "training": asdict(training),
        "data": {"sha256": sha256(path)},
        "versions": provenance.versions(("numpy", "torch", "safetensors")),
        "git_revision": provenance.git_revision(),
    }
    described = json.loads(json.dumps(described))  # as a file would give it back: tuples are lists
    if (run / "config.json").exists():
        known = read_config(run)
        # A file of before a field was added means the field's default.
        defaults = {"model": _defaults(ModelConfig), "training": _defaults(TrainingConfig), "data": {}}
        for part, usual in defaults.items():
            held = usual | known.get(part, {})
            for name, value in described[part].items():
                if held.get(name) != value:
                    raise ConfigurationError(
                        f"{run}: holds a training with {part} {name} = {held.get(name)!r}, not "
                        f"{value!r}: name another output, or remove it"
                    )
        return known
    return described


def _defaults(kind: type[Any]) -> dict[str, Any]:
    found = {field.name: field.default for field in fields(kind) if field.default is not MISSING}
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def _groups(
    model: ModelConfig,
    training: TrainingConfig,
    tables: tuple[TrainingTable, TrainingTable],
    fresh: FreshSmearing | BoostedCopies | None,
    run: Path,
    key: str,
) -> list[Group]:
    """Return the groups of members, for the tables of the training and of the held-out events."""
    alone = SingleEngine.supports(model, training)
    apart = alone or (training.device == "cpu" and model.standardised)
    companies: list[Sequence[int]] = [[k] for k in range(training.members)] if apart else [range(training.members)]
    kind = SingleEngine if alone else BatchedEngine
    engines = [kind(model, training, members) for members in companies]

    def sample(part: TrainingTable) -> Sample:
        context = part.context(model)
        read = engines[0].network.features
        return read(torch.from_numpy(part.p4), None if context is None else torch.from_numpy(context)), part

    first, held_out = (sample(table) for table in tables)
    for engine in engines:
        engine.standardise(first[0])

    @lru_cache(maxsize=2)  # all groups are at one epoch or at the next
    def smeared(epoch: int) -> Sample:
        return first if fresh is None else sample(fresh.epoch(epoch))

    folder = run / "checkpoints"
    return [
        Group(engine, smeared, held_out, folder / f"members-{engine.members[0]}.safetensors", key) for engine in engines
    ]


def _finish(run: Path, key: str, groups: Sequence[Group], started: float) -> RunSummary:
    """Write metrics and weights, the weights last; then the checkpoints are not needed any more."""
    import pyarrow as pa

    stopped = sorted(member for group in groups for member in group.stopped)
    rows = sorted((row for group in groups for row in group.rows), key=lambda row: (row["member"], row["epoch"]))
    if len(stopped) == sum(len(group.engine.members) for group in groups):
        raise ModelError(f"{run}: no member has a finite loss any more: take a smaller learning rate")
    names = ("member", "epoch", "training_loss", *METRICS)
    columns = {name: np.array([row[name] for row in rows]) for name in names}
    columns |= {name: columns[name].astype(np.int64) for name in ("member", "epoch")}
    with atomic_path(run / "metrics.parquet") as temporary:
        table = pa.table(columns)
        with create_parquet(temporary, table.schema) as writer:
            writer.write_table(table)
    last = {row["member"]: row for row in rows}
    states = [group.engine.result.state_dict() for group in groups]
    weights = {name: torch.cat([state[name] for state in states]) for name in states[0]}
    final = list(last.values())
    save_tensors(run / "members.safetensors", weights, {"fingerprint": key, "final": plain(final), "stopped": stopped})
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    for left in run.glob(".partial-*"):  # by a kill in the middle of a file
        left.unlink(missing_ok=True)
    return RunSummary(run, final, stopped, time.perf_counter() - started)
