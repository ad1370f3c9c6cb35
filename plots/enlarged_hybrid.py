"""Fig. 7: the learning curves again, with a hybrid whose general subnet is as large as the PFN (Appendix A)."""

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
    models: Mapping[str, Table],
    ax: Axes | None = None,
    *,
    note: str | None = None,
    metric: str = "auc",
    optimal: Limit | None = None,
    ceiling: Limit | None = None,
    scored: Mapping[str, float] | None = None,
    columns: int = 3,
    title: str | None = "Large data set",
) -> style.Drawing:
    """Draw a metric against the epoch for the enlarged hybrid, the PFN and the invariant network.

    Parameters
    ----------
    models : mapping of str to table
        For "enlarged", "pfn" and "invariant" a tidy table with the columns "member", "epoch" and `metric`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a figure is made.
    note, metric, optimal, ceiling, scored, columns, title
        As for `zmumu_hybrid.plots.learning_curves.draw_panel`.

    Raises
    ------
    InputError
        If a table has no such column, or two rows for one member and epoch.
    """
    return learning_curves.draw_panel(
        models,
        ax,
        note=note,
        metric=metric,
        optimal=optimal,
        ceiling=ceiling,
        title=title,
        scored=scored,
        columns=columns,
    )
