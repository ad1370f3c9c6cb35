"""All settings of `zmumu analyse`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.events.branch_map import PRESETS, Branches, MuonsFrom
from zmumu_hybrid.events.muon_pairs import PairOrder, PairSelection
from zmumu_hybrid.execution.workers import ExecutorName, Workers
from zmumu_hybrid.measurement.systematics import SYSTEMATICS, require_known
from zmumu_hybrid.measurement.templates import Yields
from zmumu_hybrid.measurement.training_sample import Rows
from zmumu_hybrid.physics.smearing import Hold, SmearingConfig, SmearingMode
from zmumu_hybrid.support.values import MAX_BINS, MAX_EVENTS, require_count

__all__ = ["AnalysisOptions"]

MASS_WINDOW = (80.0, 100.0)


@dataclass(frozen=True, slots=True)
class AnalysisOptions:
    """All settings of an analysis.

    Parameters
    ----------
    trained_on : Path, optional
        Directory of `zmumu process` that the networks were trained on: its smearing and reweighting are the nominal
        ones, its training events are refused, and the optimal classifier learns the truth from them.
    independent : bool
        The networks were trained on something else, and none of the events was used for it.
    rows : {"all", "test"}
        Which events of simulation are taken: all, a training event among them being an error, or all but these.
    optimal : bool
        Whether the optimal classifier is one of the observables; it needs `trained_on`, of leading order.
    systematics : tuple of str, optional
        Names of what is varied, of `zmumu_hybrid.measurement.systematics.SYSTEMATICS`; by default all that apply.
    width_uncertainty, reweighting_uncertainty : float
        See `zmumu_hybrid.measurement.systematics.Systematics`.
    yields : Yields
    unblind : bool
        Fit the data instead of what is expected.
    pt, eta, mass
        See `zmumu_hybrid.processors.analysis.Cuts`.
    mass_window : (float, float)
        Of the measurement with a cut on the mass alone, GeV.
    bins : int
        Of each discriminant, before those with few events are merged.
    smearing, hold, width, seed
        See `zmumu_hybrid.physics.smearing.SmearingConfig`; not looked at with `trained_on`.
    pair : "leading" or "closest-to-z"
    muons, branches, tree
        As in `zmumu_hybrid.jobs.process.ProcessOptions`.
    executor, workers, chunksize, scheduler, jobqueue, cache
        As in `zmumu_hybrid.jobs.process.ProcessOptions`.

    Raises
    ------
    ConfigurationError
        If a value cannot be used, or two contradict each other.
    """

    trained_on: Path | None = None
    independent: bool = False
    rows: Rows = "all"
    optimal: bool = False
    systematics: tuple[str, ...] | None = None
    width_uncertainty: float = 0.1
    reweighting_uncertainty: float = 0.2
    yields: Yields = field(default_factory=Yields)
    unblind: bool = False
    pt: float = 10.0
    eta: float = 2.5
    mass: tuple[float, float] = (60.0, 150.0)
    mass_window: tuple[float, float] = MASS_WINDOW
    bins: int = 20
    smearing: SmearingMode = "independent"
    hold: Hold = "pz"
    width: float = 0.1
    seed: int = 0
    pair: PairOrder = "leading"
    muons: MuonsFrom = "Muon"
    branches: Path | None = None
    tree: str = ""
    executor: ExecutorName = "iterative"
    workers: int = 1
    chunksize: int = 100_000
    scheduler: str | None = None
    jobqueue: Path | None = None
    cache: Path | None = None

    def __post_init__(self) -> None:
        require_count("chunksize", self.chunksize, 1, MAX_EVENTS)
        require_count("bins", self.bins, 1, MAX_BINS)
        if self.branches is not None and self.muons != "Muon":
            raise ConfigurationError(f"give either --branches or --muons {self.muons}: the branches say the muons")
        if self.trained_on is None and (self.rows == "test" or self.optimal):
            what = "--optimal" if self.optimal else "--rows test"
            raise ConfigurationError(f"{what}: needs --trained-on, the directory of `zmumu process` that it is about")
        if self.systematics is not None:
            require_known(self.systematics, SYSTEMATICS, "systematic")
        _ = self.staff, self.smearing_config, self.selection

    @property
    def staff(self) -> Workers:
        """Who does the work."""
        return Workers(self.executor, self.workers, self.scheduler, self.jobqueue)

    @property
    def smearing_config(self) -> SmearingConfig:
        """How muons are smeared without a training sample that says it."""
        return SmearingConfig(self.smearing, self.hold, self.width, self.seed)

    @property
    def selection(self) -> PairSelection:
        """Which muons make the pair."""
        return PairSelection(self.pair)

    @property
    def declared(self) -> Branches | None:
        """What the branches of ROOT and Parquet files are; None for NanoAOD's `Muon`."""
        return PRESETS.get(self.muons) if self.branches is None else Branches.read(self.branches)
