"""Fig. 5: how much of the pooled latent comes from the general subnet, against pT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from zmumu_hybrid.plots import style
from zmumu_hybrid.plots.data import Curves, binned

if TYPE_CHECKING:
    from hist import Hist
    from matplotlib.axes import Axes

__all__ = ["draw"]


def draw(
    pt: ArrayLike,
    weights: ArrayLike,
    ax: Axes | None = None,
    *,
    note: str | None = None,
    events: Hist[Any] | None = None,
    implied: tuple[ArrayLike, ArrayLike] | None = None,
    title: str | None = None,
) -> style.Drawing:
    """Draw the general subnet's weight against pT, with the distribution of the events behind it.

    Parameters
    ----------
    pt : array of shape (K,)
        Ascending, in GeV.
    weights : array of shape (M, K) or (K,)
        Weight w of the general subnet at each pT, one row a member, between 0 and 1.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a figure is made.
    note : str, optional
        Small type above the figure.
    events : hist.Hist, optional
        pT of the events (GeV), with the one axis pt: drawn faintly, in arbitrary units.
    implied : (array of shape (bins + 1,), array of shape (bins,)), optional
        Edges in pT (GeV), and in each bin what `zmumu_hybrid.optimal.beyond_invariants` returns.
    title : str, optional
        Of the legend.

    Raises
    ------
    InputError
        If the shapes do not fit, or pT does not ascend, or `events` has other axes.
    """
    drawn = Curves(np.asarray(pt, np.float64), np.atleast_2d(np.asarray(weights, np.float64)))
    look = style.MODELS["hybrid"]
    artists: dict[str, Any] = {}
    with style.canvas(ax) as panels:
        (panel,) = panels
        if events is not None:
            sample = binned(events, "pt", "events")
            shape = 0.5 * sample.values / sample.values.max()
            artists["events"] = panel.stairs(
                shape, sample.edges, fill=True, color="#94a4a2", alpha=0.3, label="Events (arbitrary units)"
            )
        label = "One member"
        if drawn.values.shape[0] > 1:
            low, high = drawn.mean - drawn.spread, drawn.mean + drawn.spread
            artists["band"] = panel.fill_between(drawn.x, low, high, color=look.color, alpha=0.25, linewidth=0)
            label = rf"Mean $\pm$ 1$\sigma$ over {drawn.values.shape[0]} members"
        (artists["weight"],) = panel.plot(drawn.x, drawn.mean, color=look.color, label=label)
        if implied is not None:
            edges, shares = (np.asarray(each, np.float64) for each in implied)
            artists["implied"] = panel.stairs(
                shares,
                edges,
                baseline=None,
                color=style.OPTIMAL.color,
                linewidth=2.0,
                label="Optimal score: share of its variance beyond the mass",
            )
        panel.set_xlim(drawn.x[0], drawn.x[-1])
        panel.set_ylim(0.0, 1.0)
        panel.set_xlabel(rf"{style.PT} of the $\mu^{{+}}$ [GeV]")
        panel.set_ylabel(r"General subnet's weight $\mathit{w}$")
        artists["legend"] = style.legend(panel, location="upper left", title=title)
        style.note(panel, note)
    return style.Drawing(panels, artists)
