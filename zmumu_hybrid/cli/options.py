"""What commands share: the options of input, execution, smearing and output, and how they speak to the user."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "FILES",
    "Data",
    "Device",
    "Fraction",
    "ManyValues",
    "Model",
    "Precision",
    "Run",
    "TrainedOn",
    "WidthUncertainty",
    "Workers",
    "console_of_names",
    "content",
    "execution",
    "named_paths",
    "pieces",
    "quiet",
    "say",
    "shares",
    "smearing",
    "spread_values",
    "warn",
    "writes",
]

_CONTENT, _EXECUTION, _SMEARING = "What the files hold", "Execution", "Smearing"

Run = Annotated[Path, typer.Argument(help="Folder of `zmumu train`.")]
Data = Annotated[Path, typer.Option(help="Directory of `zmumu process`, or a candidate table.")]
Model = Annotated[Literal["hybrid", "pfn", "invariant"], typer.Argument(help="Which network.")]
Fraction = Annotated[float | None, typer.Option(help="Part of the training events to use.")]
Precision = Annotated[str | None, typer.Option(help="'float32', or 'bfloat16' for matrix products.")]
Device = Annotated[str | None, typer.Option(help="'cpu' or 'cuda'.")]
TrainedOn = Annotated[
    Path | None,
    typer.Option(
        help="Directory of `zmumu process` that the model was trained on: it says how muons are smeared, and which "
        "events are training events."
    ),
]
WidthUncertainty = Annotated[float, typer.Option(help="Relative uncertainty of the width of the smearing.")]

Workers = Annotated[
    int | None, typer.Option(help="Number of workers.", show_default="one a core", rich_help_panel=_EXECUTION)
]

FILES = "LHE, LHE gz, ROOT, NanoAOD or Parquet; also addresses, pipes and -"
"""What files of events may be."""


def writes(what: str) -> Any:
    """Return the option that says where a command writes, and what."""
    return typer.Option("--output", "-o", help=what)


def execution(
    executor: Annotated[
        Literal["iterative", "futures", "dask"] | None,
        typer.Option(
            help="This process, local processes, or a dask cluster.",
            show_default="iterative, in `scan` and `reproduce` futures; dask with --scheduler or --jobqueue",
            rich_help_panel=_EXECUTION,
        ),
    ] = None,
    workers: Workers = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler that runs already.", rich_help_panel=_EXECUTION)
    ] = None,
    jobqueue: Annotated[
        Path | None, typer.Option(help="YAML file for dask-jobqueue: start batch jobs.", rich_help_panel=_EXECUTION)
    ] = None,
) -> None:
    """Declare where work is done; see `zmumu_hybrid.execution.workers.choose_workers`."""


def pieces(
    chunksize: Annotated[
        int, typer.Option(help="About how many events a chunk has.", rich_help_panel=_EXECUTION)
    ] = 100_000,
    cache: Annotated[
        Path | None, typer.Option(help="Directory for converted LHE files.", rich_help_panel=_EXECUTION)
    ] = None,
) -> None:
    """Declare how event files are cut, and where converted ones are."""


def content(
    muons: Annotated[
        Literal["Muon", "GenPart", "LHEPart"],
        typer.Option(help="Collection of NanoAOD that holds the muons.", rich_help_panel=_CONTENT),
    ] = "Muon",
    branches: Annotated[
        Path | None,
        typer.Option(help="TOML file that declares branches with other names.", rich_help_panel=_CONTENT),
    ] = None,
    tree: Annotated[
        str,
        typer.Option(
            help="Tree to read of ROOT files with several, such as dir/Events; or give FILE:TREE.",
            rich_help_panel=_CONTENT,
        ),
    ] = "",
    pair: Annotated[
        Literal["leading", "closest-to-z"],
        typer.Option(help="Which mu+ and mu- of an event.", rich_help_panel=_CONTENT),
    ] = "leading",
) -> None:
    """Declare what is in event files, and what is taken of it."""


def smearing(
    smearing: Annotated[
        Literal["independent", "shared", "none"] | None,
        typer.Option(
            help="A draw for each muon, one for both, or no smearing.",
            show_default="independent; none for data and in `apply`",
            rich_help_panel=_SMEARING,
        ),
    ] = None,
    hold: Annotated[
        Literal["pz", "eta"] | None,
        typer.Option(help="What the smearing of pT leaves as it is.", show_default="pz", rich_help_panel=_SMEARING),
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(help="Width of the smearing, relative to pT.", show_default="0.1", rich_help_panel=_SMEARING),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of the smearing, and of the split.", show_default="0", rich_help_panel=_SMEARING),
    ] = None,
) -> None:
    """Declare how muons are smeared."""


def shares(*groups: Callable[..., None]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `groups`, functions with a signature, in place of its ``**options``."""

    def extend(command: Callable[..., None]) -> Callable[..., None]:
        taken = [each for function in (command, *groups) for each in _parameters(function)]
        setattr(command, "__signature__", inspect.Signature(taken))  # noqa: B010  (a function has none that mypy knows)
        command.__annotations__ = {each.name: each.annotation for each in taken}
        return command

    return extend


def _parameters(function: Callable[..., None]) -> Iterator[inspect.Parameter]:
    for each in inspect.signature(function, eval_str=True).parameters.values():
        if each.kind != each.VAR_KEYWORD:
            yield each.replace(kind=each.KEYWORD_ONLY)


quiet: ContextVar[bool] = ContextVar("quiet", default=False)
"""Whether nothing but warnings and errors is said: with `zmumu --quiet`."""


def say(text: object) -> None:
    """Print a line of a command's summary."""
    if not quiet.get():
        typer.echo(text)


def warn(text: str) -> None:
    """Print a warning."""
    typer.echo(f"zmumu: warning: {text}", err=True)


def console_of_names(*, stderr: bool = False) -> Console:
    """Return a console that prints names as they are, brackets and colons too."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, quiet=quiet.get())


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
