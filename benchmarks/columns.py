"""What the checks of columns cost, beside reading and the histograms: `python benchmarks/columns.py [EVENTS]`.

CPU times, the best of five in turns. The checks are of the lengths of all lists, of the counter, of gaps and of the
identities. Below them the same for events that coffea reads, where the file is read for them a second time: out of
uproot's cache, if the columns of a chunk fit into it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
from coffea.nanoevents import NanoEventsFactory

from zmumu_hybrid.events import muon_pairs as pairs
from zmumu_hybrid.events.column_checks import integers, lists, numbers, require_counter, require_same_lists
from zmumu_hybrid.events.input_files import Source, open_sources
from zmumu_hybrid.events.reader import forget, read_chunk
from zmumu_hybrid.events.schema import EventSchema
from zmumu_hybrid.execution.runner import run
from zmumu_hybrid.physics.pair_arrays import IDENTITY
from zmumu_hybrid.processors.dimuon import DimuonProcessor

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from toyfiles import write_parquet, write_root
from toys import toy_events


def best(steps: dict[str, Callable[[], Any]]) -> dict[str, float]:
    seconds = dict.fromkeys(steps, float("inf"))
    for _ in range(5):
        for name, step in steps.items():
            start = time.process_time()
            step()
            seconds[name] = min(seconds[name], time.process_time() - start)
    return seconds


def columns_of(source: Source) -> ak.Array:
    columns = read_chunk(source.readable, source.format, source.tree, source.columns, 0, source.entries)
    forget()
    return columns


def check(columns: ak.Array, counters: tuple[tuple[str, str], ...]) -> None:
    held = {name: lists(columns[name], name)[0] for name in columns.fields if name.startswith("Muon_")}
    require_same_lists(held)
    for counter, name in counters:
        require_counter(numbers(columns[counter], counter), counter, held[name], name)
    for name, dtype in IDENTITY.items():
        integers(numbers(columns[name], name), dtype, name)


def coffea(path: Path, *, checked: bool) -> None:
    metadata = {"dataset": "signal", "filename": str(path)}
    original = pairs._check_file
    try:
        if not checked:
            pairs._check_file = lambda _events: None
        events = NanoEventsFactory.from_root({str(path): "Events"}, schemaclass=EventSchema, metadata=metadata).events()
        DimuonProcessor().process(events)
    finally:
        pairs._check_file = original


def main(events: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, made = Path(name), toy_events(events)
        files = {
            "TTree": write_root(folder / "tree.root", made),
            "RNTuple": write_root(folder / "ntuple.root", made, kind="RNTuple"),
            "Parquet": write_parquet(folder / "flat.parquet", made),
        }
        print(f"{'ns/event':24s} {'reading':>8s} {'checks':>8s} {'all':>8s}")
        for kind, path in files.items():
            (source,) = open_sources({"signal": [path]})
            columns = columns_of(source)
            found = best(
                {
                    "reading": lambda source=source: columns_of(source),
                    "checks": lambda columns=columns, source=source: check(columns, source.counters),
                    "all": lambda source=source: run(
                        [source], DimuonProcessor(), chunksize=events, show_progress=False
                    ),
                }
            )
            numbers_ = " ".join(f"{seconds / events * 1e9:8.0f}" for seconds in found.values())
            print(f"{kind:24s} {numbers_}   checks {100 * found['checks'] / found['all']:.1f}%")
        for kind in ("TTree", "RNTuple"):
            found = best(
                {
                    name: lambda path=files[kind], checked=checked: coffea(path, checked=checked)
                    for name, checked in (("unchecked", False), ("checked", True))
                }
            )
            numbers_ = " ".join(f"{seconds / events * 1e9:8.0f} ({name})" for name, seconds in found.items())
            print(f"{'coffea, ' + kind:24s} {numbers_}   {found['checked'] / found['unchecked']:.2f} x")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000)
