from __future__ import annotations

import numpy as np

from zmumu_hybrid.plots import learning_curves, style

TABLE = {"member": np.array([0, 0, 1, 1]), "epoch": np.array([1, 2, 1, 2]), "auc": np.array([0.7, 0.78, 0.71, 0.79])}
LIMITS = {"optimal": (0.81, 0.001), "ceiling": (0.77, 0.001)}


def texts(drawing: learning_curves.style.Drawing) -> list[str]:
    return [text.get_text() for text in drawing.artists["legend"].get_texts()]  # type: ignore[attr-defined]


def test_the_legend_says_what_is_reached_and_its_headroom() -> None:
    drawing = learning_curves.draw_panel({"pfn": TABLE, "hybrid": TABLE}, scored={"pfn": 0.78, "hybrid": 0.7}, **LIMITS)
    assert "PFN  0.7800 (25%)" in texts(drawing)
    assert "Hybrid  0.7000 (<0%)" in texts(drawing)


def test_without_limits_the_legend_has_no_headroom() -> None:
    assert texts(learning_curves.draw_panel({"pfn": TABLE}, scored={"pfn": 0.78})) == ["PFN  0.7800"]
    assert texts(learning_curves.draw_panel({"pfn": TABLE})) == ["PFN"]


def test_the_legend_stays_inside_the_figure() -> None:
    names = ("weighted-sum", "weighted-concatenation", "concatenation-with-weight", "concatenation-with-pt")
    scored = dict.fromkeys(names, 0.78)
    drawing = learning_curves.draw_panel(
        dict.fromkeys(names, TABLE),
        scored=scored,
        title="Small data set: AUC on independent events",
        looks=style.POOLINGS,
        columns=1,
        **LIMITS,
    )
    panel, legend = drawing.axes[0].get_window_extent(), drawing.artists["legend"].get_window_extent()
    assert panel.x0 <= legend.x0 < legend.x1 <= panel.x1
    assert legend.height <= 0.6 * panel.height
