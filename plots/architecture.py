"""Fig. 3: the architecture, drawn from a description that is read off the network itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Architecture", "draw"]

Widths = tuple[int, ...]
POOLINGS = {
    "weighted-sum": r"$\mathit{x} = \mathit{w}\,\mathit{g} + (1 - \mathit{w})\,\mathit{s}$",
    "weighted-concatenation": r"$\mathit{x} = [\,\mathit{w}\,\mathit{g},\ (1 - \mathit{w})\,\mathit{s}\,]$",
    "concatenation-with-weight": r"$\mathit{x} = [\,\mathit{g},\ \mathit{s},\ \mathit{w}\,]$",
    "concatenation-with-pt": rf"$\mathit{{x}} = [\,\mathit{{g}},\ \mathit{{s}},\ $ {style.PT} $]$",
}
ROW, INPUT, STEP, GAP, BAR = 3.1, 3.2, 2.1, 0.75, 0.8
"""In the drawing's own unit: height of a row, widths of an input and an operation, room for an arrow and a layer."""
INCHES = 0.52
"""The unit in a figure of its own."""
INK, HYBRID = "#202326", style.MODELS["hybrid"].color


@dataclass(frozen=True, slots=True)
class Architecture:
    """The layers of a network, by what they are for. Widths go from the input to the output of a stack.

    Attributes
    ----------
    kind : str
        "hybrid", "pfn" or "invariant".
    particle_map : tuple of int or None
        The map from one particle's momentum to the latent g, the same for every particle, summed over them.
    invariant : tuple of int or None
        The MLP from the Lorentz invariants to the latent s; to the logit where there is no classifier.
    weight : tuple of int or None
        The MLP from pT to the two weights of the softmax.
    classifier : tuple of int or None
        The MLP from the pooled latent to the logit.
    pooling : str
        How a hybrid pools the latents: a name of `zmumu_hybrid.plots.style.POOLINGS`.

    Raises
    ------
    InputError
        If the parts do not make a network of that kind.
    """

    kind: str
    particle_map: Widths | None = None
    invariant: Widths | None = None
    weight: Widths | None = None
    classifier: Widths | None = None
    pooling: str = "weighted-sum"

    def __post_init__(self) -> None:
        """Refuse a kind without its parts, and stacks without an input and an output."""
        needed = {
            "hybrid": ("particle_map", "invariant", "classifier"),
            "pfn": ("particle_map", "classifier"),
            "invariant": ("invariant",),
        }
        if self.kind not in needed:
            raise InputError(f"architecture: kind must be one of {', '.join(needed)}, not {self.kind!r}")
        for part in needed[self.kind]:
            if getattr(self, part) is None:
                raise InputError(f"architecture: a {self.kind} network needs {part}")
        if self.pooling not in POOLINGS:
            raise InputError(f"architecture: pooling must be one of {', '.join(POOLINGS)}, not {self.pooling!r}")
        for name, widths in self.stacks.items():
            if len(widths) < 2 or min(widths) < 1:
                raise InputError(f"architecture: {name} needs the widths of input and output at least, not {widths}")

    @property
    def stacks(self) -> dict[str, Widths]:
        """The MLPs that there are, by name."""
        parts = {name: getattr(self, name) for name in ("particle_map", "invariant", "weight", "classifier")}
        return {name: widths for name, widths in parts.items() if widths is not None}

    @property
    def hidden_neurons(self) -> int:
        """Neurons between input and output of every stack, as the paper counts them (Appendix B)."""
        return sum(sum(widths[1:-1]) for widths in self.stacks.values())


class _Pen:
    """Boxes, bars, arrows and words in the drawing's own unit, whatever the size of the axes."""

    def __init__(self, ax: Axes, width: float, height: float) -> None:
        self.ax = ax
        self.artists: dict[str, Any] = {}
        ax.set_xlim(0.0, width)
        ax.set_ylim(0.0, height)
        ax.set_aspect("equal")
        ax.set_axis_off()
        figure = style.figure_of(ax)
        figure.draw_without_rendering()
        extent = ax.get_window_extent()
        self.points = 72.0 / figure.dpi * min(extent.width / width, extent.height / height)

    def text(self, name: str, x: float, y: float, words: str, size: float = 0.4, **options: Any) -> None:
        """Write words, `size` high in the drawing's unit."""
        given: dict[str, Any] = {"ha": "center", "va": "center", "color": INK, "linespacing": 1.3} | options
        self.artists[name] = self.ax.text(x, y, words, fontsize=size * self.points, **given)

    def box(self, name: str, x: float, y: float, width: float, height: float, color: str, fill: float = 0.13) -> None:
        """Draw a rounded box whose left edge is at `x` and whose centre is at `y`."""
        from matplotlib.colors import to_rgba
        from matplotlib.patches import FancyBboxPatch

        shape = FancyBboxPatch(
            (x, y - height / 2.0),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=to_rgba(color, fill),
            edgecolor=color,
            linewidth=0.04 * self.points,
        )
        self.artists[name] = self.ax.add_patch(shape)

    def arrow(self, name: str, start: tuple[float, float], end: tuple[float, float], words: str = "") -> None:
        """Draw an arrow, with words at its start, on the side from which it bends away."""
        from matplotlib.patches import FancyArrowPatch

        shape = FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=0.45 * self.points,
            linewidth=0.05 * self.points,
            color=style.GREY,
            shrinkA=0.0,
            shrinkB=0.0,
        )
        self.artists[name] = self.ax.add_patch(shape)
        if words:
            self.text(
                f"{name} text", start[0] + 0.1, start[1] + (0.32 if end[1] <= start[1] else -0.32), words, ha="left"
            )

    def step(self, name: str, x: float, y: float, width: float, words: str, color: str) -> float:
        """Draw an input or an operation, a box with words; returns where it ends."""
        self.box(name, x, y, width, 1.5, color)
        self.text(f"{name} text", x + width / 2.0, y, words)
        return x + width

    def stack(self, name: str, x: float, y: float, widths: Widths, title: str, color: str) -> float:
        """Draw an MLP, a bar with its number of neurons for each layer in a box with a title; returns where it ends."""
        wide = _stack_width(widths)
        self.box(name, x, y, wide, ROW - 0.4, color)
        self.text(f"{name} title", x + wide / 2.0, y + 1.05, title)
        step = wide / len(widths)
        for i, neurons in enumerate(widths):
            centre = x + (i + 0.5) * step
            self.box(f"{name} layer {i}", centre - 0.16, y - 0.05, 0.32, 0.22 + 0.13 * math.log2(neurons), color, 0.8)
            self.text(f"{name} neurons {i}", centre, y - 1.08, str(neurons), 0.34)
        return x + wide


def _stack_width(widths: Widths) -> float:
    return max(3.5, BAR * len(widths))


@dataclass(frozen=True, slots=True)
class _Branch:
    """One way from an input to the pooling: its words and its colour."""

    part: str
    source: str
    title: str
    after: str
    latent: str
    color: str


_BRANCHES = (
    _Branch(
        "particle_map", "Momentum of\neach muon", "Particle map", "Sum over\nmuons", "g", style.MODELS["pfn"].color
    ),
    _Branch("invariant", "Lorentz\ninvariants", "Invariant subnet", "", "s", style.MODELS["invariant"].color),
    _Branch("weight", rf"{style.PT} of $\mu^{{+}}$", "Symmetry factor", "Softmax", "w", style.MODELS["enlarged"].color),
)


def _branch_width(branch: _Branch, architecture: Architecture) -> float:
    """Return how long a branch is: its input, its stack, and what comes after."""
    widths = architecture.stacks.get(branch.part)
    if widths is None:
        return INPUT
    return INPUT + GAP + _stack_width(widths) + (GAP + STEP if branch.after else 0.0)


def _draw_branch(pen: _Pen, branch: _Branch, architecture: Architecture, y: float) -> float:
    """Draw one branch from the left edge; returns where it ends."""
    part, widths = branch.part, architecture.stacks.get(branch.part)
    x = pen.step(f"{part} input", 0.1, y, INPUT - 0.1, branch.source, style.GREY)
    if widths is None:
        return x
    pen.arrow(f"{part} in", (x, y), (x + GAP, y))
    title = "Invariant network" if architecture.kind == "invariant" else branch.title
    x = pen.stack(part, x + GAP, y, widths, title, branch.color)
    if branch.after:
        pen.arrow(f"{part} after", (x, y), (x + GAP, y))
        x = pen.step(f"{part} operation", x + GAP, y, STEP, branch.after, branch.color)
    return x


def _latent(branch: _Branch, architecture: Architecture) -> str:
    """Return the words on the arrow that leaves a branch: what it carries into the pooling or the classifier."""
    if architecture.classifier is None:
        return ""
    return rf"$\mathit{{{branch.latent}}}$" if branch.part in architecture.stacks else style.PT


def draw(architecture: Architecture, ax: Axes | None = None, *, note: str | None = None) -> style.Drawing:
    """Draw a network: its inputs, its stacks with a bar for each layer, what joins them, and its output.

    Parameters
    ----------
    architecture : Architecture
        What to draw; `describe` reads it off a network.
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a figure is made. The drawing keeps its proportions and fits itself in.
    note : str, optional
        Small type above the figure.
    """
    hybrid = architecture.kind == "hybrid"
    branches = [each for each in _BRANCHES if hybrid or each.part in architecture.stacks]
    joint = max(_branch_width(each, architecture) for each in branches) + 2.0 * GAP
    width = joint + (4.6 + GAP if hybrid else 0.0) + 1.8
    if architecture.classifier is not None:
        width += _stack_width(architecture.classifier) + GAP
    height = ROW * len(branches) + 0.6
    with style.canvas(ax, size=(INCHES * width, INCHES * height + 0.4)) as panels:
        pen = _Pen(panels[0], width, height)
        rows = [height - ROW * (i + 0.5) for i in range(len(branches))]
        middle = sum(rows) / len(rows)
        ends = [_draw_branch(pen, each, architecture, y) for each, y in zip(branches, rows, strict=True)]
        x = joint
        for each, y, end in zip(branches, rows, ends, strict=True):
            target = middle + 0.2 * (y - middle)
            pen.arrow(f"{each.part} out", (end, y), (x, target), _latent(each, architecture))
        if hybrid:
            x = pen.step("pooling", x, middle, 4.6, "Pooling\n" + POOLINGS[architecture.pooling], HYBRID)
            pen.arrow("pooled", (x, middle), (x + GAP, middle))
            x += GAP
        if architecture.classifier is not None:
            x = pen.stack("classifier", x, middle, architecture.classifier, "Classifier", style.GREY)
            pen.arrow("output", (x, middle), (x + GAP, middle))
            x += GAP
        pen.text("logit", x + 0.1, middle, "Logit", ha="left")
        pen.text(
            "count", width - 0.1, 0.25, f"{architecture.hidden_neurons:,} hidden neurons", ha="right", color=style.GREY
        )
        style.note(panels[0], note)
    return style.Drawing(panels, pen.artists)
