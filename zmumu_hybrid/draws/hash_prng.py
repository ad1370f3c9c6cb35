"""The random numbers of correctionlib's `HashPRNG`: the same key gives the same number in every framework.

A key of four 64-bit words is hashed by XXH64 (https://github.com/Cyan4973/xxHash, specification 0.1.1) to the state of
a PCG-XSH-RR generator with 32 bits of output and the default increment (O'Neill, HMC-CS-2014-0905). Its words,
scaled to [-1, 1), are the coordinates of points in a square; the first point inside the unit circle gives a
standard-normal number by Marsaglia's polar method (SIAM Review 6 (1964) 260, doi:10.1137/1006063). This is the
distribution "normal" of correctionlib's schema 2: its integer part is the same on every machine, and the number depends
on it through one logarithm and one square root.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zmumu_hybrid.support.compiled import compiled

__all__ = ["normals"]

_P1 = np.uint64(0x9E3779B185EBCA87)
_P2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P3 = np.uint64(0x165667B19E3779F9)
_P4 = np.uint64(0x85EBCA77C2B2AE63)
_MINUS_P1 = np.uint64(0x61C8864E7A143579)
_P1_PLUS_P2 = np.uint64(0x60EA27EEADC0B5D6)
_LENGTH = np.uint64(32)
_FACTOR = np.uint64(6364136223846793005)
_INCREMENT = np.uint64(1442695040888963407)


@compiled
def normals(run: Any, luminosity_block: Any, event: Any, key: Any, result: Any) -> None:
    """Write the standard-normal number of each event's key.

    Parameters
    ----------
    run, luminosity_block, event : numpy.ndarray, integers of shape (n,)
    key : uint64
        The fourth word, which tells draws of one event apart.
    result : numpy.ndarray of float64, shape (n,)
        Written to.
    """
    for i in range(len(event)):
        state = _seeded(_xxh64(np.uint64(run[i]), np.uint64(luminosity_block[i]), np.uint64(event[i]), key))
        square = 0.0
        u = 0.0
        while square >= 1.0 or square == 0.0:
            u = np.float64(_word(state)) * 2.0**-31 - 1.0
            state = state * _FACTOR + _INCREMENT
            v = np.float64(_word(state)) * 2.0**-31 - 1.0
            state = state * _FACTOR + _INCREMENT
            square = u * u + v * v
        result[i] = u * np.sqrt(-2.0 * np.log(square) / square)


@compiled
def _xxh64(first: Any, second: Any, third: Any, fourth: Any) -> Any:
    """Return the XXH64 of four words, with seed 0."""
    a, b = _round(_P1_PLUS_P2, first), _round(_P2, second)
    c, d = _round(np.uint64(0), third), _round(_MINUS_P1, fourth)
    state = _turn(a, 1) + _turn(b, 7) + _turn(c, 12) + _turn(d, 18)
    state = _merge(_merge(_merge(_merge(state, a), b), c), d) + _LENGTH
    state = (state ^ (state >> np.uint64(33))) * _P2
    state = (state ^ (state >> np.uint64(29))) * _P3
    return state ^ (state >> np.uint64(32))


@compiled
def _round(lane: Any, word: Any) -> Any:
    return _turn(lane + word * _P2, 31) * _P1


@compiled
def _merge(state: Any, lane: Any) -> Any:
    return (state ^ _round(np.uint64(0), lane)) * _P1 + _P4


@compiled
def _turn(word: Any, bits: Any) -> Any:
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


@compiled
def _seeded(seed: Any) -> Any:
    return (seed + _INCREMENT) * _FACTOR + _INCREMENT


@compiled
def _word(state: Any) -> Any:
    """Return the 32 bits of output of a state."""
    mixed = (((state >> np.uint64(18)) ^ state) >> np.uint64(27)) & np.uint64(0xFFFFFFFF)
    turn = state >> np.uint64(59)
    back = (np.uint64(32) - turn) & np.uint64(31)
    return ((mixed >> turn) | (mixed << back)) & np.uint64(0xFFFFFFFF)
