"""What a file and a chunk cost: `python benchmarks/pieces.py [FOLDER [FILES EVENTS]]`.

`zmumu process` of 1,000 LHE files of 100 generated events, with an empty cache, and of one file of 500,000 events in
chunks of 100. CPU time is that of the command and its children, which another's load changes less than wall time.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ZMUMU = shutil.which("zmumu") or str(Path(sys.executable).with_name("zmumu"))
PIECE = 100


def prepare(folder: Path, files: int, events: int) -> tuple[list[Path], Path]:
    """Make, unless they are there, `files` files of `PIECE` events and one of `events`; return their names."""
    small, large = folder / f"small-{files}", folder / f"large-{events}.root"
    if not small.exists() or not large.exists():
        whole = folder / "whole.lhe"
        command = [ZMUMU, "generate", "signal", "--events", str(max(files * PIECE, events)), "--output", str(whole)]
        subprocess.run([*command, "--workers", "2"], check=True)
        head, *written = whole.read_text().removesuffix("</LesHouchesEvents>\n").split("<event>")
        small.mkdir(exist_ok=True)
        for index in range(files):
            text = [head, *written[index * PIECE : (index + 1) * PIECE]]
            (small / f"{index:04d}.lhe").write_text("<event>".join(text) + "</LesHouchesEvents>\n")
        some = folder / "some.lhe"
        some.write_text("<event>".join([head, *written[:events]]) + "</LesHouchesEvents>\n")
        subprocess.run([ZMUMU, "convert", str(some), "--output", str(large)], check=True)
        for left in (whole, some):
            left.unlink()
    return sorted(small.iterdir()), large


def measured(*arguments: str) -> tuple[float, float]:
    """Return the wall and the CPU time in seconds of `zmumu process` with these arguments and an empty cache."""
    with tempfile.TemporaryDirectory() as name:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [ZMUMU, "process", *arguments, "--output", f"{name}/out", "--cache", f"{name}/cache"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return time.perf_counter() - start, cpu


def main(folder: Path, files: int, events: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    small, large = prepare(folder, files, events)
    cases = {
        f"{files} LHE files of {PIECE} events": ["--signal", *map(str, small)],
        f"{events} events, --chunksize {PIECE}": ["--signal", str(large), "--chunksize", str(PIECE)],
        f"{events} events, default chunks": ["--signal", str(large)],
    }
    for name, arguments in cases.items():
        wall, cpu = measured(*arguments)
        print(f"{name:40s} {wall:7.1f} s wall {cpu:7.1f} s CPU", flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0] if given else tempfile.mkdtemp()), *(int(n) for n in given[1:] or (1000, 500_000)))
