"""The figures of the example analysis: each discriminant, the pulls of its fit, and the expected precisions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zmumu_hybrid.jobs.analyse import AnalysisSummary
    from zmumu_hybrid.measurement.fit import Fit
    from zmumu_hybrid.measurement.results import Result
    from zmumu_hybrid.measurement.templates import Templates

__all__ = ["draw_discriminant", "draw_precisions", "draw_pulls", "save_all"]

_SAMPLES = {"background": style.Look("Background", "#92dadd"), "signal": style.Look("Signal", "#bd1f01")}
_VARIATIONS = {
    "width": style.Look("Smearing width", "#832db6", "-"),
    "reweighting": style.Look("Reweighting", "#e76300", "--"),
}
_KINDS = {
    **style.MODELS,
    "mass-cut": style.Look("Mass cut", "#94a4a2"),
    "mass": style.Look("Mass, shape", "#717581"),
    "optimal": style.OPTIMAL,
}
"""The looks of observables by kind."""

_NAMES = {"luminosity": "Luminosity", "background": "Background rate"} | {
    name: look.label for name, look in _VARIATIONS.items()
}


def draw_discriminant(
    templates: Templates,
    label: str,
    axes: Sequence[Axes] | None = None,
    *,
    note: str | None = None,
) -> style.Drawing:
    """Draw what is expected of signal and background, and below it what the systematics change in their sum.

    Parameters
    ----------
    templates : Templates
    label : str
        Of the quantity.
    axes : two matplotlib.axes.Axes, optional
        Where to draw; without them a figure is made.
    note : str, optional
        Small type above the figure.
    """
    artists: dict[str, Any] = {}
    widths = np.diff(templates.edges)
    expected = templates.expected()
    with style.canvas(axes, 2, size=(8.0, 7.5), heights=(3.0, 1.4)) as panels:
        upper, lower = panels
        floor = np.zeros_like(widths)
        for name, look in _SAMPLES.items():
            top = floor + templates.nominal[name] / widths
            artists[name] = upper.stairs(
                top, templates.edges, baseline=floor, fill=True, color=look.color, alpha=0.8, label=look.label
            )
            floor = top
        sigma = np.sqrt(sum(templates.variance.values())) / widths
        artists["simulation"] = upper.stairs(
            floor + sigma,
            templates.edges,
            baseline=floor - sigma,
            fill=True,
            facecolor="none",
            edgecolor="#5f6468",
            hatch="/////",
            linewidth=0,
            label="Simulated events",
        )
        if templates.observed is not None:
            centres = (templates.edges[1:] + templates.edges[:-1]) / 2
            artists["data"] = upper.errorbar(
                centres,
                templates.observed / widths,
                np.sqrt(templates.observed) / widths,
                fmt="o",
                color="black",
                markersize=5,
                label="Data",
            )
        for name, look in _VARIATIONS.items():
            for direction, alpha in (("Up", 1.0), ("Down", 0.45)):
                if f"{name}{direction}" in templates.varied:
                    ratio = templates.expected(f"{name}{direction}") / np.where(expected > 0, expected, np.nan)
                    artists[f"{name}{direction}"] = lower.stairs(
                        ratio,
                        templates.edges,
                        baseline=None,
                        color=look.color,
                        linestyle=look.dash,
                        linewidth=1.8,
                        alpha=alpha,
                        label=f"{look.label}, {direction.lower()}",
                    )
        lower.axhline(1.0, color=style.GREY, linewidth=1.0, zorder=0.5)
        upper.set_xlim(templates.edges[0], templates.edges[-1])
        upper.set_ylim(bottom=0.0)
        upper.set_ylabel("Expected pairs / bin width")
        lower.set_ylabel("Varied / nominal", fontsize="small")
        lower.set_xlabel(label)
        artists["legend"] = style.legend(upper, columns=2)
        if lower.get_legend_handles_labels()[0]:
            artists["variations"] = style.legend(lower, columns=2)
            for text in artists["variations"].get_texts():
                text.set_fontsize("xx-small")
        style.share_x(panels)
        style.note(upper, note)
    return style.Drawing(panels, artists)


def draw_pulls(fit: Fit, ax: Axes | None = None, *, note: str | None = None, bins: bool = False) -> style.Drawing:
    """Draw how far each constrained parameter was pulled, and how well the fit knows it.

    Parameters
    ----------
    fit : Fit
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a figure is made.
    note : str, optional
        Small type above the figure.
    bins : bool
        With the parameters of the number of simulated events in each bin.

    Raises
    ------
    InputError
        If there is no parameter to draw.
    """
    chosen = {name: pull for name, pull in fit.pulls.items() if bins or not name.startswith("simulation_")}
    if not chosen:
        raise InputError("figure: the fit has no constrained parameter but those of the numbers of simulated events")
    places = np.arange(len(chosen))[::-1]
    pulls, sizes = np.array(list(chosen.values())).T
    with style.canvas(ax, size=(8.0, 2.4 + 0.6 * len(chosen))) as panels:
        (panel,) = panels
        before = panel.axvspan(-1.0, 1.0, color="#94a4a2", alpha=0.35, linewidth=0, label="Before the fit")
        panel.axvline(0.0, color=style.GREY, linewidth=1.0)
        after = panel.errorbar(
            pulls, places, xerr=sizes, fmt="o", color="black", capsize=4, markersize=7, label="After the fit"
        )
        panel.set_yticks(places, [_NAMES.get(name, name) for name in chosen])
        panel.tick_params(axis="y", which="minor", left=False, right=False)
        reach = max(2.0, 1.1 * float(np.max(np.abs(pulls) + sizes)))
        panel.set_xlim(-reach, reach)
        panel.set_ylim(-0.7, len(chosen) - 0.3)
        panel.set_xlabel("Pull")
        legend = style.legend(panel, columns=2)
        value = rf"$\hat{{\mu}} = {fit.mu:.3f} \pm {fit.uncertainty:.3f}$"
        style.note(panel, value + (f"; {note}" if note else ""))
    return style.Drawing(panels, {"before": before, "after": after.lines[0], "legend": legend})


def draw_precisions(results: Sequence[Result], ax: Axes | None = None, *, note: str | None = None) -> style.Drawing:
    """Draw the uncertainty of the signal strength with each observable, and the part of it that numbers of events make.

    Parameters
    ----------
    results : sequence of Result
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it a figure is made.
    note : str, optional
        Small type above the figure.

    Raises
    ------
    InputError
        If there is no result.
    """
    if not results:
        raise InputError("figure: there is no measurement to draw: it needs signal and background")
    artists: dict[str, Any] = {}
    ordered = sorted(results, key=lambda each: -each.fit.uncertainty)
    places = np.arange(len(ordered))[::-1]
    looks = style.looks_for([each.kind for each in ordered], _KINDS)
    with style.canvas(ax, size=(8.0, 2.0 + 0.75 * len(ordered))) as panels:
        (panel,) = panels
        for place, each in zip(places, ordered, strict=True):
            look = looks[each.kind]
            sigma = each.fit.uncertainty
            artists[each.name] = panel.barh(
                place, sigma, xerr=each.precision_uncertainty, color=look.color, height=0.62, capsize=3
            )
            panel.text(
                sigma + each.precision_uncertainty, place, f"  {sigma:.3f}", va="center", ha="left", fontsize="small"
            )
        artists["statistical"] = panel.scatter(
            [each.fit.statistical for each in ordered],
            places,
            marker="|",
            s=420,
            color="white",
            linewidths=2.5,
            label="Stat. only",
            zorder=3,
        )
        kinds = [each.kind for each in ordered]
        names = [
            looks[each.kind].label if kinds.count(each.kind) == 1 and each.kind in _KINDS else each.name
            for each in ordered
        ]
        panel.set_yticks(places, names)
        panel.tick_params(axis="y", which="minor", left=False, right=False)
        panel.set_xlim(0.0, 1.18 * max(each.fit.uncertainty for each in ordered))
        panel.set_xlabel(r"Uncertainty of the signal strength $\mathit{\mu}$ (white: stat. only)")
        style.note(panel, note)
    return style.Drawing(panels, artists)


def save_all(summary: AnalysisSummary, output: str | os.PathLike[str]) -> list[Path]:
    """Write the figures of an analysis beside its files, as PNG and PDF; none without a measurement."""
    folder, files = Path(output), []
    for each in summary.results:
        label = str(summary.histograms[each.name].axes["value"].label)
        kind = _KINDS.get(each.kind)
        said = each.name if kind is None else f"{kind.label} ({each.name})" if each.name != each.kind else kind.label
        drawing = draw_discriminant(summary.templates[each.name], label, note=said)
        files += style.save(drawing.figure, folder / f"discriminant-{each.name}")
        if any(not name.startswith("simulation_") for name in each.fit.pulls):
            files += style.save(draw_pulls(each.fit, note=said).figure, folder / f"pulls-{each.name}")
    if summary.results:
        files += style.save(draw_precisions(summary.results).figure, folder / "precisions")
    return files
