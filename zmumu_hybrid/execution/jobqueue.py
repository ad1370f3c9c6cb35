"""Batch systems whose jobs are dask workers: dask-jobqueue, described by a file in its own format."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zmumu_hybrid.errors import ConfigurationError, InputError, ZmumuError
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.files import read_yaml

__all__ = ["first_line", "jobqueue_cluster", "read_jobqueue", "submit_jobs"]

_JOBQUEUE_CLUSTERS = {
    "htcondor": "HTCondorCluster",
    "lsf": "LSFCluster",
    "moab": "MoabCluster",
    "oar": "OARCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "slurm": "SLURMCluster",
}


def read_jobqueue(path: str | os.PathLike[str]) -> tuple[str, Mapping[str, Any]]:
    """Return the batch system that a file names and its options; errors as `jobqueue_cluster`."""
    require("dask_jobqueue", "yaml")
    content = read_yaml(path)
    systems = content.get("jobqueue") if isinstance(content, Mapping) else None
    if not isinstance(systems, Mapping) or len(systems) != 1:
        raise InputError(f"{path}: needs the key 'jobqueue' with exactly one batch system below it")
    name, options = next(iter(systems.items()))
    if name not in _JOBQUEUE_CLUSTERS:
        raise ConfigurationError(f"{path}: batch system {name!r} is not one of {', '.join(_JOBQUEUE_CLUSTERS)}")
    if not isinstance(options, Mapping):
        raise InputError(f"{path}: {name!r} needs options below it, such as cores and memory")
    return name, options


def jobqueue_cluster(path: str | os.PathLike[str]) -> Any:
    """Make the dask-jobqueue cluster that a YAML file describes, with no job submitted yet.

    The file has dask-jobqueue's own format, with one batch system in it::

        jobqueue:
          slurm:
            queue: short
            cores: 4
            memory: 8GB
            walltime: "01:00:00"

    Raises
    ------
    InputError
        If the file is not such a YAML file.
    ConfigurationError
        If the batch system is unknown or refuses an option.
    MissingDependencyError
        If `dask_jobqueue` is not installed.
    """
    name, options = read_jobqueue(path)
    import dask_jobqueue

    try:
        return getattr(dask_jobqueue, _JOBQUEUE_CLUSTERS[name])(
            **{str(k).replace("-", "_"): v for k, v in options.items()}
        )
    except (TypeError, ValueError) as error:
        if isinstance(error, ZmumuError):
            raise
        raise ConfigurationError(f"{path}: {name} refuses these options: {first_line(error)}") from error


def submit_jobs(cluster: Any, jobqueue: Path | None, workers: int) -> None:
    """Submit the jobs of a cluster and see that the batch system took them; it would be waited for without end."""
    command = cluster.job_cls.submit_command
    if shutil.which(command) is None:
        raise ConfigurationError(f"{jobqueue}: there is no command {command} here: run this where jobs are submitted")
    with _logged_errors("tornado.application") as errors:
        cluster.scale(workers)
        while len(cluster.workers) < len(cluster.worker_spec):
            time.sleep(0.05)
        refused = any(job.status.name == "created" for job in cluster.workers.values())
        deadline = time.monotonic() + 30
        while refused and not errors and time.monotonic() < deadline:
            time.sleep(0.05)
    if refused:
        for job in cluster.workers.values():
            job.status = type(job.status).closed  # there is nothing to cancel
        said = str(errors[0]).split("stderr:")[-1].strip() if errors else ""
        raise ConfigurationError(f"{jobqueue}: {command} refused the jobs: {' '.join(said.split())}")


@contextmanager
def _logged_errors(logger_name: str) -> Iterator[list[BaseException]]:
    """Collect the exceptions that a logger is told of, instead of having them printed."""
    errors: list[BaseException] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            errors.append(record.exc_info[1])
        return False

    logger = logging.getLogger(logger_name)
    logger.addFilter(collect)
    try:
        yield errors
    finally:
        logger.removeFilter(collect)


def first_line(error: BaseException) -> str:
    """Return the first line of what an error of another library says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
