"""`zmumu` in this process: the commands are built once, as that takes longer than most of what they are tried with."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

from typer.main import get_command

from zmumu_hybrid.cli.main import app

COMMAND = get_command(app)


@dataclass(frozen=True)
class Outcome:
    """What a command said and how it ended."""

    exit_code: int
    stdout: str
    stderr: str
    exception: BaseException | None

    @property
    def output(self) -> str:
        """All that it said."""
        return self.stdout + self.stderr


def zmumu(*arguments: object) -> Outcome:
    """Run a command; what it raises is in the outcome."""
    out, err = io.StringIO(), io.StringIO()
    status, raised = 0, None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            COMMAND.main(args=[str(each) for each in arguments], prog_name="zmumu")
        except SystemExit as ended:
            status = int(ended.code or 0)
            raised = ended if status else None
        except Exception as error:
            status, raised = 1, error
    return Outcome(status, out.getvalue(), err.getvalue(), raised)


def done(*arguments: object) -> Outcome:
    """Run a command that ends well, or raise its error."""
    outcome = zmumu(*arguments)
    if outcome.exception is not None:
        raise outcome.exception
    return outcome
