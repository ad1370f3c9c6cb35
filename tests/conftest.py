"""What holds for every test: one thread each, as they run side by side, and the same examples everywhere."""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):  # read when they are loaded, here and in processes that tests start
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # where a test asks for more
if worker := os.environ.get("PYTEST_XDIST_WORKER"):  # a core of its own, which is then all that a command sees
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})

COMMON = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}  # load is no fault
settings.register_profile("fixed", derandomize=True, **COMMON)
settings.register_profile("random", max_examples=1000, print_blob=True, **COMMON)
settings.load_profile("fixed")


@pytest.hookimpl(trylast=True)  # after the option that names a profile was read
def pytest_configure(config: pytest.Config) -> None:
    """Keep hypothesis from drawing constants of the package, which depend on the modules that are loaded by then."""
    from hypothesis.internal.conjecture import providers

    if settings.default.derandomize and hasattr(providers, "_get_local_constants"):
        providers._get_local_constants = lambda: providers._local_constants


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Any:
    """Let a failure that shows a name which is not UTF-8 be reported by a worker, which could not send it."""
    return _printable((yield))


def _printable(data: Any) -> Any:
    if isinstance(data, dict):
        return {_printable(key): _printable(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(map(_printable, data))
    return data.encode(errors="backslashreplace").decode() if isinstance(data, str) else data


@pytest.fixture(scope="session", autouse=True)
def _cache_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what other runs have left in the user's cache out of the tests, and the tests out of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZMUMU_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give each test the same random numbers, and let what it leaves unclosed complain before the next one."""
    import numpy as np

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
    yield
    if any("ResourceWarning" in str(mark.args) for mark in request.node.iter_markers("filterwarnings")):
        gc.collect()
