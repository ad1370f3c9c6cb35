"""Scores of muon pairs, in one pass over the events.

The processor runs in this package's `zmumu apply` and, unchanged, in anyone's own `coffea.processor.Runner`. To use a
network beside other things in a processor of your own, take `zmumu_hybrid.deploy.Discriminant` itself.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
from coffea.processor import ProcessorABC

from zmumu_hybrid.candidates.shuffle import sorted_by
from zmumu_hybrid.candidates.table import DATA
from zmumu_hybrid.deploy import Discriminant
from zmumu_hybrid.events.muon_pairs import PairSelection, select_and_count
from zmumu_hybrid.physics.smearing import SmearingConfig, smear

__all__ = ["DiscriminantProcessor"]


class DiscriminantProcessor(ProcessorABC):
    """Select the muon pairs of each chunk, and score them.

    What comes out, by key:

    - "cutflow": {step: number of events};
    - "counts": what lies outside the range of the training, see `zmumu_hybrid.nets.ranges.Counts`;
    - "table": list of pieces of the scores, {column: array}, in no order; empty unless they are asked for.

    Parameters
    ----------
    discriminant : Discriminant
        A model of muon pairs.
    selection : PairSelection, optional
        Which two muons of an event make its pair.
    smearing : SmearingConfig, optional
        How the muons are smeared before; not at all by default.
    table : bool
        Whether the scores are among what comes out.
    """

    def __init__(
        self,
        discriminant: Discriminant,
        *,
        selection: PairSelection | None = None,
        smearing: SmearingConfig | None = None,
        table: bool = False,
    ) -> None:
        self._discriminant = discriminant
        self._selection = selection or PairSelection()
        self._smearing = smearing or SmearingConfig(mode="none")
        self._table = table

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Process one chunk of events."""
        pairs, cutflow = select_and_count(events, self._selection)
        smeared = smear(pairs, self._smearing, str(events.metadata["dataset"]))
        scores = self._discriminant.pairs(smeared)
        found: dict[str, Any] = {"cutflow": {**cutflow, "pairs": len(pairs)}, "counts": scores.counts, "table": []}
        if self._table and len(pairs):
            found["table"].append(sorted_by(pairs, smeared.plus, DATA) | scores.fields())
        return found

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Return the sum over all chunks as it is."""
        return accumulator
