"""What commands share: options that take several values, as `--signal a.lhe b.lhe`, and options that name workers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

if TYPE_CHECKING:
    from rich.console import Console

    from zmumu_hybrid.execution.workers import ExecutorName, Workers

__all__ = ["ManyValues", "available_cores", "choose_workers", "console_of_names", "named_paths", "spread_values"]


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def console_of_names(*, stderr: bool = False) -> Console:
    """Return a console that prints names as they are, brackets and colons too."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def choose_workers(
    executor: ExecutorName | None,
    workers: int | None,
    scheduler: str | None,
    jobqueue: Path | None,
    otherwise: ExecutorName = "iterative",
) -> Workers:
    """Return who does the work; a scheduler or a jobqueue mean dask, without anything it is as `otherwise` says.

    Raises
    ------
    ConfigurationError
        As `zmumu_hybrid.execution.workers.Workers`.
    """
    from zmumu_hybrid.execution.workers import Workers

    chosen = executor or ("dask" if scheduler or jobqueue else otherwise)
    return Workers(chosen, available_cores() if workers is None else workers, scheduler, jobqueue)


def named_paths(given: Sequence[str], what: str) -> dict[str, Path]:
    """Return paths by name from "NAME=PATH", or "PATH", whose name is that of the file or folder.

    Raises
    ------
    ConfigurationError
        If two have one name; the message says `what` they are.
    """
    from zmumu_hybrid.errors import ConfigurationError

    paths: dict[str, Path] = {}
    for text in given:
        name, separator, path = text.partition("=")
        if not separator or not name or os.path.lexists(text):
            whole = Path(text)
            whole = whole.resolve() if whole.name in ("", "..") else whole
            name, path = whole.name if whole.is_dir() else whole.stem, text
        if name in paths:
            raise ConfigurationError(f"{what} {text}: {name!r} is {paths[name]} already: name it, as NAME={path}")
        paths[name] = Path(path)
    return paths


def spread_values(arguments: Sequence[str], names: Sequence[str], options: Sequence[str] = ()) -> Iterator[str]:
    """Yield the arguments with each of the options `names` repeated before each of its values.

    What begins with a dash is another option, but right behind an option, or if a file has that name.

    Examples
    --------
    >>> list(spread_values(["--signal", "a", "b", "--seed", "1"], ["--signal"]))
    ['--signal', 'a', '--signal', 'b', '--seed', '1']
    """
    current, values = "", 0
    for argument in arguments:
        follows = current and (
            values == 0 or argument == "-" or (argument not in options and os.path.lexists(argument))
        )
        if argument.startswith("-") and not follows:
            current, values = argument if argument in names else "", 0
        elif current:
            values += 1
            if values > 1:
                yield current
        yield argument


class ManyValues(TyperCommand):
    """A command whose options of the type list take any number of values at a time."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat such options before each of their values."""
        names = [name for parameter in self.params if getattr(parameter, "multiple", False) for name in parameter.opts]
        options = [name for parameter in self.params for name in parameter.opts]
        return super().parse_args(ctx, list(spread_values(args, names, options)))
