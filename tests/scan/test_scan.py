from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from killing import stopped
from learned import toy_columns, write
from zmumu_hybrid.candidates.table import read
from zmumu_hybrid.errors import ConfigurationError, InputError, MissingDependencyError, ModelError
from zmumu_hybrid.execution.workers import Workers
from zmumu_hybrid.nets.config import PFNConfig
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.scan.space import AXES, Outcome, apply, axes_of, nearest, propose, pruner, setting_of
from zmumu_hybrid.training import TrainingConfig

optuna = pytest.importorskip("optuna")

from zmumu_hybrid.scan import scan as room  # noqa: E402
from zmumu_hybrid.scan.ledger import Ledger  # noqa: E402
from zmumu_hybrid.scan.scan import ScanConfig, scan  # noqa: E402

SMALL = PFNConfig(particle_map=(8,), classifier=(8,), latent=4)
QUICK = ScanConfig(SMALL, TrainingConfig(members=2, epochs=1, seed=3), trial_epochs=2, generation=4)
FIRST = {"batch_size": 128, "learning_rate": 1e-5, "weight_decay": 0.01, "latent": 4}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of 400 toy events a class."""
    return write(toy_columns(400), tmp_path_factory.mktemp("table"))


def content(found: dict[str, Any]) -> dict[str, Any]:
    """Return what a scan has found, without where."""
    return {name: found[name] for name in ("settings", "events", "trials", "epochs", "best", "comparison")}


@contextmanager
def stored(found: dict[str, Any]) -> Iterator[Any]:
    """Open the study of a scan in its storage, which is closed after the block."""
    opened = optuna.storages.RDBStorage(found["storage"]["url"])
    try:
        yield optuna.load_study(study_name=found["storage"]["study"], storage=opened)
    finally:
        opened.remove_session()
        opened.engine.dispose()


@pytest.fixture(scope="module")
def undisturbed(table: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Six trials, in this process, in one go."""
    return content(scan(QUICK, table, tmp_path_factory.mktemp("undisturbed"), 6))


def test_the_axes_are_the_paper_s() -> None:
    ranges = {axis.name: axis.values for axis in AXES}
    assert ranges["batch_size"] == (8, 16, 32, 64, 128)
    assert ranges["latent"] == (2, 4, 8, 16, 32)
    assert ranges["weight_decay"] == (1e-3, 1e-2, 1e-1, 1.0)
    rates = ranges["learning_rate"]
    assert (rates[0], rates[1], rates[2], rates[-1], len(rates)) == (1e-6, 5e-6, 1e-5, 1e2, 17)
    assert [axis.name for axis in axes_of(preset("invariant"))] == ["batch_size", "learning_rate", "weight_decay"]


def test_the_paper_s_setting_is_on_the_axes() -> None:
    for name in ("hybrid", "pfn", "invariant"):
        model, training = preset(name), TrainingConfig()
        setting = setting_of(model, training)
        assert nearest(axes_of(model), setting) == setting
        assert apply(setting, model, training) == (model, replace(training, learning_rate=model.default_learning_rate))
    assert nearest(AXES, FIRST | {"learning_rate": 2e-6, "batch_size": 300}) == FIRST | {
        "learning_rate": 1e-6,
        "batch_size": 128,
    }


def outcomes(count: int) -> list[Outcome]:
    """Return made-up outcomes that are best at a learning rate of 1e-3."""
    known: list[Outcome] = []
    for _ in range(count):
        setting = propose(AXES, FIRST, known, [], 5)
        value = 0.8 - 0.02 * abs(np.log10(setting["learning_rate"]) + 3)
        known.append(Outcome(setting, "complete", [value - 0.1, value], [value], 0.01))
    return known


def test_proposals_depend_on_what_is_known_alone() -> None:
    known = outcomes(24)
    assert known == outcomes(24)
    assert known[0].setting == FIRST
    assert propose(AXES, FIRST, known, [], 5) != propose(AXES, FIRST, known, [], 6)
    pending = [propose(AXES, FIRST, known, [], 5)]
    assert propose(AXES, FIRST, known, pending, 5) == propose(AXES, FIRST, known, pending, 5)
    early, late = (
        np.mean([abs(np.log10(outcome.setting["learning_rate"]) + 3) for outcome in part])
        for part in (known[1:11], known[14:])
    )
    assert late < early  # it learns
    lost = [Outcome(FIRST, "diverged"), *known]
    assert set(propose(AXES, FIRST, lost, [], 5)) == set(FIRST)


def test_a_trial_that_is_worse_than_most_is_ended_after_the_warm_up() -> None:
    known = outcomes(6)
    assert [pruner(AXES, known, warmup=2)(epoch, 0.1) for epoch in (1, 2)] == [False, False]
    hopeless = pruner(AXES, [replace(o, curve=[0.5, 0.6, 0.7]) for o in known], warmup=1)
    assert [hopeless(1, 0.1), hopeless(2, 0.65)] == [False, False]
    hopeless = pruner(AXES, [replace(o, curve=[0.5, 0.6, 0.7]) for o in known], warmup=1)
    assert [hopeless(1, 0.1), hopeless(2, 0.55)] == [False, True]
    assert not pruner(AXES, known[:4], warmup=0)(2, 0.1)


def test_a_scan_ends_with_a_comparison(table: Path, undisturbed: dict[str, Any]) -> None:
    trials = undisturbed["trials"]
    assert [trial["number"] for trial in trials] == list(range(6))
    assert trials[0]["setting"] == FIRST
    assert len({trial["seed"] for trial in trials}) == 6
    complete = [trial for trial in trials if trial["state"] == "complete"]
    assert trials[undisturbed["best"]]["auc"] == max(trial["auc"] for trial in complete)
    assert all(trial["auc_uncertainty"] > 0 for trial in complete)
    comparison = undisturbed["comparison"]
    assert comparison["preset"]["setting"] == FIRST
    assert comparison["best"]["setting"] == trials[undisturbed["best"]]["setting"]
    assert len(comparison["best"]["members"]) == 2
    difference = comparison["best"]["mean"] - comparison["preset"]["mean"]
    assert comparison["difference"]["mean"] == pytest.approx(difference)
    assert comparison["difference"]["uncertainty"] > 0


def test_trials_never_see_the_held_out_events(table: Path, tmp_path: Path) -> None:
    found = scan(QUICK, table, tmp_path, 1)
    source, seen = read(table / "candidates.parquet"), read(tmp_path / "choosing" / "candidates.parquet")
    held_out = set(source["event"][source["is_test"]])
    assert held_out
    assert not held_out & set(seen["event"])
    assert len(seen["event"]) + len(held_out) == len(source["event"])
    assert found["events"] == {
        "training": int((~seen["is_test"]).sum()),
        "validation": int(seen["is_test"].sum()),
        "held_out": len(held_out),
    }
    assert seen["is_test"].mean() == pytest.approx(0.2, abs=0.05)
    run = json.loads((tmp_path / "trials" / "0000" / "config.json").read_text())
    assert run["data"]["sha256"] != found["input"]["sha256"]
    # other held-out events, even spoilt ones, change no trial
    columns = toy_columns(400)
    columns["label"][columns["is_test"]] ^= 1
    other = scan(QUICK, write(columns, tmp_path / "other"), tmp_path / "again", 1)
    assert other["trials"] == found["trials"]


def test_who_runs_the_trials_does_not_matter(table: Path, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    told: list[int] = []
    found = scan(
        QUICK, table, tmp_path, 6, workers=Workers("futures", 2), announce=lambda number, _: told.append(number)
    )
    assert content(found) == undisturbed
    assert told == list(range(6))


def test_a_scan_goes_on_to_the_number_that_is_asked_for(
    table: Path, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    told: list[int] = []
    for count in (3, 6, 6):
        found = scan(QUICK, table, tmp_path, count, announce=lambda number, _: told.append(number))
    assert content(found) == undisturbed
    assert told == list(range(6))
    with stored(found) as study:
        assert [trial.user_attrs["number"] for trial in study.trials] == list(range(6))
        assert study.best_trial.number == undisturbed["best"]
    with pytest.raises(ConfigurationError, match=r"holds another scan \(its generation is different\)"):
        scan(replace(QUICK, generation=5), table, tmp_path, 6)


@pytest.mark.slow
def test_a_killed_scan_ends_with_the_same_trials(table: Path, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    names = (
        "scan.scan import scan, ScanConfig",
        "training import TrainingConfig",
        "nets.config import EventShape, PFNConfig",
    )
    preamble = "\n".join(f"from zmumu_hybrid.{name}" for name in names)
    cuts = stopped(preamble, f"scan({QUICK!r}, {str(table)!r}, output, 6)", tmp_path / "cut", first=30, every=60)
    assert len(cuts) > 1
    for cut in cuts:
        found = scan(QUICK, table, cut, 6)
        assert content(found) == undisturbed
        with stored(found) as study:
            assert len(study.trials) == 6


def test_a_trial_that_diverges_or_is_pruned_is_told_and_removed(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = iter([FIRST, FIRST | {"learning_rate": 1e2, "weight_decay": 1.0, "batch_size": 8}])
    monkeypatch.setattr(room, "propose", lambda *_: next(settings))
    found = scan(replace(QUICK, trial_epochs=3), table, tmp_path, 2)
    assert [trial["state"] for trial in found["trials"]] == ["complete", "diverged"]
    assert found["trials"][1]["auc"] is None
    assert [path.name for path in (tmp_path / "trials").iterdir()] == ["0000"]


def test_a_pruned_trial_ends_at_the_same_epoch_for_any_number_of_members(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zmumu_hybrid.scan.trials import Trial, run_trial

    known = tuple(Outcome(FIRST, "complete", [0.9, 0.91, 0.92, 0.93], [0.93], 0.01) for _ in range(5))
    model, training = apply(FIRST, SMALL, TrainingConfig(members=2, epochs=4))
    for threads in (1, 2):
        trial = Trial(FIRST, model, training, table, tmp_path / str(threads), AXES, known, threads)
        outcome = run_trial(trial)
        assert (outcome.state, len(outcome.curve), outcome.value) == ("pruned", 2, None)
        assert run_trial(trial) == outcome  # its folder is still there: nothing is trained again
    alone = run_trial(replace(trial, known=(), run=tmp_path / "alone"))
    assert alone.state == "complete"
    assert alone.curve[:2] == outcome.curve
    assert run_trial(replace(trial, known=(), run=tmp_path / "alone")) == alone


def test_a_scan_without_a_complete_trial_is_an_error(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "run_trial", diverge)
    with pytest.raises(ModelError, match=r"none of 1 trials is complete"):
        scan(QUICK, table, tmp_path, 1)


def diverge(trial: Any) -> Outcome:
    return Outcome(trial.setting, "diverged")


@pytest.mark.parametrize(
    ("changes", "trials", "message"),
    [
        ({"trial_members": 0}, 1, "trial_members must be an integer of at least 1"),
        ({"trial_epochs": 0}, 1, "trial_epochs must be an integer of at least 1"),
        ({"generation": 0}, 1, "generation must be an integer of at least 1"),
        ({"validation": 1.0}, 1, "validation must be a finite number"),
        ({}, 0, "trials must be an integer of at least 1"),
    ],
)
def test_numbers_that_make_no_scan(
    table: Path, tmp_path: Path, changes: dict[str, Any], trials: int, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        scan(replace(QUICK, **changes), table, tmp_path / "scan", trials)
    assert not (tmp_path / "scan").exists()


def test_a_table_that_cannot_be_scanned_on(tmp_path: Path) -> None:
    columns = toy_columns(60)
    with pytest.raises(InputError, match=r"too few for a batch of 128"):
        scan(QUICK, write(columns, tmp_path / "few"), tmp_path / "scan", 1)
    columns = toy_columns(400)
    columns["is_test"][:] = False
    with pytest.raises(InputError, match=r"test split: no background"):
        scan(QUICK, write(columns, tmp_path / "none"), tmp_path / "scan", 1)
    assert not (tmp_path / "scan").exists()


def test_a_storage_of_one_s_own_may_hold_many_scans(table: Path, tmp_path: Path) -> None:
    storage = tmp_path / "all" / "scans.db"
    one = scan(QUICK, table, tmp_path / "one", 1, storage=str(storage))
    two = scan(replace(QUICK, generation=2), table, tmp_path / "two", 1, storage=f"sqlite:///{storage}")
    assert one["storage"]["url"] == two["storage"]["url"] == f"sqlite:///{storage}"
    assert len(optuna.get_all_study_names(one["storage"]["url"])) == 2
    assert not (tmp_path / "one" / "scan.db").exists()


@pytest.mark.parametrize("storage", ["{0}/text.db", "nothing://x/y", "postgresql+pg9000://x/y"])
def test_a_storage_that_cannot_be_used(table: Path, tmp_path: Path, storage: str) -> None:
    (tmp_path / "text.db").write_text("this is no database" * 100)
    with pytest.raises(ConfigurationError, match=r"^storage .*: cannot be used by Optuna: "):
        scan(QUICK, table, tmp_path / "scan", 1, storage=storage.format(tmp_path))


def test_a_number_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    with Ledger.open(None, tmp_path, {"model": {"network": "pfn"}}) as ledger:
        first, again = (Outcome(FIRST, "complete", [value], [value], 0.01) for value in (0.7, 0.8))
        for number, outcome in ((0, first), (0, again), (1, Outcome(FIRST, "pruned", [0.5])), (3, again)):
            ledger.add(number, outcome, {})
        assert ledger.outcomes() == [first, Outcome(FIRST, "pruned", [0.5])]


def test_without_optuna(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zmumu_hybrid.support.extras.find_spec", lambda _name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'zmumu-hybrid\[scan\]'"):
        scan(QUICK, table, tmp_path / "scan", 1)


def test_metrics_of_a_trial_are_those_of_its_run(table: Path, tmp_path: Path) -> None:
    found = scan(QUICK, table, tmp_path, 1)
    metrics = pq.read_table(tmp_path / "trials" / "0000" / "metrics.parquet").to_pandas()
    assert found["trials"][0]["auc"] == pytest.approx(metrics.auc[metrics.epoch == 2].mean())
