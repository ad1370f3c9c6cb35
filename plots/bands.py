"""Ensembles as lines with a band, and the limits that no line should cross: the drawing that Figs. 4 and 6-8 share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.plots import style
from zmumu_hybrid.plots.data import Table, curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LABELS", "Limit", "draw_bands"]

Limit = tuple[float, float]
"""A value and its standard deviation."""

LABELS = {
    "auc": "AUC",
    "headroom": "Headroom",
    "loss": "Loss",
    "training_loss": "Training loss",
    "accuracy": "Accuracy",
    "rejection_50": "Rejection at 50% efficiency",
    "rejection_80": "Rejection at 80% efficiency",
}
"""How the metrics are called on an axis; others go by their column's name."""


def draw_bands(
    ax: Axes,
    tables: Mapping[str, Table],
    *,
    x: str,
    y: str,
    looks: Mapping[str, style.Look],
    optimal: Limit | None = None,
    ceiling: Limit | None = None,
    scored: Mapping[str, float] | None = None,
    columns: int = 3,
    title: str | None = None,
) -> dict[str, Any]:
    """Draw the mean over the members as a line and one standard deviation as a band, for each of `tables`.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    tables : mapping of str to table
        Tidy tables (see `zmumu_hybrid.plots.data.curves`) by the name of the model.
    x, y : str
        Columns of the tables.
    looks : mapping of str to Look
        Fixed looks by name; a name that is not there gets a spare colour.
    optimal, ceiling : (float, float), optional
        The best possible value of `y`, and the best of any function of Lorentz invariants, with their uncertainties:
        horizontal lines.
    scored : mapping of str to float, optional
        By the name of the model what it reaches on independent events: goes into the legend, with its headroom if both
        limits are given.
    columns : int
        Of the legend.
    title : str, optional
        Of the legend.

    Returns
    -------
    dict of str to artist
        A line by each name, "band NAME" where there are several members, "optimal", "ceiling", "legend".

    Raises
    ------
    InputError
        If there is no table or one is malformed.
    """
    if not tables:
        raise InputError("figure: there is no metric table to draw")
    artists: dict[str, Any] = {}
    for name, look in style.looks_for(list(tables), looks).items():
        try:
            drawn = curves(tables[name], x, y)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        marker = "o" if drawn.x.size <= 15 else ""
        (artists[name],) = ax.plot(
            drawn.x,
            drawn.mean,
            color=look.color,
            linestyle=look.dash,
            marker=marker,
            markersize=5,
            label=look.label + _reached((scored or {}).get(name), optimal, ceiling),
        )
        if drawn.values.shape[0] > 1:
            low, high = drawn.mean - drawn.spread, drawn.mean + drawn.spread
            artists[f"band {name}"] = ax.fill_between(drawn.x, low, high, color=look.color, alpha=0.25, linewidth=0)
    for name, limit, look in (("optimal", optimal, style.OPTIMAL), ("ceiling", ceiling, style.CEILING)):
        if limit is None:
            continue
        value, sigma = limit
        artists[name] = ax.axhline(
            value, color=look.color, linestyle=look.dash, linewidth=1.5, label=look.label, zorder=1.5
        )
        if sigma > 0.0:
            artists[f"band {name}"] = ax.axhspan(value - sigma, value + sigma, color=look.color, alpha=0.2, linewidth=0)
    ax.set_ylabel(LABELS.get(y, y))
    artists["legend"] = style.legend(ax, columns=columns, location="upper center", title=title)
    return artists


def _reached(value: float | None, optimal: Limit | None, ceiling: Limit | None) -> str:
    """Return a value and its headroom for a legend."""
    if value is None:
        return ""
    if optimal is None or ceiling is None:
        return f"  {value:.4f}"
    share = 100 * (value - ceiling[0]) / (optimal[0] - ceiling[0])
    return f"  {value:.4f} (" + (f"{share:.0f}%)" if share >= 0 else "<0%)")
