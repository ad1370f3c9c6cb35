"""Who an event is: a number made of its particles, the same wherever and in whatever order the event is stored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.draws.keys import GROUPED_RUN
from zmumu_hybrid.support.compiled import compiled

__all__ = ["RUN", "identify"]

RUN = 1

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_OTHER = np.uint64(0xD1B54A32D192ED03)
_MINUS_ZERO = np.uint64(1 << 63)


@compiled
def _mix(x: Any) -> Any:
    """Apply the finaliser of splitmix64 (see `zmumu_hybrid.draws.keys`)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@compiled
def _identify(offsets: Any, integers: Any, bits: Any, event: Any, block: Any) -> None:
    for e in range(len(event)):
        first = _GAMMA
        second = _OTHER
        for p in range(offsets[e], offsets[e + 1]):
            word = np.uint64(integers[0, p]) << np.uint64(32) | np.uint64(integers[1, p]) & np.uint64(0xFFFFFFFF)
            a = _mix(word + _GAMMA)
            b = _mix(word + _OTHER)
            for k in range(5):
                word = bits[k, p]
                if word == _MINUS_ZERO:
                    word = np.uint64(0)
                a = _mix((a ^ word) + _GAMMA)
                b = _mix((b ^ word) + _OTHER)
            first = _mix((first ^ a) + _GAMMA)
            second = _mix((second ^ b) + _OTHER)
        event[e] = first >> np.uint64(1)
        block[e] = np.uint64(1) + (second >> np.uint64(48))


def identify(
    offsets: NDArray[np.int64],
    integers: NDArray[np.int32],
    floats: NDArray[np.float64],
    places: NDArray[np.int64] | None = None,
    before: tuple[int, int] = (0, 0),
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint64]]:
    """Return run, luminosityBlock and event of each event.

    Two chains of the splitmix64 finaliser run over (pdgId, status, px, py, pz, energy, mass) of all particles, the
    floats by their bits, -0.0 as 0.0. `event` is the first 63 bits of one, `luminosityBlock` 1 + the first 16 bits
    of the other: 10**9 events of different content share an identity with a probability below 1e-5.

    Parameters
    ----------
    offsets : int64 array, shape (n + 1,)
        Where the particles of each event begin.
    integers : int32 array, shape (2 or more, particles)
        pdgId and status first.
    floats : float64 array, shape (5 or more, particles)
        px, py, pz, energy, mass first.
    places : int64 array, shape (n,), optional
        How many events of the same group come before each. What follows in a group has `luminosityBlock` and `event` of
        its first event, and a run of its own (`zmumu_hybrid.draws.keys.shared_identity`).
    before : (int, int)
        luminosityBlock and event of the event before the first one.

    Returns
    -------
    run : uint32 array, shape (n,)
        1 but for what follows in a group.
    luminosityBlock : uint32 array, shape (n,)
    event : uint64 array, shape (n,)
    """
    n = len(offsets) - 1
    event = np.empty(n, np.uint64)
    block = np.empty(n, np.uint32)
    _identify(offsets, integers, floats.view(np.uint64), event, block)
    run = np.full(n, RUN, np.uint32)
    if places is not None and places.any():
        first = np.maximum(np.arange(n) - places, -1)  # -1 is the event before
        run[places > 0] = GROUPED_RUN + places[places > 0]
        block = np.concatenate([block, np.array([before[0]], np.uint32)])[first]
        event = np.concatenate([event, np.array([before[1]], np.uint64)])[first]
    return run, block, event
