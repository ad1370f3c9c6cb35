"""What an analysis histograms of each muon pair: a function of pairs, and the bins for it.

A network enters as a `ScoreSource`, any function of pairs that returns a score and its spread; so do the mass of the
pair and the optimal classifier, and so can anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import awkward as ak
import numpy as np

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.events.muon_pairs import components
from zmumu_hybrid.physics.kinematics import Floats, pair_mass
from zmumu_hybrid.support.values import MAX_BINS, require_count, require_number

if TYPE_CHECKING:
    from zmumu_hybrid.deploy import Discriminant
    from zmumu_hybrid.optimal import OptimalClassifier

__all__ = ["DiscriminantScore", "Observable", "OptimalScore", "PairMass", "ScoreSource", "of_mass", "of_score"]


class ScoreSource(Protocol):
    """A function of muon pairs; it travels to workers, so that it must pickle."""

    def __call__(self, pairs: ak.Array, /) -> tuple[Floats, Floats]:
        """Return the score of each pair and its spread over an ensemble (NaN without one), each of shape (n,)."""
        ...


@dataclass(frozen=True, slots=True)
class Observable:
    """A quantity and its bins.

    Parameters
    ----------
    name : str
        Of its histogram.
    label : str
        Of its axis.
    kind : str
        What it is, for its look: "mass-cut", "mass", "optimal", or the kind of a network as "hybrid".
    source : ScoreSource
    bins : int
        Of equal width.
    low, high : float
        Their edges.

    Raises
    ------
    ConfigurationError
        If there is no bin.
    """

    name: str
    label: str
    kind: str
    source: ScoreSource
    bins: int
    low: float
    high: float

    def __post_init__(self) -> None:
        require_count(f"bins of {self.name}", self.bins, 1, MAX_BINS)
        low, high = (require_number(f"an end of the range of {self.name}", each) for each in (self.low, self.high))
        if not low < high:
            raise ConfigurationError(f"{self.name}: its range from {low} to {high} is empty")

    def axis(self) -> Any:
        """Return its axis for a histogram."""
        import hist

        return hist.axis.Regular(self.bins, self.low, self.high, name="value", label=self.label)


def of_mass(name: str, bins: int, low: float, high: float) -> Observable:
    """Return the mass of the pair (GeV) in bins; "mass-cut" with a single one."""
    return Observable(name, "Dimuon mass [GeV]", "mass" if bins > 1 else "mass-cut", PairMass(), bins, low, high)


def of_score(name: str, kind: str, source: ScoreSource, bins: int) -> Observable:
    """Return a probability of signal, 0 to 1, in bins."""
    return Observable(name, "Discriminant", kind, source, bins, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class PairMass:
    """The invariant mass of the pair in GeV."""

    def __call__(self, pairs: ak.Array, /) -> tuple[Floats, Floats]:
        """Return the mass of each pair."""
        return pair_mass(*components(pairs.plus), *components(pairs.minus)), np.full(len(pairs), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class DiscriminantScore:
    """The score of a network, as from `zmumu_hybrid.deploy.Discriminant`.

    Raises
    ------
    InputError
        If the network is not one of muon pairs with one class.
    """

    discriminant: Discriminant

    def __post_init__(self) -> None:
        card = self.discriminant.card
        if card.task != "muon pair" or card.classes != 1:
            raise InputError(f"{self.discriminant!r}: the analysis needs a model of muon pairs with one class")

    def __call__(self, pairs: ak.Array, /) -> tuple[Floats, Floats]:
        """Return the mean and the standard deviation over the members."""
        scores = self.discriminant.pairs(pairs)
        return _inside(scores.score), scores.score_std


@dataclass(frozen=True, slots=True, eq=False)
class OptimalScore:
    """The posterior probability of signal for equal classes, by the likelihood ratio of the nominal detector."""

    classifier: OptimalClassifier

    def __call__(self, pairs: ak.Array, /) -> tuple[Floats, Floats]:
        """Return the probability of each pair."""
        columns: dict[str, Floats] = {}
        for slot, muon in enumerate((pairs.plus, pairs.minus)):
            px, py, pz, _ = components(muon)
            columns |= {f"px_{slot}": px, f"py_{slot}": py, f"pz_{slot}": pz}
        ratio = self.classifier.log_ratio(columns) if len(pairs) else np.empty(0)
        small = np.exp(-np.abs(ratio))
        return _inside(np.where(ratio >= 0, 1.0, small) / (1.0 + small)), np.full(len(pairs), np.nan)


def _inside(score: Floats) -> Floats:
    """Return the scores with 1 in the last bin, not beyond it."""
    return np.minimum(score, np.nextafter(1.0, 0.0))
