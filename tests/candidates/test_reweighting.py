from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from zmumu_hybrid.candidates.reweighting import Reweighting, ReweightingConfig, final_weights, fit
from zmumu_hybrid.errors import ConfigurationError, InputError

BINNINGS = ("equal-content", "equal-width")


def sample(events: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Transverse momenta of signal and background and their weights; the background reaches further."""
    generator = np.random.default_rng(seed)
    signal = np.abs(generator.normal(38, 9, events)) + 5
    background = np.concatenate([generator.uniform(5, 100, events), generator.exponential(60, events) + 5])
    return signal, background, generator.uniform(0.5, 2, events), generator.uniform(0.1, 3, 2 * events)


def content(reweighting: Reweighting, pt: np.ndarray, weight: np.ndarray) -> np.ndarray:
    edges = np.asarray(reweighting.edges)
    return np.histogram(np.clip(pt, edges[0], edges[-1]), edges, weights=weight)[0]


@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from(BINNINGS))
@examples(40)
def test_the_background_has_the_signals_weight_in_every_bin(seed: int, bins: int, binning: str) -> None:
    signal, background, signal_weight, background_weight = sample(2000, seed)
    fitted = fit(signal, background, signal_weight, background_weight, bins=bins, binning=binning)
    assert len(fitted.factors) == bins
    reweighted = background_weight * fitted.apply(background)
    expected = content(fitted, signal, signal_weight)
    np.testing.assert_allclose(content(fitted, background, reweighted), expected, rtol=1e-11)
    assert reweighted.sum() == pytest.approx(signal_weight.sum(), rel=1e-12)


@given(st.integers(0, 2**32), st.sampled_from(BINNINGS))
@examples(20)
def test_the_order_of_rows_does_not_show(seed: int, binning: str) -> None:
    s, b, ws, wb = sample(500, seed)
    generator = np.random.default_rng(seed)
    i, j = generator.permutation(len(s)), generator.permutation(len(b))
    assert fit(s, b, ws, wb, 10, binning) == fit(s[i], b[j], ws[i], wb[j], 10, binning)


def test_bins_of_equal_content_share_out_the_signal() -> None:
    signal, background, weight, _ = sample(10_000, 0)
    fitted = fit(signal, background)
    np.testing.assert_array_equal(content(fitted, signal, np.ones(10_000)), 100)
    weighted = fit(signal, background, weight)
    np.testing.assert_allclose(content(weighted, signal, weight), weight.sum() / 100, atol=4)
    assert weighted.edges[0] == min(signal.min(), background.min())
    assert weighted.edges[-1] == max(signal.max(), background.max())


def test_bins_of_equal_width_span_the_background() -> None:
    signal, background, _, _ = sample(10_000, 0)
    fitted = fit(signal, background, bins=50, binning="equal-width")
    np.testing.assert_allclose(fitted.edges, np.linspace(background.min(), background.max(), 51))
    assert fitted.factors[-1] == 0


def test_factors_hold_beyond_the_edges_and_a_bin_holds_its_lower_edge() -> None:
    reweighting = Reweighting(edges=(10.0, 20.0, 30.0), factors=(1.0, 3.0))
    assert reweighting.apply(np.array([0.0, 10.0, 19.9, 20.0, 30.0, 1e6])).tolist() == [1, 1, 1, 3, 3, 3]
    assert reweighting.apply(np.empty(0)).shape == (0,)


@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=20, unique=True))
def test_the_round_trip_through_json_is_exact(edges: list[float]) -> None:
    import tempfile

    reweighting = Reweighting(tuple(sorted(edges)), tuple(abs(x) / 3 for x in edges[1:]))
    with tempfile.TemporaryDirectory() as directory:
        reweighting.write(Path(directory) / "r.json")
        assert Reweighting.read(Path(directory) / "r.json") == reweighting


def test_negative_weights_count_with_their_sign() -> None:
    signal, background, _, _ = sample(2000, 0)
    generator = np.random.default_rng(0)
    s, b = (np.where(generator.uniform(size=len(x)) < 0.1, -1.0, 1.0) for x in (signal, background))
    fitted = fit(signal, background, s, b, bins=20)
    reweighted = b * fitted.apply(background)
    np.testing.assert_allclose(content(fitted, background, reweighted), content(fitted, signal, s), rtol=1e-11)


def test_a_bin_without_background_is_refused_with_the_remedy() -> None:
    pt = np.linspace(10, 50, 100)
    with pytest.raises(InputError, match=r"pT bin 6 of 10 .* the signal has weight 10, the background 0: use fewer"):
        fit(pt, pt[pt < 30], bins=10)
    with pytest.raises(InputError, match="the background -1"):
        fit(pt, pt, 1.0, np.full(100, -0.01), bins=1)


def test_signal_weights_that_sum_to_less_than_nothing_are_refused() -> None:
    pt = np.linspace(10, 50, 100)
    with pytest.raises(InputError, match="the signal's weights sum to -50"):
        fit(pt, pt, np.where(pt < 30, -1.0, 1.0), bins=2)


def test_too_many_bins_are_refused() -> None:
    pt = np.linspace(10, 50, 100)
    with pytest.raises(ConfigurationError, match="101 reweighting bins are too many"):
        fit(pt, pt, bins=101)
    with pytest.raises(ConfigurationError, match="are too many"):
        fit(np.full(100, 20.0), pt, bins=3)
    with pytest.raises(ConfigurationError, match="are too many"):
        fit(pt, np.full(100, 20.0), bins=2, binning="equal-width")


def test_rows_that_cannot_be_fitted_are_refused() -> None:
    pt = np.linspace(10, 50, 100)
    with pytest.raises(InputError, match="the background has no training rows"):
        fit(pt, np.empty(0))
    with pytest.raises(InputError, match="of the signal is not finite"):
        fit(np.array([np.nan]), pt)
    with pytest.raises(InputError, match="all weights of the signal are zero"):
        fit(pt, pt, 0.0)


def test_unusable_options_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="reweighting bins must be an integer of at least 1"):
        ReweightingConfig(bins=0)
    with pytest.raises(ConfigurationError, match="binning 'log': use one of equal-content, equal-width"):
        ReweightingConfig(binning="log")


@pytest.mark.parametrize(
    ("edges", "factors", "message"),
    [
        ((1.0, 2.0), (1.0, 2.0), "2 edges do not fit 2 factors"),
        ((2.0, 1.0), (1.0,), "must be finite and rise"),
        ((1.0, np.inf), (1.0,), "must be finite and rise"),
        ((1.0, 2.0), (-1.0,), "must be finite and not negative"),
    ],
)
def test_a_reweighting_is_checked(edges: tuple[float, ...], factors: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Reweighting(edges, factors)


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        '{"edges": [1, 2]}',
        '{"edges": [1, "x"], "factors": [1]}',
        '{"edges": [2, 1], "factors": [1]}',
    ],
)
def test_a_foreign_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"r\.json: not a reweighting"):
        Reweighting.read(path)


def table(events: int) -> tuple[np.ndarray, ...]:
    signal, background, signal_weight, background_weight = sample(events, 1)
    label = np.repeat([1, 0], [len(signal), len(background)]).astype(np.int8)
    held_out = np.random.default_rng(2).uniform(size=len(label)) < 0.2
    return label, held_out, np.concatenate([signal, background]), np.concatenate([signal_weight, background_weight])


def test_factors_are_fitted_on_training_rows_and_applied_to_all() -> None:
    label, held_out, pt, gen_weight = table(2000)
    weight, fitted = final_weights(label, held_out, pt, gen_weight, ReweightingConfig(bins=20))
    assert fitted is not None
    np.testing.assert_array_equal(weight[label == 1], gen_weight[label == 1])
    background = label == 0
    np.testing.assert_array_equal(weight[background], (gen_weight * fitted.apply(pt))[background])
    train = ~held_out
    np.testing.assert_allclose(
        content(fitted, pt[background & train], weight[background & train]),
        content(fitted, pt[~background & train], weight[~background & train]),
        rtol=1e-11,
    )
    moved = np.where(held_out, pt * 1.5, pt)
    assert final_weights(label, held_out, moved, gen_weight, ReweightingConfig(bins=20))[1] == fitted


def test_factors_from_elsewhere_are_applied_as_they_are() -> None:
    label, held_out, pt, gen_weight = table(100)
    given_one = Reweighting((0.0, 40.0, 100.0), (0.5, 2.0))
    weight, used = final_weights(label, held_out, pt, gen_weight, given_one)
    assert used is given_one
    np.testing.assert_array_equal(weight, np.where(label == 1, 1, np.where(pt < 40, 0.5, 2)) * gen_weight)


def test_without_options_or_with_one_class_the_weight_is_the_generators() -> None:
    label, held_out, pt, gen_weight = table(100)
    for rows, options in ((label >= 0, None), (label == 1, ReweightingConfig()), (label == 0, ReweightingConfig())):
        weight, fitted = final_weights(label[rows], held_out[rows], pt[rows], gen_weight[rows], options)
        assert fitted is None
        np.testing.assert_array_equal(weight, gen_weight[rows])
