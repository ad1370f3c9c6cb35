from __future__ import annotations

import numpy as np
import pytest

from zmumu_hybrid.learn.measures import METRICS, measure, rejection
from zmumu_hybrid.learn.tensors import TrainingTable


def table(label: np.ndarray, weight: np.ndarray | None = None) -> TrainingTable:
    count = len(label)
    pt = np.linspace(20.0, 60.0, count)[:, None]
    return TrainingTable(np.zeros((count, 2, 4)), pt, label, np.ones(count) if weight is None else weight)


def test_metrics_against_sklearn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    label = (rng.random(3000) < 0.5).astype(float)
    weight = rng.random(3000) + 0.1
    logits = rng.normal(label, 1.0)
    found = measure(logits, table(label, weight))
    assert tuple(found) == METRICS
    probability = 1 / (1 + np.exp(-logits))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(label, logits, sample_weight=weight))
    assert found["loss"] == pytest.approx(metrics.log_loss(label, probability, sample_weight=weight))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(label, logits > 0, sample_weight=weight))
    fpr, tpr, _ = metrics.roc_curve(label, logits, sample_weight=weight, drop_intermediate=False)
    for percent in (50, 80):
        assert found[f"rejection_{percent}"] == pytest.approx(1 / np.interp(percent / 100, tpr, fpr), rel=0.02)


def test_a_perfect_classifier_rejects_all() -> None:
    label = np.array([0.0, 0.0, 1.0, 1.0])
    assert np.isnan(rejection(np.array([0.1, 0.2, 0.8, 0.9]), label, np.ones(4), 0.5))


def test_a_slice_without_both_classes_has_no_auc() -> None:
    label = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 1.0])
    found = measure(label, table(label))
    assert np.isnan(found["auc_below30"])
    assert found["auc_above40"] == 1.0
