"""`zmumu reproduce`: the whole study, from generated events to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from zmumu_hybrid.cli.options import execution, quiet, say, shares, writes

__all__ = ["reproduce"]


@shares(execution)
def reproduce(
    scale: Annotated[Literal["quick", "full"], typer.Option(help="Minutes, or the paper's size (hours).")] = "quick",
    output: Annotated[Path, writes("Folder for the results.")] = Path("results"),
    seed: Annotated[int, typer.Option(help="Seed of every random draw.")] = 1,
    rivals: Annotated[
        bool, typer.Option("--rivals", help="Compare with L-GATr, PELICAN, residual pathways and trees as well.")
    ] = False,
    **options: Any,
) -> None:
    """Run the whole study: events, networks, figures, report. What is done already is skipped."""
    from rich.console import Console

    from zmumu_hybrid.execution.workers import available_cores, choose_workers
    from zmumu_hybrid.study.pipeline import Study, reproduce
    from zmumu_hybrid.study.scales import SCALES
    from zmumu_hybrid.support.outputs import output_folder

    console = Console(stderr=True, highlight=False, quiet=quiet.get())
    states = {"start": "[dim]...[/]", "done": "[green]done[/]", "skip": "[dim]done before[/]"}

    def announce(name: str, state: str, seconds: float) -> None:
        if state == "start" and not console.is_terminal:
            return
        took = "" if state == "start" else f" {seconds:8.1f} s"
        console.print(f"{name:48}{took:>11}  {states[state]}")

    trainers = choose_workers(**options, otherwise="futures")
    # Many workers elsewhere are no reason for many processes here.
    generators = min(trainers.workers, available_cores()) if trainers.executor == "dask" else trainers.workers
    study = Study(SCALES[scale], output, seed, generators, show_progress=not quiet.get())
    with output_folder(output, "reproduce"):
        report = reproduce(study, announce, trainers, rivals=rivals)
    say(f"{report}: the report; the numbers are in {report.with_name('summary.json')}")
