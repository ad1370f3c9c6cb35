"""Compilation of array kernels to machine code, kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile `function` with numba at its first call; it releases the GIL.

    The machine code is cached beside the module or in the user's cache directory. Where neither can be written
    (a batch node without a home), each process compiles for itself.
    """
    try:
        return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:
        return numba.njit(nogil=True)(function)  # type: ignore[no-any-return]
