from __future__ import annotations

import numpy as np
import pytest

from zmumu_hybrid.training.data import TrainingTable
from zmumu_hybrid.training.measures import METRICS, measure, rejection


def table(label: np.ndarray, weight: np.ndarray | None = None) -> TrainingTable:
    p4 = np.zeros((len(label), 2, 4))
    p4[:, 0, 1] = np.linspace(20.0, 60.0, len(label))
    return TrainingTable.of({"p4": p4}, label, weight)


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


def test_several_classes_have_loss_and_accuracy() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    label, weight = rng.integers(0, 3, 500).astype(float), rng.random(500)
    logits = rng.normal(size=(500, 3)) + 2 * (label[:, None] == np.arange(3))
    found = measure(logits, TrainingTable.of(np.zeros((500, 1)), label, weight))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert found["loss"] == pytest.approx(metrics.log_loss(label, shares, sample_weight=weight))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(label, logits.argmax(1), sample_weight=weight))
    assert np.isnan(found["auc"])
