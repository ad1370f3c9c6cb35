from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toys import toy_identity
from zmumu_hybrid.draws import keys
from zmumu_hybrid.draws.split import SplitConfig, is_test, subset, subset_order
from zmumu_hybrid.errors import ConfigurationError

IDENTITY = tuple(toy_identity(20_000).values())
SOME = tuple(column[:200] for column in IDENTITY)


def test_the_fraction_is_the_asked_one() -> None:
    for fraction in (0.0, 0.2, 0.5):
        held_out = is_test(*IDENTITY, SplitConfig(fraction=fraction))
        assert held_out.mean() == pytest.approx(fraction, abs=5 * np.sqrt(fraction / 20_000))


def test_another_seed_is_another_split() -> None:
    a, b = is_test(*IDENTITY), is_test(*IDENTITY, SplitConfig(seed=1))
    assert (a & b).mean() == pytest.approx(0.04, abs=0.01)


@given(st.permutations(range(50)))
def test_an_event_stays_in_its_part_whatever_the_others_are(order: list[int]) -> None:
    rows = np.array(order)
    np.testing.assert_array_equal(is_test(*(c[rows] for c in SOME)), is_test(*SOME)[rows])


@given(st.permutations(range(200)), st.integers(0, 200))
def test_subsets_do_not_depend_on_the_order_of_rows(order: list[int], size: int) -> None:
    rows = np.array(order)
    chosen = subset(*SOME, size=size)
    assert chosen.sum() == size
    np.testing.assert_array_equal(subset(*(c[rows] for c in SOME), size=size), chosen[rows])


@given(st.integers(0, 200), st.integers(0, 200))
def test_subsets_are_nested(a: int, b: int) -> None:
    small, large = (subset(*SOME, size=size) for size in sorted((a, b)))
    assert not np.any(small & ~large)


def test_a_subset_is_independent_of_the_test_part() -> None:
    chosen = subset(*IDENTITY, size=0.2)
    assert chosen.sum() == 4000
    assert is_test(*IDENTITY)[chosen].mean() == pytest.approx(0.2, abs=0.03)
    assert (chosen & subset(*IDENTITY, size=0.2, seed=1)).mean() == pytest.approx(0.04, abs=0.01)


def test_equal_keys_are_ordered_by_identity() -> None:
    label = np.array([1, 0, 1])
    assert subset_order(np.zeros(3, int), label).tolist() in ([1, 0, 2], [0, 2, 1])


def test_the_events_of_a_group_fall_alike() -> None:
    groups = [np.repeat(column, 3) for column in SOME]
    run = np.where(np.arange(600) % 3, keys.GROUPED_RUN + np.arange(600) % 3, 1).astype(np.uint32)
    order = subset_order(run, *groups[1:])
    assert (order.reshape(-1, 3) // 3 == order[::3, None] // 3).all()
    first = subset_order(run[::3], *SOME[1:])
    np.testing.assert_array_equal(order[::3] // 3, first)
    assert (is_test(run, *groups[1:]).reshape(-1, 3).sum(1) % 3 == 0).all()


def test_what_cannot_be_taken_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="201 events asked for, 200 are there"):
        subset(*SOME, size=201)
    with pytest.raises(ConfigurationError, match=r"fraction 1\.5 of the events"):
        subset(*SOME, size=1.5)
    with pytest.raises(ConfigurationError, match=r"test fraction must be .* not 1\.0"):
        SplitConfig(fraction=1.0)
