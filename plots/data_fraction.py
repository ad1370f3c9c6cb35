"""Fig. 6: AUC against the fraction of the data set that is used for training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zmumu_hybrid.plots import style
from zmumu_hybrid.plots.bands import Limit, draw_bands
from zmumu_hybrid.plots.data import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]


def draw(
    models: Mapping[str, Table],
    ax: Axes | None = None,
    *,
    note: str | None = None,
    metric: str = "auc",
    optimal: Limit | None = None,
    ceiling: Limit | None = None,
    events: int | None = None,
    scored: Mapping[str, float] | None = None,
    columns: int = 3,
    title: str | None = None,
) -> style.Drawing:
    """Draw a metric after training against the fraction of the data set.

    Parameters
    ----------
    models : mapping of str to table
        For each model a tidy table with the columns "member", "fraction" (above 0, up to 1) and `metric`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a figure is made.
    note : str, optional
        Small type above the figure.
    metric : str
        The column to draw.
    optimal, ceiling : (float, float), optional
        The best possible value and the best of any function of Lorentz invariants, with their uncertainties.
    events : int, optional
        Events in the whole data set, for the axis label.
    scored : mapping of str to float, optional
        What each model reaches with all events, for the legend; see `zmumu_hybrid.plots.bands.draw_bands`.
    columns, title
        Of the legend.

    Raises
    ------
    InputError
        If a table has no such column, or two rows for one member and fraction.
    """
    with style.canvas(ax) as panels:
        (panel,) = panels
        artists = draw_bands(
            panel,
            models,
            x="fraction",
            y=metric,
            looks=style.MODELS,
            optimal=optimal,
            ceiling=ceiling,
            scored=scored,
            columns=columns,
            title=title,
        )
        panel.set_xlabel("Fraction of the data set" + ("" if events is None else f" ({events:,} events)"))
        style.note(panel, note)
    return style.Drawing(panels, artists)
