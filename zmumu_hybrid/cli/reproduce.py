"""`zmumu reproduce`: the whole study, from generated events to the report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["reproduce"]


def reproduce(
    scale: Annotated[Literal["quick", "full"], typer.Option(help="Minutes, or the paper's size (hours).")] = "quick",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("results"),
    seed: Annotated[int, typer.Option(help="Seed of every random draw.")] = 1,
    workers: Annotated[int | None, typer.Option(help="Processes that generate events; by default one a core.")] = None,
) -> None:
    """Run the whole study: events, networks, figures, report. What is done already is skipped."""
    from rich.console import Console

    from zmumu_hybrid.study.pipeline import Study, reproduce
    from zmumu_hybrid.study.scales import SCALES

    console = Console(stderr=True, highlight=False)
    states = {"start": "[dim]...[/]", "done": "[green]done[/]", "skip": "[dim]done before[/]"}

    def announce(name: str, state: str, seconds: float) -> None:
        if state == "start" and not console.is_terminal:
            return
        took = "" if state == "start" else f" {seconds:8.1f} s"
        console.print(f"{name:48}{took:>11}  {states[state]}")

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    study = Study(SCALES[scale], output, seed, workers or cores, show_progress=True)
    report = reproduce(study, announce)
    typer.echo(f"{report}: the report; the numbers are in {report.with_name('summary.json')}")
