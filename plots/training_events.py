"""AUC against the number of training events, for several approaches to each network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zmumu_hybrid.plots import style
from zmumu_hybrid.plots.bands import Limit, draw_bands
from zmumu_hybrid.plots.data import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LOOKS", "draw"]

LOOKS: Mapping[str, style.Look] = MappingProxyType(
    {
        "paper": style.Look("Paper", "#717581", "-"),
        "paper fresh": style.Look("Paper, fresh smearing", "#717581", "--"),
        "paper boosted truth": style.Look("Boosted, then measured", "#3f90da", "-."),
        "paper boosted measurement": style.Look("Measured, then boosted", "#ffa90e", ":"),
        "tuned": style.Look("Tuned", "#bd1f01", "-"),
        "tuned fresh": style.Look("Tuned, fresh smearing", "#bd1f01", "--"),
    }
)
"""The approaches by name."""


def draw(
    models: Mapping[str, Mapping[str, Table]],
    axes: Sequence[Axes] | None = None,
    *,
    note: str | None = None,
    metric: str = "auc",
    optimal: Limit | None = None,
    ceiling: Limit | None = None,
) -> style.Drawing:
    """Draw a metric after training against the number of training events, a panel for each network.

    Parameters
    ----------
    models : mapping of str to mapping of str to table
        For each network, and for each approach to it, a tidy table with the columns "member", "events" and `metric`.
    axes : sequence of matplotlib.axes.Axes, optional
        One for each network; without them a figure is made.
    note : str, optional
        Small type above the figure.
    metric : str
        The column to draw.
    optimal, ceiling : (float, float), optional
        The best possible value and the best of any function of Lorentz invariants, with their uncertainties.

    Raises
    ------
    InputError
        If a table has no such column, or two rows for one member and number of events.
    """
    artists: dict[str, Any] = {}
    with style.canvas(axes, len(models), size=(9.0, 1.0 + 6.5 * len(models))) as panels:
        for panel, (model, approaches) in zip(panels, models.items(), strict=True):
            panel.set_xscale("log")
            drawn = draw_bands(
                panel,
                approaches,
                x="events",
                y=metric,
                looks=LOOKS,
                optimal=optimal,
                ceiling=ceiling,
                columns=2,
                title=style.MODELS[model].label if model in style.MODELS else model,
            )
            artists |= {f"{model} {name}": artist for name, artist in drawn.items()}
            panel.set_xlabel("Training events")
        style.note(panels[0], note)
    return style.Drawing(panels, artists)
