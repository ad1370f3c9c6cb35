"""Compilation of array kernels to machine code, kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.core import types
from numba.extending import intrinsic

__all__ = ["byte", "compiled"]

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile `function` with numba at its first call; it releases the GIL and divides as numpy does.

    A compiled function cannot make arrays, only fill those it is given. In return their references are not counted
    at each call, which made the parser of event files four times slower.

    The machine code is cached beside the module or in the user's cache directory. Where neither can be written
    (a batch node without a home), each process compiles for itself. The cache notices a change of the function's own
    module, not of one that it calls: when working on a kernel, remove `*.nbi` from `__pycache__`.
    """
    options = {"nogil": True, "error_model": "numpy", "_nrt": False}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)


@intrinsic
def byte(typing: Any, data: Any, index: Any) -> Any:
    """Return data[index] of a uint8 array inside compiled code, for 0 <= index < len(data) only.

    Indexing as such asks at every byte whether the index is negative, and takes 1.7 times as long in a parser.
    """
    del typing, index

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.load(builder.gep(array.data, [arguments[1]]))

    return types.uint8(data, types.int64), generate
