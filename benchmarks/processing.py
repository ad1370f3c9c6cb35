"""Time from files to results, against uproot reading the same branches: `python benchmarks/processing.py [EVENTS]`.

Toy events are written once to ROOT as the converter does it and to Parquet, in the system's temporary directory. Rates
are the best of three; "x uproot" compares with uproot reading the columns that the processor needs, in one process.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import uproot

from zmumu_hybrid.candidates.shuffle import PartWriter
from zmumu_hybrid.events.input_files import NEEDED_COLUMNS, open_sources
from zmumu_hybrid.events.lhe_to_root import convert
from zmumu_hybrid.execution.runner import run
from zmumu_hybrid.execution.workers import Workers, worker_pool
from zmumu_hybrid.jobs.process import ProcessOptions, process
from zmumu_hybrid.processors.dimuon import DimuonConfig, DimuonProcessor

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from toyfiles import toy_lhe_events, write_lhe, write_parquet
from toys import toy_events

CHUNK = 100_000


def best(step: Callable[[], Any], times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def read(path: Path) -> None:
    with uproot.open(path) as file:
        for _ in file["Events"].iterate([*NEEDED_COLUMNS, "genWeight", "nMuon"], step_size=CHUNK):
            pass


def main(events: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lhe = write_lhe(folder / "toy.lhe", toy_lhe_events(events))
        convert([lhe], folder / "toy.root")
        write_parquet(folder / "toy.parquet", toy_events(events))
        reference = best(lambda: read(folder / "toy.root"))

        def report(what: str, seconds: float) -> None:
            rate = events / seconds
            print(f"{what:46s} {seconds:8.3f} s {rate / 1e3:8.0f} k events/s {seconds / reference:6.2f} x uproot")

        report("uproot alone", reference)
        for suffix in ("root", "parquet"):
            sources = open_sources({"signal": [folder / f"toy.{suffix}"]})
            with tempfile.TemporaryDirectory(dir=folder) as parts:
                for what, config, finish in (
                    ("histograms", DimuonConfig(), None),
                    ("histograms and table", DimuonConfig(table=True), PartWriter(Path(parts))),
                ):
                    work = partial(run, sources, DimuonProcessor(config), finish=finish)
                    report(f"{suffix}, iterative: {what}", best(lambda: work(chunksize=CHUNK)))
                    with worker_pool(Workers("futures", 2)) as pool:
                        work(pool=pool, chunksize=10_000)  # the workers' imports
                        seconds = best(lambda: work(pool=pool, chunksize=CHUNK))
                    report(f"{suffix}, 2 processes: {what}", seconds)
        for executor in ("iterative", "futures"):
            options = ProcessOptions(executor=executor, workers=2, chunksize=CHUNK)
            seconds = best(lambda: process([folder / "toy.root"], [], folder / "out", options), 1)
            report(f"zmumu process, {executor}", seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000)
