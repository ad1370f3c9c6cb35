from __future__ import annotations

import numpy as np
import pytest

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.optimal.splines import curvature_penalty, design_matrix, fit_exponential_family, nodes_between

KNOTS = np.array([0.0, 0.5, 1.5, 2.0, 4.0])


def test_the_splines_add_up_to_one_and_stay_at_their_ends() -> None:
    matrix = design_matrix(np.array([-1.0, 0.0, 0.7, 4.0, 9.0]), KNOTS).toarray()
    assert matrix.shape == (5, len(KNOTS) + 2)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    np.testing.assert_array_equal(matrix[[0, 3]], matrix[[1, 4]])


def test_the_nodes_integrate_polynomials() -> None:
    x, w = nodes_between(KNOTS, 4)
    assert w @ x**7 == pytest.approx(4.0**8 / 8)


def test_a_straight_line_is_not_penalised() -> None:
    penalty = curvature_penalty(6, others=2)
    b = np.concatenate([2 + 3 * np.arange(6), [5, -7]])
    assert b @ penalty @ b == pytest.approx(0)
    assert np.array([0, 0, 1, 0, 0, 0, 0, 0]) @ penalty[:, 2] > 0


def test_a_truncated_exponential_is_found() -> None:
    x, w = nodes_between(np.array([0.0, 1.0]), 8)
    events = -np.log(1 - np.random.default_rng(1).uniform(size=100_000) * (1 - np.exp(-2))) / 2
    basis = np.stack([np.ones_like(x), x], axis=1)
    b = fit_exponential_family(np.array([1.0, events.mean()]), basis, w, np.zeros((2, 2)), 1e5)
    assert b[1] == pytest.approx(-2, abs=0.04)
    assert w @ np.exp(basis @ b) == pytest.approx(1)


def test_means_that_no_density_has_are_refused() -> None:
    x, w = nodes_between(np.array([0.0, 1.0]), 8)
    basis = np.stack([np.ones_like(x), x], axis=1)
    with pytest.raises(InputError, match="no smooth density fits these 100 events"):
        fit_exponential_family(np.array([1.0, 1.5]), basis, w, np.zeros((2, 2)), 100)
