from __future__ import annotations

import concurrent.futures
import gc
import os
import socket
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from commands import zmumu
from zmumu_hybrid.errors import ConfigurationError, IncompleteRunError, InputError, MissingDependencyError
from zmumu_hybrid.execution.jobqueue import jobqueue_cluster
from zmumu_hybrid.execution.tasks import Task, TaskPool
from zmumu_hybrid.execution.workers import Workers, available_cores, describe_loss, worker_pool
from zmumu_hybrid.jobs.apply import ApplyOptions
from zmumu_hybrid.jobs.process import ProcessOptions
from zmumu_hybrid.measurement import AnalysisOptions

SLURM = """
jobqueue:
  slurm:
    queue: short
    cores: 4
    memory: 8GB
    walltime: "02:00:00"
    job-extra-directives: ["--constraint=avx512"]
"""
CONDOR = "jobqueue: {htcondor: {cores: 2, memory: 4GB, disk: 1GB}}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"executor": "threads"}, "'threads' is not one of iterative, futures, dask"),
        ({"workers": 0}, "at least 1, not 0"),
        ({"executor": "futures", "scheduler": "tcp://x:1"}, "needs the executor dask"),
        ({"jobqueue": Path("x.yaml")}, "needs the executor dask"),
        ({"executor": "dask", "scheduler": "tcp://x:1", "jobqueue": Path("x.yaml")}, "not both"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Workers(**settings)


def test_iterative_has_no_pool() -> None:
    with worker_pool(Workers()) as pool:
        assert pool is None


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (SLURM, ["#SBATCH -p short", "#SBATCH -n 1", "#SBATCH --cpus-per-task=4", "--mem=8G", "--constraint=avx512"]),
        (CONDOR, ["DaskWorkerCores = 2", "DaskWorkerMemory = 4000000000", "DaskWorkerDisk = 1000000000", "Queue"]),
    ],
)
def test_the_job_script_is_what_the_file_asks_for(tmp_path: Path, text: str, lines: list[str]) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with jobqueue_cluster(path) as cluster:
        script = cluster.job_script()
    for line in lines:
        assert line.lower() in script.lower()
    assert "distributed" in script


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("jobqueue: [", InputError, "not valid YAML"),
        ("slurm: {}", InputError, "needs the key 'jobqueue'"),
        ("jobqueue: {slurm: {}, pbs: {}}", InputError, "exactly one batch system"),
        ("jobqueue: {slurm: 4}", InputError, "needs options"),
        ("jobqueue: {cray: {cores: 1}}", ConfigurationError, "'cray' is not one of"),
        ("jobqueue: {slurm: {memory: 1GB}}", ConfigurationError, "slurm refuses these options"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_jobqueue_file_that_cannot_be_used(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(error, match=f"{path}: .*{message}"):
        jobqueue_cluster(path)
    gc.collect()  # the remains of a cluster that was not made complain here, not later


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_scheduler_that_does_not_answer_is_named() -> None:
    with (
        pytest.raises(ConfigurationError, match=r"no dask scheduler answers at 'nonsense://x'"),
        worker_pool(Workers("dask", scheduler="nonsense://x")),
    ):
        pass


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("127.0.0.1:{}", "refused"),
        ("tls://127.0.0.1:{}", "refused"),
        ("tcp://x", "needs a port"),
        ("x:y", "needs a port"),
    ],
)
def test_where_nobody_listens_is_said_before_anything_else(tmp_path: Path, place: str, message: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = place.format(closed.getsockname()[1])
    missing = tmp_path / "missing.root"
    for command, name in (
        (["process", "--signal", missing], "output"),
        (["analyse", "--signal", missing], "output"),
        (["apply", missing, "--input", missing], "output.root"),
        (["scan", "pfn", "--data", missing], "output"),
        (["reproduce"], "output"),
    ):
        output = tmp_path / name
        arguments = [*command, "--scheduler", place, "--output", output]
        done = zmumu(*arguments)
        assert isinstance(done.exception, ConfigurationError)
        assert f"no dask scheduler answers at {place!r}: " in str(done.exception)
        assert message in str(done.exception)
        assert not output.exists()


def test_somebody_else_who_listens_is_no_scheduler() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                with caller:
                    caller.sendall(b"HTTP/1.1 400 Bad Request, I speak another protocol\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with (
            pytest.raises(ConfigurationError, match="no dask scheduler answers at"),
            worker_pool(Workers("dask", scheduler=f"tcp://127.0.0.1:{server.getsockname()[1]}")),
        ):
            pass


def test_a_lost_scheduler_is_no_lack_of_memory() -> None:
    assert "the connection to the dask scheduler was lost" in str(describe_loss(concurrent.futures.CancelledError()))
    assert "out of memory" in str(describe_loss(concurrent.futures.process.BrokenProcessPool("died")))
    assert describe_loss(ValueError()) is None


@pytest.mark.parametrize(
    ("settings", "missing"),
    [({}, "distributed"), ({"jobqueue": Path("x.yaml")}, "dask_jobqueue")],
)
def test_a_package_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with (
        pytest.raises(MissingDependencyError, match=r"pip install 'zmumu-hybrid\[dask\]'"),
        worker_pool(Workers("dask", **settings)),
    ):
        pass


def batch_system(folder: Path, monkeypatch: pytest.MonkeyPatch, sbatch: str) -> Workers:
    """Return workers of a Slurm whose sbatch is a shell script, in front of all other commands."""
    for name, script in (("sbatch", sbatch), ("scancel", "exit 0")):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    path = folder / "slurm.yaml"
    path.write_text("jobqueue: {slurm: {cores: 1, processes: 1, memory: 1GB}}")
    return Workers("dask", jobqueue=path)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_jobs_of_a_batch_system_do_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = f'cp "$1" {tmp_path}/job.sh; echo "Submitted batch job 17"; sh {tmp_path}/job.sh > {tmp_path}/log 2>&1 &'
    with worker_pool(batch_system(tmp_path, monkeypatch, copy)) as pool:
        assert pool is not None
        assert pool.submit(abs, -3).result() == 3


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_batch_system_that_refuses_the_jobs_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = batch_system(tmp_path, monkeypatch, 'echo "invalid partition" >&2; exit 1')
    with pytest.raises(ConfigurationError, match="sbatch refused the jobs: invalid partition"), worker_pool(workers):
        pass


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_machine_without_the_batch_system_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = batch_system(tmp_path, monkeypatch, "")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ConfigurationError, match="there is no command sbatch here"), worker_pool(workers):
        pass


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_scheduler_that_runs_already_is_used_and_stays() -> None:
    import distributed

    local = {"processes": False, "dashboard_address": None, "protocol": "tcp"}
    with distributed.LocalCluster(n_workers=0, threads_per_worker=1, **local) as cluster:
        with (
            pytest.raises(ConfigurationError, match=r"got no worker in 0\.2 s: start some"),
            worker_pool(Workers("dask", scheduler=cluster.scheduler_address, worker_timeout=0.2)),
        ):
            pass
        cluster.scale(1)
        for _ in range(2):
            with worker_pool(Workers("dask", scheduler=cluster.scheduler_address, worker_timeout=600)) as pool:
                assert pool is not None
                assert pool.submit(abs, -3).result() == 3


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_scheduler_whose_workers_are_all_gone_is_named(tmp_path: Path) -> None:
    import distributed

    local = {"processes": False, "dashboard_address": None, "protocol": "tcp"}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, **local) as cluster:
        address = cluster.scheduler_address
        said = rf"all workers of the dask scheduler {address} are gone, and no other one came in 1 s: start some"
        with TaskPool(Workers("dask", scheduler=address, worker_timeout=1), tmp_path) as pool:
            assert next(iter(pool.run([Task("first", partial(abs, -3))]))).result == 3
            for worker in cluster.workers.values():
                cluster.sync(worker.close)
            with pytest.raises(IncompleteRunError, match=said):
                list(pool.run([Task("second", partial(abs, -4))]))


@pytest.mark.parametrize("options", [ProcessOptions, ApplyOptions, AnalysisOptions])
def test_execution_has_the_same_defaults_everywhere(options: Any) -> None:
    usual = options().execution
    assert (usual.executor, usual.workers) == ("iterative", available_cores())
    assert options(executor="futures", workers=3).execution == Workers("futures", 3)
    for given in ({"scheduler": "tcp://x:1"}, {"jobqueue": Path("slurm.yaml")}):
        assert options(**given).execution.executor == "dask"
        with pytest.raises(ConfigurationError, match="needs the executor dask, not futures"):
            options(executor="futures", **given)
    assert str(options(scheduler="tcp://x:1").execution) == "dask, tcp://x:1"


def test_the_page_says_what_the_defaults_are() -> None:
    page = (Path(__file__).parents[2] / "docs" / "clusters.md").read_text(encoding="utf-8")
    (size,) = {options.chunksize for options in (ProcessOptions(), ApplyOptions(), AnalysisOptions())}
    assert f"`--chunksize`, {size:,} events by default" in page
