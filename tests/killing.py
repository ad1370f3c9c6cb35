"""Runs in processes of their own, without the seconds that each takes to start: forked from one that has all loaded.

A run may be stopped at a chosen moment: before the n-th change that it makes to a folder. The moments are counted in
what is done to files, not in seconds, so that they are the same on every machine.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

CHANGES = ("open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir")


class Ended(NamedTuple):
    """How a run ended: its status, minus the number of the signal if one ended it, and what it said."""

    status: int
    out: str
    err: str


def once(run: str) -> str:
    """Return a preamble that defines `zmumu`, which runs a command, and does one run: what it loads stays loaded."""
    return f"""
import sys
from zmumu_hybrid.cli.main import main

def zmumu(*arguments):
    sys.argv = ["zmumu", *arguments]
    main()

try: {run}
except SystemExit as ended: assert not ended.code
"""


def forked(preamble: str, codes: Sequence[str]) -> list[Ended]:
    """Run each of `codes` in a process of its own, all forked from one that has run `preamble`."""
    return [Ended(*each) for each in _ask("forked", preamble, list(codes))]


def stopped(
    preamble: str, code: str, folder: Path, number: int = signal.SIGKILL, *, first: int = 0, every: int = 1
) -> dict[Path, Ended]:
    """Run `code` on copies of `folder`, stopped by a signal before each of its changes, and at last to its end.

    `code` finds the name of its copy as `output`. Changes before the `first` and between each of the `every` ones are
    left alone. Return how the run on each copy ended.
    """
    found = _ask("stopped", preamble, code, str(folder), int(number), first, every)
    return {Path(name): Ended(*each) for name, each in found.items()}


def _ask(*question: Any) -> Any:
    with tempfile.TemporaryFile("w+") as answer:
        command = [sys.executable, "-B", __file__, json.dumps(question)]
        subprocess.run(command, stdout=answer, check=True)
        answer.seek(0)
        return json.loads(answer.read().splitlines()[-1])


def _forked(preamble: str, codes: list[str]) -> list[Ended]:
    names = _prepared(preamble)
    return [_fork(code, names) for code in codes]


def _stopped(preamble: str, code: str, folder: str, number: int, first: int, every: int) -> dict[str, Ended]:
    names, found = _prepared(preamble), {}
    for moment in count(first, every):
        output = str(Path.cwd() / f"{folder}-{moment}")
        if Path(folder).exists():
            shutil.copytree(folder, output)
        found[output] = ended = _fork(code, {**names, "output": output}, (output, number, moment))
        if ended.status == 0:
            return found
        if ended.status not in (-number, 128 + number):  # it failed, and would for ever
            raise RuntimeError(f"the run ended with status {ended.status}: {ended.err or ended.out}")
    raise AssertionError


def _prepared(preamble: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(preamble, names)
    return names


def _fork(code: str, names: dict[str, Any], moment: tuple[str, int, int] | None = None) -> Ended:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if not child:
            status = 1
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                if moment:
                    _stop_before(*moment)
                exec(code, names)
                status = 0
            except SystemExit as ended:
                status = int(ended.code or 0)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stdout.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0), err.seek(0)
        return Ended(status, out.read(), err.read())


def _stop_before(folder: str, number: int, left: int) -> None:
    """Have this process get a signal before it has made `left` changes and one more to `folder`."""

    def inside(value: object) -> bool:
        return isinstance(value, (str, bytes)) and str(Path.cwd() / os.fsdecode(value)).startswith(folder)

    def heed(event: str, values: tuple[Any, ...]) -> None:
        nonlocal left
        if event not in CHANGES or (event == "open" and not values[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if inside(values[0]) or (len(values) > 1 and inside(values[1])):
            left -= 1
            if left == -1:
                os.kill(os.getpid(), number)

    sys.addaudithook(heed)


if __name__ == "__main__":
    what, *question = json.loads(sys.argv[1])
    sys.stdout.write("\n" + json.dumps({"forked": _forked, "stopped": _stopped}[what](*question)) + "\n")
