"""Random numbers that belong to a thing, not to a moment.

Every draw is a hash of a key: (seed, what for, dataset, run, luminosityBlock, event, slot). The same key gives the
same number whatever the executor, the chunk size or the order of files, and no state is kept. The hash is a chain
of the splitmix64 finaliser (Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195); strings enter through
BLAKE2b.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GROUPED_RUN", "hash_key", "normal", "seed_from", "shared_identity", "uniform"]

UInt64s = NDArray[np.uint64]
Floats = NDArray[np.float64]

GROUPED_RUN = 0xFFF00000
"""Runs above it are those of the events of an event group after its first one, by their place in it."""

_GAMMA = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF


def _mix(x: UInt64s) -> UInt64s:
    """Apply the splitmix64 finaliser, a bijection on 64-bit integers, in place."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def _word(part: Any) -> UInt64s:
    """Return one part of a key as 64-bit words, shape () or (n,)."""
    if isinstance(part, str):
        digest = hashlib.blake2b(part.encode(errors="surrogateescape"), digest_size=8).digest()
        return np.array(int.from_bytes(digest, "little"), np.uint64)
    if isinstance(part, (int, np.integer)) and not isinstance(part, (bool, np.bool_)):
        return np.array(int(part) & _MASK, np.uint64)
    array = np.asarray(part)
    if array.dtype.kind not in "iu":
        raise TypeError(f"a part of a key must be a string, an integer or an integer array, not {array.dtype}")
    return array.astype(np.uint64)


def hash_key(*parts: Any) -> UInt64s:
    """Hash the parts of a key, in their order, to one 64-bit word per element.

    Parameters
    ----------
    *parts : str, int, or integer array of shape (n,)
        Scalars apply to every element; arrays must have one length.

    Returns
    -------
    numpy.ndarray of uint64, shape (n,) or ()
    """
    state = np.array(_GAMMA, np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            word = _word(part)
            shape = np.broadcast_shapes(state.shape, word.shape)
            state = _mix(np.atleast_1d(state ^ word) + np.uint64(_GAMMA)).reshape(shape)
    return state


def shared_identity(run: NDArray[Any], *rest: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return the identities with which draws and splits are keyed: all events of a group (LHE's <eventgroup>) have one.

    In a group only the run tells events apart, and it is 1 here. Real and counter-events are so smeared alike, and are
    in the same part of a split, though each has an identity of its own.

    Parameters
    ----------
    run, *rest : integer arrays of shape (n,)
        Run, luminosityBlock and event; what follows is given back as it is.

    Examples
    --------
    >>> import numpy as np
    >>> [each.tolist() for each in shared_identity(np.array([7, GROUPED_RUN + 1]), np.array([3, 3]))]
    [[7, 1], [3, 3]]
    """
    run = np.asarray(run)
    return np.where(run > GROUPED_RUN, np.ones((), run.dtype), run), *rest


def uniform(*parts: Any) -> Floats:
    """Draw one number per element, uniform in the open interval (0, 1), from the key `parts` (see `hash_key`)."""
    bits = hash_key(*parts) >> np.uint64(11)
    return (bits.astype(np.float64) + 0.5) * 2.0**-53


def normal(*parts: Any) -> Floats:
    """Draw one standard-normal number per element from the key `parts`, by the inverse of the normal CDF."""
    from zmumu_hybrid.draws.normal import quantiles

    probabilities = uniform(*parts)
    return quantiles(probabilities.reshape(-1)).reshape(probabilities.shape)


def seed_from(*parts: str | int) -> int:
    """Return a non-negative 63-bit integer from the key `parts`, to seed another generator with."""
    return int(hash_key(*parts)) >> 1
