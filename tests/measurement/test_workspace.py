from __future__ import annotations

import json

import numpy as np
import pytest

from measurement.samples import toy_histogram
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.measurement.fit import fit_signal_strength
from zmumu_hybrid.measurement.precision import expected_uncertainty, jackknife
from zmumu_hybrid.measurement.templates import Templates, Yields, make_workspace, merged_bins, template

pyhf = pytest.importorskip("pyhf")
pytest.importorskip("iminuit")
TWO_SIDED = {"width": ("widthUp", "widthDown")}
pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")


def test_the_templates_are_scaled_to_the_yields_and_keep_the_acceptance_of_variations() -> None:
    histogram = toy_histogram()
    made = Templates.of(histogram, Yields(300, 2000))
    assert made.nominal["signal"].sum() == pytest.approx(300)
    assert made.nominal["background"].sum() == pytest.approx(2000)
    histogram.view()["value"][0, 1] *= 2
    assert Templates.of(histogram, Yields(300, 2000)).varied["widthUp"]["signal"].sum() == pytest.approx(600)
    shape = Templates.of(histogram, Yields(300, 2000), ["widthUp"])
    assert shape.varied["widthUp"]["signal"].sum() == pytest.approx(300)


def test_what_lies_beyond_the_bins_counts_as_expected_but_is_not_seen() -> None:
    histogram = toy_histogram()
    histogram.fill("signal", "nominal", np.full(4000, 2.0))
    assert Templates.of(histogram, Yields(300, 2000)).nominal["signal"].sum() == pytest.approx(150)


def test_bins_are_merged_until_their_content_is_known() -> None:
    values, variances = np.array([10.0, 0, 1, 1, 30, 0.1]), np.array([1.0, 0, 1, 1, 2, 1])
    starts = merged_bins([(values, variances)])
    assert starts.tolist() == [0, 1]
    merged = np.add.reduceat(values, starts)
    assert merged.sum() == values.sum()
    made = Templates.of(toy_histogram(50), Yields())
    assert (np.sqrt(sum(made.variance.values())) <= 0.3 * made.expected() + 1e-9).all()
    assert made.edges[0] == 0
    assert made.edges[-1] == 1


def test_the_same_bins_again() -> None:
    histogram = toy_histogram(50)
    made = Templates.of(histogram, Yields())
    again = made.again(histogram, Yields())
    np.testing.assert_array_equal(again.edges, made.edges)
    np.testing.assert_array_equal(again.expected("widthUp"), made.expected("widthUp"))


def test_a_workspace_is_valid_and_the_fit_of_what_is_expected_finds_one() -> None:
    yields = Yields(300, 2000)
    made = Templates.of(toy_histogram(), yields)
    workspace = make_workspace("toy", made, TWO_SIDED, yields)
    pyhf.schema.validate(json.loads(json.dumps(workspace)), "workspace.json")
    fit = fit_signal_strength(workspace)
    assert fit.mu == pytest.approx(1, abs=1e-3)
    assert 0 < fit.statistical < fit.uncertainty
    assert {"width", "luminosity", "background"} <= set(fit.pulls)
    for name, (pull, size) in fit.pulls.items():
        assert abs(pull) < 0.01, name
        assert 0 < size < 1.01, name
    assert expected_uncertainty(made, TWO_SIDED, yields) == pytest.approx(fit.uncertainty, rel=0.01)
    assert expected_uncertainty(made, {}, yields, statistical=True) == pytest.approx(fit.statistical, rel=1e-3)


def test_the_uncertainty_is_where_the_profiled_likelihood_has_risen_by_one() -> None:
    yields = Yields(300, 2000)
    workspace = make_workspace("toy", Templates.of(toy_histogram(), yields), TWO_SIDED, yields)
    fit = fit_signal_strength(workspace)
    held = pyhf.Workspace(workspace)
    model = held.model()
    data = held.data(model)
    rises = []
    for sign in (1, -1):
        _, found = pyhf.infer.mle.fixed_poi_fit(1 + sign * fit.uncertainty, data, model, return_fitted_val=True)
        _, best = pyhf.infer.mle.fit(data, model, return_fitted_val=True)
        rises.append(float(found - best))
    assert sum(rises) / 2 == pytest.approx(1, abs=0.05)


def test_a_fit_follows_the_data_and_a_pull_its_cause() -> None:
    yields = Yields(300, 2000, luminosity=0.0)
    made = Templates.of(toy_histogram(), yields)
    workspace = make_workspace("toy", made, TWO_SIDED, yields)
    double = fit_signal_strength(workspace, 2 * made.nominal["signal"] + made.nominal["background"])
    assert double.mu == pytest.approx(2, abs=0.02)
    shifted = fit_signal_strength(workspace, made.expected("widthUp"))
    assert shifted.pulls["width"][0] == pytest.approx(1, abs=0.2)
    assert "luminosity" not in shifted.pulls


def test_data_are_observed_only_if_asked_for() -> None:
    yields = Yields(300, 2000)
    made = Templates.of(toy_histogram(data=40), yields)
    assert made.observed is not None
    assert made.observed.sum() == 40
    blind = make_workspace("toy", made, TWO_SIDED, yields)["observations"][0]["data"]
    assert sum(blind) == pytest.approx(2300)
    seen = make_workspace("toy", made, TWO_SIDED, yields, unblind=True)["observations"][0]["data"]
    assert sum(seen) == 40
    with pytest.raises(InputError, match="toy: no events of data were selected"):
        make_workspace("toy", Templates.of(toy_histogram(), yields), TWO_SIDED, yields, unblind=True)


def test_more_signal_in_fewer_bins_is_measured_better() -> None:
    few, many = (expected_uncertainty(Templates.of(toy_histogram(), y), {}, y) for y in (Yields(100), Yields(1000)))
    assert many < few


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=40)
    without = [np.delete(values, i).mean() for i in range(40)]
    assert jackknife(without) == pytest.approx(values.std(ddof=1) / np.sqrt(40))


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match=r"systematic 'jes': .*available: nominal, widthUp, widthDown, off"):
        template(toy_histogram(10), "signal", "jes")
    with pytest.raises(ConfigurationError, match=r"data set 'top': .*available: signal, background, data"):
        template(toy_histogram(10), "top")


def test_a_sample_without_events_is_refused() -> None:
    histogram = toy_histogram(10)
    histogram.view(flow=True)["value"][1] = 0
    with pytest.raises(InputError, match="toy: the weights of the background events in it sum to 0"):
        Templates.of(histogram, Yields())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"signal": 0.0}, "expected signal must be a finite number above 0 and at most 1e.15, not 0.0"),
        ({"background": float("nan")}, "expected background must be .* not nan"),
        ({"luminosity": 1.0}, "luminosity, relative, must be .* not 1.0"),
        ({"background_uncertainty": -0.1}, "background uncertainty, relative, must be .* not -0.1"),
    ],
)
def test_yields_that_cannot_be_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Yields(**options)


def test_what_is_no_workspace_is_refused() -> None:
    with pytest.raises(InputError, match="not a valid workspace"):
        fit_signal_strength({"channels": []})
