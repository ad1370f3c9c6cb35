"""Toy events in files of every kind that is read."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from toys import toy_events, toy_momenta

HEAD = """<LesHouchesEvents version="3.0">
<init>
2212 2212 6500.0 6500.0 0 0 0 0 3 1
1.0 0.1 1.0 1
</init>
"""
FOOT = "</LesHouchesEvents>\n"


def columns(events: ak.Array) -> dict[str, ak.Array]:
    """Return events of `toy_events` as flat columns with NanoAOD's names."""
    names = [name for name in events.fields if name != "Muon"]
    return {
        **{name: events[name] for name in names},
        **{f"Muon_{name}": events.Muon[name] for name in events.Muon.fields},
    }


def write_root(path: Path, events: ak.Array, tree: str = "Events", kind: str = "TTree") -> Path:
    """Write events to a TTree or an RNTuple."""
    flat = columns(events)
    muons = {name.removeprefix("Muon_"): value for name, value in flat.items() if name.startswith("Muon_")}
    plain = {name: ak.to_numpy(value) for name, value in flat.items() if not name.startswith("Muon_")}
    with uproot.recreate(path) as file:
        if kind == "RNTuple":
            file.mkrntuple(tree, ak.Array({**plain, **flat}))
        else:
            types = {name: value.dtype for name, value in plain.items()}
            counter = ak.zip(muons)
            file.mktree(tree, {**types, "Muon": counter.type.content}, counter_name=lambda name: f"n{name}")
            if len(events):
                file[tree].extend({**plain, "Muon": counter})
    return path


def write_parquet(path: Path, events: ak.Array) -> Path:
    """Write events to a flat Parquet file."""
    flat = columns(events)
    ak.to_parquet(ak.zip({**flat, "nMuon": ak.num(events.Muon.pt)}, depth_limit=1), path)
    return path


def write_columns(path: Path, columns: dict[str, Any], tree: str = "pairs", kind: str = "TTree") -> Path:
    """Write flat columns as they are to a TTree, an RNTuple or Parquet."""
    if kind == "Parquet":
        ak.to_parquet(ak.Array(columns), path)
        return path
    with uproot.recreate(path) as file:
        if kind == "RNTuple":
            file.mkrntuple(tree, ak.Array(columns))
        else:
            file.mktree(tree, {name: np.asarray(values).dtype for name, values in columns.items()})
            file[tree].extend({name: np.asarray(values) for name, values in columns.items()})
    return path


def lhe_event(*muons: tuple[int, float, float, float, float]) -> str:
    """Return the text of an event; a muon is its PDG id, px, py, pz, mass (GeV)."""
    lines = [f"{len(muons)} 1 1.0 91.2 0.0078 0.13"]
    for pdg_id, px, py, pz, mass in muons:
        energy = float(np.sqrt(px**2 + py**2 + pz**2 + mass**2))
        lines.append(f"{pdg_id} 1 0 0 0 0 {px!r} {py!r} {pz!r} {energy!r} {mass!r} 0.0 9.0")
    return "<event>\n" + "\n".join(lines) + "\n</event>\n"


def toy_lhe_events(events: int, seed: int = 0, *, resonance: bool = True) -> list[str]:
    """Return the texts of toy events, each with a mu+ and a mu-."""
    momenta = toy_momenta(events, seed, resonance=resonance)
    return [
        lhe_event((-13, *plus), (13, *minus)) for plus, minus in zip(*(each.tolist() for each in momenta), strict=True)
    ]


def write_lhe(path: Path, events: list[str]) -> Path:
    """Write the texts of events to an LHE file, gzip if the name ends so."""
    data = (HEAD + "".join(events) + FOOT).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def line_of(events: list[str], number: int) -> int:
    """Return the line on which an event of `write_lhe` begins."""
    return 1 + (HEAD + "".join(events[: number - 1])).count("\n")


def toy_root(path: Path, events: int, seed: int = 0, *, resonance: bool = True) -> Path:
    """Write toy events to a TTree."""
    return write_root(path, toy_events(events, seed, resonance=resonance))
