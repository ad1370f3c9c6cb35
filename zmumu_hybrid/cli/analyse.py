"""`zmumu analyse`: the example analysis, from event files to expected precisions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zmumu_hybrid.cli.options import console_of_names, named_paths

if TYPE_CHECKING:
    from zmumu_hybrid.jobs.analyse import AnalysisSummary

__all__ = ["analyse"]

_INPUT = "What the files hold"
_WORK = "Who does the work"
_PHYSICS = "Physics"
_FIT = "Measurement"


def analyse(
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for histograms, workspaces and figures.")],
    signal: Annotated[list[str] | None, typer.Option(help="Files of signal events.")] = None,
    background: Annotated[list[str] | None, typer.Option(help="Files of background events.")] = None,
    data: Annotated[list[str] | None, typer.Option(help="Files of data, which are not smeared.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model file of `zmumu export` or folder of `zmumu train`, as PATH or NAME=PATH."),
    ] = None,
    trained_on: Annotated[
        Path | None,
        typer.Option(help="Directory of `zmumu process` that the models were trained on: its events are refused."),
    ] = None,
    independent: Annotated[
        bool, typer.Option("--independent", help="No event was used in a training: do not ask for --trained-on.")
    ] = False,
    rows: Annotated[
        Literal["all", "test"], typer.Option(help="All events of simulation, or those that --trained-on holds out.")
    ] = "all",
    optimal: Annotated[
        bool, typer.Option("--optimal", help="Add the optimal classifier, for events of leading order.")
    ] = False,
    systematic: Annotated[
        list[str] | None, typer.Option(help="What is varied; by default all that applies.", rich_help_panel=_PHYSICS)
    ] = None,
    width_uncertainty: Annotated[
        float, typer.Option(help="Relative uncertainty of the width of the smearing.", rich_help_panel=_PHYSICS)
    ] = 0.1,
    reweighting_uncertainty: Annotated[
        float, typer.Option(help="How much more or less of the pT reweighting.", rich_help_panel=_PHYSICS)
    ] = 0.2,
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
    unblind: Annotated[
        bool, typer.Option("--unblind", help="Fit the data, and not what is expected.", rich_help_panel=_FIT)
    ] = False,
    bins: Annotated[int, typer.Option(help="Bins of each discriminant.", rich_help_panel=_FIT)] = 20,
    pt: Annotated[float, typer.Option(help="Least pT of both muons, GeV.", rich_help_panel=_PHYSICS)] = 10.0,
    eta: Annotated[float, typer.Option(help="Largest abs(eta) of both muons.", rich_help_panel=_PHYSICS)] = 2.5,
    mass: Annotated[tuple[float, float], typer.Option(help="Range of the mass, GeV.", rich_help_panel=_PHYSICS)] = (
        60.0,
        150.0,
    ),
    mass_window: Annotated[
        tuple[float, float], typer.Option(help="Of the cut on the mass alone, GeV.", rich_help_panel=_FIT)
    ] = (80.0, 100.0),
    pair: Annotated[
        Literal["leading", "closest-to-z"], typer.Option(help="Which mu+ and mu-.", rich_help_panel=_PHYSICS)
    ] = "leading",
    smearing: Annotated[
        Literal["independent", "shared", "none"],
        typer.Option(help="Without --trained-on: how simulation is smeared.", rich_help_panel=_PHYSICS),
    ] = "independent",
    hold: Annotated[
        Literal["pz", "eta"], typer.Option(help="Likewise: what the smearing leaves.", rich_help_panel=_PHYSICS)
    ] = "pz",
    width: Annotated[float, typer.Option(help="Likewise: its width, relative to pT.", rich_help_panel=_PHYSICS)] = 0.1,
    seed: Annotated[int, typer.Option(help="Likewise: of its draws.", rich_help_panel=_PHYSICS)] = 0,
    muons: Annotated[
        Literal["Muon", "GenPart", "LHEPart"],
        typer.Option(help="Collection of NanoAOD that holds the muons.", rich_help_panel=_INPUT),
    ] = "Muon",
    branches: Annotated[
        Path | None,
        typer.Option(help="TOML file that declares branches with other names.", rich_help_panel=_INPUT),
    ] = None,
    tree: Annotated[
        str,
        typer.Option(
            help="Tree to read of ROOT files with several, such as dir/Events; or give FILE:TREE.",
            rich_help_panel=_INPUT,
        ),
    ] = "",
    executor: Annotated[
        Literal["iterative", "futures", "dask"],
        typer.Option(help="This process, local processes, or a dask cluster.", rich_help_panel=_WORK),
    ] = "iterative",
    workers: Annotated[int, typer.Option(help="Number of workers.", rich_help_panel=_WORK)] = 1,
    chunksize: Annotated[int, typer.Option(help="About how many events a chunk has.", rich_help_panel=_WORK)] = 100_000,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler that runs already.", rich_help_panel=_WORK)
    ] = None,
    jobqueue: Annotated[
        Path | None, typer.Option(help="YAML file for dask-jobqueue: start batch jobs.", rich_help_panel=_WORK)
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Directory for converted LHE files.", rich_help_panel=_WORK)
    ] = None,
) -> None:
    """Select muon pairs, vary them, and measure a signal strength with each discriminant."""
    from zmumu_hybrid.jobs.analyse import analyse as run_analysis
    from zmumu_hybrid.measurement.options import AnalysisOptions
    from zmumu_hybrid.measurement.templates import Yields
    from zmumu_hybrid.plots import analysis as figures

    options = AnalysisOptions(
        trained_on=trained_on,
        independent=independent,
        rows=rows,
        optimal=optimal,
        systematics=None if systematic is None else tuple(systematic),
        width_uncertainty=width_uncertainty,
        reweighting_uncertainty=reweighting_uncertainty,
        yields=Yields(expected_signal, expected_background, luminosity_uncertainty, background_uncertainty),
        unblind=unblind,
        pt=pt,
        eta=eta,
        mass=mass,
        mass_window=mass_window,
        bins=bins,
        smearing=smearing,
        hold=hold,
        width=width,
        seed=seed,
        pair=pair,
        muons=muons,
        branches=branches,
        tree=tree,
        executor=executor,
        workers=workers,
        chunksize=chunksize,
        scheduler=scheduler,
        jobqueue=jobqueue,
        cache=cache,
    )
    inputs = {"signal": signal or [], "background": background or [], "data": data or []}
    summary = run_analysis(inputs, output, named_paths(model or [], "--model"), options, draw=figures.save_all)
    _show(summary)
    typer.echo(f"{summary.output}: {summary.seconds:.1f} s")


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
    table = Table("", "mu", "uncertainty", "of events alone", "better than the mass cut", box=None, pad_edge=False)
    for each in summary.results:
        table.add_row(
            each.name,
            f"{each.fit.mu:.3f}",
            f"{each.fit.uncertainty:.4f} ± {each.precision_uncertainty:.4f}",
            f"{each.fit.statistical:.4f}",
            f"{each.gain:.2f} ± {each.gain_uncertainty:.2f}",
        )
    console.print(table)
