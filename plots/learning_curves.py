"""Fig. 4, 7 and 8: AUC against the training epoch, for a small and a large data set, other widths, other poolings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zmumu_hybrid.plots import style
from zmumu_hybrid.plots.bands import Limit, draw_bands
from zmumu_hybrid.plots.data import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw", "draw_panel"]


def draw_panel(
    models: Mapping[str, Table],
    ax: Axes | None = None,
    *,
    note: str | None = None,
    metric: str = "auc",
    optimal: Limit | None = None,
    ceiling: Limit | None = None,
    title: str | None = None,
    looks: Mapping[str, style.Look] = style.MODELS,
    scored: Mapping[str, float] | None = None,
    columns: int = 3,
) -> style.Drawing:
    """Draw one panel: a metric against the epoch, a line and a band for every model.

    Parameters
    ----------
    models : mapping of str to table
        For each model ("hybrid", "pfn", "invariant", or any name) a tidy table with the columns "member", "epoch" and
        `metric`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a figure is made.
    note : str, optional
        Small type above the figure.
    metric : str
        The column to draw.
    optimal, ceiling : (float, float), optional
        The best possible value and the best of any function of Lorentz invariants, with their uncertainties.
    title : str, optional
        Of the legend.
    looks : mapping of str to Look
        Colours and labels by name, such as `zmumu_hybrid.plots.style.POOLINGS`.
    scored : mapping of str to float, optional
        What each model reaches on independent events, for the legend; see `zmumu_hybrid.plots.bands.draw_bands`.
    columns : int
        Of the legend.

    Raises
    ------
    InputError
        If a table has no such column, or two rows for one member and epoch.
    """
    with style.canvas(ax) as panels:
        from matplotlib.ticker import MaxNLocator

        (panel,) = panels
        panel.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
        artists = draw_bands(
            panel,
            models,
            x="epoch",
            y=metric,
            looks=looks,
            optimal=optimal,
            ceiling=ceiling,
            scored=scored,
            columns=columns,
            title=title,
        )
        panel.set_xlabel("Epoch")
        style.note(panel, note)
    return style.Drawing(panels, artists)


def draw(
    small: Mapping[str, Table],
    large: Mapping[str, Table],
    axes: Sequence[Axes] | None = None,
    *,
    note: str | None = None,
    metric: str = "auc",
    optimal: Limit | None = None,
    ceiling: Limit | None = None,
    scored: tuple[Mapping[str, float] | None, Mapping[str, float] | None] = (None, None),
    columns: int = 3,
    titles: tuple[str, str] = ("Small data set", "Large data set"),
) -> style.Drawing:
    """Draw the learning curves on the small (top) and on the large data set (bottom).

    Parameters
    ----------
    small, large : mapping of str to table
        For each model a tidy table, as `draw_panel` takes them.
    axes : sequence of two matplotlib.axes.Axes, optional
        For the small and for the large data set; without them a figure is made.
    note, metric, optimal, ceiling, columns
        As for `draw_panel`.
    scored : (mapping, mapping)
        As for `draw_panel`, for each panel.
    titles : (str, str)
        Of the legends.

    Raises
    ------
    InputError
        If a table has no such column, or two rows for one member and epoch.
    """
    artists: dict[str, Any] = {}
    with style.canvas(axes, 2, size=(8.0, 9.5), heights=(1.0, 1.0)) as panels:
        parts = zip(("small", "large"), (small, large), panels, titles, (note, None), scored, strict=True)
        for size, models, panel, title, text, reached in parts:
            drawn = draw_panel(
                models,
                panel,
                note=text,
                metric=metric,
                optimal=optimal,
                ceiling=ceiling,
                title=title,
                scored=reached,
                columns=columns,
            )
            artists |= {f"{size} {name}": artist for name, artist in drawn.artists.items()}
        if axes is None:
            style.share_x(panels)
    return style.Drawing(panels, artists)
