"""What is stopped at a chosen moment: before the n-th change that it makes to a folder.

The moments are counted in what is done to files, not in seconds, so that they are the same on every machine.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

CHANGES = ("open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir")


def stopped(
    preamble: str, code: str, folder: Path, number: int = signal.SIGKILL, *, first: int = 0, every: int = 1
) -> dict[Path, int]:
    """Run `code` on copies of `folder`, stopped by a signal before each of its changes, and at last to its end.

    `preamble` is run once, before; `code` finds the name of its copy as `output`. Changes before the `first` and
    between each of the `every` ones are left alone. Return the copies, each with the status that `code` ended with;
    a signal counts as its negative number.
    """
    command = [sys.executable, "-B", __file__, preamble, code, str(folder), str(number), str(first), str(every)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    statuses = json.loads(done.stdout.splitlines()[-1])
    return {Path(name): status for name, status in statuses.items()}


def stop_at(folder: str, number: int, left: int) -> None:
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


def main(preamble: str, code: str, folder: str, number: int, first: int, every: int) -> None:
    """Run the code until it is not stopped any more; print how each run ended."""
    names: dict[str, Any] = {}
    exec(preamble, names)
    statuses: dict[str, int] = {}
    for moment in count(first, every):
        output = str(Path.cwd() / f"{folder}-{moment}")
        if Path(folder).exists():
            shutil.copytree(folder, output)
        child = os.fork()
        if not child:
            status = 1
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                stop_at(output, number, moment)
                exec(code, {**names, "output": output})
                status = 0
            except SystemExit as ended:
                status = int(ended.code or 0)
            finally:
                os._exit(status)
        statuses[output] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if statuses[output] == 0:
            break
    sys.stdout.write(json.dumps(statuses) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:]))
