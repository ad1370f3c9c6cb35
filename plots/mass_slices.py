"""Fig. 2: the dimuon mass of the signal in slices of pT, true and smeared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid.plots import style
from zmumu_hybrid.plots.data import Binned, binned

if TYPE_CHECKING:
    from hist import Hist
    from matplotlib.axes import Axes

__all__ = ["draw", "width"]


def width(histogram: Binned) -> float:
    """Return the interquartile range / 1.349, which is the standard deviation for a normal distribution.

    Quartiles are interpolated inside a bin; under- and overflow are left out.
    """
    cumulative = np.append(0.0, np.cumsum(histogram.values)) / histogram.values.sum()
    low, high = np.interp([0.25, 0.75], cumulative, histogram.edges)
    return float(high - low) / 1.349


def draw(
    mass_true: Hist[Any],
    mass_smeared: Hist[Any],
    axes: Sequence[Axes] | None = None,
    *,
    note: str | None = None,
    dataset: str = "signal",
    mass_range: tuple[float, float] = (70.0, 120.0),
) -> style.Drawing:
    """Draw the true mass (top) and the smeared mass (bottom) in the three slices, each with unit area.

    Parameters
    ----------
    mass_true, mass_smeared : hist.Hist
        Weighted, with the axes dataset, pt_slice ("below30", "30to40", "above40") and mass (GeV).
    axes : sequence of two matplotlib.axes.Axes, optional
        For the true and for the smeared mass; without them a figure is made.
    note : str, optional
        Small type above the figure.
    dataset : str
        "signal" as in the paper, or "background".
    mass_range : (float, float)
        What is shown, in GeV.

    Raises
    ------
    InputError
        If a histogram has other axes or a slice is empty.
    """
    artists: dict[str, Any] = {}
    parts = {
        kind: {each: binned(histogram, "mass", f"mass_{kind}", dataset=dataset, pt_slice=each) for each in style.SLICES}
        for kind, histogram in (("true", mass_true), ("smeared", mass_smeared))
    }
    with style.canvas(axes, 2, size=(8.0, 9.0), heights=(1.0, 1.0)) as panels:
        for panel, (kind, slices) in zip(panels, parts.items(), strict=True):
            for name, part in slices.items():
                look = style.SLICES[name]
                artists[f"{kind} {name}"] = panel.stairs(
                    part.density()[0],
                    part.edges,
                    color=look.color,
                    linestyle=look.dash,
                    linewidth=2.0,
                    label=f"{look.label}\nwidth {width(part):.1f} GeV",
                )
            panel.set_xlim(mass_range)
            panel.set_xlabel(r"$m_{\mu\mu}$ [GeV]")
            panel.set_ylabel("Share of events / GeV")
            panel.text(0.03, 0.95, f"{kind.capitalize()} mass", transform=panel.transAxes, ha="left", va="top")
            panel.text(
                0.03, 0.88, "width = IQR / 1.349", transform=panel.transAxes, ha="left", va="top", fontsize="x-small"
            )
            artists[f"{kind} legend"] = panel.legend(loc="upper right", handlelength=2.0)
        if axes is None:
            style.share_x(panels)
        style.note(panels[0], note)
    return style.Drawing(panels, artists)
