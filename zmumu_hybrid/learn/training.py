"""Training of an ensemble: keyed initialisation and order, metrics of every epoch, and exact resumption.

The members are trained in groups (see `zmumu_hybrid.learn.engines`): one member a core where an engine can do that,
else all in one batched product. A group takes one epoch at a time, and after each leaves a checkpoint of all that
changes; what comes after depends on nothing else, so that a training that was killed ends with the same weights.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zmumu_hybrid import keys, provenance
from zmumu_hybrid.errors import ConfigurationError, ModelError
from zmumu_hybrid.files import atomic_path, make_directory, sha256
from zmumu_hybrid.learn.checkpoints import fingerprint, load_tensors, read_config, save_tensors, write_config
from zmumu_hybrid.learn.configuration import ModelConfig, TrainingConfig
from zmumu_hybrid.learn.engines import BatchedEngine, Engine, Epoch
from zmumu_hybrid.learn.measures import METRICS, measure
from zmumu_hybrid.learn.networks import Features
from zmumu_hybrid.learn.single import SingleEngine
from zmumu_hybrid.learn.tensors import TrainingTable, load, table_path
from zmumu_hybrid.progress import progress

__all__ = ["RunSummary", "train"]

Row = dict[str, float]


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
        Members that were stopped because their loss was not finite.
    seconds : float
        Wall time of this call.
    """

    output: Path
    final: list[Row]
    stopped: list[int]
    seconds: float


def draw_order(table: TrainingTable, training: TrainingConfig, member: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows of one epoch of one member in the order of their use: whole batches, shape (S * batch_size,)."""
    generator = np.random.Generator(np.random.PCG64(keys.seed_from(training.seed, "order", member, epoch)))
    count = len(table)
    if training.sampling == "weighted":
        reached = np.cumsum(table.weight)
        order = np.searchsorted(reached, generator.random(count) * reached[-1], side="right")
        order = np.minimum(order, count - 1)
    else:
        order = generator.permutation(count)
    return np.asarray(order[: count // training.batch_size * training.batch_size], np.int64)


class _Group:
    """Members that take their epochs together, and what is known of them.

    Parameters
    ----------
    engine : Engine
    features, table : Features, TrainingTable
        The training events.
    held_out, held_out_table : Features, TrainingTable
        The events on which every epoch is measured.
    path : Path
        The checkpoint.
    key : str
        Fingerprint of the training.
    stop : threading.Event
        Set when the training is to end at once.
    """

    def __init__(
        self,
        engine: Engine,
        features: Features,
        table: TrainingTable,
        held_out: Features,
        held_out_table: TrainingTable,
        path: Path,
        key: str,
        stop: threading.Event,
    ) -> None:
        self.engine = engine
        self.features, self.table = features, table
        self.held_out, self.held_out_table = held_out, held_out_table
        self.path, self.key, self.stop = path, key, stop
        self.epoch = 0
        self.rows: list[Row] = []
        self.stopped: list[int] = []
        if path.exists():
            self._resume()

    def _resume(self) -> None:
        tensors, known = load_tensors(self.path, self.key)
        try:
            self.epoch, self.rows, self.stopped = known["epoch"], known["rows"], known["stopped"]
            self.engine.steps = known["steps"]
            self.engine.restore(tensors)
        except (KeyError, RuntimeError, IndexError) as error:
            raise ModelError(f"{self.path}: not a checkpoint of this training ({error}): remove it") from error

    def _check(self) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt

    def _events(self) -> Epoch:
        """Gather the events of the next epoch, in the order of their use."""
        training = self.engine.training
        orders = [draw_order(self.table, training, member, self.epoch) for member in self.engine.members]
        rows = np.stack([order.reshape(-1, training.batch_size) for order in orders], 1)
        weight = np.ones(len(self.table))
        if training.sampling == "shuffle":
            weight = self.table.weight / self.table.weight.mean()
        index = torch.from_numpy(rows)

        def taken(values: NDArray[np.float64]) -> torch.Tensor:
            return torch.from_numpy(values.astype(np.float32)[rows]).to(training.device)

        features = Features(*(values[index].to(training.device) for values in self.features))
        return Epoch(features, taken(self.table.label), taken(weight))

    def step(self) -> None:
        """Take one epoch, measure it, and leave a checkpoint."""
        engine = self.engine
        before = {name: value.clone() for name, value in engine.state().items()}
        losses = engine.run(self._events(), self._check)
        self.epoch += 1
        for place, (member, loss) in enumerate(zip(engine.members, losses, strict=True)):
            if member not in self.stopped and not np.isfinite(loss):
                self.stopped.append(member)
            if member in self.stopped:
                engine.restore(before, [place])
        for member, loss, logits in zip(engine.members, losses, engine.logits(self.held_out), strict=True):
            if member not in self.stopped:
                measured = measure(logits, self.held_out_table)
                self.rows.append({"member": member, "epoch": self.epoch, "training_loss": float(loss), **measured})
        known = {
            "fingerprint": self.key,
            "epoch": self.epoch,
            "steps": engine.steps,
            "rows": self.rows,
            "stopped": self.stopped,
        }
        save_tensors(self.path, engine.state(), known)


def train(
    model: ModelConfig,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    training: TrainingConfig | None = None,
    *,
    threads: int | None = None,
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
        Gets `config.json`, `members.safetensors` and `metrics.parquet`, one row per member and epoch.
    training : TrainingConfig, optional
        The paper's by default.
    threads : int, optional
        Cores to use; by default those that this process may use.
    show_progress : bool
        Show a bar on a terminal.

    Raises
    ------
    ConfigurationError
        If `output` holds another training.
    InputError
        If the table cannot be trained on; see `zmumu_hybrid.learn.tensors.load`.
    ModelError
        If a checkpoint is corrupt or foreign, or no member has a finite loss.
    """
    training = training or TrainingConfig()
    started = time.perf_counter()
    run = Path(output)
    config = _describe(run, model, training, data)
    key = fingerprint(config)
    if (run / "members.safetensors").exists():
        _, known = load_tensors(run / "members.safetensors", key)
        return RunSummary(run, known["final"], known["stopped"], time.perf_counter() - started)
    cores = threads or len(os.sched_getaffinity(0))
    table = load(data, part="train", fraction=training.fraction, seed=training.seed, batch_size=training.batch_size)
    held_out = load(data, part="test")
    make_directory(run)
    write_config(run, config)
    groups = _groups(model, training, table, held_out, run, key)
    alone = torch.get_num_threads()
    torch.set_num_threads(max(1, cores // len(groups)) if training.device == "cpu" else alone)
    try:
        with progress(
            f"train {model.model}", training.epochs * len(groups), unit="epochs", enabled=show_progress
        ) as advance:
            _run(groups, training.epochs, cores, advance)
    finally:
        torch.set_num_threads(alone)
    return _finish(run, key, groups, started)


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
        for part in ("model", "training", "data"):
            for name, value in described[part].items():
                if known.get(part, {}).get(name) != value:
                    raise ConfigurationError(
                        f"{run}: holds a training with {part} {name} = {known.get(part, {}).get(name)!r}, not "
                        f"{value!r}: name another output, or remove it"
                    )
        return known
    return described


def _groups(
    model: ModelConfig,
    training: TrainingConfig,
    table: TrainingTable,
    held_out: TrainingTable,
    run: Path,
    key: str,
) -> list[_Group]:
    alone = SingleEngine.supports(model, training)
    companies: list[Sequence[int]] = [[k] for k in range(training.members)] if alone else [range(training.members)]
    kind = SingleEngine if alone else BatchedEngine
    engines = [kind(model, training, members) for members in companies]
    network = engines[0].network
    features, held_out_features = (
        network.features(torch.from_numpy(part.p4), torch.from_numpy(part.pt)) for part in (table, held_out)
    )
    stop = threading.Event()
    return [
        _Group(
            engine,
            features,
            table,
            held_out_features,
            held_out,
            run / "checkpoints" / f"members-{engine.members[0]}.safetensors",
            key,
            stop,
        )
        for engine in engines
    ]


def _run(groups: Sequence[_Group], epochs: int, cores: int, advance: Any) -> None:
    """Take all epochs of all groups; the groups that are least far take theirs first."""
    waiting = list(groups)
    for group in groups:
        advance(min(group.epoch, epochs))
    pending: dict[Future[None], _Group] = {}
    with ThreadPoolExecutor(max_workers=min(cores, len(groups))) as pool:
        try:
            while waiting or pending:
                waiting.sort(key=lambda group: group.epoch)
                while waiting and len(pending) < cores:
                    group = waiting.pop(0)
                    finished = group.epoch >= epochs or len(group.stopped) == len(group.engine.members)
                    if not finished:
                        pending[pool.submit(group.step)] = group
                for future in wait(pending, return_when=FIRST_COMPLETED).done if pending else ():
                    waiting.append(pending.pop(future))
                    future.result()
                    advance(1)
        except BaseException:
            groups[0].stop.set()
            raise


def _finish(run: Path, key: str, groups: Sequence[_Group], started: float) -> RunSummary:
    """Write metrics and weights, the weights last; then the checkpoints are not needed any more."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    stopped = sorted(member for group in groups for member in group.stopped)
    rows = sorted((row for group in groups for row in group.rows), key=lambda row: (row["member"], row["epoch"]))
    if not rows:
        raise ModelError(f"{run}: the loss of every member is not finite: take a smaller learning rate")
    names = ("member", "epoch", "training_loss", *METRICS)
    columns = {name: np.array([row[name] for row in rows]) for name in names}
    columns |= {name: columns[name].astype(np.int64) for name in ("member", "epoch")}
    with atomic_path(run / "metrics.parquet") as temporary:
        pq.write_table(pa.table(columns), temporary)
    last = {row["member"]: row for row in rows}
    states = [group.engine.network.state_dict() for group in groups]
    weights = {name: torch.cat([state[name] for state in states]) for name in states[0]}
    final = list(last.values())
    save_tensors(run / "members.safetensors", weights, {"fingerprint": key, "final": _plain(final), "stopped": stopped})
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    return RunSummary(run, final, stopped, time.perf_counter() - started)


def _plain(rows: Sequence[Row]) -> list[dict[str, float | None]]:
    return [{name: value if np.isfinite(value) else None for name, value in row.items()} for row in rows]
