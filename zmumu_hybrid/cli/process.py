"""`zmumu process`: from event files to histograms and the candidate table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zmumu_hybrid.cli.options import console_of_names

if TYPE_CHECKING:
    from zmumu_hybrid.jobs.process import ProcessSummary

__all__ = ["process"]

_INPUT = "What is in the files"
_WORK = "Who does the work"
_PHYSICS = "Physics"
_WEIGHTS = "Reweighting of the background"


def process(
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for the results.")],
    signal: Annotated[
        list[str] | None,
        typer.Option(help="Signal files: LHE, LHE gz, ROOT, NanoAOD or Parquet; also addresses, pipes and -."),
    ] = None,
    background: Annotated[list[str] | None, typer.Option(help="Background files, of the same kinds.")] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Files of data, without truth, in place of signal and background.")
    ] = None,
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
    chunksize: Annotated[int, typer.Option(help="About how many events a chunk has.", rich_help_panel=_WORK)] = 250_000,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler that runs already.", rich_help_panel=_WORK)
    ] = None,
    jobqueue: Annotated[
        Path | None, typer.Option(help="YAML file for dask-jobqueue: start batch jobs.", rich_help_panel=_WORK)
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Directory for converted files.", rich_help_panel=_WORK)] = None,
    smearing: Annotated[
        Literal["independent", "shared", "none"] | None,
        typer.Option(
            help="A draw for each muon, one for both, or none; by default independent, for data none.",
            rich_help_panel=_PHYSICS,
        ),
    ] = None,
    hold: Annotated[
        Literal["pz", "eta"], typer.Option(help="What the smearing of pT leaves as it is.", rich_help_panel=_PHYSICS)
    ] = "pz",
    width: Annotated[
        float, typer.Option(help="Width of the smearing, relative to pT.", rich_help_panel=_PHYSICS)
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Of the smearing and of the split.", rich_help_panel=_PHYSICS)] = 0,
    pair: Annotated[
        Literal["leading", "closest-to-z"],
        typer.Option(help="Which mu+ and mu- of an event.", rich_help_panel=_PHYSICS),
    ] = "leading",
    test_fraction: Annotated[
        float, typer.Option(help="Fraction of the events that is held out.", rich_help_panel=_PHYSICS)
    ] = 0.2,
    reweighting_bins: Annotated[int, typer.Option(help="Number of pT bins.", rich_help_panel=_WEIGHTS)] = 100,
    binning: Annotated[
        Literal["equal-content", "equal-width"], typer.Option(help="How pT is binned.", rich_help_panel=_WEIGHTS)
    ] = "equal-content",
    reweighting: Annotated[
        Path | None,
        typer.Option(help="reweighting.json of another run: apply it, fit none.", rich_help_panel=_WEIGHTS),
    ] = None,
) -> None:
    """Select muon pairs, smear them, and write histograms and the candidate table."""
    from zmumu_hybrid.jobs import process as processing

    options = processing.ProcessOptions(
        executor=executor,
        workers=workers,
        chunksize=chunksize,
        smearing=smearing,
        hold=hold,
        width=width,
        seed=seed,
        test_fraction=test_fraction,
        pair=pair,
        muons=muons,
        branches=branches,
        tree=tree,
        reweighting_bins=reweighting_bins,
        binning=binning,
        reweighting=reweighting,
        cache=cache,
        scheduler=scheduler,
        jobqueue=jobqueue,
    )
    _show(processing.process(signal or [], background or [], output, options, data=data or []))


def _show(summary: ProcessSummary) -> None:
    from rich.table import Table

    table = Table("", *summary.cutflow, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    rows = {"files": summary.files}
    rows |= {step: {name: steps[step] for name, steps in summary.cutflow.items()} for step in _steps(summary)}
    rows |= {"negative pT": summary.negative_pt_muons}
    for title, numbers in rows.items():
        table.add_row(title, *(f"{numbers[name]:,}" for name in summary.cutflow))
    console = console_of_names()
    console.print(table)
    seconds = sum(summary.seconds.values())
    files, events, pairs = (sum(numbers.values()) for numbers in (summary.files, summary.entries, summary.pairs))
    console.print(
        f"{files:,} file{'s' * (files != 1)}, {events:,} events, {pairs:,} pairs in {seconds:.1f} s "
        f"({summary.events_per_second:,.0f} events/s); results in {summary.output}",
        soft_wrap=True,
    )


def _steps(summary: ProcessSummary) -> list[str]:
    return list(next(iter(summary.cutflow.values())))
