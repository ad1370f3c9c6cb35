"""Independent pieces of work on workers that share a file system: each leaves its files, and answers a small result.

Where the workers are is `zmumu_hybrid.execution.workers`' business. A task that fails is named; a worker that does not
see the folder of the results says so instead of writing them where nobody looks.
"""

from __future__ import annotations

import concurrent.futures
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zmumu_hybrid.errors import ConfigurationError, IncompleteRunError, ZmumuError
from zmumu_hybrid.execution.workers import Workers, as_finished, describe_loss, worker_pool
from zmumu_hybrid.support.files import make_directory
from zmumu_hybrid.support.scratch import destination, scratch_directory

__all__ = ["Finished", "Task", "TaskPool", "wait_for_file"]

PATIENCE = 60.0
"""Seconds in which a shared file system must show a file that another machine has written."""


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of work: its name for messages, and a function without arguments that can be pickled."""

    name: str
    action: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Finished:
    """What a task left: its place among the tasks, what it returned, and the seconds it took where it ran."""

    index: int
    result: Any
    seconds: float


@dataclass(frozen=True, slots=True)
class _Timed:
    """A task on its worker, where the folder of the results must hold a file that the main process wrote there."""

    action: Callable[[], Any]
    token: Path | None

    def __call__(self) -> tuple[Any, float]:
        if self.token is not None and not wait_for_file(self.token):
            raise ConfigurationError(
                f"the worker on {os.uname().nodename} does not see {destination(self.token.parent)}: "
                "name an output on a file system that all workers share"
            )
        started = time.perf_counter()
        result = self.action()
        return result, time.perf_counter() - started


def wait_for_file(path: Path, patience: float | None = None) -> bool:
    """Return whether a file is there, or is there within `patience` seconds (`PATIENCE` by default)."""
    deadline = time.monotonic() + (PATIENCE if patience is None else patience)
    while not path.is_file():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


class TaskPool:
    """Workers for tasks: started when the first task comes, kept until the ``with`` block is left.

    Parameters
    ----------
    workers : Workers
        Without workers ("iterative") tasks run here, one after the other, in their order.
    folder : path
        Where the results go: each worker is asked whether it sees it.
    """

    def __init__(self, workers: Workers, folder: str | os.PathLike[str]) -> None:
        self.workers = workers
        self.folder = Path(folder)
        self._stack = ExitStack()
        self._pool: concurrent.futures.Executor | None = None
        self._token: Path | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether tasks run in other processes than this one."""
        return self.workers.executor != "iterative"

    def __enter__(self) -> TaskPool:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self._pool = self._token = None

    def run(self, tasks: Sequence[Task]) -> Iterator[Finished]:
        """Run tasks and yield each as it is finished, in any order.

        Parameters
        ----------
        tasks : sequence of Task
            What they read and write must lie on a file system that the workers share, under absolute paths.

        Raises
        ------
        ZmumuError
            What a task raised, as its own class, with the name of the task before its message.
        IncompleteRunError
            If a worker was lost, or a task raised anything else on a worker.
        ConfigurationError
            If a worker does not see the folder.
        """
        if not self.elsewhere:
            for index, task in enumerate(tasks):
                yield _named(task, _Timed(task.action, None), index)
            return
        pool, token = self._start()
        futures: dict[concurrent.futures.Future[Any], int] = {}
        try:
            futures |= {pool.submit(_Timed(task.action, token)): index for index, task in enumerate(tasks)}
            for future in as_finished(pool, futures):
                index = futures.pop(future)
                yield _from_worker(tasks[index], future, index)
        finally:
            for future in futures:
                future.cancel()

    def _start(self) -> tuple[concurrent.futures.Executor, Path]:
        """Start the workers and leave the file that they must see, unless that is done."""
        if self._pool is None or self._token is None:
            scratch = self._stack.enter_context(scratch_directory(make_directory(self.folder).resolve()))
            self._token = scratch / "seen-by-workers"
            self._token.touch()
            self._pool = self._stack.enter_context(worker_pool(self.workers))
        if self._pool is None:
            raise ConfigurationError(f"{self.workers.executor} has no workers for tasks")
        return self._pool, self._token


def _named(task: Task, call: Callable[[], tuple[Any, float]], index: int) -> Finished:
    try:
        return Finished(index, *call())
    except ZmumuError as error:
        raise type(error)(f"{task.name}: {error}") from error


def _from_worker(task: Task, future: concurrent.futures.Future[Any], index: int) -> Finished:
    try:
        return _named(task, future.result, index)
    except ZmumuError:
        raise
    except (Exception, concurrent.futures.CancelledError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        lost = describe_loss(error)
        said = f"{lost}; what it left is kept" if lost else f"{type(error).__name__} on its worker: {said}"
        raise IncompleteRunError(f"{task.name}: {said}") from error
