"""The look that the figures share: style, colours, notes, legends, and files.

Nothing global changes: the style is a context, and a figure made in it belongs to nobody but the caller (no pyplot,
no window, no registry). matplotlib is loaded when the first figure is drawn.
"""

from __future__ import annotations

import io
import logging
import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.support.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = [
    "CEILING",
    "DATASETS",
    "MODELS",
    "OPTIMAL",
    "POOLINGS",
    "SLICES",
    "Drawing",
    "Look",
    "canvas",
    "context",
    "figure_of",
    "legend",
    "looks_for",
    "note",
    "save",
    "share_x",
]

DPI = 160
GREY = "#5f6468"
PT = r"$\mathit{p}_\mathrm{T}$"
"""The transverse momentum in a label."""


@dataclass(frozen=True, slots=True)
class Look:
    """How one thing is drawn wherever it appears.

    Attributes
    ----------
    label : str
        Its name in a legend.
    color : str
        Its colour.
    dash : str or tuple
        Its line style as matplotlib writes it, so that a print in grey tells lines apart too.
    """

    label: str
    color: str
    dash: str | tuple[float, tuple[float, ...]] = "-"


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a figure's `draw` returns.

    Attributes
    ----------
    axes : tuple of matplotlib.axes.Axes
        The panels, from the top.
    artists : dict of str to matplotlib artist
        What was drawn on them, by name.
    """

    axes: tuple[Axes, ...]
    artists: dict[str, Artist] = field(default_factory=dict)

    @property
    def figure(self) -> Figure:
        """The figure that holds the panels."""
        return figure_of(self.axes[0])

    def _repr_png_(self) -> bytes:
        """Return the figure for a notebook, in the style that it was drawn in: some of it is looked up only now."""
        buffer = io.BytesIO()
        with context():
            self.figure.savefig(buffer, format="png", dpi=0.5 * DPI)
        return buffer.getvalue()


def figure_of(ax: Axes) -> Figure:
    """Return the figure that holds the axes; `ConfigurationError` if they were taken out of theirs."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ConfigurationError("axes: they belong to no figure any more")
    return figure


# Colours of the Petroff sequences (arXiv:2107.02270), made for colour-vision deficiencies.
MODELS: Mapping[str, Look] = MappingProxyType(
    {
        "hybrid": Look("Hybrid", "#bd1f01", "-"),
        "pfn": Look("PFN", "#3f90da", "--"),
        "invariant": Look("Invariant", "#ffa90e", "-."),
        "enlarged": Look("Enlarged hybrid", "#832db6", "-"),
    }
)
"""The networks by name."""

POOLINGS: Mapping[str, Look] = MappingProxyType(
    {
        "weighted-sum": Look("Weighted sum", "#bd1f01", "-"),
        "weighted-concatenation": Look("Weighted, concatenated", "#3f90da", "--"),
        "concatenation-with-weight": Look(r"Concatenated, with $\mathit{w}$", "#ffa90e", "-."),
        "concatenation-with-pt": Look(f"Concatenated, with {PT}", "#832db6", ":"),
    }
)
"""The pooling variants of the hybrid by name (paper, Appendix C)."""

SLICES: Mapping[str, Look] = MappingProxyType(
    {
        "below30": Look(f"{PT} < 30 GeV", "#3f90da", "-"),
        "30to40": Look(f"30 < {PT} < 40 GeV", "#e76300", "--"),
        "above40": Look(f"{PT} > 40 GeV", "#832db6", "-."),
    }
)
"""The slices in the transverse momentum of the first muon (paper, Fig. 2)."""

DATASETS: Mapping[str, Look] = MappingProxyType(
    {
        "signal": Look("Signal", "#94a4a2", "-"),
        "before": Look("Background before reweighting", "#e76300", "--"),
        "after": Look("Background after reweighting", "#832db6", "-"),
    }
)
"""The samples of Fig. 1."""

OPTIMAL = Look("Best possible", "#000000", ":")
CEILING = Look("Best invariant", "#717581", (0, (6, 2, 1, 2, 1, 2)))

_OVERRIDES: Mapping[str, Any] = MappingProxyType(
    {
        "figure.figsize": (8.0, 6.0),
        "font.size": 17,
        "legend.fontsize": "small",
        "lines.linewidth": 2.0,
        "axes.linewidth": 1.3,
        "xtick.major.size": 8,
        "xtick.minor.size": 4,
        "ytick.major.size": 8,
        "ytick.minor.size": 4,
        "pdf.fonttype": 42,
    }
)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep matplotlib's first import from telling that it builds its font cache."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def context() -> Iterator[None]:
    """Draw in the package's style (mplhep's ROOT style, smaller) while the block runs."""
    with _quiet():
        import matplotlib.style
        import mplhep
    with matplotlib.style.context([mplhep.style.ROOT, dict(_OVERRIDES)]):
        yield


@contextmanager
def canvas(
    axes: Axes | Sequence[Axes] | None,
    panels: int = 1,
    *,
    size: tuple[float, float] | None = None,
    heights: Sequence[float] | None = None,
) -> Iterator[tuple[Axes, ...]]:
    """Give the axes to draw on: the caller's, in the caller's style, or new ones in the package's style.

    Parameters
    ----------
    axes : matplotlib.axes.Axes or sequence of them, optional
        The caller's; without them a figure is made.
    panels : int
        How many the figure needs, one above the other.
    size : (float, float), optional
        Width and height of a new figure in inches.
    heights : sequence of float, optional
        Relative heights of the panels of a new figure, which then share their x axis.

    Raises
    ------
    ConfigurationError
        If the caller gives another number of axes than the figure needs.
    """
    if axes is not None:
        given = tuple(np.ravel(np.asarray(axes, dtype=object)))
        if len(given) != panels:
            raise ConfigurationError(f"axes: this figure draws on {panels} of them, {len(given)} were given")
        yield given
        return
    with context():
        from matplotlib.figure import Figure

        figure = Figure(figsize=size, layout="constrained")
        ratios = None if heights is None else {"height_ratios": list(heights), "hspace": 0.0}
        made = figure.subplots(panels, 1, squeeze=False, sharex=heights is not None, gridspec_kw=ratios)
        yield tuple(made[:, 0])
        # Ticks are made, and take their style, when a figure is first laid out.
        figure.draw_without_rendering()


def share_x(panels: Sequence[Axes]) -> None:
    """Leave the labels of the x axis to the lowest of the panels, which stand one above the other."""
    for panel in panels[:-1]:
        panel.set_xlabel("")
        panel.tick_params(labelbottom=False)


def looks_for(names: Sequence[str], known: Mapping[str, Look]) -> dict[str, Look]:
    """Return a look for every name: its fixed one, or for a name that is not `known` a spare colour and the name."""
    spare = ["#a96b59", "#b9ac70", "#92dadd", "#94a4a2", "#717581", "#e76300"]
    others = [name for name in names if name not in known]
    dashes = ("-", "--", "-.", ":")
    made = {}
    for i, name in enumerate(others):
        label = f" {name}" if name.startswith("_") else name  # matplotlib would leave it out
        look = spare[i % len(spare)], dashes[i // len(spare) % len(dashes)]
        made[name] = Look(printable(label).replace("$", r"\$"), *look)
    return {name: known.get(name) or made[name] for name in names}


def printable(text: str) -> str:
    """Return a text, or the name of a file, as it can be drawn: bytes that are no UTF-8 become question marks."""
    return text.encode(errors="replace").decode()


def note(ax: Axes, text: str | None) -> None:
    """Write `text` in small type above the axes, at the left; nothing without a text."""
    if not text:
        return
    from matplotlib.font_manager import FontProperties

    points = FontProperties(size="x-small").get_size_in_points()
    width = ax.get_window_extent().width * 72.0 / figure_of(ax).dpi
    lines = textwrap.fill(printable(text), max(20, int(width / (0.52 * points))))
    ax.text(
        0.0,
        1.01,
        lines,
        transform=ax.transAxes,
        ha="left",
        va="bottom",
        fontsize="x-small",
        color=GREY,
        parse_math=False,
    )


def legend(ax: Axes, *, columns: int = 1, location: str = "upper right", title: str | None = None) -> Legend:
    """Put a legend at the top of the axes, row by row, and raise the upper limit so that no curve runs behind it."""
    handles, labels = ax.get_legend_handles_labels()
    rows = [i for column in range(columns) for i in range(column, len(handles), columns)]
    made = ax.legend(
        [handles[i] for i in rows],
        [labels[i] for i in rows],
        loc=location,
        ncols=columns,
        title=title,
        title_fontsize="small",
        columnspacing=1.2,
        handlelength=2.2,
        borderaxespad=0.3,
    )
    figure_of(ax).draw_without_rendering()
    share = 1.0 - ax.transAxes.inverted().transform(made.get_window_extent().min)[1]
    scale = ax.yaxis.get_transform()
    low, high = scale.transform(np.array(ax.get_ylim()))
    top = low + (high - low) / max(1.0 - share - 0.01, 0.3)
    ax.set_ylim(top=float(scale.inverted().transform(np.array([top]))[0]))
    return made


def save(figure: Figure, path: str | os.PathLike[str]) -> list[Path]:
    """Write the figure as PNG and PDF, each whole or not at all, the same bytes for the same figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure; no window or display is needed.
    path : path-like
        Where to write, without a suffix.

    Returns
    -------
    list of Path
        The files, PNG first.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    stem = Path(path)
    files = []
    for suffix, empty in ((".png", ("Software",)), (".pdf", ("Creator", "Producer", "CreationDate"))):
        target = stem.with_name(stem.name + suffix)
        with context(), atomic_path(target) as temporary:
            figure.savefig(temporary, dpi=DPI, format=suffix[1:], metadata=dict.fromkeys(empty))
        files.append(target)
    return files
