"""Fig. 1: the transverse momentum before and after the background is reweighted to the signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid.plots import style
from zmumu_hybrid.plots.data import Binned, Floats, binned

if TYPE_CHECKING:
    from hist import Hist
    from matplotlib.axes import Axes

__all__ = ["draw", "ratio"]

MEANINGLESS = 0.3
"""A ratio that is known no better than this is not drawn."""


def ratio(numerator: Binned, denominator: Binned) -> tuple[Floats, Floats]:
    """Return the ratio of two densities and its uncertainty from both sums of squared weights.

    Returns
    -------
    ratio, uncertainty : numpy.ndarray of float64, shape (n,)
        NaN where either of the two is empty.
    """
    above, above_error = numerator.density()
    below, below_error = denominator.density()
    full = (above > 0) & (below > 0)
    above, below = (np.where(full, part, np.nan) for part in (above, below))
    value = above / below
    return value, value * np.hypot(above_error / above, below_error / below)


def draw(
    pt_before: Hist[Any],
    pt_after: Hist[Any],
    axes: Sequence[Axes] | None = None,
    *,
    note: str | None = None,
    pt_range: tuple[float, float] = (0.0, 80.0),
) -> style.Drawing:
    """Draw signal and background pT before and after reweighting, and their ratio to the signal.

    Parameters
    ----------
    pt_before, pt_after : hist.Hist
        Weighted, with the axes dataset ("signal", "background") and pt (GeV); without and with the reweighting.
    axes : sequence of two matplotlib.axes.Axes, optional
        For the distributions and for the ratio; without them a figure is made.
    note : str, optional
        Small type above the figure.
    pt_range : (float, float)
        What is shown, in GeV. Densities are shares of the whole sample.

    Raises
    ------
    InputError
        If a histogram has other axes or is empty.
    """
    signal = binned(pt_before, "pt", "pt_before", dataset="signal")
    backgrounds = {
        "before": binned(pt_before, "pt", "pt_before", dataset="background"),
        "after": binned(pt_after, "pt", "pt_after", dataset="background"),
    }
    artists: dict[str, Any] = {}
    with style.canvas(axes, 2, size=(8.0, 7.5), heights=(2.6, 1.0)) as panels:
        main, lower = panels
        look = style.DATASETS["signal"]
        artists["signal"] = main.stairs(
            signal.density()[0], signal.edges, fill=True, color=look.color, alpha=0.6, label=look.label
        )
        for name, background in backgrounds.items():
            look = style.DATASETS[name]
            artists[name] = main.stairs(background.density()[0], background.edges, label=look.label)
            value, error = ratio(background, signal)
            value = np.where(error < MEANINGLESS, value, np.nan)
            artists[f"ratio {name}"] = lower.stairs(value, background.edges, baseline=None)
            for line in (artists[name], artists[f"ratio {name}"]):
                line.set(color=look.color, linestyle=look.dash, linewidth=1.5)
            artists[f"band {name}"] = lower.fill_between(
                np.repeat(background.edges, 2)[1:-1],
                np.repeat(value - error, 2),
                np.repeat(value + error, 2),
                color=look.color,
                alpha=0.3,
                linewidth=0,
            )
        lower.axhline(1.0, color=style.GREY, linewidth=1.0)
        for panel in panels:
            panel.set_xlim(pt_range)
            panel.set_xlabel(rf"{style.PT} of the $\mu^{{+}}$ [GeV]")
        lower.set_ylim(0.4, 1.6)
        main.set_ylabel("Share of events / GeV")
        lower.set_ylabel("Ratio to\nsignal", loc="center")
        if axes is None:
            style.share_x(panels)
        artists["legend"] = style.legend(main)
        style.note(main, note)
    return style.Drawing(panels, artists)
