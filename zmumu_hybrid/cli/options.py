"""Options that take several values: `--signal a.lhe b.lhe` as well as `--signal a.lhe --signal b.lhe`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from typer.core import TyperCommand

__all__ = ["ManyValues", "spread_values"]


def spread_values(arguments: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """Yield the arguments with each of the options `names` repeated before each of its values.

    Examples
    --------
    >>> list(spread_values(["--signal", "a", "b", "--seed", "1"], ["--signal"]))
    ['--signal', 'a', '--signal', 'b', '--seed', '1']
    """
    current, values = "", 0
    for argument in arguments:
        if argument.startswith("-") and argument != "-":
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
        return super().parse_args(ctx, list(spread_values(args, names)))
