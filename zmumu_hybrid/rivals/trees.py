"""Gradient-boosted trees on what an analysis would hand them: the pair's mass, transverse momenta and angles."""

from __future__ import annotations

from typing import Any

import numpy as np

from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.training.data import TrainingTable

__all__ = ["Trees"]


class Trees:
    """scikit-learn's histogram trees.

    Parameters
    ----------
    rounds : int
        Trees, one after the other.
    seed : int
        Of the choice of features at each split.
    """

    def __init__(self, rounds: int, seed: int) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self._model: Any = HistGradientBoostingClassifier(
            max_iter=rounds,
            learning_rate=0.06,
            max_leaf_nodes=31,
            min_samples_leaf=100,
            max_features=0.6,
            early_stopping=False,
            random_state=seed,
        )

    def fit(self, table: TrainingTable) -> None:
        """Learn from weighted events."""
        self._model.fit(features(table.p4), table.label, sample_weight=table.weight)

    def logits(self, p4: Floats) -> Floats:
        """Return the scores of events, shape (N,)."""
        return np.asarray(self._model.decision_function(features(p4)), np.float64)

    @property
    def parameters(self) -> int:
        """The leaves of all trees: a value each."""
        return int(sum(tree[0].get_n_leaf_nodes() for tree in self._model._predictors))


def features(p4: Floats) -> Floats:
    """Return mass, both pT, their ratio, both pseudorapidities, their sum and difference, shape (N, 8)."""
    energy, px, py, pz = np.moveaxis(p4, -1, 0)
    pt = np.hypot(px, py)
    eta = np.arcsinh(pz / np.maximum(pt, 1e-12))
    squared = energy.sum(1) ** 2 - px.sum(1) ** 2 - py.sum(1) ** 2 - pz.sum(1) ** 2
    columns = [np.sqrt(np.maximum(squared, 0.0)), *pt.T, pt[:, 0] / np.maximum(pt[:, 1], 1e-12), *eta.T]
    return np.stack([*columns, np.abs(eta.sum(1)), np.abs(eta[:, 0] - eta[:, 1])], 1)
