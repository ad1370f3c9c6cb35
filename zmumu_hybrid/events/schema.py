"""The one record of an event: what converted Les Houches Event files hold, and what analysis code reads.

The columns are named as in NanoAOD, so that the same code reads both. From coffea's `Runner` with `EventSchema`, or
from `events_from_lhe`, an event has `run`, `luminosityBlock`, `event`, `genWeight` and the list `Muon`, whose elements
are vectors.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from coffea.nanoevents import NanoAODSchema
from coffea.nanoevents.methods import nanoaod
from numpy.typing import NDArray

__all__ = ["EVENT_COLUMNS", "MUON_COLUMNS", "TREE", "EventSchema", "events_from_lhe", "polar"]

TREE = "Events"
"""Name of the tree in converted files."""

EVENT_COLUMNS: dict[str, np.dtype[Any]] = {
    "run": np.dtype(np.uint32),
    "luminosityBlock": np.dtype(np.uint32),
    "event": np.dtype(np.uint64),
    "genWeight": np.dtype(np.float64),
}
"""Columns with one number per event."""

MUON_COLUMNS: dict[str, np.dtype[Any]] = {
    "pt": np.dtype(np.float64),
    "eta": np.dtype(np.float64),
    "phi": np.dtype(np.float64),
    "mass": np.dtype(np.float64),
    "genEnergy": np.dtype(np.float64),
    "charge": np.dtype(np.int32),
    "pdgId": np.dtype(np.int32),
}
"""Columns with one number per final-state muon, `Muon_` before each name; GeV.

`genEnergy` is the energy that the generator wrote; the energy of (pt, eta, phi, mass) is only as good as the digits
that it wrote of the mass. (vector and coffea refuse a vector that has both a mass and a field named `energy`.)
"""

_MUON = 13
_FINAL = 1
_STEEPEST = 1e-300


class EventSchema(NanoAODSchema):
    """coffea's `NanoAODSchema` for the columns of this record alone.

    Whatever else a NanoAOD file holds, the hundreds of its other columns are not even described, and nothing warns
    that one of them is missing.
    """

    warn_missing_crossrefs = False

    def __init__(self, base_form: dict[str, Any], version: str = "latest") -> None:
        columns = zip(base_form["fields"], base_form["contents"], strict=True)
        kept = [(name, form) for name, form in columns if name in (*EVENT_COLUMNS, "nMuon") or name.startswith("Muon_")]
        super().__init__({**base_form, "fields": [n for n, _ in kept], "contents": [f for _, f in kept]}, version)


def polar(
    px: NDArray[np.float64], py: NDArray[np.float64], pz: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return pt, eta and phi of momenta, all finite.

    pz comes back from pt sinh(eta), to 1e-13 of the momentum. A momentum exactly along the beam gets a transverse
    part of 1e-300 of it, so that this is also true there.

    Parameters
    ----------
    px, py, pz : float64 arrays, shape (n,), GeV

    Returns
    -------
    pt, eta, phi : float64 arrays, shape (n,)
    """
    pt = np.maximum(np.hypot(px, py), np.abs(pz) * _STEEPEST)
    slope = np.divide(pz, pt, out=np.zeros_like(pz), where=pt > 0)
    return pt, np.arcsinh(slope), np.arctan2(py, px)


def events_from_lhe(chunk: ak.Array) -> ak.Array:
    """Return events of the record that analysis code reads from events as `zmumu_hybrid.lhe.read_lhe` gives them.

    Parameters
    ----------
    chunk : awkward.Array
        Events with run, luminosityBlock, event, eventinfo and particles.

    Returns
    -------
    awkward.Array
        One record per event, in order: EVENT_COLUMNS, and `Muon`, the list of final-state (status 1) muons of both
        charges in the file's order, with MUON_COLUMNS and coffea's behaviours. Events without muons have empty lists.
    """
    particles = chunk.particles
    muons = particles[(particles["status"] == _FINAL) & (abs(particles["pdgId"]) == _MUON)]
    counts = ak.num(muons, axis=1)
    flat = ak.flatten(muons, axis=1)
    column = {name: ak.to_numpy(flat[name]) for name in ("px", "py", "pz", "energy", "genMass", "pdgId")}
    pt, eta, phi = polar(column["px"], column["py"], column["pz"])
    charge = -np.sign(column["pdgId"])
    values = (pt, eta, phi, column["genMass"], column["energy"], charge, column["pdgId"])
    collection = {
        name: ak.unflatten(value.astype(dtype, copy=False), counts)
        for (name, dtype), value in zip(MUON_COLUMNS.items(), values, strict=True)
    }
    events = {name: chunk[name] for name in ("run", "luminosityBlock", "event")}
    return ak.zip(
        {
            **events,
            "genWeight": chunk.eventinfo["weight"],
            "Muon": ak.zip(collection, with_name="Muon", behavior=nanoaod.behavior),
        },
        depth_limit=1,
        behavior=nanoaod.behavior,
    )
