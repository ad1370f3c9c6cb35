"""Fig. 8: the learning curves of the hybrid with each way to pool the two latents (Appendix C)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zmumu_hybrid.plots import learning_curves, style
from zmumu_hybrid.plots.bands import Limit
from zmumu_hybrid.plots.data import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]


def draw(
    poolings: Mapping[str, Table],
    ax: Axes | None = None,
    *,
    note: str | None = None,
    metric: str = "auc",
    optimal: Limit | None = None,
    ceiling: Limit | None = None,
    scored: Mapping[str, float] | None = None,
    title: str | None = "Small data set",
) -> style.Drawing:
    """Draw a metric against the epoch for each pooling.

    Parameters
    ----------
    poolings : mapping of str to table
        For each pooling (the names of `zmumu_hybrid.plots.style.POOLINGS`) a tidy table with the columns "member",
        "epoch" and `metric`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a figure is made.
    note, metric, optimal, ceiling, scored, title
        As for `zmumu_hybrid.plots.learning_curves.draw_panel`.

    Raises
    ------
    InputError
        If a table has no such column, or two rows for one member and epoch.
    """
    return learning_curves.draw_panel(
        poolings,
        ax,
        note=note,
        metric=metric,
        optimal=optimal,
        ceiling=ceiling,
        title=title,
        scored=scored,
        looks=style.POOLINGS,
        columns=1 if scored else 2,
    )
