"""Where chunks run: in this process, in local processes, or on a dask cluster.

Each choice is a `concurrent.futures` pool (or None for this process) that lives as long as a ``with`` block.
"""

from __future__ import annotations

import concurrent.futures
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Literal, get_args

from zmumu_hybrid.errors import ConfigurationError, IncompleteRunError
from zmumu_hybrid.execution.jobqueue import first_line, jobqueue_cluster, read_jobqueue, submit_jobs
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.values import require_count, require_number

__all__ = [
    "ExecutorName",
    "Workers",
    "as_finished",
    "available_cores",
    "choose_workers",
    "describe_loss",
    "worker_pool",
]

_log = logging.getLogger(__name__)

ExecutorName = Literal["iterative", "futures", "dask"]


_KNOCKING = 2.5
"""Seconds in which a scheduler must take a connection."""
_LOOKING = 5.0
"""Seconds after which dask is asked again whether it has workers, while no task is finished."""


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Workers:
    """Where work is executed.

    Parameters
    ----------
    executor : "iterative", "futures" or "dask"
        This process, local processes, or a dask cluster.
    workers : int
        Number of local processes, of dask workers to start, or of workers to ask a batch system for. Without effect
        on "iterative" and on a scheduler that runs already.
    scheduler : str, optional
        Address of a dask scheduler that runs already ("tcp://host:8786").
    jobqueue : Path, optional
        YAML file in the format of dask-jobqueue's configuration: start the workers as batch jobs.
    worker_timeout : float
        Seconds to wait for the first worker of a scheduler that runs already, and for another one when all are gone.
        For jobs of a batch system, which may stay in its queue for long, no end is set.

    Raises
    ------
    ConfigurationError
        If a value is out of range, or `scheduler` or `jobqueue` come without "dask", or both are given.
    """

    executor: ExecutorName = "iterative"
    workers: int = 1
    scheduler: str | None = None
    jobqueue: Path | None = None
    worker_timeout: float = 60.0

    def __post_init__(self) -> None:
        if self.executor not in get_args(ExecutorName):
            raise ConfigurationError(f"executor {self.executor!r} is not one of {', '.join(get_args(ExecutorName))}")
        require_count("workers", self.workers, 1, 100_000 if self.jobqueue else 1024)
        require_number("worker_timeout", self.worker_timeout, 0)
        if self.executor != "dask" and (self.scheduler or self.jobqueue):
            raise ConfigurationError(f"a scheduler or a jobqueue needs the executor dask, not {self.executor}")
        if self.scheduler and self.jobqueue:
            raise ConfigurationError("give a scheduler that runs already or a jobqueue to start one, not both")

    def __str__(self) -> str:
        """Return it in words."""
        place = self.scheduler or self.jobqueue or f"{self.workers} worker{'s' * (self.workers != 1)}"
        return "this process" if self.executor == "iterative" else f"{self.executor}, {place}"

    def require(self) -> None:
        """Refuse what cannot be started or reached, in seconds: for the beginning of a long job.

        Raises
        ------
        ConfigurationError
            If nobody listens at the address of the scheduler, or the jobqueue file has no batch system that is known.
        MissingInputError, InputError
            If there is no such file, or it is not as `jobqueue_cluster` needs it.
        MissingDependencyError
            If a package is not installed.
        """
        if self.executor == "dask":
            require("distributed")
        if self.scheduler:
            _knock(self.scheduler)
        if self.jobqueue:
            read_jobqueue(self.jobqueue)


def choose_workers(
    executor: ExecutorName | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    jobqueue: Path | None = None,
    otherwise: ExecutorName = "iterative",
) -> Workers:
    """Return workers with the defaults that hold everywhere.

    A scheduler or a jobqueue mean dask, without them the executor is as `otherwise` says; there is a worker for each
    core.

    Raises
    ------
    ConfigurationError
        As `Workers`.

    Examples
    --------
    >>> choose_workers(scheduler="tcp://host:8786").executor
    'dask'
    """
    chosen = executor or ("dask" if scheduler or jobqueue else otherwise)
    return Workers(chosen, available_cores() if workers is None else workers, scheduler, jobqueue)


def describe_loss(error: BaseException) -> str | None:
    """Return in words what was lost if that is why a task of a pool gave no answer, None if it raised the error."""
    if isinstance(error, concurrent.futures.CancelledError):
        return "the connection to the dask scheduler was lost: see that it runs, and run the same command again"
    if isinstance(error, concurrent.futures.BrokenExecutor) or type(error).__name__ == "KilledWorker":
        said = " ".join(str(error).split()) or type(error).__name__
        return f"its worker was lost ({said}): if it ran out of memory, try fewer workers or smaller pieces"
    return None


def as_finished(
    pool: concurrent.futures.Executor, futures: Iterable[concurrent.futures.Future[Any]]
) -> Iterator[concurrent.futures.Future[Any]]:
    """Yield what was submitted to a pool of `worker_pool` as it is finished, in any order.

    Raises
    ------
    IncompleteRunError
        If all workers of a dask scheduler are gone, and none has come for as long as its `Workers` say.
    """
    waiting = set(futures)
    looking = min(_LOOKING, pool.patience) if isinstance(pool, _DaskPool) else None
    while waiting:
        try:
            for future in concurrent.futures.as_completed(waiting, looking):
                waiting.discard(future)
                yield future
        except TimeoutError:
            if isinstance(pool, _DaskPool):
                pool.require_workers()


class _DaskPool(concurrent.futures.Executor):
    """The workers of a dask client; `patience` is how many seconds may pass without any."""

    def __init__(self, client: Any, patience: float) -> None:
        self.patience = patience
        self._client, self._pool, self._seen = client, client.get_executor(pure=False), time.monotonic()

    def submit(self, function: Any, /, *arguments: Any, **options: Any) -> concurrent.futures.Future[Any]:
        submitted: concurrent.futures.Future[Any] = self._pool.submit(function, *arguments, **options)
        return submitted

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=wait and not cancel_futures)

    def require_workers(self) -> None:
        """Raise `IncompleteRunError` if it is too long ago that there were any."""
        with suppress(OSError):  # dask gives up the futures of a scheduler that is lost
            if self._client.nthreads():
                self._seen = time.monotonic()
        if time.monotonic() - self._seen > self.patience:
            raise IncompleteRunError(
                f"all workers of the dask scheduler {self._client.scheduler.address} are gone, and no other one came "
                f"in {self.patience:g} s: start some, and run the same command again"
            )


@contextmanager
def worker_pool(config: Workers) -> Iterator[concurrent.futures.Executor | None]:
    """Start the workers of `config`, yield them as a pool (None for this process), and stop what was started.

    Raises
    ------
    ConfigurationError
        If no scheduler answers at the given address, or it has no worker.
    MissingDependencyError
        If dask's `distributed` or `dask_jobqueue` is needed and not installed.
    """
    _log.info("working on: %s", config)
    if config.executor == "iterative":
        yield None
    elif config.executor == "futures":
        with _processes(config.workers) as pool:
            yield pool
    else:
        with _dask(config) as pool:
            yield pool


@contextmanager
def _processes(workers: int) -> Iterator[concurrent.futures.Executor]:
    import loky

    pool = loky.ProcessPoolExecutor(
        max_workers=workers,
        initializer=_end_with_parent,
        initargs=(os.getpid(),),
        env={"LOKY_MAX_MEMORY_LEAK_SIZE": "1e18"},  # what the allocators of arrays keep is no leak
    )
    finished = False
    try:
        with _interrupts_for_this_process_alone():
            pool.submit(os.getpid)  # starts all workers
        yield pool
        finished = True
    finally:
        pool.shutdown(wait=True, kill_workers=not finished)


def _end_with_parent(parent: int) -> None:
    """End this process soon after the process `parent` has gone; a pool's own workers would wait for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _interrupts_for_this_process_alone() -> Iterator[None]:
    """Let what is started in the block never see Ctrl-C, which this process then answers for all."""
    resource_tracker.ensure_running()  # it would unblock the signal when it starts
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


@contextmanager
def _dask(config: Workers) -> Iterator[concurrent.futures.Executor]:
    config.require()
    import distributed

    with _quiet(), ExitStack() as stack:
        if config.scheduler:
            client = stack.enter_context(_connect(config))
        elif config.jobqueue:
            cluster = stack.enter_context(jobqueue_cluster(config.jobqueue))
            submit_jobs(cluster, config.jobqueue, config.workers)
            client = stack.enter_context(distributed.Client(cluster))
        else:
            with _interrupts_for_this_process_alone():
                cluster = distributed.LocalCluster(
                    n_workers=config.workers, threads_per_worker=1, dashboard_address=":0", silence_logs="CRITICAL"
                )
            stack.enter_context(cluster)
            client = stack.enter_context(distributed.Client(cluster))
        pool = _DaskPool(client, float("inf") if config.jobqueue else config.worker_timeout)
        try:
            yield pool
        finally:
            pool.shutdown(wait=False)


@contextmanager
def _connect(config: Workers) -> Iterator[Any]:
    """Yield a client of the scheduler at ``config.scheduler`` that has at least one worker."""
    import distributed

    try:
        client = distributed.Client(config.scheduler, timeout=10)
    except Exception as error:  # whatever something else answers makes of dask's protocol
        raise ConfigurationError(f"no dask scheduler answers at {config.scheduler!r}: {first_line(error)}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=config.worker_timeout)
        except TimeoutError:
            raise ConfigurationError(
                f"the dask scheduler at {config.scheduler!r} got no worker in {config.worker_timeout:g} s: start some"
            ) from None
        yield client


def _knock(address: str) -> None:
    """Raise `ConfigurationError` unless somebody listens at an address; dask itself would try again for long."""
    scheme, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if scheme not in ("", "tcp", "tls", "ws", "wss"):
        return
    said: list[object] = [f"no connection in {_KNOCKING:g} s"]

    def connect() -> None:
        try:
            socket.create_connection((host.strip("[]"), int(port)), _KNOCKING).close()
            said.clear()
        except ValueError:
            said[:] = ["the address needs a port, as in tcp://host:8786"]
        except (OSError, OverflowError) as error:
            said[:] = [getattr(error, "strerror", None) or error]

    knocking = threading.Thread(target=connect, daemon=True)  # the look-up of a name cannot be ended
    knocking.start()
    knocking.join(_KNOCKING + 0.5)
    if said:
        raise ConfigurationError(f"no dask scheduler answers at {address!r}: {said[0]}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep dask's own accounts of what went wrong from the terminal; the error that ends the block says it."""
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
