"""What holds for every test: one thread each, as they run side by side, and the same examples everywhere."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):  # read when they are loaded, here and in processes that tests start
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

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
