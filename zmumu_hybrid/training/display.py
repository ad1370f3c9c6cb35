"""The members of an ensemble in training, live on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from zmumu_hybrid.training.trainer import Member

__all__ = ["live_members"]


@contextmanager
def live_members(
    title: str, members: Sequence[Member], epochs: int, *, enabled: bool
) -> Iterator[Callable[[Member], None]]:
    """Show a bar for each member with its last loss and AUC while the block runs; yields what updates a member's.

    Nothing is shown where standard error is not a terminal.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not (enabled and console.is_terminal):
        yield lambda _member: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        tasks = {
            member.number: bars.add_task(f"{title}, member {member.number}", total=epochs, state="")
            for member in members
        }

        def show(member: Member) -> None:
            state = ""
            if member.rows:
                last = member.rows[-1]
                state = f"loss {last.get('loss', last['training_loss']):.4f}"
                state += f"  AUC {last['auc']:.4f}" if np.isfinite(last.get("auc", np.nan)) else ""
            state += "  stopped: not finite" if member.stopped else ""
            bars.update(tasks[member.number], completed=min(member.epoch, epochs), state=state)

        yield show
