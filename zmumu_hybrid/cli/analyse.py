"""`zmumu analyse`: the example analysis, from event files to expected precisions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zmumu_hybrid.cli.options import (
    TrainedOn,
    WidthUncertainty,
    console_of_names,
    content,
    execution,
    named_paths,
    pieces,
    quiet,
    say,
    shares,
    smearing,
    writes,
)

if TYPE_CHECKING:
    from zmumu_hybrid.jobs.analyse import AnalysisSummary

__all__ = ["analyse"]

_CUTS = "Cuts"
_FIT = "Measurement"


def _analysis(
    trained_on: TrainedOn = None,
    independent: Annotated[
        bool, typer.Option("--independent", help="No event was used in a training: do not ask for --trained-on.")
    ] = False,
    rows: Annotated[
        Literal["all", "test"], typer.Option(help="All events of simulation, or those that --trained-on holds out.")
    ] = "all",
    optimal: Annotated[
        bool, typer.Option("--optimal", help="Add the optimal classifier, for events of leading order.")
    ] = False,
    width_uncertainty: WidthUncertainty = 0.1,
    reweighting_uncertainty: Annotated[float, typer.Option(help="How much more or less of the pT reweighting.")] = 0.2,
    unblind: Annotated[
        bool, typer.Option("--unblind", help="Fit the data, and not what is expected.", rich_help_panel=_FIT)
    ] = False,
    bins: Annotated[int, typer.Option(help="Bins of each discriminant.", rich_help_panel=_FIT)] = 20,
    mass_window: Annotated[
        tuple[float, float], typer.Option(help="Of the cut on the mass alone, GeV.", rich_help_panel=_FIT)
    ] = (80.0, 100.0),
    pt: Annotated[float, typer.Option(help="Smallest pT of both muons, GeV.", rich_help_panel=_CUTS)] = 10.0,
    eta: Annotated[float, typer.Option(help="Largest abs(eta) of both muons.", rich_help_panel=_CUTS)] = 2.5,
    mass: Annotated[tuple[float, float], typer.Option(help="Range of the mass, GeV.", rich_help_panel=_CUTS)] = (
        60.0,
        150.0,
    ),
) -> None:
    """Declare what is selected, varied and measured."""


@shares(_analysis, content, execution, pieces, smearing)
def analyse(
    output: Annotated[Path, writes("Directory for histograms, workspaces and figures.")],
    signal: Annotated[list[str] | None, typer.Option(help="Files of signal events.")] = None,
    background: Annotated[list[str] | None, typer.Option(help="Files of background events.")] = None,
    data: Annotated[list[str] | None, typer.Option(help="Files of data, which are not smeared.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model file of `zmumu export` or folder of `zmumu train`, as PATH or NAME=PATH."),
    ] = None,
    systematic: Annotated[list[str] | None, typer.Option(help="What is varied; by default all that applies.")] = None,
    expected_signal: Annotated[
        float, typer.Option(help="Number of selected signal pairs expected.", rich_help_panel=_FIT)
    ] = 1000.0,
    expected_background: Annotated[
        float, typer.Option(help="Number of selected background pairs expected.", rich_help_panel=_FIT)
    ] = 10_000.0,
    luminosity_uncertainty: Annotated[
        float, typer.Option(help="Relative, of both samples.", rich_help_panel=_FIT)
    ] = 0.02,
    background_uncertainty: Annotated[
        float, typer.Option(help="Relative, of the background alone.", rich_help_panel=_FIT)
    ] = 0.05,
    **options: Any,
) -> None:
    """Select muon pairs, vary them, and measure a signal strength with each discriminant."""
    from zmumu_hybrid.jobs.analyse import analyse as run_analysis
    from zmumu_hybrid.measurement.options import AnalysisOptions
    from zmumu_hybrid.measurement.templates import Yields
    from zmumu_hybrid.plots import analysis as figures

    chosen = AnalysisOptions(
        systematics=None if systematic is None else tuple(systematic),
        yields=Yields(expected_signal, expected_background, luminosity_uncertainty, background_uncertainty),
        **options,
    )
    inputs = {"signal": signal or [], "background": background or [], "data": data or []}
    models = named_paths(model or [], "--model")
    summary = run_analysis(inputs, output, models, chosen, draw=figures.save_all, show_progress=not quiet.get())
    _show(summary)
    say(f"{summary.output}: {summary.seconds:.1f} s")


def _show(summary: AnalysisSummary) -> None:
    from rich.table import Table

    console = console_of_names()
    steps = list(dict.fromkeys(step for counts in summary.cutflow.values() for step in counts))
    cutflow = Table("cutflow", *steps, box=None, pad_edge=False)
    for dataset, counts in summary.cutflow.items():
        cutflow.add_row(dataset, *(f"{counts[step]:,}" if step in counts else "" for step in steps))
    console.print(cutflow)
    if not summary.results:
        return
    table = Table("", "mu", "uncertainty", "stat. only", "better than the mass cut", box=None, pad_edge=False)
    for each in summary.results:
        table.add_row(
            each.name,
            f"{each.fit.mu:.3f}",
            f"{each.fit.uncertainty:.4f} ± {each.precision_uncertainty:.4f}",
            f"{each.fit.statistical:.4f}",
            f"{each.gain:.2f} ± {each.gain_uncertainty:.2f}",
        )
    console.print(table)
