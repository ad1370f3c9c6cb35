"""Fig. 3: the architecture, drawn from a description that is read off the network itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Architecture", "describe", "draw"]

Widths = tuple[int, ...]
POOLINGS = {
    "weighted-sum": r"$\mathit{x} = \mathit{w}\,\mathit{g} + (1 - \mathit{w})\,\mathit{s}$",
    "weighted-concatenation": r"$\mathit{x} = [\,\mathit{w}\,\mathit{g},\ (1 - \mathit{w})\,\mathit{s}\,]$",
    "concatenation-with-weight": r"$\mathit{x} = [\,\mathit{g},\ \mathit{s},\ \mathit{w}\,]$",
    "concatenation-with-pt": rf"$\mathit{{x}} = [\,\mathit{{g}},\ \mathit{{s}},\ $ {style.PT} $]$",
}
ROW, INPUT, STEP, POOL, LOGIT, GAP, BAR = 3.1, 3.2, 2.1, 4.6, 1.8, 0.75, 0.8
"""In the drawing's own unit: the height of a row, and the widths of boxes, of the output, an arrow and a layer."""
PARTS = {
    "hybrid": ("particle_map", "invariant_map", "classifier"),
    "pfn": ("particle_map", "classifier"),
    "invariant": ("classifier",),
}
"""The stacks that a network cannot be without."""
INCHES = 0.52
"""The unit in a figure of its own."""
INK, HYBRID = "#202326", style.MODELS["hybrid"].color


@dataclass(frozen=True, slots=True)
class Architecture:
    """The layers of a network, by what they are for.

    Attributes
    ----------
    model : str
        "hybrid", "pfn" or "invariant".
    stacks : mapping of str to tuple of int
        The widths of each MLP from input to output: "particle_map" (one particle's momentum to the latent g, which is
        summed over the particles), "invariant_map" (Lorentz invariants to the latent s), "gate" (pT to the two weights
        of the softmax) and "classifier" (to the logit), those that the network has.
    pooling : str
        How a hybrid pools its latents: a name of `zmumu_hybrid.plots.style.POOLINGS`.

    Raises
    ------
    InputError
        If the parts do not make such a network.
    """

    model: str
    stacks: Mapping[str, Widths]
    pooling: str = "weighted-sum"

    def __post_init__(self) -> None:
        """Refuse a model without its parts, and stacks without an input and an output."""
        if self.model not in PARTS:
            raise InputError(f"architecture: model must be one of {', '.join(PARTS)}, not {self.model!r}")
        if self.pooling not in POOLINGS:
            raise InputError(f"architecture: pooling must be one of {', '.join(POOLINGS)}, not {self.pooling!r}")
        for name in PARTS[self.model]:
            if name not in self.stacks:
                raise InputError(f"architecture: a {self.model} network needs the stack {name}")
        for name, widths in self.stacks.items():
            if len(widths) < 2 or min(widths) < 1:
                raise InputError(f"architecture: {name} needs the widths of input and output at least, not {widths}")

    @property
    def hidden_neurons(self) -> int:
        """Neurons between input and output of every stack, as the paper counts them (Appendix B)."""
        return sum(sum(widths[1:-1]) for widths in self.stacks.values())


def describe(network: Any) -> Architecture:
    """Read the architecture off one of the paper's networks, or off the description of one."""
    config = getattr(network, "config", network)
    return Architecture(config.model, config.stacks, getattr(config, "pooling", "weighted-sum"))


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
    _Branch("invariant_map", "Lorentz\ninvariants", "Invariant subnet", "", "s", style.MODELS["invariant"].color),
    _Branch("gate", rf"{style.PT} of $\mu^{{+}}$", "Symmetry factor", "Softmax", "w", style.MODELS["enlarged"].color),
)


_SHOWN = {"hybrid": _BRANCHES, "pfn": _BRANCHES[:1], "invariant": _BRANCHES[1:2]}


def _branch_width(branch: _Branch, stacks: Mapping[str, Widths]) -> float:
    """Return how long a branch is: its input, its stack if it has one, and what comes after."""
    if branch.part not in stacks:
        return INPUT
    return INPUT + GAP + _stack_width(stacks[branch.part]) + (GAP + STEP if branch.after else 0.0)


def _draw_branch(pen: _Pen, branch: _Branch, stacks: Mapping[str, Widths], y: float) -> float:
    """Draw one branch from the left edge; returns where it ends."""
    part = branch.part
    x = pen.step(f"{part} input", 0.1, y, INPUT - 0.1, branch.source, style.GREY)
    if part not in stacks:
        return x
    pen.arrow(f"{part} in", (x, y), (x + GAP, y))
    x = pen.stack(part, x + GAP, y, stacks[part], branch.title, branch.color)
    if branch.after:
        pen.arrow(f"{part} after", (x, y), (x + GAP, y))
        x = pen.step(f"{part} operation", x + GAP, y, STEP, branch.after, branch.color)
    return x


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
    stacks, branches = architecture.stacks, _SHOWN[architecture.model]
    joint = max(_branch_width(each, stacks) for each in branches) + 2.0 * GAP
    pooled = len(branches) > 1
    width = joint + (POOL + GAP if pooled else 0.0) + _stack_width(stacks["classifier"]) + GAP + LOGIT
    height = ROW * len(branches) + 0.6
    with style.canvas(ax, size=(INCHES * width, INCHES * height + 0.4)) as panels:
        pen = _Pen(panels[0], width, height)
        rows = [height - ROW * (i + 0.5) for i in range(len(branches))]
        x, middle = joint, sum(rows) / len(rows)
        for each, y in zip(branches, rows, strict=True):
            latent = rf"$\mathit{{{each.latent}}}$" if each.part in stacks else ""
            end = (x, middle + 0.2 * (y - middle))
            pen.arrow(f"{each.part} out", (_draw_branch(pen, each, stacks, y), y), end, latent)
        if pooled:
            x = pen.step("pooling", x, middle, POOL, "Pooling\n" + POOLINGS[architecture.pooling], HYBRID)
            pen.arrow("pooled", (x, middle), (x + GAP, middle))
            x += GAP
        x = pen.stack("classifier", x, middle, stacks["classifier"], "Classifier", style.GREY)
        pen.arrow("output", (x, middle), (x + GAP, middle))
        pen.text("logit", x + GAP + 0.1, middle, "Logit", ha="left")
        count = f"{architecture.hidden_neurons:,} hidden neurons"
        pen.text("count", width - 0.1, 0.25, count, ha="right", color=style.GREY)
        style.note(panels[0], note)
    return style.Drawing(panels, pen.artists)
