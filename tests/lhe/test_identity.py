from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zmumu_hybrid.lhe.event_id import identify

MASK = 2**64 - 1


def mix(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def slow_identity(particles: list[tuple[int, int, list[float]]]) -> tuple[int, int, int]:
    lanes = []
    for constant in (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03):
        state = constant
        for pdg_id, status, momentum in particles:
            part = mix((((pdg_id & 0xFFFFFFFF) << 32 | (status & 0xFFFFFFFF)) + constant) & MASK)
            for number in momentum:
                word = struct.unpack("Q", struct.pack("d", number + 0.0))[0]
                part = mix(((part ^ word) + constant) & MASK)
            state = mix(((state ^ part) + constant) & MASK)
        lanes.append(state)
    return 1, 1 + (lanes[1] >> 48), lanes[0] >> 1


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PARTICLES = st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(-9, 9), st.lists(NUMBERS, min_size=5, max_size=5))
EVENTS = st.lists(st.lists(PARTICLES, max_size=4), max_size=4)


def columns(events: list[list[tuple[int, int, list[float]]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    particles = [particle for event in events for particle in event]
    offsets = np.cumsum([0, *map(len, events)])
    integers = np.array([[p[0] for p in particles], [p[1] for p in particles]], np.int32)
    floats = np.array([p[2] for p in particles], np.float64).reshape(-1, 5).T.copy()
    return offsets, integers, floats


@given(EVENTS)
def test_is_the_hash_that_it_says(events: list[list[tuple[int, int, list[float]]]]) -> None:
    run, block, event = identify(*columns(events))
    assert (run.dtype, block.dtype, event.dtype) == (np.uint32, np.uint32, np.uint64)
    assert list(zip(run.tolist(), block.tolist(), event.tolist(), strict=True)) == list(map(slow_identity, events))


def test_minus_zero_is_zero() -> None:
    first, second = ([[(13, 1, [zero, 1.0, zero, 2.0, zero])]] for zero in (0.0, -0.0))
    assert identify(*columns(first))[2] == identify(*columns(second))[2]


def test_events_that_differ_little_differ() -> None:
    """A million events on a coarse grid of momenta share no identity, and the bits are balanced."""
    n = 1_000_000
    rng = np.random.default_rng(1)
    floats = np.zeros((5, n))
    floats[:3] = np.stack(np.unravel_index(np.arange(n), (100, 100, 100)))
    floats[3] = rng.integers(0, 2, n)
    _, block, event = identify(np.arange(n + 1), np.full((2, n), 1, np.int32), floats)
    assert len(np.unique(event)) == n
    for bit in range(63):
        assert abs(np.mean(event >> np.uint64(bit) & np.uint64(1)) - 0.5) < 5 * 0.5 / np.sqrt(n)
    assert block.min() >= 1
    assert block.max() <= 65536
    assert abs(np.corrcoef(block, event.astype(np.float64))[0, 1]) < 5 / np.sqrt(n)
