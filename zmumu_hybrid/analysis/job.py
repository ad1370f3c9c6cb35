"""The job of `zmumu analyse`: event files and networks to histograms, workspaces and expected precisions."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zmumu_hybrid import histograms
from zmumu_hybrid.analysis import precision
from zmumu_hybrid.analysis.fit import Fit, fit_signal_strength, require_pyhf
from zmumu_hybrid.analysis.observables import DiscriminantScore, Observable, OptimalScore, of_mass, of_score
from zmumu_hybrid.analysis.systematics import SYSTEMATICS, Systematics, require_known
from zmumu_hybrid.analysis.used_events import Rows, UsedEvents, read_used_events, require_trained_on, require_unused
from zmumu_hybrid.analysis.workspace import SAMPLES, Templates, Yields, make_workspace
from zmumu_hybrid.branches import PRESETS, Branches, MuonsFrom
from zmumu_hybrid.clusters import ExecutorName, Workers, worker_pool
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.files import write_json
from zmumu_hybrid.pairs import PairOrder, PairSelection
from zmumu_hybrid.progress import progress
from zmumu_hybrid.provenance import git_revision, versions
from zmumu_hybrid.reweighting import Reweighting
from zmumu_hybrid.smearing import Hold, SmearingConfig, SmearingMode
from zmumu_hybrid.sources import open_sources
from zmumu_hybrid.staging import staging_directory

if TYPE_CHECKING:
    from hist import Hist

__all__ = ["AnalysisOptions", "AnalysisSummary", "Result", "analyse", "named_models"]

Paths = Sequence[str | os.PathLike[str]]

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
        Which events of simulation are taken: all, or those that `trained_on` holds out.
    optimal : bool
        Whether the optimal classifier is one of the observables; it needs `trained_on`, of leading order.
    systematics : tuple of str, optional
        Names of what is varied, of `zmumu_hybrid.analysis.systematics.SYSTEMATICS`; by default all that apply.
    width_uncertainty, reweighting_uncertainty : float
        See `zmumu_hybrid.analysis.systematics.Systematics`.
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
        See `zmumu_hybrid.smearing.SmearingConfig`; not looked at with `trained_on`.
    pair : "leading" or "closest-to-z"
    muons, branches
        As in `zmumu_hybrid.processing.ProcessOptions`.
    executor, workers, chunksize, scheduler, jobqueue, cache
        As in `zmumu_hybrid.processing.ProcessOptions`.

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
    executor: ExecutorName = "iterative"
    workers: int = 1
    chunksize: int = 100_000
    scheduler: str | None = None
    jobqueue: Path | None = None
    cache: Path | None = None

    def __post_init__(self) -> None:
        if self.chunksize < 1:
            raise ConfigurationError(f"the chunk size must be at least 1 event, not {self.chunksize}")
        if self.branches is not None and self.muons != "Muon":
            raise ConfigurationError(f"give either --branches or --muons {self.muons}: the branches say the muons")
        if self.trained_on is None and (self.rows == "test" or self.optimal):
            what = "--optimal" if self.optimal else "--rows test"
            raise ConfigurationError(f"{what}: needs --trained-on, the directory of `zmumu process` that it is about")
        if self.bins < 1:
            raise ConfigurationError(f"bins of a discriminant: at least 1 is needed, not {self.bins}")
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


@dataclass(frozen=True, slots=True)
class Result:
    """What one observable measures.

    Attributes
    ----------
    name, kind : str
        Of the observable.
    bins : int
        After merging.
    fit : Fit
    precision : float
        Expected uncertainty of the signal strength, from `zmumu_hybrid.analysis.precision`.
    precision_uncertainty : float
        How well that is known from the simulated events.
    gain : float
        The precision of the mass cut over this one: how many times better; `gain_uncertainty` as above.
    spread : float or None
        Mean spread of the score over the members of the ensemble, by weight, for the signal.
    """

    name: str
    kind: str
    bins: int
    fit: Fit
    precision: float
    precision_uncertainty: float
    gain: float
    gain_uncertainty: float
    spread: float | None


@dataclass(frozen=True, slots=True)
class AnalysisSummary:
    """What an analysis did.

    Attributes
    ----------
    output : Path
    cutflow : dict
        Number of events after each step, by data set.
    histograms : dict of str to hist.Hist
        As written.
    results : list of Result
        By observable; empty where signal or background are not given.
    templates : dict of str to Templates
    seconds : float
        Wall time.
    """

    output: Path
    cutflow: dict[str, dict[str, int]]
    histograms: dict[str, Hist[Any]]
    results: list[Result]
    templates: dict[str, Templates]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Detector:
    """What the training sample says: smearing, reweighting, the events used, and the optimal classifier."""

    smearing: SmearingConfig
    reweighting: Reweighting | None = None
    used: tuple[UsedEvents, ...] = ()
    optimal: OptimalScore | None = None


def analyse(
    inputs: Mapping[str, Paths],
    output: str | os.PathLike[str],
    models: Mapping[str, str | os.PathLike[str]] | None = None,
    options: AnalysisOptions | None = None,
    *,
    show_progress: bool = True,
) -> AnalysisSummary:
    """Run the example analysis and write histograms, workspaces and `analysis.json` to a directory.

    Parameters
    ----------
    inputs : mapping of str to sequence of path
        Files of "signal", "background" and "data"; any may be missing. Without signal and background there are
        histograms and a cutflow, and no measurement.
    output : path
        Directory: histograms.json (uhi), histograms.root, workspace-NAME.json (pyhf) and, last, analysis.json.
    models : mapping of str to path, optional
        By name, files of `zmumu export` or folders of `zmumu train`.
    options : AnalysisOptions, optional
        All settings.
    show_progress : bool
        False silences the bars.

    Raises
    ------
    ConfigurationError
        If options contradict each other, or a network's training sample is not known.
    LeakError
        If an event was used in training.
    MissingDependencyError
        If pyhf, iminuit or onnxruntime is not installed.
    ZmumuError
        Whatever `zmumu process` raises about files.
    """
    from zmumu_hybrid.processors.analysis import AnalysisConfig, AnalysisProcessor, Cuts
    from zmumu_hybrid.running import run

    options, started = options or AnalysisOptions(), time.perf_counter()
    inputs = {name: tuple(paths) for name, paths in inputs.items() if paths}
    require_known(inputs, (*SAMPLES, "data"), "data set")
    if not inputs:
        raise ConfigurationError("no input file is given: at least one is needed")
    measures = all(sample in inputs for sample in SAMPLES)
    if options.unblind and not (measures and "data" in inputs):
        raise ConfigurationError("--unblind: a fit of data needs --signal, --background and --data")
    if measures:
        require_pyhf()
    cuts = Cuts(options.pt, options.eta, options.mass)
    observables, tables = _networks(models or {}, options.bins)
    simulated = any(sample in inputs for sample in SAMPLES)
    detector = _detector(options, tables if simulated else {})
    systematics = _systematics(options, detector)
    if detector.optimal is not None:
        observables.append(of_score("optimal", "optimal", detector.optimal, options.bins))
    low, high = options.mass_window
    observables = [of_mass("mass-cut", 1, low, high), of_mass("mass", options.bins, *options.mass), *observables]
    sources = open_sources(inputs, options.cache, branches=options.declared, show_progress=show_progress)
    require_unused([each for each in sources if each.dataset != "data"], detector.used, options.rows)
    config = AnalysisConfig(
        observables=observables,
        selection=options.selection,
        smearing=detector.smearing,
        systematics=systematics,
        cuts=cuts,
        reweighting=detector.reweighting,
        rows=options.rows,
        used=detector.used,
    )
    with worker_pool(options.staff) as pool:
        found = run(
            sources, AnalysisProcessor(config), pool=pool, chunksize=options.chunksize, show_progress=show_progress
        )
    templates, results, workspaces = {}, [], {}
    if measures:
        _require_selected(found)
        templates = {
            each.name: Templates.of(found["histograms"][each.name], options.yields, systematics.shapes)
            for each in observables
        }
        workspaces = {
            name: make_workspace(name, each, systematics.two_sided, options.yields, unblind=options.unblind)
            for name, each in templates.items()
        }
        with progress("fitting", len(observables), unit="fits", enabled=show_progress) as advance:
            fits = {}
            for name, workspace in workspaces.items():
                fits[name] = fit_signal_strength(workspace)
                advance(1)
        results = _results(observables, templates, found, fits, systematics, options.yields)
    target = Path(output)
    names = [f"workspace-{name}.json" for name in workspaces]
    with staging_directory(target, ["histograms.json", "histograms.root", *names, "analysis.json"]) as staging:
        histograms.write_json(found["histograms"], staging / "histograms.json")
        histograms.write_root(found["histograms"], staging / "histograms.root")
        for name, workspace in workspaces.items():
            write_json(staging / f"workspace-{name}.json", workspace)
        record = {
            "inputs": [
                {"dataset": each.dataset, "path": str(each.path), "sha256": each.sha256, "events": each.entries}
                for each in sources
            ],
            "models": {name: str(path) for name, path in (models or {}).items()},
            "options": json.loads(json.dumps(asdict(options), default=str)),
            "smearing": asdict(detector.smearing),
            "systematics": list(systematics.categories),
            "fitted": ("data" if options.unblind else "expected") if measures else None,
            "cutflow": found["cutflow"],
            "weights": found["weights"],
            "results": [asdict(each) for each in results],
            "versions": versions(("awkward", "coffea", "hist", "iminuit", "numpy", "onnxruntime", "pyhf", "uproot")),
            "git_revision": git_revision(),
        }
        write_json(staging / "analysis.json", record)
    seconds = time.perf_counter() - started
    return AnalysisSummary(target, found["cutflow"], found["histograms"], results, templates, seconds)


def named_models(given: Sequence[str]) -> dict[str, Path]:
    """Return models by name from "NAME=PATH" or "PATH", whose name is that of the file or folder.

    Raises
    ------
    ConfigurationError
        If two have one name.
    """
    models: dict[str, Path] = {}
    for text in given:
        name, separator, path = text.partition("=")
        if not separator:
            name, path = Path(text).stem, text
        if name in models:
            raise ConfigurationError(f"--model {text}: {name!r} is {models[name]} already: name it, as NAME={path}")
        models[name] = Path(path)
    return models


def _networks(
    models: Mapping[str, str | os.PathLike[str]], bins: int
) -> tuple[list[Observable], dict[str, str | None]]:
    """Return the observables of networks, and the checksum of the table that each was trained on."""
    observables, tables = [], {}
    for name, path in models.items():
        if name in ("mass", "mass-cut", "optimal") or not name.replace("-", "").replace("_", "").isalnum():
            raise ConfigurationError(
                f"model name {name!r}: use letters, digits, - and _, and none of mass, mass-cut, optimal"
            )
        from zmumu_hybrid.apply import Discriminant

        discriminant = Discriminant.load(path, out_of_range="ignore")
        observables.append(of_score(name, str(discriminant.card.model.model), DiscriminantScore(discriminant), bins))
        tables[name] = discriminant.card.data.get("sha256")
    return observables, tables


def _detector(options: AnalysisOptions, tables: dict[str, str | None]) -> _Detector:
    """Read what the training sample says."""
    if options.trained_on is None:
        if not options.independent:
            require_trained_on(tables, ())
        return _Detector(options.smearing_config)
    from zmumu_hybrid import optimal

    directory = options.trained_on
    used = read_used_events(directory)
    if not options.independent:
        require_trained_on(tables, [used])
    smearing, reweighting = used.smearing, None
    if (directory / "reweighting.json").exists():
        reweighting = Reweighting.read(directory / "reweighting.json")
    best = None
    if options.optimal:
        sample = optimal.read_sample(directory)
        smearing, reweighting = optimal.read_settings(directory, sample)
        known = sample.where(~sample.columns["is_test"])
        best = OptimalScore(optimal.learn_classifier(known, smearing, reweighting))
    return _Detector(smearing, reweighting, (used,), best)


def _require_selected(found: Mapping[str, Any]) -> None:
    """Raise `InputError` for a sample without selected events, saying where they were lost."""
    for sample in SAMPLES:
        steps = found["cutflow"][sample]
        if not list(steps.values())[-1]:
            said = ", ".join(f"{name} {count}" for name, count in steps.items())
            raise InputError(f"{sample}: no event is selected ({said}): loosen the cuts, or give other events")


def _systematics(options: AnalysisOptions, detector: _Detector) -> Systematics:
    """Return what is varied: what was asked for, if it applies, or all that does."""
    applicable = [
        name
        for name in SYSTEMATICS
        if not (name == "reweighting" and detector.reweighting is None)
        and not (name in ("width", "off") and detector.smearing.mode == "none")
    ]
    if options.systematics is not None:
        require_known(options.systematics, applicable, "systematic")
    names = tuple(applicable) if options.systematics is None else options.systematics
    return Systematics(names, options.width_uncertainty, options.reweighting_uncertainty)


def _results(
    observables: Sequence[Observable],
    templates: Mapping[str, Templates],
    found: Mapping[str, Any],
    fits: Mapping[str, Fit],
    systematics: Systematics,
    yields: Yields,
) -> list[Result]:
    """Return the measurements, with the uncertainties of the precisions by the jackknife over the parts."""
    two_sided = systematics.two_sided

    def measured(made: Templates) -> float:
        return precision.expected_uncertainty(made, two_sided, yields)

    values = {name: measured(made) for name, made in templates.items()}
    replicas = {}
    for name, made in templates.items():
        parts = found["parts"][name]
        count = len(parts.axes["part"])
        replicas[name] = np.array(
            [measured(made.again(_without(parts, index), yields, systematics.shapes)) for index in range(count)]
        )
    results = []
    for each in observables:
        spread = found["spread"][each.name].get("signal", np.nan)
        weight = found["weights"]["signal"]["nominal"]
        results.append(
            Result(
                name=each.name,
                kind=each.kind,
                bins=len(templates[each.name].edges) - 1,
                fit=fits[each.name],
                precision=values[each.name],
                precision_uncertainty=precision.jackknife(replicas[each.name]),
                gain=values["mass-cut"] / values[each.name],
                gain_uncertainty=precision.jackknife(replicas["mass-cut"] / replicas[each.name]),
                spread=float(spread / weight) if np.isfinite(spread) and weight else None,
            )
        )
    return results


def _without(parts: Hist[Any], index: int) -> Hist[Any]:
    """Return the sum over all parts but one."""
    import hist

    whole = parts[{"part": sum}]
    piece = parts[{"part": index}]
    made = hist.Hist(*whole.axes, storage=hist.storage.Weight(), name=whole.name)
    for name in ("value", "variance"):
        made.view(flow=True)[name] = whole.view(flow=True)[name] - piece.view(flow=True)[name]
    return made
