"""`zmumu process`: from event files to histograms and the candidate table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zmumu_hybrid.cli.options import (
    FILES,
    console_of_names,
    content,
    execution,
    pieces,
    quiet,
    shares,
    smearing,
    writes,
)

if TYPE_CHECKING:
    from zmumu_hybrid.jobs.process import ProcessSummary

__all__ = ["process"]

_WEIGHTS = "Reweighting of the background"


def _sample(
    test_fraction: Annotated[float, typer.Option(help="Fraction of the events that is held out.")] = 0.2,
    reweighting_bins: Annotated[int, typer.Option(help="Number of pT bins.", rich_help_panel=_WEIGHTS)] = 100,
    binning: Annotated[
        Literal["equal-content", "equal-width"], typer.Option(help="How pT is binned.", rich_help_panel=_WEIGHTS)
    ] = "equal-content",
    reweighting: Annotated[
        Path | None,
        typer.Option(help="reweighting.json of another run: apply it, fit none.", rich_help_panel=_WEIGHTS),
    ] = None,
) -> None:
    """Declare what a processed sample is beside its events."""


@shares(_sample, content, execution, pieces, smearing)
def process(
    output: Annotated[Path, writes("Directory for the results.")],
    signal: Annotated[list[str] | None, typer.Option(help=f"Signal files: {FILES}.")] = None,
    background: Annotated[list[str] | None, typer.Option(help="Background files, of the same kinds.")] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Files of data, without truth, in place of signal and background.")
    ] = None,
    **options: Any,
) -> None:
    """Select muon pairs, smear them, and write histograms and the candidate table."""
    from zmumu_hybrid.jobs import process as job

    chosen = job.ProcessOptions(**options)
    files = signal or [], background or []
    _show(job.process(*files, output, chosen, data=data or [], show_progress=not quiet.get()))


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
