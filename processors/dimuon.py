"""Muon pairs to histograms and a candidate table, in one pass over the events.

The processor runs in this package's `zmumu process` and, unchanged, in anyone's own `coffea.processor.Runner` over
NanoAOD or converted files, with `NanoAODSchema` or `zmumu_hybrid.events.schema.EventSchema`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import awkward as ak
from coffea.processor import ProcessorABC

from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.draws.split import SplitConfig
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.events.muon_pairs import PairSelection, choose
from zmumu_hybrid.physics.pair_arrays import IDENTITY
from zmumu_hybrid.physics.smearing import SmearingConfig, count_negative_pt, smear_flat

__all__ = ["DimuonConfig", "DimuonProcessor"]

_FILLED = {*histograms.COLUMNS, *IDENTITY}
"""The columns that histograms need, and messages."""


@dataclass(frozen=True, slots=True)
class DimuonConfig:
    """What the dimuon processor does.

    Parameters
    ----------
    selection : PairSelection
        Which two muons of an event make its pair.
    smearing : SmearingConfig
        How the muons are smeared.
    split : SplitConfig
        Which events are held out for tests.
    reweighting : Reweighting, optional
        Factors for the background that are known beforehand.
    table : bool
        Whether the rows of the candidate table are among what comes out.
    histograms : bool
        Whether the histograms are.
    """

    selection: PairSelection = field(default_factory=PairSelection)
    smearing: SmearingConfig = field(default_factory=SmearingConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    reweighting: Reweighting | None = None
    table: bool = False
    histograms: bool = True


class DimuonProcessor(ProcessorABC):
    """Select, smear, tabulate and histogram the muon pairs of each chunk.

    A data set is signal, background or data by its metadata "label", or else by its name. Data have no truth: their
    table and histograms are without it. What comes out, by key:

    - "histograms": {name: `hist.Hist`}, see `zmumu_hybrid.candidates.histograms`; without ``pt_after`` unless a
      reweighting is given, as a chunk alone cannot fit one; empty if they are not asked for;
    - "cutflow": {data set: {step: number of events}};
    - "negative pT muons": {data set: number of muons that were smeared to a negative pT};
    - "table": list of pieces of the candidate table, {column: array}, in no order; empty unless they are asked for.

    Parameters
    ----------
    config : DimuonConfig, optional
        All settings; the processor has no other state.
    """

    def __init__(self, config: DimuonConfig | None = None) -> None:
        self._config = config or DimuonConfig()

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Process one chunk of events."""
        config, dataset = self._config, str(events.metadata["dataset"])
        label = label_of(events.metadata)
        chosen = choose(events, config.selection)
        filled = self._empty(label)
        negative_pt_muons, tables = 0, []
        columns = None if config.table else _FILLED
        for pairs in chosen.blocks():
            smeared = smear_flat(pairs, config.smearing, dataset)
            table = candidates.tabulate(pairs, smeared, label, dataset, config.split, columns)
            if config.reweighting is not None and label == candidates.BACKGROUND:
                table["weight"] = table["weight"] * config.reweighting.apply(table["pt_0"])
            if filled:
                histograms.fill(filled, table)
            negative_pt_muons += count_negative_pt(pairs, smeared)
            if config.table and len(pairs):
                tables.append(table)
        return {
            "histograms": filled,
            "cutflow": {dataset: {**chosen.cutflow, "pairs": len(chosen)}},
            "negative pT muons": {dataset: negative_pt_muons},
            "table": tables,
        }

    def _empty(self, label: int) -> histograms.Histograms:
        """Return what is filled for a label: no reweighted histogram where nothing is reweighted."""
        if not self._config.histograms:
            return {}
        made = histograms.make(["data"] if label == candidates.DATA else histograms.DATASETS)
        if self._config.reweighting is None:
            del made["pt_after"]
        return made

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Return the sum over all chunks as it is."""
        return accumulator


def label_of(metadata: Mapping[str, Any]) -> int:
    """Return 1 for signal, 0 for background and -1 for data, from a data set's metadata "label" or its name.

    Raises
    ------
    ConfigurationError
        If neither says "signal", "background" or "data".
    """
    said = metadata.get("label", metadata["dataset"])
    if said == "data":
        return candidates.DATA
    if said in candidates.LABELS:
        return int(candidates.LABELS[said])
    raise ConfigurationError(
        f"data set {metadata['dataset']!r}: signal or background? name it so, or give it metadata "
        f"{{'label': 'signal'}}, {{'label': 'background'}} or {{'label': 'data'}} in the fileset, not {said!r}"
    )
