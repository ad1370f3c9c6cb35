"""A scan of hyperparameters: trials on validation events, and the best setting beside the preset's on held-out ones.

The trials of one generation are proposed together, from the outcomes of the generations before it, and only with those
is a trial compared while it runs. So the scan does not depend on who runs which trial, on how many run at once or on
how often it was interrupted. The main process alone writes to the storage, one finished trial after the other in the
order of their numbers; a trial that was killed is not there and goes on from its own checkpoint.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.draws import keys
from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError
from zmumu_hybrid.execution.tasks import Task, TaskPool
from zmumu_hybrid.execution.workers import Workers
from zmumu_hybrid.jobs.train import require_resources
from zmumu_hybrid.nets.config import NetworkConfig, parameters_of
from zmumu_hybrid.physics.pair_arrays import IDENTITY
from zmumu_hybrid.scan.comparison import compare
from zmumu_hybrid.scan.ledger import Ledger
from zmumu_hybrid.scan.space import Outcome, Setting, apply, axes_of, nearest, propose, setting_of
from zmumu_hybrid.scan.trials import Trial, run_trial
from zmumu_hybrid.support.files import atomic_path, make_directory, read_json, sha256, write_json
from zmumu_hybrid.support.handles import create_parquet
from zmumu_hybrid.support.outputs import reading
from zmumu_hybrid.support.provenance import git_revision, versions
from zmumu_hybrid.support.values import require_count, require_number
from zmumu_hybrid.training.config import TrainingConfig
from zmumu_hybrid.training.data import load, table_path

__all__ = ["ScanConfig", "scan"]

FORMAT = "zmumu-hybrid scan"
VERSION = 2


@dataclass(frozen=True, slots=True)
class ScanConfig:
    """What is scanned, and how.

    Attributes
    ----------
    model : NetworkConfig
        The network; its latent is varied.
    training : TrainingConfig
        The training with which the best setting is compared in the end. Trials take its seed, fraction, sampling,
        precision and device.
    trial_members, trial_epochs : int
        Members and epochs of a trial.
    validation : float
        The part of the training events on which trials are judged, and not trained.
    generation : int
        How many trials are proposed together. It does matter for the outcome: workers beyond it have nothing to do.
    pruning : bool
        Whether a trial ends early that is worse than most were at the same epoch.
    """

    model: NetworkConfig
    training: TrainingConfig
    trial_members: int = 1
    trial_epochs: int = 20
    validation: float = 0.2
    generation: int = 8
    pruning: bool = True

    def __post_init__(self) -> None:
        """Refuse numbers that make no scan."""
        for field in ("trial_members", "trial_epochs", "generation"):
            require_count(f"scan: {field}", getattr(self, field), 1, 10**6)
        require_number("scan: validation", self.validation, above=0, below=1)


def scan(
    config: ScanConfig,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    trials: int = 50,
    *,
    storage: str | None = None,
    workers: Workers | None = None,
    announce: Callable[[int, Outcome], None] | None = None,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Run the trials that are not done yet, then train the best setting and the preset's; write `output/scan.json`.

    Parameters
    ----------
    config : ScanConfig
    data : path
        Directory of `zmumu process`, or a candidate table. The held-out events are used for the comparison alone.
    output : path
        Gets `scan.json`, `scan.db`, and the runs of trials and comparison.
    trials : int
        How many there are to be in all, those of earlier calls included.
    storage : str, optional
        Path of an SQLite file or URL of a database, for Optuna; `output/scan.db` by default.
    workers : Workers, optional
        Who runs the trials; this process by default.
    announce : callable, optional
        Is told of each new trial that has ended: its number and outcome.
    show_progress : bool
        Show the trainings of the comparison on a terminal.

    Returns
    -------
    dict
        The content of `scan.json`.

    Raises
    ------
    ConfigurationError
        If a number is out of range, or `output` or `storage` holds another scan.
    InputError
        If the table cannot be trained on.
    ModelError
        If no trial is complete.
    MissingDependencyError
        If Optuna is not installed.
    """
    require_count("trials", trials, 1, 10**6)
    require_resources(parameters_of(config.model), config.training)
    workers = workers or Workers()
    workers.require()
    source = table_path(data)
    axes = axes_of(config.model)
    largest = int(max(axes[0].values))
    with reading(data):
        load(source, split="train", fraction=config.training.fraction, seed=config.training.seed, batch_size=largest)
        held_out = len(load(source, split="test"))
        checksum = sha256(source)
    folder = Path(output).resolve()
    network = {"network": config.model.model, **asdict(config.model)}
    settings = {
        **asdict(config),
        "model": network,
        "data": {"sha256": checksum},
        "axes": {axis.name: axis.values for axis in axes},
    }
    with Ledger.open(storage, folder, settings) as ledger, TaskPool(workers, folder) as pool:
        _claim(folder, settings)
        table = _carve(source, folder / "choosing", config)
        events = {
            "training": len(load(table, split="train", fraction=config.training.fraction, batch_size=largest)),
            "validation": len(load(table, split="test")),
            "held_out": held_out,
        }
        done = _run_trials(config, table, folder, trials, ledger, pool, announce or (lambda _number, _outcome: None))
        complete = [number for number, outcome in enumerate(done) if outcome.value is not None]
        if not complete:
            raise ModelError(f"{folder}: none of {len(done)} trials is complete: run more of them")
        best = max(complete, key=lambda number: (done[number].value, -number))
        sides = {"preset": setting_of(config.model, config.training), "best": done[best].setting}
        comparison = compare(sides, config.model, config.training, source, pool, show_progress=show_progress)
    if sha256(source) != checksum:
        raise InputError(f"{source}: was replaced while it was scanned: scan the new one into another folder")
    found = {
        "format": FORMAT,
        "version": VERSION,
        "settings": settings,
        "storage": {"url": ledger.url, "study": ledger.name},
        "input": {"path": str(source), "sha256": settings["data"]["sha256"]},
        "events": events,
        "trials": [_describe(number, outcome, config) for number, outcome in enumerate(done)],
        "epochs": {
            "taken": sum(len(trial.curve) for trial in done),
            "without_pruning": len(done) * config.trial_epochs,
        },
        "best": best,
        "comparison": comparison,
        "versions": versions(("numpy", "optuna", "torch")),
        "git_revision": git_revision(),
    }
    write_json(folder / "scan.json", found)
    return found


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Refuse a folder with another scan in it; else leave there what this one is."""
    import json

    path = make_directory(folder) / "config.json"
    described = json.loads(json.dumps({"format": FORMAT, "version": VERSION, **settings}))
    if path.is_file():
        known = read_json(path)
        for name, value in described.items():
            if not isinstance(known, dict) or known.get(name) != value:
                raise ConfigurationError(
                    f"{folder}: holds another scan (its {name} is different): name another output, or remove it"
                )
    else:
        write_json(path, described)


def _carve(source: Path, folder: Path, config: ScanConfig) -> Path:
    """Write the table that trials see: the training events alone, some of them held out for validation."""
    import pyarrow as pa

    path = folder / "candidates.parquet"
    if not path.is_file():
        table = candidates.read(source)
        table = {name: values[~table["is_test"]] for name, values in table.items()}
        identity = keys.shared_identity(*(table[name] for name in IDENTITY))
        table["is_test"] = keys.uniform(config.training.seed, "validation", *identity) < config.validation
        arrow = pa.table(table)
        with atomic_path(path) as temporary, create_parquet(temporary, arrow.schema) as writer:
            writer.write_table(arrow)
    return path


def _run_trials(
    config: ScanConfig,
    table: Path,
    folder: Path,
    count: int,
    ledger: Ledger,
    pool: TaskPool,
    announce: Callable[[int, Outcome], None],
) -> list[Outcome]:
    """Run the trials that the ledger does not have, generation by generation; return all outcomes."""
    axes = axes_of(config.model)
    seed = config.training.seed
    first = nearest(axes, setting_of(config.model, config.training))
    done = ledger.outcomes()
    while len(done) < count:
        known = done[: len(done) // config.generation * config.generation]
        settings: list[Setting] = []
        for _ in range(min(config.generation, count - len(known))):
            settings.append(propose(axes, first, known, settings, seed))
        ahead = range(len(done), len(known) + len(settings))
        tasks = [
            Task(
                f"trial {number}",
                partial(
                    run_trial,
                    _trial(config, number, settings[number - len(known)], table, folder, known, pool.elsewhere),
                ),
            )
            for number in ahead
        ]
        waiting: dict[int, tuple[Outcome, float]] = {}
        for finished in pool.run(tasks):
            waiting[ahead[finished.index]] = (finished.result, finished.seconds)
            while len(done) in waiting:
                number = len(done)
                outcome, seconds = waiting.pop(number)
                if outcome.state != "complete":
                    shutil.rmtree(_run(folder, number), ignore_errors=True)
                ledger.add(number, outcome, {"seed": trial_seed(seed, number), "seconds": round(seconds, 3)})
                done.append(outcome)
                announce(number, outcome)
    return done[:count]


def trial_seed(seed: int, number: int) -> int:
    """Return the seed of the training of a trial."""
    return keys.seed_from(seed, "trial", number) % 2**31


def _run(folder: Path, number: int) -> Path:
    return folder / "trials" / f"{number:04d}"


def _trial(
    config: ScanConfig,
    number: int,
    setting: Setting,
    table: Path,
    folder: Path,
    known: Sequence[Outcome],
    elsewhere: bool,
) -> Trial:
    model, training = apply(setting, config.model, config.training)
    training = replace(
        training,
        members=config.trial_members,
        epochs=config.trial_epochs,
        seed=trial_seed(config.training.seed, number),
    )
    threads = 1 if elsewhere else None
    compared = tuple(known) if config.pruning else ()
    return Trial(setting, model, training, table, _run(folder, number), axes_of(config.model), compared, threads)


def _describe(number: int, outcome: Outcome, config: ScanConfig) -> dict[str, Any]:
    return {
        "number": number,
        "setting": outcome.setting,
        "seed": trial_seed(config.training.seed, number),
        "state": outcome.state,
        "epochs": len(outcome.curve),
        "auc": outcome.value,
        "auc_uncertainty": outcome.uncertainty,
        "members": outcome.members,
    }
