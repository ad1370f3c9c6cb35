"""The entry point of `zmumu`: gathers the commands and turns an error into one line and an exit status."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from zmumu_hybrid.cli import (
    analyse,
    apply,
    convert,
    evaluate,
    generate,
    limit,
    plot,
    process,
    reproduce,
    scan,
    smearing,
    train,
)
from zmumu_hybrid.cli.options import ManyValues
from zmumu_hybrid.errors import ZmumuError
from zmumu_hybrid.extras import explained

__all__ = ["app", "main"]


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a batch system sends it: everything ends as it does with Ctrl-C, and is cleaned up as then."""


class Commands(TyperGroup):
    """The commands; Ctrl-C ends each with one line on standard error and exit status 130, SIGTERM with 143."""

    def invoke(self, ctx: Any) -> Any:
        """Invoke the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ImportError as error:
            raise explained(error) from None
        except KeyboardInterrupt as stopped:
            how, number = ("terminated", 143) if isinstance(stopped, Terminated) else ("interrupted", 130)
            typer.echo(f"zmumu: {how}; what was finished is kept, run the same command to go on", err=True)
            raise typer.Exit(number) from None


app = typer.Typer(
    cls=Commands,
    name="zmumu",
    help="Learning broken symmetries with approximate invariance: dimuon events from collisions to classifiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),
) -> None:
    """Learning broken symmetries with approximate invariance: dimuon events from collisions to classifiers."""
    del ctx
    if version:
        from importlib.metadata import version as installed_version

        typer.echo(installed_version("zmumu-hybrid"))
        raise typer.Exit


# The commands, in the order of the data's way. Their modules import heavy libraries only inside the function.
app.command("generate")(generate.generate)
app.command("convert")(convert.convert)
app.command("process", cls=ManyValues)(process.process)
app.command("train")(train.train)
app.command("scan")(scan.scan)
app.command("evaluate")(evaluate.evaluate)
app.command("limit")(limit.limit)
app.command("plot")(plot.plot)
app.command("reproduce")(reproduce.reproduce)
app.command("smearing", cls=ManyValues)(smearing.smearing)
app.command("export")(apply.export)
app.command("apply", cls=ManyValues)(apply.apply)
app.command("analyse", cls=ManyValues)(analyse.analyse)


def heed_termination() -> None:
    """Let SIGTERM raise `Terminated` in this process; the processes forked from it go on dying of it at once."""
    here = os.getpid()

    def stop(number: int, frame: object) -> None:
        del frame
        if os.getpid() == here:
            raise Terminated
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, stop)


def main() -> None:
    """Run the command line; a `ZmumuError` ends it with one line on standard error and exit status 1."""
    heed_termination()
    try:
        app()
    except ZmumuError as error:
        typer.echo(f"zmumu: error: {' '.join(str(error).split())}", err=True)
        sys.exit(1)
