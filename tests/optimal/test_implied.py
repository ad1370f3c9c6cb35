from __future__ import annotations

import numpy as np
import pytest

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.optimal import beyond_invariants


def test_the_share_that_the_mass_does_not_explain_is_found_in_each_bin() -> None:
    rng = np.random.default_rng(4)
    count = 200_000
    mass, pt = rng.uniform(60, 120, count), rng.uniform(0, 30, count)
    noise = np.choose((pt // 10).astype(int), [0.0, 1.0, 3.0])
    score = np.sin(mass / 10) + noise * rng.normal(size=count)
    signal = np.var(np.sin(np.linspace(60, 120, 10_001) / 10))
    shares = beyond_invariants(score, mass, pt, rng.uniform(0, 2, count), [0, 10, 20, 30, 40])
    assert shares[:3] == pytest.approx([0.0, 1 / (1 + signal), 9 / (9 + signal)], abs=0.01)
    assert np.isnan(shares[3])


def test_infinite_scores_and_events_without_weight_do_not_count() -> None:
    rng = np.random.default_rng(5)
    mass, score = rng.uniform(60, 120, 4000), rng.normal(size=4000)
    weight = np.ones(4000)
    score[:10], score[10:1000], weight[10:1000] = np.inf, 1e6, 0.0
    assert beyond_invariants(score, mass, np.ones(4000), weight, [0, 2]) == pytest.approx([1.0], abs=0.05)


def test_arrays_of_other_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="give one per event"):
        beyond_invariants([1.0], [90.0, 91.0], [20.0], [1.0], [0, 100])
