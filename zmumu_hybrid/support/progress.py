"""Progress bars: shown on a terminal, silent anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress"]


@contextmanager
def progress(
    description: str, total: float | None = None, *, unit: str = "", enabled: bool = True
) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error while the block runs; yields `advance(amount)`.

    Parameters
    ----------
    description : str
        What is being done.
    total : float, optional
        The amount that makes the bar full; without it the bar only pulses.
    unit : str
        What is counted, shown after the count ("events").
    enabled : bool
        False silences the bar even on a terminal.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not (enabled and console.is_terminal):
        yield lambda _amount: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        TextColumn("{task.completed:,.0f} " + unit),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=False) as bar:
        task = bar.add_task(description, total=total)
        yield lambda amount: bar.advance(task, amount)
