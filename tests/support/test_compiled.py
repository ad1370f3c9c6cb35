from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest

from zmumu_hybrid.support import compiled as module
from zmumu_hybrid.support.compiled import byte, compiled


def _add(data: Any, i: int, sums: Any) -> int:
    sums[0] += 2 * byte(data, i)
    return int(sums[0])


def test_compiles_and_fills_the_arrays_it_is_given() -> None:
    sums = np.ones(1, np.int64)
    assert compiled(_add)(np.frombuffer(b"ab", np.uint8), 1, sums) == 1 + 2 * ord("b")
    assert sums[0] == 1 + 2 * ord("b")


def test_without_a_place_for_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def njit(**options: Any) -> Any:
        asked.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(module, "numba", SimpleNamespace(njit=njit))
    sums = np.zeros(1, np.int64)
    assert compiled(_add)(np.frombuffer(b"a", np.uint8), 0, sums) == 2 * ord("a")
    assert asked == [True, False]
