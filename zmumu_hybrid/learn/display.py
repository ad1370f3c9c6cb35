"""The members of an ensemble in training, live on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from zmumu_hybrid.learn.groups import Group

__all__ = ["live_members"]


@contextmanager
def live_members(
    title: str, groups: Sequence[Group], epochs: int, *, enabled: bool
) -> Iterator[Callable[[Group], None]]:
    """Show a bar for each member with its last loss and AUC while the block runs; yields what updates a group's.

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
        yield lambda _group: None
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
        names = [member for group in groups for member in group.engine.members]
        tasks = {member: bars.add_task(f"{title}, member {member}", total=epochs, state="") for member in names}

        def show(group: Group) -> None:
            last = {int(row["member"]): row for row in group.rows}
            for member in group.engine.members:
                state = ""
                if row := last.get(member):
                    state = f"loss {row['loss']:.4f}  AUC {row['auc']:.4f}"
                if member in group.stopped:
                    state += "  stopped: not finite"
                bars.update(tasks[member], completed=min(group.epoch, epochs), state=state)

        yield show
