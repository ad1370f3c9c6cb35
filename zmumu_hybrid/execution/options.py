"""The settings that all jobs on event files share: what is in the files, where the work is done, the smearing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, get_args

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.events.branch_map import PRESETS, Branches, MuonsFrom
from zmumu_hybrid.events.muon_pairs import PairOrder, PairSelection
from zmumu_hybrid.execution.workers import ExecutorName, Workers, choose_workers
from zmumu_hybrid.physics.smearing import Hold, SmearingConfig, SmearingMode
from zmumu_hybrid.support.values import MAX_EVENTS, require_count

__all__ = ["RunOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The settings that all jobs on event files share.

    Parameters
    ----------
    executor : {"iterative", "futures", "dask"}, optional
        This process, local processes or a dask cluster: by default this process, with a scheduler or a jobqueue dask.
    workers : int, optional
        Number of workers; by default one a core. Without effect in this process.
    scheduler, jobqueue
        See `zmumu_hybrid.execution.workers.Workers`.
    chunksize : int
        About how many events are worked on at a time.
    cache : Path, optional
        Directory for converted files; see `zmumu_hybrid.support.cache`.
    muons : {"Muon", "GenPart", "LHEPart"}
        The collection of NanoAOD that holds the muons. Of LHE files it is always the final-state muons.
    branches : Path, optional
        A declaration of the branches of ROOT and Parquet files, where they have not NanoAOD's names; see
        `zmumu_hybrid.events.branch_map`.
    tree : str
        Name of the tree in ROOT files with several; that of a file named as ``FILE:TREE`` comes first.
    pair : {"leading", "closest-to-z"}
        Which two muons of an event make its pair.
    smearing, hold, width, seed : optional
        As `mode`, `hold`, `width` and `seed` of `zmumu_hybrid.physics.smearing.SmearingConfig`, whose defaults hold.

    Raises
    ------
    ConfigurationError
        If a value cannot be used.
    """

    usual_smearing: ClassVar[SmearingMode] = "independent"

    executor: ExecutorName | None = None
    workers: int | None = None
    scheduler: str | None = None
    jobqueue: Path | None = None
    chunksize: int = 100_000
    cache: Path | None = None
    muons: MuonsFrom = "Muon"
    branches: Path | None = None
    tree: str = ""
    pair: PairOrder = "leading"
    smearing: SmearingMode | None = None
    hold: Hold | None = None
    width: float | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("jobqueue", "cache", "branches", "trained_on", "reweighting"):
            if (path := getattr(self, name, None)) is not None:
                object.__setattr__(self, name, Path(path))
        require_count("chunksize", self.chunksize, 1, MAX_EVENTS)
        if self.muons not in get_args(MuonsFrom):
            raise ConfigurationError(f"muons {self.muons!r}: use one of {', '.join(get_args(MuonsFrom))}")
        if self.branches is not None and self.muons != "Muon":
            raise ConfigurationError(f"give either --branches or --muons {self.muons}: the branches say the muons")
        _ = self.execution, self.smearing_config, self.selection

    @property
    def execution(self) -> Workers:
        """Where the work is done."""
        return choose_workers(self.executor, self.workers, self.scheduler, self.jobqueue)

    @property
    def smearing_config(self) -> SmearingConfig:
        """How muons are smeared."""
        return SmearingConfig(**{"mode": self.usual_smearing, **self._smearing()})

    @property
    def selection(self) -> PairSelection:
        """Which muons make the pair."""
        return PairSelection(self.pair)

    @property
    def declared(self) -> Branches | None:
        """What the branches of ROOT and Parquet files are; None for NanoAOD's `Muon`."""
        return PRESETS.get(self.muons) if self.branches is None else Branches.read(self.branches)

    def resolved(self) -> Self:
        """Return the same settings with what is used in place of None."""
        smearing, execution = self.smearing_config, self.execution
        return replace(
            self,
            executor=execution.executor,
            workers=execution.workers,
            smearing=smearing.mode,
            hold=smearing.hold,
            width=smearing.width,
            seed=smearing.seed,
        )

    def _smearing(self) -> dict[str, Any]:
        """Return what is said of the smearing."""
        given = {"mode": self.smearing, "hold": self.hold, "width": self.width, "seed": self.seed}
        return {name: value for name, value in given.items() if value is not None}

    def _refuse_two_smearings(self, trained_on: Path | None) -> None:
        """Refuse settings of the smearing beside a sample that says it."""
        if trained_on is not None and (given := self._smearing()):
            said = ", ".join(f"--{'smearing' if name == 'mode' else name}" for name in given)
            raise ConfigurationError(f"give either --trained-on, whose smearing is taken, or {said}")
