from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from zmumu_hybrid.draws import keys
from zmumu_hybrid.draws.normal import quantiles

SMALLEST, LARGEST = 2.0**-54, 1 - 2.0**-53


@given(st.lists(st.floats(SMALLEST, LARGEST)))
def test_quantiles_are_those_of_the_normal_distribution(probabilities: list[float]) -> None:
    given = np.array(probabilities, float)
    np.testing.assert_allclose(quantiles(given), ndtri(given), rtol=4e-15, atol=1e-16)


def test_everywhere() -> None:
    generator = np.random.default_rng(1)
    low = 10.0 ** generator.uniform(-16, -1, 100_000)
    for probabilities in (generator.uniform(size=300_000), low, 1 - low):
        np.testing.assert_allclose(quantiles(probabilities), ndtri(probabilities), rtol=4e-15, atol=1e-16)
    edges = np.array([0.075, 0.5, 0.925, np.exp(-25.0), SMALLEST, LARGEST])
    for probability in (*edges, *np.nextafter(edges, 0), *np.nextafter(edges, 1)):
        if 0 < probability < 1:
            expected = pytest.approx(ndtri(probability), rel=4e-15, abs=1e-16)
            assert quantiles(np.array([probability]))[0] == expected


def test_a_number_does_not_depend_on_its_neighbours() -> None:
    probabilities = np.random.default_rng(2).uniform(size=1000)
    whole = quantiles(probabilities)
    single = np.concatenate([quantiles(probabilities[i : i + 1]) for i in range(1000)])
    assert whole.tobytes() == single.tobytes()
    assert whole[::-1].tobytes() == quantiles(probabilities[::-1]).tobytes()


def test_keys_draw_them() -> None:
    events = np.arange(5000)
    drawn = keys.normal(1, "what for", events)
    assert drawn.tobytes() == quantiles(keys.uniform(1, "what for", events)).tobytes()
    assert keys.normal(1, "what for", 7) == drawn[7]
