from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hist
import matplotlib.pyplot as plt
import numpy as np
import pytest

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.jobs.analyse import AnalysisSummary
from zmumu_hybrid.measurement.fit import Fit
from zmumu_hybrid.measurement.results import Result
from zmumu_hybrid.measurement.templates import Templates
from zmumu_hybrid.plots import analysis

EDGES = np.array([0.0, 0.5, 0.75, 1.0])
NOMINAL = {"signal": np.array([1.0, 2.0, 6.0]), "background": np.array([8.0, 3.0, 1.0])}
WIDER = {"signal": np.array([1.5, 2.5, 5.0]), "background": np.array([8.0, 3.0, 1.0])}
TEMPLATES = Templates(
    EDGES,
    NOMINAL,
    {name: 0.1 * values for name, values in NOMINAL.items()},
    {"widthUp": WIDER},
    np.array([9.0, 4.0, 8.0]),
)
FIT = Fit(1.02, 0.25, 0.2, {"luminosity": (0.1, 0.9), "width": (-0.4, 0.7), "simulation_0": (3.0, 1.0)})


def result(name: str, kind: str, sigma: float) -> Result:
    fit = replace(FIT, uncertainty=sigma, statistical=0.8 * sigma)
    return Result(name, kind, 3, fit, sigma, 0.01, 0.3 / sigma, 0.02, None)


@pytest.fixture(autouse=True)
def closed() -> object:
    yield
    plt.close("all")


def test_a_discriminant_shows_the_templates_stacked_and_their_variations() -> None:
    drawing = analysis.draw_discriminant(TEMPLATES, "Discriminant")
    widths = np.diff(EDGES)
    assert np.allclose(drawing.artists["background"].get_data().values, NOMINAL["background"] / widths)
    stacked = drawing.artists["signal"].get_data()
    assert np.allclose(stacked.values, (NOMINAL["signal"] + NOMINAL["background"]) / widths)
    assert np.allclose(stacked.baseline, NOMINAL["background"] / widths)
    ratio = drawing.artists["widthUp"].get_data().values
    assert np.allclose(ratio, [9.5 / 9, 5.5 / 5, 6 / 7])
    assert "widthDown" not in drawing.artists
    assert np.allclose(drawing.artists["data"].lines[0].get_ydata(), [18.0, 16.0, 32.0])
    assert "data" not in analysis.draw_discriminant(replace(TEMPLATES, observed=None), "D").artists
    with pytest.raises(ConfigurationError, match="draws on 2"):
        analysis.draw_discriminant(TEMPLATES, "D", plt.subplots(1)[1])


def test_pulls_are_those_of_the_fit_without_the_numbers_of_events() -> None:
    drawing = analysis.draw_pulls(FIT)
    assert drawing.artists["after"].get_xdata().tolist() == [0.1, -0.4]
    (panel,) = drawing.axes
    assert [text.get_text() for text in panel.get_yticklabels()] == ["Luminosity", "Smearing width"]
    assert analysis.draw_pulls(FIT, bins=True).artists["after"].get_xdata().tolist() == [0.1, -0.4, 3.0]
    with pytest.raises(InputError, match="no constrained parameter"):
        analysis.draw_pulls(replace(FIT, pulls={"simulation_0": (0.0, 1.0)}))


def test_precisions_are_ordered_and_named_apart() -> None:
    results = [result("first", "hybrid", 0.10), result("second", "hybrid", 0.12), result("mass-cut", "mass-cut", 0.3)]
    drawing = analysis.draw_precisions(results)
    (panel,) = drawing.axes
    assert [text.get_text() for text in panel.get_yticklabels()] == ["Mass cut", "second", "first"]
    assert [drawing.artists[each.name].patches[0].get_width() for each in results] == [0.10, 0.12, 0.3]
    with pytest.raises(InputError, match="no measurement"):
        analysis.draw_precisions([])


def test_an_analysis_leaves_its_figures(tmp_path: Path) -> None:
    axis = hist.axis.Variable(EDGES, name="value", label="Score")
    results = [result("mine", "hybrid", 0.1)]
    summary = AnalysisSummary(tmp_path, {}, {"mine": hist.Hist(axis)}, results, {"mine": TEMPLATES}, 1.0)
    files = analysis.save_all(summary, tmp_path)
    assert sorted(path.name for path in files) == [
        f"{name}.{kind}" for name in ("discriminant-mine", "precisions", "pulls-mine") for kind in ("pdf", "png")
    ]
    assert all(path.stat().st_size > 1000 for path in files)
    assert analysis.save_all(replace(summary, results=[]), tmp_path) == []
