"""The metrics of a training for TensorBoard: those of `metrics.parquet`, a folder of events for each member.

The folder is written anew whenever a training begins or goes on, from what its checkpoints know, so that no step is in
it twice.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.files import make_directory
from zmumu_hybrid.support.handles import plain_name
from zmumu_hybrid.training.trainer import Member, Row

__all__ = ["event_log", "write_events"]


@contextmanager
def event_log(folder: Path) -> Iterator[Callable[[Member], None]]:
    """Start the folder anew; yields what writes the rows of a member that were not written yet, epoch by epoch."""
    with _writer(folder) as write:
        written: dict[int, int] = {}

        def report(member: Member) -> None:
            for row in member.rows[written.get(member.number, 0) :]:
                write(row)
            written[member.number] = len(member.rows)

        yield report


def write_events(folder: Path, rows: Iterable[Row]) -> None:
    """Write the metrics of a training that is finished."""
    with _writer(folder) as write:
        for row in rows:
            write(row)


@contextmanager
def _writer(folder: Path) -> Iterator[Callable[[Row], None]]:
    require("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(folder, ignore_errors=True)
    make_directory(folder)
    with ExitStack() as stack:
        plain = stack.enter_context(plain_name(folder))
        members: dict[int, Any] = {}

        def write(row: Row) -> None:
            member, epoch = int(row["member"]), int(row["epoch"])
            if member not in members:
                members[member] = stack.enter_context(SummaryWriter(str(plain / f"member-{member}"), flush_secs=5))
            for name, value in row.items():
                if name not in ("member", "epoch"):
                    members[member].add_scalar(name, value, epoch)

        yield write
