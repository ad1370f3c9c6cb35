"""Headroom of the three networks against the number of training events or the width of the smearing: which to take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid.plots import style
from zmumu_hybrid.plots.bands import draw_bands
from zmumu_hybrid.plots.data import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LOWEST", "draw"]

LOWEST = -0.25
"""Where the axis of the headroom ends at the latest: networks far below the ceiling are off the figure."""

_LABELS = {"events": "Training events", "width": "Relative width of the smearing"}


def draw(
    settings: Mapping[str, Mapping[str, Table]],
    axes: Sequence[Axes] | None = None,
    *,
    x: str = "events",
    note: str | None = None,
) -> style.Drawing:
    """Draw the headroom of each network, a panel for each of `settings`.

    Parameters
    ----------
    settings : mapping of str to mapping of str to table
        For each way of training, by its title, and each network a tidy table with the columns "member", `x` and
        "headroom".
    axes : sequence of matplotlib.axes.Axes, optional
        One for each of `settings`; without them a figure is made.
    x : str
        "events", on a logarithmic axis, or "width".
    note : str, optional
        Small type above the figure.

    Raises
    ------
    InputError
        If a table has no such column, or two rows for one member and place.
    """
    artists: dict[str, Any] = {}
    with style.canvas(axes, len(settings), size=(8.0, 1.0 + 5.5 * len(settings))) as panels:
        for panel, (title, models) in zip(panels, settings.items(), strict=True):
            if x == "events":
                panel.set_xscale("log")
            low = min(float(np.min(table["headroom"])) for table in models.values())
            panel.set_ylim(max(min(low, 0.0), LOWEST) - 0.05, 1.05)
            drawn = draw_bands(
                panel,
                models,
                x=x,
                y="headroom",
                looks=style.MODELS,
                optimal=(1.0, 0.0),
                ceiling=(0.0, 0.0),
                title=title,
            )
            artists |= {f"{title} {name}": artist for name, artist in drawn.items()}
            panel.set_xlabel(_LABELS.get(x, x))
        style.note(panels[0], note)
    return style.Drawing(panels, artists)
