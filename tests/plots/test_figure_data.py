from __future__ import annotations

import hist
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.plots.data import Curves, binned, curves

TABLE = {"member": [1, 0, 0, 1], "epoch": [2, 1, 2, 1], "auc": [0.4, 0.1, 0.2, 0.3]}


def test_a_tidy_table_becomes_a_row_a_member():
    made = curves(TABLE, "epoch", "auc")
    np.testing.assert_array_equal(made.x, [1, 2])
    np.testing.assert_array_equal(made.values, [[0.1, 0.2], [0.3, 0.4]])
    np.testing.assert_allclose(made.mean, [0.2, 0.3])
    np.testing.assert_allclose(made.spread, np.std(made.values, axis=0, ddof=1))


@given(st.permutations(range(4)))
def test_the_order_of_rows_does_not_matter(order):
    shuffled = {name: np.array(column)[list(order)] for name, column in TABLE.items()}
    np.testing.assert_array_equal(curves(shuffled, "epoch", "auc").values, [[0.1, 0.2], [0.3, 0.4]])


def test_a_member_that_was_stopped_counts_while_it_ran():
    made = curves({"member": [0, 0, 1, 1, 2], "epoch": [1, 2, 1, 2, 1], "auc": [1, 2, 3, np.nan, 8]}, "epoch", "auc")
    np.testing.assert_allclose(made.mean, [4, 2])
    np.testing.assert_allclose(made.spread, [np.std([1, 3, 8], ddof=1), 0])


def test_one_member_has_no_spread():
    np.testing.assert_array_equal(Curves(np.array([1.0, 2.0]), np.array([[3.0, 4.0]])).spread, [0, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auc": None}, "column 'auc' is missing; it has member, epoch"),
        ({"auc": [0.1]}, "one length"),
        ({"member": [], "epoch": [], "auc": []}, "not empty"),
        ({"epoch": [2, 1, 1, 1]}, "member 0 has two rows at epoch = 1"),
        ({"epoch": [2, 1, np.nan, 1]}, "finite and ascend"),
        ({"auc": [np.nan, 0.1, np.inf, 0.1]}, "no member has a finite value at x = 2"),
    ],
)
def test_a_malformed_table_is_refused(change, message):
    table = {name: column for name, column in (TABLE | change).items() if column is not None}
    with pytest.raises(InputError, match=message):
        curves(table, "epoch", "auc")


@pytest.mark.parametrize("shape", [(2,), (2, 3), (0, 2)])
def test_curves_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match="shape"):
        Curves(np.array([1.0, 2.0]), np.zeros(shape))


def make(storage=None):
    return hist.Hist(
        hist.axis.StrCategory(["signal", "background"], name="dataset"),
        hist.axis.Variable([0, 1, 3], name="pt"),
        storage=storage or hist.storage.Weight(),
    )


def test_one_category_of_a_weighted_histogram():
    filled = make().fill("signal", [0.5, 0.6, 2.0, 7.0], weight=[1.0, 2.0, 3.0, 4.0])
    made = binned(filled, "pt", "pt_after", dataset="signal")
    np.testing.assert_array_equal(made.values, [3, 3])
    np.testing.assert_array_equal(made.variances, [5, 9])
    assert made.total == 10
    density, error = made.density()
    np.testing.assert_allclose(density, [0.3, 0.15])
    np.testing.assert_allclose(error, [np.sqrt(5) / 10, 3 / 20])


def test_counts_have_poisson_variances():
    made = binned(make(hist.storage.Double()).fill("signal", [0.5, 0.6, 2.0]), "pt", "pt", dataset="signal")
    np.testing.assert_array_equal(made.variances, [2, 1])


def test_a_histogram_that_does_not_fit_is_refused():
    filled = make().fill("signal", [0.5])
    with pytest.raises(InputError, match=r"pt_before: a histogram with the axes dataset, mass is needed.*dataset, pt"):
        binned(filled, "mass", "pt_before", dataset="signal")
    with pytest.raises(InputError, match=r"no category 'data' on the axis dataset; there are signal, background"):
        binned(filled, "pt", "pt_before", dataset="data")
    with pytest.raises(InputError, match="nothing in it for background"):
        binned(filled, "pt", "pt_before", dataset="background")
    with pytest.raises(InputError, match="not finite"):
        binned(filled.fill("signal", [0.5], weight=[np.nan]), "pt", "pt_before", dataset="signal")
