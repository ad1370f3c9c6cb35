"""Ten million events from every kind of file: `python benchmarks/scale.py FOLDER [EVENTS ...]`.

FOLDER keeps the files between runs (about 9 GB for ten million events). What it lacks is made first: `signal.lhe` with
`zmumu generate signal --seed 31` on all cores (8 minutes on two), its first EVENTS events for each smaller number, and
the same events as gz, ROOT (LZ4 and ZLIB) and Parquet. The default is 1, 3 and 10 million events.

Each run is a process of its own, `zmumu process` as from the shell; for LHE it converts, nothing is in the cache. Its
memory is that of its largest process. At the end the time of the processor that fills histograms is divided between
uproot, coffea and this package, in turns, the best of three.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import uproot
from coffea.processor import ProcessorABC

from zmumu_hybrid.events.input_files import NEEDED_COLUMNS, open_sources
from zmumu_hybrid.execution.runner import run
from zmumu_hybrid.processors.dimuon import DimuonProcessor

KINDS = ("lhe", "lhe.gz", "root", "zlib.root", "parquet")
COLUMNS = [*NEEDED_COLUMNS, "genWeight", "nMuon"]
STEP = 500_000
WATCH = """
import resource, subprocess, sys
from pathlib import Path
status = subprocess.run(sys.argv[2:]).returncode
Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""
ZMUMU = Path(sys.executable).with_name("zmumu")


def prepare(folder: Path, sizes: list[int]) -> dict[tuple[int, str], Path]:
    """Make what the folder lacks; return the file of each number of events and kind."""
    files = {(size, kind): folder / f"signal-{size}.{kind}" for size in sizes for kind in KINDS}
    largest = files[max(sizes), "lhe"]
    if not largest.exists():
        workers = len(os.sched_getaffinity(0))
        options = ["--events", str(max(sizes)), "--seed", "31", "--workers", str(workers), "--output", str(largest)]
        subprocess.run([ZMUMU, "generate", "signal", *options], check=True)
    for size in sizes:
        lhe, root = files[size, "lhe"], files[size, "root"]
        if not lhe.exists():
            write_first(largest, size, lhe)
        if not files[size, "lhe.gz"].exists():
            subprocess.run(["gzip", "-1", "-k", "-n", lhe], check=True)
        if not root.exists():
            subprocess.run([ZMUMU, "convert", lhe, "--output", root], check=True, capture_output=True)
        if not files[size, "zlib.root"].exists():
            write_compressed(root, files[size, "zlib.root"], uproot.ZLIB(1))
        if not files[size, "parquet"].exists():
            write_parquet(root, files[size, "parquet"])
    return files


def write_first(source: Path, events: int, target: Path) -> None:
    """Copy the first events of an LHE file."""
    with source.open("rb") as given, target.open("wb") as made:
        for line in given:
            made.write(line)
            if line.startswith(b"</event>") and (events := events - 1) == 0:
                break
        made.write(b"</LesHouchesEvents>\n")


def pieces(path: Path, step: int = STEP, **options: Any) -> Iterator[Any]:
    """Yield the columns that the processor needs, with uproot alone."""
    with uproot.open(path, **options) as file:
        yield from file["Events"].iterate(COLUMNS, step_size=step)


def write_compressed(source: Path, target: Path, compression: Any, events_per_basket: int = 50_000) -> None:
    """Write the events of a converted file again, compressed in another way."""
    with uproot.recreate(target, compression=compression) as file:
        tree = None
        for piece in pieces(source, events_per_basket):
            muons = ak.zip({name[5:]: piece[name] for name in COLUMNS if name.startswith("Muon_")})
            columns = {name: ak.to_numpy(piece[name]) for name in COLUMNS if not name.lower().endswith("muon")}
            columns = {name: values for name, values in columns.items() if not name.startswith("Muon_")}
            if tree is None:
                types = {name: values.dtype for name, values in columns.items()}
                tree = file.mktree("Events", {**types, "Muon": muons.type.content})
            tree.extend({**columns, "Muon": muons})


def write_parquet(source: Path, target: Path) -> None:
    """Write the events of a converted file to Parquet."""
    import pyarrow.parquet as pq

    writer = None
    for piece in pieces(source):
        table = ak.to_arrow_table(piece, extensionarray=False)
        writer = writer or pq.ParquetWriter(target, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def measured(path: Path, workers: int) -> tuple[float, float]:
    """Run `zmumu process` on a file; return seconds and the peak memory of its largest process in MB."""
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        options = ["--executor", "futures", "--workers", str(workers)] if workers > 1 else []
        command = [ZMUMU, "process", "--signal", path, "--output", f"{name}/out", "--cache", f"{name}/cache", *options]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", WATCH, f"{name}/memory", *command], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return time.perf_counter() - start, int((Path(name) / "memory").read_text()) / 1024


class Touch(ProcessorABC):
    """Reads the columns through coffea and does nothing."""

    def process(self, events: Any) -> dict[str, int]:
        """Count the numbers."""
        columns = [events[name] for name in ("run", "luminosityBlock", "event", "genWeight")]
        columns += [ak.flatten(events.Muon[name]) for name in ("pt", "eta", "phi", "mass", "charge")]
        return {"numbers": sum(len(ak.to_numpy(column)) for column in columns)}

    def postprocess(self, accumulator: Any) -> Any:
        """Return the sum as it is."""
        return accumulator


def shares(path: Path, events: int) -> None:
    """Say who spends the time of the histogram processor."""
    (source,) = open_sources({"signal": [path]}, show_progress=False)

    def alone() -> None:
        for _ in pieces(path):
            pass

    def through(processor: ProcessorABC) -> Callable[[], Any]:
        return lambda: run([source], processor, chunksize=STEP, show_progress=False)

    steps = {"uproot": alone, "coffea": through(Touch()), "all": through(DimuonProcessor())}
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(3):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            best[name] = min(best[name], time.perf_counter() - start)
    reading, touched, whole = (best[name] / events * 1e9 for name in steps)
    print(
        f"{path.name}: uproot alone {reading:.0f} ns/event, histograms {whole:.0f} ns/event ({whole / reading:.2f} x): "
        f"reading through coffea {100 * touched / whole:.0f}%, this package {100 * (whole - touched) / whole:.0f}%"
    )


def main(folder: Path, sizes: list[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    files = prepare(folder, sizes)
    print(f"{'file':28s} {'MB':>6s} {'workers':>7s} {'s':>7s} {'events/s':>10s} {'MB memory':>9s}")
    for (size, _), path in files.items():
        for workers in (1, 2):
            seconds, memory = measured(path, workers)
            megabytes = path.stat().st_size / 1e6
            rate = f"{size / seconds:10,.0f}"
            print(f"{path.name:28s} {megabytes:6.0f} {workers:7d} {seconds:7.1f} {rate} {memory:9.0f}", flush=True)
    for kind in ("root", "zlib.root"):
        shares(files[max(sizes), kind], max(sizes))


if __name__ == "__main__":
    if shutil.which("gzip") is None or len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [int(size) for size in sys.argv[2:]] or [1_000_000, 3_000_000, 10_000_000])
