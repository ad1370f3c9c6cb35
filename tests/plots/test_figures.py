from __future__ import annotations

from functools import partial

import hist
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.plots import (
    comparisons,
    learning_curves,
    mass_slices,
    pt_reweighting,
    style,
    symmetry_factor,
)
from zmumu_hybrid.plots.data import Binned, binned, curves

NOTE = "quick scale: 3 members, 10 epochs, 80,000 events, seed 1"
PT = np.linspace(8.0, 100.0, 40)
WEIGHTS = 1 / (1 + np.exp(-(PT - 35) / 20)) + np.array([[0.02], [0.0], [-0.03]])


@pytest.fixture
def figures(models, fractions, histograms):
    """Every figure with data, as a function of axes and options, and the number of axes that it takes."""
    limits = {"optimal": (0.8126, 0.0006), "ceiling": (0.7781, 0.0006)}
    poolings = dict(zip(style.POOLINGS, [*models.values(), models["hybrid"]], strict=True))
    before, after, true, smeared = histograms.values()
    events = histograms["pt_after"].project("pt")
    counted = [{**table, "events": 80_000 * np.asarray(table["fraction"])} for table in fractions.values()]
    share = {
        model: {**table, "width": table["fraction"], "headroom": np.asarray(table["auc"])}
        for model, table in fractions.items()
    }
    shares = {"First": share, "Second": share}
    approaches = {model: dict(zip(comparisons.APPROACHES, counted, strict=False)) for model in ("hybrid", "pfn")}
    fraction = partial(comparisons.draw, {"": fractions}, x="fraction", events=80_000)
    approach = partial(comparisons.draw, looks=comparisons.APPROACHES, columns=2)
    curves_of = partial(learning_curves.draw_panel, looks=style.POOLINGS, columns=2)
    return {
        "pt_reweighting": (2, lambda *a, **k: pt_reweighting.draw(before, after, *a, **k)),
        "mass_slices": (2, lambda *a, **k: mass_slices.draw(true, smeared, *a, **k)),
        "learning_curves": (2, lambda *a, **k: learning_curves.draw(models, models, *a, **limits, **k)),
        "symmetry_factor": (1, lambda *a, **k: symmetry_factor.draw(PT, WEIGHTS, *a, events=events, **k)),
        "data_fraction": (1, lambda *a, **k: fraction(*a, **limits, **k)),
        "training_events": (
            2,
            lambda *a, **k: approach(approaches, *a, **limits, **k),
        ),
        "headrooms": (2, lambda *a, **k: comparisons.draw(shares, *a, x="width", metric="headroom", **k)),
        "enlarged_hybrid": (1, lambda *a, **k: learning_curves.draw_panel(models, *a, title="Large", **limits, **k)),
        "pooling_variants": (1, lambda *a, **k: curves_of(poolings, *a, **limits, **k)),
    }


NAMES = [
    "pt_reweighting",
    "mass_slices",
    "learning_curves",
    "symmetry_factor",
    "data_fraction",
    "training_events",
    "headrooms",
    "enlarged_hybrid",
    "pooling_variants",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_of_its_own_is_made_and_saved(figures, name, tmp_path):
    _, draw = figures[name]
    drawing = draw(note=NOTE)
    assert NOTE in [text.get_text() for text in drawing.axes[0].texts]
    assert drawing.axes[-1].get_xlabel()
    assert all(panel.get_ylabel() for panel in drawing.axes)
    assert all(path.stat().st_size > 5_000 for path in style.save(drawing.figure, tmp_path / name))


@pytest.mark.parametrize("name", NAMES)
def test_no_text_lies_on_another(figures, name):
    drawing = figures[name][1](note=NOTE)
    drawing.figure.draw_without_rendering()
    boxes = []
    for panel in drawing.axes:
        legend = panel.get_legend()
        texts = [*panel.texts, panel.xaxis.label, panel.yaxis.label, *panel.get_xticklabels(), *panel.get_yticklabels()]
        low, high = panel.bbox.extents[1], panel.bbox.extents[3]
        for text in texts:
            extent = text.get_window_extent()
            inside = text not in panel.get_yticklabels() or low <= (extent.y0 + extent.y1) / 2 <= high
            if text.get_visible() and text.get_text() and inside and extent.width:
                boxes.append((text.get_text(), extent))
        if legend is not None:
            boxes.append(("legend", legend.get_window_extent()))
    labels = [name for name, _ in boxes]
    assert "legend" in labels
    for i, (first, box) in enumerate(boxes):
        for second, other in boxes[i + 1 :]:
            assert not box.overlaps(other), f"{first!r} lies on {second!r}"


@pytest.mark.parametrize("name", NAMES)
def test_the_callers_axes_are_drawn_on(figures, name):
    count, draw = figures[name]
    figure = Figure(figsize=(8, 4 * count), layout="constrained")
    axes = np.ravel(figure.subplots(count))
    drawing = draw(axes[0] if count == 1 else axes)
    assert all(drawn is given for drawn, given in zip(drawing.axes, axes, strict=True))
    assert drawing.figure is figure
    assert len(figure.axes) == count
    assert all(panel.has_data() and panel.get_xlabel() and panel.get_ylabel() for panel in axes)
    assert all(artist.get_figure(root=True) is figure for artist in drawing.artists.values())


@pytest.mark.parametrize("name", NAMES)
def test_another_number_of_axes_is_refused(figures, name):
    count, draw = figures[name]
    with pytest.raises(ConfigurationError, match=f"draws on {count} of them, {count + 1} were given"):
        draw(list(Figure().subplots(count + 1)))


def test_lines_and_bands_are_the_members_mean_and_spread(models):
    drawing = learning_curves.draw(models, {"pfn": models["pfn"]}, optimal=(0.81, 0.001), ceiling=(0.778, 0.0))
    for size, name in (("small", "hybrid"), ("small", "invariant"), ("large", "pfn")):
        expected = curves(models[name], "epoch", "auc")
        line = drawing.artists[f"{size} {name}"]
        np.testing.assert_array_equal(line.get_xdata(), expected.x)
        np.testing.assert_array_equal(line.get_ydata(), expected.mean)
        assert line.get_color() == style.MODELS[name].color
        band = drawing.artists[f"{size} band {name}"]
        assert isinstance(band, PolyCollection)
        corners = band.get_paths()[0].vertices
        assert corners[:, 1].max() == (expected.mean + expected.spread).max()
        assert corners[:, 1].min() == (expected.mean - expected.spread).min()
    assert "large hybrid" not in drawing.artists
    np.testing.assert_array_equal(drawing.artists["large optimal"].get_ydata(), [0.81, 0.81])
    np.testing.assert_array_equal(drawing.artists["small ceiling"].get_ydata(), [0.778, 0.778])
    assert "small band optimal" in drawing.artists
    assert "small band ceiling" not in drawing.artists


def test_one_member_has_a_line_and_no_band(models):
    alone = {
        name: np.asarray(column)[np.asarray(models["pfn"]["member"]) == 0] for name, column in models["pfn"].items()
    }
    drawing = learning_curves.draw_panel({"pfn": alone})
    assert "pfn" in drawing.artists
    assert "band pfn" not in drawing.artists


def test_any_metric_and_any_model_can_be_drawn(models):
    table = {"member": [0, 0], "epoch": [1, 2], "loss": [0.6, 0.5]}
    drawing = learning_curves.draw_panel({"mine": table}, metric="loss")
    assert drawing.axes[0].get_ylabel() == "Loss"
    assert drawing.artists["mine"].get_label() == "mine"


def test_epochs_are_whole_numbers(models):
    table = {"member": [0, 0], "epoch": [1, 2], "auc": [0.7, 0.8]}
    ticks = learning_curves.draw_panel({"hybrid": table}).axes[0].get_xticks()
    assert all(tick == int(tick) for tick in ticks)


def test_a_malformed_table_is_refused_with_the_models_name(models):
    with pytest.raises(InputError, match="pfn: metric table: column 'auc' is missing"):
        learning_curves.draw(models, {"pfn": {"member": [0], "epoch": [1]}})
    with pytest.raises(InputError, match="no metric table"):
        comparisons.draw({"": {}})


def test_fractions_are_drawn_with_their_points(fractions):
    drawing = comparisons.draw({"": fractions}, x="fraction", events=80_000)
    expected = curves(fractions["pfn"], "fraction", "auc")
    np.testing.assert_array_equal(drawing.artists["pfn"].get_xdata(), [0.1, 0.2, 0.5, 1.0])
    np.testing.assert_array_equal(drawing.artists["pfn"].get_ydata(), expected.mean)
    assert "80,000" in drawing.axes[0].get_xlabel()


def test_the_symmetry_factor_is_drawn_over_the_events(histograms):
    events = histograms["pt_before"][{"dataset": "signal"}]
    drawing = symmetry_factor.draw(PT, WEIGHTS, events=events)
    np.testing.assert_allclose(drawing.artists["weight"].get_ydata(), WEIGHTS.mean(axis=0))
    np.testing.assert_array_equal(drawing.artists["weight"].get_xdata(), PT)
    heights = drawing.artists["events"].get_data().values
    np.testing.assert_allclose(heights / heights.sum(), events.values() / events.values().sum())
    alone = symmetry_factor.draw(PT, WEIGHTS[0])
    np.testing.assert_array_equal(alone.artists["weight"].get_ydata(), WEIGHTS[0])
    assert set(alone.artists) == {"weight", "legend"}


def test_weights_of_another_shape_are_refused():
    with pytest.raises(InputError, match="shape"):
        symmetry_factor.draw(PT, WEIGHTS[:, 1:])


def test_the_pt_spectra_are_shares_of_their_samples(histograms):
    drawing = pt_reweighting.draw(histograms["pt_before"], histograms["pt_after"])
    for artist, name, dataset in (
        ("signal", "pt_before", "signal"),
        ("before", "pt_before", "background"),
        ("after", "pt_after", "background"),
    ):
        values = histograms[name][{"dataset": dataset}].values()
        total = histograms[name][{"dataset": dataset}].values(flow=True).sum()
        data = drawing.artists[artist].get_data()
        np.testing.assert_allclose(data.values, values / total / 0.5)
        np.testing.assert_array_equal(data.edges, histograms[name].axes["pt"].edges)
    drawn = drawing.artists["ratio after"].get_data().values
    shown = np.isfinite(drawn)
    covered = sum(path.get_extents().width for path in drawing.artists["band after"].get_paths())
    assert covered == pytest.approx(0.5 * shown.sum())
    assert 60 < shown.sum() < 200
    assert abs(np.median(drawn[shown]) - 1) < 0.05


def test_the_ratio_has_the_uncertainty_of_weighted_sums():
    rng = np.random.default_rng(5)
    edges = np.array([0.0, 1.0, 2.0])

    def sample():
        weights = rng.exponential(2.0, rng.poisson(400))
        return Binned(edges, np.full(2, weights.sum()), np.full(2, (weights**2).sum()), 800.0)

    trials = [pt_reweighting.ratio(sample(), Binned(edges, np.ones(2), np.zeros(2), 2.0)) for _ in range(400)]
    values, errors = (np.array(part)[:, 1] for part in zip(*trials, strict=True))
    assert abs(np.mean(errors) / np.std(values) - 1) < 0.12


def test_an_empty_bin_has_no_ratio():
    edges = np.array([0.0, 1.0, 2.0])
    full, half = (Binned(edges, np.array(v), np.array(v), sum(v)) for v in ([2.0, 2.0], [4.0, 0.0]))
    value, error = pt_reweighting.ratio(full, half)
    np.testing.assert_allclose(value, [0.5, np.nan])
    np.testing.assert_allclose(error, [0.5 * np.sqrt(0.5 + 0.25), np.nan])
    assert np.isnan(pt_reweighting.ratio(half, full)[0][1])


def test_the_mass_is_drawn_in_slices_of_unit_area(histograms):
    drawing = mass_slices.draw(histograms["mass_true"], histograms["mass_smeared"])
    for kind in ("true", "smeared"):
        for each in style.SLICES:
            part = histograms[f"mass_{kind}"][{"dataset": "signal", "pt_slice": each}]
            data = drawing.artists[f"{kind} {each}"].get_data()
            np.testing.assert_allclose(data.values, part.values() / part.values(flow=True).sum())
    assert drawing.axes[0].get_xlim() == (70, 120)


def test_the_width_of_a_normal_distribution_is_its_standard_deviation():
    sample = np.random.default_rng(6).normal(91.2, 6.5, 200_000)
    filled = hist.Hist(hist.axis.Regular(200, 0, 200, name="mass")).fill(sample)
    assert mass_slices.width(binned(filled, "mass", "mass")) == pytest.approx(6.5, abs=0.05)


def test_a_histogram_without_background_is_refused(histograms):
    signal_only = hist.Hist(*histograms["pt_before"].axes, storage=hist.storage.Weight()).fill("signal", [40.0])
    with pytest.raises(InputError, match="pt_before: there is nothing in it for background"):
        pt_reweighting.draw(signal_only, signal_only)
