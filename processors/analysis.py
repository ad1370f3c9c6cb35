"""An example analysis of muon pairs: selection, weights, systematic variations, discriminants.

A starting point for your own: each chunk of events becomes histograms with the axes data set, systematic and value. The
muons are smeared anew, with the same draws, for each variation of the detector; the weights, with their own
variations, belong to the event and stay as they are in the nominal detector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea.analysis_tools import PackedSelection, Weights
from coffea.processor import ProcessorABC
from numpy.typing import NDArray

from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.candidates.shuffle import sorted_by
from zmumu_hybrid.candidates.training_events import TrainingEvents
from zmumu_hybrid.draws import keys
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.events.muon_pairs import IDENTITY, PairSelection, select_and_count
from zmumu_hybrid.measurement.observables import Observable, PairMass
from zmumu_hybrid.measurement.systematics import NOMINAL, Systematics
from zmumu_hybrid.measurement.training_sample import Rows
from zmumu_hybrid.physics.smearing import SmearingConfig, smear
from zmumu_hybrid.processors.dimuon import label_of
from zmumu_hybrid.support.values import require_number

__all__ = ["BLOCKS", "CATEGORIES", "AnalysisConfig", "AnalysisProcessor", "Cuts"]

CATEGORIES = {candidates.SIGNAL: "signal", candidates.BACKGROUND: "background", candidates.DATA: "data"}
"""The category of a histogram's axis "dataset" by label."""

BLOCKS = 10
"""Into how many blocks the events are divided for the jackknife, by their identity."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """What a pair as measured must pass.

    Parameters
    ----------
    pt : float
        Least transverse momentum of both muons in GeV.
    eta : float
        Largest pseudorapidity of both muons.
    mass : (float, float)
        Range of the mass of the pair in GeV.

    Raises
    ------
    ConfigurationError
        If a range is empty.
    """

    pt: float = 10.0
    eta: float = 2.5
    mass: tuple[float, float] = (60.0, 150.0)

    def __post_init__(self) -> None:
        for name, value in (("pT", self.pt), ("abs(eta)", self.eta), *(("mass", value) for value in self.mass)):
            require_number(f"cut on {name}", value, 0)
        if not (self.eta > 0 and self.mass[0] < self.mass[1]):
            raise ConfigurationError(f"cuts pT > {self.pt} GeV, abs(eta) < {self.eta}, mass in {self.mass} GeV: empty")


@dataclass(frozen=True, slots=True)
class AnalysisConfig:
    """What the analysis does.

    Parameters
    ----------
    observables : sequence of Observable
        What is histogrammed, by name.
    selection : PairSelection
        Which two muons of an event make its pair.
    smearing : SmearingConfig
        How the muons of simulation are smeared in the nominal case; data are not.
    systematics : Systematics
        What is varied.
    cuts : Cuts
    reweighting : Reweighting, optional
        Of the background.
    rows : {"all", "test"}
        Which events of simulation are taken: all, or all but those in `used`.
    used : sequence of TrainingEvents
        What the discriminants were trained on; it is refused where it is not left out.
    table : bool
        Whether identity and momentum of each pair are among what comes out, so that repeated events are found.
    """

    observables: Sequence[Observable]
    selection: PairSelection = field(default_factory=PairSelection)
    smearing: SmearingConfig = field(default_factory=SmearingConfig)
    systematics: Systematics = field(default_factory=Systematics)
    cuts: Cuts = field(default_factory=Cuts)
    reweighting: Reweighting | None = None
    rows: Rows = "all"
    used: Sequence[TrainingEvents] = ()
    table: bool = False


class AnalysisProcessor(ProcessorABC):
    """Select muon pairs, weigh and vary them, and histogram what discriminates.

    A data set is signal, background or data by its metadata "label", or else by its name. What comes out, by key:

    - "histograms": {name of an observable: `hist.Hist` with the axes dataset, systematic and value};
    - "blocks": the same with the axis block before: `BLOCKS` disjoint blocks of the events, for the jackknife;
    - "cutflow": {data set: {step: number of events}} of the nominal case;
    - "weights": {data set: {variation: sum of the weights of the selected pairs}};
    - "spread": {name: {data set: sum of weight times the spread over an ensemble}} of the nominal case;
    - "table": list of what `zmumu_hybrid.candidates.shuffle.merge_parts` knows pairs by; empty unless it is asked for.

    Parameters
    ----------
    config : AnalysisConfig
        All settings; the processor has no other state.
    """

    def __init__(self, config: AnalysisConfig) -> None:
        self._config = config

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Process one chunk of events."""
        config, dataset = self._config, str(events.metadata["dataset"])
        category = CATEGORIES[label_of(events.metadata)]
        simulated = category != "data"
        pairs, cutflow = select_and_count(events, config.selection)
        table = [sorted_by(pairs, pairs.plus, label_of(events.metadata))] if config.table and len(pairs) else []
        pairs, kept = self._unused(pairs, dataset, leave_out=simulated and config.rows == "test")
        cutflow |= kept
        smearings = config.systematics.smearings(config.smearing)
        if not simulated:
            smearings = {NOMINAL: SmearingConfig(mode="none")}

        identity = keys.shared_identity(*(ak.to_numpy(pairs[name]) for name in IDENTITY))
        block = (keys.hash_key("analysis", *identity) % BLOCKS).astype(np.int64)
        nominal = smear(pairs, smearings[NOMINAL], dataset)
        weights = self._weights(pairs, nominal, category)
        filled = {each.name: self._empty(each) for each in config.observables}
        sums: dict[str, float] = {}
        spread: dict[str, dict[str, float]] = {each.name: {} for each in config.observables}
        for variation, smearing in smearings.items():
            smeared = nominal if variation == NOMINAL else smear(pairs, smearing, dataset)
            passed = self._passed(smeared)
            names = passed.names
            chosen, selected = passed.all(*names), smeared[passed.all(*names)]
            of_weights = [name for name in weights.variations if simulated] if variation == NOMINAL else []
            varied = {variation: weights.weight()} | {name: weights.weight(name) for name in sorted(of_weights)}
            if variation == NOMINAL:
                counts = passed.cutflow(*names).result().nevcutflow[1:]
                cutflow |= {name: int(count) for name, count in zip(names, counts, strict=True)}
            for name, weight in varied.items():
                sums[name] = float(weight[chosen].sum())
            for observable in config.observables:
                values, uncertainty = observable.source(selected)
                for name, weight in varied.items():
                    filled[observable.name].fill(block[chosen], category, name, values, weight=weight[chosen])
                if variation == NOMINAL:
                    spread[observable.name][category] = float(weights.weight()[chosen] @ uncertainty)
        return {
            "histograms": {name: each.project("dataset", "systematic", "value") for name, each in filled.items()},
            "blocks": filled,
            "cutflow": {dataset: cutflow},
            "weights": {category: sums},
            "spread": spread,
            "table": table,
        }

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Return the sum over all chunks as it is."""
        return accumulator

    def _unused(self, pairs: ak.Array, dataset: str, *, leave_out: bool) -> tuple[ak.Array, dict[str, int]]:
        """Return the pairs that nothing was trained on, and their number if that is a step; else refuse the others."""
        identity = {name: ak.to_numpy(pairs[name]) for name in IDENTITY}
        if not leave_out:
            for used in self._config.used:
                used.refuse(identity, dataset)
            return pairs, {}
        unused = ~np.any([np.zeros(len(pairs), bool), *(used.include(identity) for used in self._config.used)], axis=0)
        return pairs[unused], {"held out": int(np.count_nonzero(unused))}

    def _weights(self, pairs: ak.Array, nominal: ak.Array, category: str) -> Weights:
        """Return the weights of the pairs with their variations; only the background is reweighted."""
        config = self._config
        weights = Weights(len(pairs))
        weights.add("generator", ak.to_numpy(pairs.gen_weight) if category != "data" else np.ones(len(pairs)))
        if config.reweighting is not None:
            factors = np.ones(len(pairs))
            if category == "background":
                factors = config.reweighting.apply(ak.to_numpy(nominal.plus.pt))
            if "reweighting" in config.systematics.names:
                more = 1 + config.systematics.reweighting_uncertainty
                weights.add("reweighting", factors, factors**more, factors ** (2 - more))
            else:
                weights.add("reweighting", factors)
        return weights

    def _passed(self, smeared: ak.Array) -> PackedSelection:
        """Return which pairs pass which cut."""
        cuts, selection = self._config.cuts, PackedSelection()
        muons = (smeared.plus, smeared.minus)
        mass, _ = PairMass()(smeared)

        def both(name: str, function: Any) -> None:
            selection.add(name, np.logical_and(*(_plain(function(muon)) for muon in muons)))

        both("pt", lambda muon: muon.pt > cuts.pt)
        both("eta", lambda muon: abs(muon.eta) < cuts.eta)
        selection.add("mass", (mass > cuts.mass[0]) & (mass < cuts.mass[1]))
        return selection

    def _empty(self, observable: Observable) -> hist.Hist[Any]:
        return hist.Hist(
            hist.axis.Integer(0, BLOCKS, name="block", label="Block", overflow=False, underflow=False),
            hist.axis.StrCategory(tuple(CATEGORIES.values()), name="dataset", label="Data set", overflow=False),
            hist.axis.StrCategory(
                self._config.systematics.categories, name="systematic", label="Systematic", overflow=False
            ),
            observable.axis(),
            storage=hist.storage.Weight(),
            name=observable.name,
        )


def _plain(values: Any) -> NDArray[Any]:
    return np.asarray(ak.to_numpy(values))
