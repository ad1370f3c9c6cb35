from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.metrics import auc_with_uncertainty, weighted_auc

scores = hnp.arrays(float, st.integers(4, 40), elements=st.sampled_from([-np.inf, -1.5, 0.0, 0.25, 2.0, np.inf]))


@st.composite
def events(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    score = draw(scores)
    label = draw(hnp.arrays(bool, len(score)))
    label[:2] = [True, False]
    return score, label, draw(hnp.arrays(float, len(score), elements=st.floats(0.1, 10)))


def by_pairs(score: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
    """The definition: the share of pairs in which the signal event scores higher, half of the ties."""
    s, b = score[label][:, None], score[~label]
    return float((weight[label][:, None] * weight[~label] * ((s > b) + 0.5 * (s == b))).sum()) / float(
        weight[label].sum() * weight[~label].sum()
    )


@given(events())
def test_the_area_is_the_share_of_ordered_pairs(sample: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    score, label, weight = sample
    assert weighted_auc(score, label, weight) == pytest.approx(by_pairs(score, label, weight), abs=1e-12)
    assert weighted_auc(score, label) == pytest.approx(by_pairs(score, label, np.ones(len(score))), abs=1e-12)


@given(events(), st.floats(0.1, 100))
def test_only_order_and_shares_matter(sample: tuple[np.ndarray, np.ndarray, np.ndarray], factor: float) -> None:
    score, label, weight = sample
    value, error = auc_with_uncertainty(score, label, weight)
    assert 0 <= value <= 1
    scaled = auc_with_uncertainty(np.arctan(score), label, weight * np.where(label, factor, 1))
    assert scaled == pytest.approx((value, error), abs=1e-9)
    assert auc_with_uncertainty(-score, label, weight) == pytest.approx((1 - value, error), abs=1e-9)
    assert auc_with_uncertainty(score, ~label, weight) == pytest.approx((1 - value, error), abs=1e-9)


def test_scikit_learn_agrees() -> None:
    generator = np.random.default_rng(1)
    label, weight = generator.integers(0, 2, 5000), generator.exponential(size=5000)
    score = np.round(generator.normal(size=5000) + label, 1)
    assert weighted_auc(score, label, weight) == pytest.approx(roc_auc_score(label, score, sample_weight=weight))


def test_the_uncertainty_is_delongs_for_unit_weights() -> None:
    generator = np.random.default_rng(2)
    s, b = generator.normal(1, 1, 30), generator.normal(0, 1, 40)
    beaten = (s[:, None] > b).astype(float)
    delong = np.var(beaten.mean(axis=1), ddof=1) / 30 + np.var(beaten.mean(axis=0), ddof=1) / 40
    value, error = auc_with_uncertainty(np.concatenate([s, b]), np.repeat([1, 0], [30, 40]))
    assert value == pytest.approx(beaten.mean())
    assert error == pytest.approx(np.sqrt(delong))


def test_the_uncertainty_is_the_spread_over_samples() -> None:
    generator = np.random.default_rng(3)
    label = np.repeat([1, 0], 300)
    found = []
    for _ in range(400):
        score, weight = generator.normal(size=600) + label, generator.exponential(size=600)
        found.append(auc_with_uncertainty(score, label, weight))
    values, errors = np.array(found).T
    truth = NormalDist(0, np.sqrt(2)).cdf(1)
    assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / 20)
    covered = np.abs(values - truth) < errors
    assert np.mean(covered) == pytest.approx(0.683, abs=3 * np.sqrt(0.683 * 0.317 / 400))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


@pytest.mark.parametrize(
    ("score", "label", "weight", "message"),
    [
        ([1, 2, 3], [1, 0], None, "flat and of one length"),
        ([[1, 2]], [[1, 0]], None, "flat and of one length"),
        ([1, 2], [1, 0], [1], "flat and of one length"),
        ([1, np.nan], [1, 0], None, "score of row 1 is nan"),
        ([1, 2], [1, 0], [np.inf, 1], "weight of row 0 is inf"),
        ([1, 2], [1, 2], None, "label 2"),
        ([1, 2], [1, 1], None, "no background events with positive total weight"),
        ([1, 2], [1, 0], [0, 1], "no signal events with positive total weight"),
        ([], [], None, "no signal events"),
    ],
)
def test_unusable_events_are_refused(score: list, label: list, weight: list | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        weighted_auc(score, label, weight)
