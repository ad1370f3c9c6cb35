"""Muon pairs on plain numpy columns: what the numerics work on, a piece of a chunk at a time.

The array library's records are for people; a processor that makes them at each step spends its time in making them. The
functions that take records (`zmumu_hybrid.events.muon_pairs.select_pairs`, `smearing.smear`, `candidates.build`) take
them apart here and do the same on columns, so that there is one way to each number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.physics.kinematics import Floats

__all__ = ["IDENTITY", "FlatPairs", "Muon"]

IDENTITY: dict[str, np.dtype[Any]] = {
    "run": np.dtype(np.uint32),
    "luminosityBlock": np.dtype(np.uint32),
    "event": np.dtype(np.uint64),
}
"""What identifies an event, with the types of NanoAOD."""


class Muon(NamedTuple):
    """Components and mass (GeV) of one muon of each pair, float64 arrays of shape (n,)."""

    px: Floats
    py: Floats
    pz: Floats
    mass: Floats

    @classmethod
    def of(cls, records: ak.Array) -> Muon:
        """Return the columns of vectors with px, py, pz and mass, without copying."""
        return cls(*(ak.to_numpy(records[name]) for name in cls._fields))

    def records(self) -> ak.Array:
        """Return vectors: `Momentum4D` with px, py, pz and mass."""
        from vector.backends.awkward import behavior

        return ak.zip(self._asdict(), with_name="Momentum4D", behavior=behavior)


@dataclass(frozen=True, slots=True)
class FlatPairs:
    """Pairs as columns of one length n.

    Attributes
    ----------
    identity : dict of str to integer array
        Run, luminosityBlock and event; see `IDENTITY`.
    gen_weight : float64 array
    plus, minus : Muon
    """

    identity: dict[str, NDArray[Any]]
    gen_weight: Floats
    plus: Muon
    minus: Muon

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.gen_weight)

    @classmethod
    def of(cls, records: ak.Array) -> FlatPairs:
        """Return the columns of pairs as from `zmumu_hybrid.events.muon_pairs.select_pairs`."""
        identity = {name: ak.to_numpy(records[name]) for name in IDENTITY}
        return cls(identity, ak.to_numpy(records.gen_weight), Muon.of(records.plus), Muon.of(records.minus))

    def records(self) -> ak.Array:
        """Return one record per pair: identity, gen_weight, plus and minus with vector's behaviours."""
        from vector.backends.awkward import behavior

        muons = {"plus": self.plus.records(), "minus": self.minus.records()}
        return ak.zip({**self.identity, "gen_weight": self.gen_weight, **muons}, depth_limit=1, behavior=behavior)
