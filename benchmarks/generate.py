"""Events generated and written per second and core: `python benchmarks/generate.py [EVENTS]`.

Everything is measured in turns in one run and the best of all turns counts, because only the ratios of one run mean
something on a shared machine. "Pythia alone" makes the same events and counts those inside the cuts, without formatting
or writing any.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zmumu_hybrid.generation.pythia import Collisions, PythiaGenerator
from zmumu_hybrid.generation.sample import PROCESSES, generate

TURNS = 3


def pythia_alone(process: str, events: int) -> None:
    collisions = Collisions(process)
    pythia = PythiaGenerator(collisions)._pythia
    min_pt, max_slope = collisions.cuts.min_pt, math.sinh(collisions.cuts.max_abs_eta)
    accepted = 0
    while accepted < events:
        pythia.next()
        muons = [pythia.process[index] for index in (6, 7)]
        accepted += all(muon.pT() > min_pt and abs(muon.pz()) < max_slope * muon.pT() for muon in muons)


def main(events: int) -> None:
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        steps: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {}
        for process in PROCESSES:
            steps[f"{process}: Pythia alone"] = (pythia_alone, (process, events), {})
            for workers in sorted({1, cores}):
                for suffix in ("lhe", "lhe.gz"):
                    name = f"{process}: .{suffix}, {workers} worker{'s' * (workers > 1)}"
                    path = Path(folder) / f"x.{suffix}"
                    steps[name] = (generate, (process, events, 1, path), {"workers": workers})
        best = dict.fromkeys(steps, math.inf)
        for _ in range(TURNS):
            for name, (function, arguments, options) in steps.items():
                start = time.perf_counter()
                function(*arguments, **options)
                best[name] = min(best[name], time.perf_counter() - start)
        for name, seconds in best.items():
            alone = best[f"{name.partition(':')[0]}: Pythia alone"]
            print(f"{name:32s} {events / seconds:8,.0f} events/s {alone / seconds:6.2f} x Pythia alone")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
