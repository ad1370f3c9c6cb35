"""The entry point of `zmumu`: gathers the commands and turns an error into one line and an exit status."""

from __future__ import annotations

import codecs
import io
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from zmumu_hybrid.cli import (
    analyse,
    apply,
    evaluate,
    event_files,
    export_smearing,
    limit,
    plot,
    process,
    reproduce,
    scan,
    train,
)
from zmumu_hybrid.cli.options import ManyValues, quiet
from zmumu_hybrid.errors import OutputError, ZmumuError
from zmumu_hybrid.support.extras import explained

__all__ = ["app", "main"]


_RESUMABLE = ("train", "scan", "reproduce")

_ASCII = {"±": "+-", "–": "-", "−": "-", "…": "...", "×": "x", "→": "->"}


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a batch system sends it: everything ends as it does with Ctrl-C, and is cleaned up as then."""


def _end(stopped: KeyboardInterrupt, kept: str) -> int:
    """Print one line about what stopped the program and what is kept; return the exit status."""
    how, status = ("terminated", 143) if isinstance(stopped, Terminated) else ("interrupted", 130)
    typer.echo(f"zmumu: {how}; {kept}", err=True)
    return status


class Commands(TyperGroup):
    """The commands; Ctrl-C ends each with one line on standard error and exit status 130, SIGTERM with 143."""

    def invoke(self, ctx: Any) -> Any:
        """Invoke the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ImportError as error:
            raise explained(error) from None
        except KeyboardInterrupt as stopped:
            kept = "what was finished is kept, run the same command to go on"
            raise typer.Exit(
                _end(stopped, kept if ctx.invoked_subcommand in _RESUMABLE else "no file is half-written")
            ) from None


app = typer.Typer(
    cls=Commands,
    name="zmumu",
    help="Learning broken symmetries with approximate invariance: dimuon events from collisions to classifiers.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Say on standard error what is done; -vv says more.")
    ] = 0,
    silent: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show no progress and no summary, only warnings and errors.")
    ] = False,
) -> None:
    """Learning broken symmetries with approximate invariance: dimuon events from collisions to classifiers."""
    if version:
        from importlib.metadata import version as installed_version

        typer.echo(installed_version("zmumu-hybrid"))
        raise typer.Exit
    token = quiet.set(silent)
    ctx.call_on_close(lambda: quiet.reset(token))
    if verbose:
        ctx.call_on_close(_log_to_stderr(logging.DEBUG if verbose > 1 else logging.INFO))


def _log_to_stderr(level: int) -> Callable[[], None]:
    """Print what the package logs to standard error; return what ends that."""
    logger, handler = logging.getLogger("zmumu_hybrid"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("zmumu: %(asctime)s %(message)s", "%H:%M:%S"))
    former = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)

    def end() -> None:
        logger.removeHandler(handler)
        logger.setLevel(former)

    return end


# The commands, in the order of the data's way. Their modules import heavy libraries only inside the function.
app.command("generate")(event_files.generate)
app.command("convert")(event_files.convert)
app.command("process", cls=ManyValues)(process.process)
app.command("train")(train.train)
app.command("scan")(scan.scan)
app.command("evaluate")(evaluate.evaluate)
app.command("limit")(limit.limit)
app.command("plot")(plot.plot)
app.command("reproduce")(reproduce.reproduce)
app.command("export-smearing", cls=ManyValues)(export_smearing.export_smearing)
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


class Printer(io.FileIO):
    """Where standard output goes: that it is full is an error of the package."""

    def write(self, data: Any, /) -> int:
        """Write bytes."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())  # so that what is left ends there
            raise OutputError(f"standard output: cannot be written to: {error.strerror}") from error


def _guarded(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a text stream to the same place, where signs that it does not know are printed as others."""
    codecs.register_error("zmumu", _instead)
    binary = io.BufferedWriter(Printer(stream.fileno(), "wb", closefd=False))
    return io.TextIOWrapper(binary, stream.encoding, "zmumu", line_buffering=stream.line_buffering)


def _instead(error: UnicodeError) -> tuple[bytes, int]:
    """Return what is printed for signs that the stream does not know; bytes of names that are not UTF-8 as they are."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    known = (_ASCII.get(sign, sign if "\udc80" <= sign <= "\udcff" else "?") for sign in signs)
    return "".join(known).encode("ascii", "surrogateescape"), error.end


def main() -> None:
    """Run the command line; a `ZmumuError` ends it with one line on standard error and exit status 1."""
    heed_termination()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _guarded(stream))
    try:
        app(prog_name="zmumu")
    except ZmumuError as error:
        typer.echo(f"zmumu: error: {' '.join(str(error).split())}", err=True)
        sys.exit(1)
    except KeyboardInterrupt as stopped:  # before a command has begun
        sys.exit(_end(stopped, "nothing was begun"))
