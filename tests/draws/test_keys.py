from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from zmumu_hybrid.draws import keys


@given(st.lists(st.integers(0, 2**63 - 1), max_size=8), st.integers(0, 2**32))
def test_each_element_has_its_own_number_whatever_its_neighbours(events: list[int], seed: int) -> None:
    array = np.array(events, np.uint64)
    whole = keys.hash_key(seed, "smear", array, 1)
    assert whole.shape == array.shape
    for i, event in enumerate(events):
        assert keys.hash_key(seed, "smear", array[i : i + 1], 1).tolist() == [whole[i]]
        assert keys.hash_key(seed, "smear", event, 1).shape == ()
        assert int(keys.hash_key(seed, "smear", event, 1)) == whole[i]


def test_the_order_of_the_parts_matters() -> None:
    assert keys.hash_key("a", "b") != keys.hash_key("b", "a")
    assert keys.hash_key(1, 2) != keys.hash_key(2, 1)


def test_numbers_do_not_change_between_versions() -> None:
    assert int(keys.hash_key(1, "smear", 2)) == 12322500504553582010
    assert keys.uniform(0, np.arange(3)).tolist() == pytest.approx(
        [0.2762335822778947, 0.36475714316527935, 0.533902022352277], abs=0
    )


def test_draws_follow_their_distributions() -> None:
    counter = np.arange(100_000)
    assert kstest(keys.uniform("test", counter), "uniform").pvalue > 1e-3
    assert kstest(keys.normal("test", counter), "norm").pvalue > 1e-3


def test_a_float_is_no_part_of_a_key() -> None:
    with pytest.raises(TypeError, match="float64"):
        keys.hash_key(np.array([0.5]))
