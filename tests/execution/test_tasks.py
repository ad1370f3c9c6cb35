from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from zmumu_hybrid.errors import ConfigurationError, IncompleteRunError, InputError
from zmumu_hybrid.execution import tasks
from zmumu_hybrid.execution.tasks import Finished, Task, TaskPool, wait_for_file
from zmumu_hybrid.execution.workers import Workers

LOCAL = [Workers(), Workers("futures", 2)]


def run_all(jobs: list[Task], workers: Workers, folder: Path) -> list[Finished]:
    with TaskPool(workers, folder) as pool:
        return list(pool.run(jobs))


def bad_table() -> None:
    raise InputError("table.parquet: no signal")


def divide() -> float:
    return 1 / 0


def die() -> None:
    os._exit(9)


@pytest.mark.parametrize("workers", LOCAL, ids=["iterative", "futures"])
def test_every_task_answers_and_nothing_is_left(tmp_path: Path, workers: Workers) -> None:
    done = run_all([Task(f"power {n}", partial(pow, n, 2)) for n in range(5)], workers, tmp_path / "new")
    assert {task.index: task.result for task in done} == {n: n**2 for n in range(5)}
    assert all(task.seconds >= 0 for task in done)
    assert not list(tmp_path.glob("**/.seen*"))


@pytest.mark.parametrize("workers", LOCAL, ids=["iterative", "futures"])
def test_a_task_that_fails_is_named(tmp_path: Path, workers: Workers) -> None:
    with pytest.raises(InputError, match=r"^train-large-pfn: table\.parquet: no signal$"):
        run_all([Task("train-large-pfn", bad_table)], workers, tmp_path)


def test_any_error_of_a_worker_names_the_task(tmp_path: Path) -> None:
    with pytest.raises(IncompleteRunError, match=r"^division: ZeroDivisionError on its worker: division by zero$"):
        run_all([Task("division", divide)], LOCAL[1], tmp_path)
    with pytest.raises(ZeroDivisionError):
        run_all([Task("division", divide)], LOCAL[0], tmp_path)


def test_a_lost_worker_names_the_task(tmp_path: Path) -> None:
    with pytest.raises(IncompleteRunError, match=r"^dying: its worker was lost .*; what it left is kept$"):
        run_all([Task("dying", die)], LOCAL[1], tmp_path)


def test_a_worker_that_does_not_see_the_results_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "PATIENCE", 0.3)
    action = tasks._Timed(partial(pow, 2, 2), tmp_path / "elsewhere" / ".seen-by-workers")
    with pytest.raises(ConfigurationError, match=r"does not see .*elsewhere: name an output on a file system that all"):
        action()


def test_waiting_for_a_file(tmp_path: Path) -> None:
    assert not wait_for_file(tmp_path / "a", 0.0)
    (tmp_path / "a").touch()
    assert wait_for_file(tmp_path / "a", 0.0)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_tasks_on_a_dask_cluster(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    workers = Workers("dask", 1)
    done = run_all([Task(f"power {n}", partial(pow, n, 2)) for n in range(3)], workers, tmp_path)
    assert {task.index: task.result for task in done} == {0: 0, 1: 1, 2: 4}
    with pytest.raises(InputError, match=r"^train-large-pfn: table\.parquet: no signal$"):
        run_all([Task("train-large-pfn", bad_table)], workers, tmp_path)
