"""Scores of muon pairs, in one pass over the events.

The processor runs in this package's `zmumu apply` and, unchanged, in anyone's own `coffea.processor.Runner`. To use a
network beside other things in a processor of your own, take `zmumu_hybrid.apply.Discriminant` itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from coffea.processor import ProcessorABC

from zmumu_hybrid.apply import Discriminant
from zmumu_hybrid.pairs import IDENTITY, PairSelection, components, select_and_count
from zmumu_hybrid.parts import write_part
from zmumu_hybrid.processors.dimuon import part_key
from zmumu_hybrid.smearing import SmearingConfig, smear

__all__ = ["DiscriminantProcessor"]


class DiscriminantProcessor(ProcessorABC):
    """Select the muon pairs of each chunk, and score them.

    What comes out, by key:

    - "cutflow": {step: number of events};
    - "counts": what lies outside the range of the training, see `zmumu_hybrid.training.ranges.Counts`;
    - "parts": {name of a part: rows}, empty where no parts are written.

    Parameters
    ----------
    discriminant : Discriminant
        A model of muon pairs.
    selection : PairSelection, optional
        Which two muons of an event make its pair.
    smearing : SmearingConfig, optional
        How the muons are smeared before; not at all by default.
    parts : Path, optional
        An existing directory for the scores, one sorted Parquet file a chunk; None writes nothing.
    """

    def __init__(
        self,
        discriminant: Discriminant,
        *,
        selection: PairSelection | None = None,
        smearing: SmearingConfig | None = None,
        parts: Path | None = None,
    ) -> None:
        self._discriminant = discriminant
        self._selection = selection or PairSelection()
        self._smearing = smearing or SmearingConfig(mode="none")
        self._parts = parts

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Process one chunk of events."""
        pairs, cutflow = select_and_count(events, self._selection)
        smeared = smear(pairs, self._smearing, str(events.metadata["dataset"]))
        scores = self._discriminant.pairs(smeared)
        found: dict[str, Any] = {"cutflow": {**cutflow, "pairs": len(pairs)}, "counts": scores.counts, "parts": {}}
        if self._parts is not None and len(pairs):
            momenta = dict(zip(("px_0", "py_0", "pz_0"), components(smeared.plus)[:3], strict=True))  # to sort by
            identity = {name: ak.to_numpy(pairs[name]) for name in IDENTITY}
            table = identity | {"label": np.full(len(pairs), -1, np.int8)} | momenta | scores.fields()
            name = f"{part_key(events.metadata)}.parquet"
            write_part(table, self._parts / name)
            found["parts"][name] = len(pairs)
        return found

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Return the sum over all chunks as it is."""
        return accumulator
