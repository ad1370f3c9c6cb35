"""Reading event files: against pylhe, against decompression alone, and memory against size.

    python benchmarks/lhe_reading.py --events 20000

Both readers read the same file in the same run, momenta and all weights; the best of some tries counts. CPU seconds
are those of all threads: the reader decompresses in a thread of its own.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pylhe

from zmumu_hybrid.lhe import read_lhe

HEAD = """<LesHouchesEvents version="3.0">
<header>
<initrwgt>
{weights}
</initrwgt>
</header>
<init>
2212 2212 6.5e+03 6.5e+03 0 0 247000 247000 -4 1
1.5e+03 1.0e+00 1.5e+03 1
</init>
"""
MEMORY = """
import pathlib, re, sys
from zmumu_hybrid.lhe import iterate_lhe
events = sum(len(chunk) for chunk in iterate_lhe(sys.argv[1]))
print(events, int(re.search(r"VmHWM:\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) * 1.024e-3)
"""


def write_events(path: Path, events: int, weights: int, seed: int = 1) -> None:
    """Write Drell-Yan-like events of five particles in MadGraph's format, as different as real ones."""
    rng = np.random.default_rng(seed)
    names = [f"w{k}" for k in range(weights)]
    with path.open("w") as file:
        file.write(HEAD.format(weights="\n".join(f"<weight id='{name}'>{name}</weight>" for name in names)))
        for start in range(0, events, 10_000):
            file.write("".join(_text(rng, names) for _ in range(min(10_000, events - start))))
        file.write("</LesHouchesEvents>\n")


def _text(rng: np.random.Generator, names: list[str]) -> str:
    px, py, pz, qz, mass = rng.normal(0.0, 30.0, 5)
    plus, minus = np.hypot(np.hypot(px, py), pz), np.hypot(np.hypot(px, py), qz)
    up, down = (plus + minus + pz + qz) / 2, (plus + minus - pz - qz) / 2
    rows = (
        (2, -1, 0, 0, 501, 0, 0.0, 0.0, up, up, 0.0, 1.0),
        (-2, -1, 0, 0, 0, 501, 0.0, 0.0, -down, down, 0.0, -1.0),
        (23, 2, 1, 2, 0, 0, 0.0, 0.0, pz + qz, plus + minus, abs(mass), 0.0),
        (-13, 1, 3, 3, 0, 0, px, py, pz, plus, 0.0, 1.0),
        (13, 1, 3, 3, 0, 0, -px, -py, qz, minus, 0.0, -1.0),
    )
    lines = "".join(
        f"{code:9d} {' '.join(map(str, links))} {x:+.10e} {y:+.10e} {z:+.10e} {e:.10e} {m:.10e} 0.0e+00 {spin:+.4e}\n"
        for code, *links, x, y, z, e, m, spin in rows
    )
    values = np.atleast_1d(rng.normal(1.0, 0.1, len(names))).tolist()
    weights = "".join(f"<wgt id='{name}'> {value:+.7e} </wgt>\n" for name, value in zip(names, values, strict=True))
    block = f"<rwgt>\n{weights}</rwgt>\n" if names else ""
    return f"<event>\n 5      1 +1.5000000e+03 9.11880000e+01 7.54677100e-03 1.17981500e-01\n{lines}{block}</event>\n"


def best(function: Callable[[], object], tries: int) -> tuple[float, float]:
    """Return the least wall and CPU seconds that `function` takes."""
    walls, cpus = [], []
    for _ in range(tries):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def decompress(path: Path) -> None:
    with gzip.open(path) as file:
        while file.read(8 << 20):
            pass


def compare(directory: Path, events: int, weights: int) -> None:
    plain = directory / "events.lhe"
    write_events(plain, events, weights)
    packed = directory / "events.lhe.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes(), 6))
    megabytes = plain.stat().st_size / 1e6
    theirs = best(lambda: pylhe.to_awkward(pylhe.LHEFile.fromfile(plain)), 2)
    mine = best(lambda: read_lhe(plain), 7)
    mine_packed = best(lambda: read_lhe(packed), 7)
    alone = best(lambda: decompress(packed), 7)
    print(f"{events:,} events with {weights} weights, {megabytes:.0f} MB, {packed.stat().st_size / 1e6:.1f} MB as gz")
    print(f"  pylhe.to_awkward  {events / theirs[0]:12,.0f} events/s")
    print(f"  read_lhe          {events / mine[0]:12,.0f} events/s, {megabytes / mine[0]:.0f} MB/s")
    print(f"  read_lhe of gz    {events / mine_packed[0]:12,.0f} events/s, {megabytes / mine_packed[0]:.0f} MB/s")
    print(f"  pylhe / read_lhe  {theirs[0] / mine[0]:.1f} wall, {theirs[1] / mine[1]:.1f} CPU")
    print(f"  gz / decompression alone {mine_packed[0] / alone[0]:.2f} wall, {mine_packed[1] / alone[1]:.2f} CPU")


def memory(directory: Path, events: int, weights: int, copies: int) -> None:
    """Print the most memory that going through `events` events takes, and through `copies` times as many."""
    once = directory / "once.lhe"
    write_events(once, events, weights)
    text = once.read_bytes()
    first, last = text.index(b"<event>"), text.rindex(b"</LesHouches")
    path = directory / "events.lhe"
    for form, many in itertools.product(("plain", "gz"), (1, copies)):
        pack = gzip.compress if form == "gz" else bytes
        head, body, foot = (pack(part) for part in (text[:first], text[first:last], text[last:]))
        with path.open("wb") as file:
            file.write(head)
            for _ in range(many):
                file.write(body)
            file.write(foot)
        done = subprocess.run([sys.executable, "-c", MEMORY, path], capture_output=True, text=True, check=True)
        count, peak = done.stdout.split()
        print(
            f"iterate_lhe of {int(count):,} events with {weights} weights, {form}, {path.stat().st_size / 1e6:.0f} MB: "
            f"{float(peak):.0f} MB at most"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for weights in (0, 10, 100):
            compare(Path(name), arguments.events, weights)
        memory(Path(name), 10 * arguments.events, 0, 10)
        memory(Path(name), arguments.events, 100, 10)


if __name__ == "__main__":
    main()
