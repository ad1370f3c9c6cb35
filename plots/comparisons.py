"""AUC or headroom against the events to train on (Fig. 6) or the width of the smearing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid.plots import style
from zmumu_hybrid.plots.bands import Limit, draw_bands
from zmumu_hybrid.plots.data import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["APPROACHES", "LOWEST", "draw"]

APPROACHES: Mapping[str, style.Look] = MappingProxyType(
    {
        "paper": style.Look("Paper", "#717581", "-"),
        "paper fresh": style.Look("Paper, fresh smearing", "#717581", "--"),
        "paper boosted truth": style.Look("Boosted, then measured", "#3f90da", "-."),
        "paper boosted measurement": style.Look("Measured, then boosted", "#ffa90e", ":"),
        "tuned": style.Look("Tuned", "#bd1f01", "-"),
        "tuned fresh": style.Look("Tuned, fresh smearing", "#bd1f01", "--"),
    }
)
"""Ways to train one network, by name: the looks of a panel that compares them."""

LOWEST = -0.25
"""Where the axis of the headroom ends at the latest: networks far below the ceiling are off the figure."""

_LABELS = {
    "events": "Training events",
    "fraction": "Fraction of the data set",
    "width": "Relative width of the smearing",
}


def draw(
    panels: Mapping[str, Mapping[str, Table]],
    axes: Axes | Sequence[Axes] | None = None,
    *,
    x: str = "events",
    metric: str = "auc",
    looks: Mapping[str, style.Look] = style.MODELS,
    note: str | None = None,
    optimal: Limit | None = None,
    ceiling: Limit | None = None,
    events: int | None = None,
    scored: Mapping[str, float] | None = None,
    columns: int = 3,
) -> style.Drawing:
    """Draw a metric after training, a panel for each of `panels`.

    Parameters
    ----------
    panels : mapping of str to mapping of str to table
        For each title (or model) and each line a tidy table with the columns "member", `x` and `metric`.
    axes : matplotlib.axes.Axes or sequence of them, optional
        One for each panel; without them a figure is made.
    x : str
        "events", on a logarithmic axis; "fraction" of the data set; or "width" of the smearing.
    metric : str
        The column to draw. The "headroom" has its limits at 1 and 0.
    looks : mapping of str to Look
        Colours and labels of the lines.
    note : str, optional
        Small type above the figure.
    optimal, ceiling : (float, float), optional
        The best possible value and the best of any function of Lorentz invariants, with their uncertainties.
    events : int, optional
        Events in the whole data set, for the label of the fraction.
    scored : mapping of str to float, optional
        What each line reaches on independent events, for the legend; see `zmumu_hybrid.plots.bands.draw_bands`.
    columns : int
        Of the legend.

    Raises
    ------
    InputError
        If a table has no such column, or two rows for one member and place.
    """
    if metric == "headroom":
        optimal, ceiling = (1.0, 0.0), (0.0, 0.0)
    artists: dict[str, Any] = {}
    size = None if len(panels) == 1 else (8.5, 1.0 + 6.0 * len(panels))
    with style.canvas(axes, len(panels), size=size) as drawn_on:
        for panel, (title, lines) in zip(drawn_on, panels.items(), strict=True):
            if x == "events":
                panel.set_xscale("log")
            if metric == "headroom":
                low = min(float(np.min(table["headroom"])) for table in lines.values())
                panel.set_ylim(max(min(low, 0.0), LOWEST) - 0.05, 1.05)
            drawn = draw_bands(
                panel,
                lines,
                x=x,
                y=metric,
                looks=looks,
                optimal=optimal,
                ceiling=ceiling,
                scored=scored,
                columns=columns,
                title=style.MODELS[title].label if title in style.MODELS else title,
            )
            artists |= {f"{title} {name}".strip(): artist for name, artist in drawn.items()}
            whole = f" ({events:,} events)" if events is not None and x == "fraction" else ""
            panel.set_xlabel(_LABELS.get(x, x) + whole)
        style.note(drawn_on[0], note)
    return style.Drawing(drawn_on, artists)
