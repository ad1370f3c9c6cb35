"""`zmumu reproduce`: the whole study, from generated events to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from zmumu_hybrid.cli.options import available_cores, choose_workers

__all__ = ["reproduce"]


def reproduce(
    scale: Annotated[Literal["quick", "full"], typer.Option(help="Minutes, or the paper's size (hours).")] = "quick",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("results"),
    seed: Annotated[int, typer.Option(help="Seed of every random draw.")] = 1,
    workers: Annotated[
        int | None, typer.Option(help="Processes that generate events, and workers that train; by default one a core.")
    ] = None,
    executor: Annotated[
        Literal["iterative", "futures", "dask"] | None,
        typer.Option(help="Where networks are trained: this process, local processes, or a dask cluster."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Train on the workers of a dask scheduler that runs already.")
    ] = None,
    jobqueue: Annotated[Path | None, typer.Option(help="YAML file for dask-jobqueue: train in batch jobs.")] = None,
    rivals: Annotated[
        bool, typer.Option("--rivals", help="Compare with L-GATr, PELICAN, residual pathways and trees as well.")
    ] = False,
) -> None:
    """Run the whole study: events, networks, figures, report. What is done already is skipped."""
    from rich.console import Console

    from zmumu_hybrid.study.pipeline import Study, reproduce
    from zmumu_hybrid.study.scales import SCALES
    from zmumu_hybrid.support.outputs import output_folder

    console = Console(stderr=True, highlight=False)
    states = {"start": "[dim]...[/]", "done": "[green]done[/]", "skip": "[dim]done before[/]"}

    def announce(name: str, state: str, seconds: float) -> None:
        if state == "start" and not console.is_terminal:
            return
        took = "" if state == "start" else f" {seconds:8.1f} s"
        console.print(f"{name:48}{took:>11}  {states[state]}")

    trainers = choose_workers(executor, workers, scheduler, jobqueue)
    cores = available_cores()
    # Many workers elsewhere are no reason for many processes here.
    generators = trainers.workers if trainers.executor == "iterative" else min(trainers.workers, cores)
    study = Study(SCALES[scale], output, seed, generators, show_progress=True)
    with output_folder(output, "reproduce"):
        report = reproduce(study, announce, trainers, rivals=rivals)
    typer.echo(f"{report}: the report; the numbers are in {report.with_name('summary.json')}")
