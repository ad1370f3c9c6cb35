"""All settings of `zmumu analyse`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.execution.options import RunOptions
from zmumu_hybrid.measurement.systematics import SYSTEMATICS, require_known
from zmumu_hybrid.measurement.templates import Yields
from zmumu_hybrid.measurement.training_sample import Rows
from zmumu_hybrid.support.values import MAX_BINS, require_count

__all__ = ["AnalysisOptions"]

MASS_WINDOW = (80.0, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisOptions(RunOptions):
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
    executor, workers, scheduler, jobqueue, chunksize, cache, muons, branches, tree, pair, smearing, hold, width, seed
        See `zmumu_hybrid.execution.options.RunOptions`. With `trained_on` the smearing is that of the sample, and none
        is given here. Data are never smeared.

    Raises
    ------
    ConfigurationError
        If a value cannot be used, or two contradict each other.

    Examples
    --------
    >>> options = AnalysisOptions(systematics=("width", "off"), bins=10)
    >>> options.smearing_config.width, options.yields.background
    (0.1, 10000.0)
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

    def __post_init__(self) -> None:
        RunOptions.__post_init__(self)
        require_count("bins", self.bins, 1, MAX_BINS)
        self._refuse_two_smearings(self.trained_on)
        if self.trained_on is None and (self.rows == "test" or self.optimal):
            what = "--optimal" if self.optimal else "--rows test"
            raise ConfigurationError(f"{what}: needs --trained-on, the directory of `zmumu process` that it is about")
        if self.systematics is not None:
            require_known(self.systematics, SYSTEMATICS, "systematic")
