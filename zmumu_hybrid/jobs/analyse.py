"""The job of `zmumu analyse`: event files and networks to histograms, workspaces and expected precisions."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.candidates.shuffle import PartWriter, merge_parts, written_parts
from zmumu_hybrid.candidates.training_events import TrainingEvents
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.events.input_files import Source, named_files, open_sources
from zmumu_hybrid.events.repeats import located
from zmumu_hybrid.execution.workers import worker_pool
from zmumu_hybrid.measurement.fit import fit_signal_strength
from zmumu_hybrid.measurement.observables import DiscriminantScore, Observable, OptimalScore, of_mass, of_score
from zmumu_hybrid.measurement.options import AnalysisOptions
from zmumu_hybrid.measurement.results import Result, measure
from zmumu_hybrid.measurement.systematics import NOMINAL, SYSTEMATICS, Systematics, require_known
from zmumu_hybrid.measurement.templates import SAMPLES, Templates, make_workspace
from zmumu_hybrid.measurement.training_sample import read_training_sample, require_trained_on
from zmumu_hybrid.physics.smearing import SmearingConfig
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.files import write_json
from zmumu_hybrid.support.outputs import output_folder, reading, staged, write_mark
from zmumu_hybrid.support.progress import progress
from zmumu_hybrid.support.provenance import git_revision, versions

if TYPE_CHECKING:
    from hist import Hist

__all__ = ["AnalysisSummary", "analyse"]

Paths = Sequence[str | os.PathLike[str]]


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
    """What the training sample says: smearing, reweighting, its training events, and the optimal classifier."""

    smearing: SmearingConfig
    reweighting: Reweighting | None = None
    used: tuple[TrainingEvents, ...] = ()
    optimal: OptimalScore | None = None


def analyse(
    inputs: Mapping[str, Paths],
    output: str | os.PathLike[str],
    models: Mapping[str, str | os.PathLike[str]] | None = None,
    options: AnalysisOptions | None = None,
    *,
    draw: Callable[[AnalysisSummary, Path], Any] | None = None,
    show_progress: bool = True,
) -> AnalysisSummary:
    """Run the example analysis and write histograms, workspaces and `analysis.json` to a directory.

    Parameters
    ----------
    inputs : mapping of str to sequence of path
        Files of "signal", "background" and "data"; any may be missing. Without signal and background there are
        histograms and a cutflow, and no measurement.
    output : path
        Directory: histograms.json (uhi), histograms.root, workspace-NAME.json (pyhf) and, last, analysis.json, which
        lists the others. All are put in place together, when all has ended well.
    models : mapping of str to path, optional
        By name, files of `zmumu export` or folders of `zmumu train`.
    options : AnalysisOptions, optional
        All settings.
    draw : callable, optional
        Is given the summary and a folder, for figures that belong to the result.
    show_progress : bool
        False silences the bars.

    Raises
    ------
    ConfigurationError
        If options contradict each other, or a network's training sample is not known.
    LeakError
        If an event was used in training.
    InputError
        If an event is in the input twice.
    MissingDependencyError
        If pyhf, iminuit or onnxruntime is not installed.
    ZmumuError
        Whatever `zmumu process` raises about files.

    Examples
    --------
    >>> import zmumu_hybrid as zh
    >>> for process in ("signal", "background"):
    ...     _ = zh.generate(process, 2000, 1, f"{process}.lhe.gz")
    >>> files = {process: [f"{process}.lhe.gz"] for process in ("signal", "background")}
    >>> options = zh.AnalysisOptions(cache="cache")
    >>> summary = zh.analyse(files, "analysis", options=options, show_progress=False)
    >>> [(each.name, round(each.fit.mu, 2), round(each.fit.uncertainty, 2)) for each in summary.results]
    [('mass-cut', 1.0, 0.31), ('mass', 1.0, 0.21)]
    """
    options, models = options or AnalysisOptions(), models or {}
    files = (path for paths in inputs.values() for path in paths)
    reads = [*files, *models.values(), options.branches, options.jobqueue]
    more = [f"workspace-{name}.json" for name in ("mass", "mass-cut", "optimal", *models)]
    with output_folder(output, "analyse", reads, more), staged(output, "analysis.json") as staging:
        summary, record = _analyse(inputs, staging, models, options, show_progress)
        summary = replace(summary, output=Path(output))
        if draw is not None:
            draw(summary, staging)
        write_mark(staging / "analysis.json", record)
    return summary


def _analyse(
    inputs: Mapping[str, Paths],
    staging: Path,
    models: Mapping[str, str | os.PathLike[str]],
    options: AnalysisOptions,
    show_progress: bool,
) -> tuple[AnalysisSummary, dict[str, Any]]:
    """Do what `analyse` does in a scratch directory, but for figures and `analysis.json`, whose content it returns."""
    from zmumu_hybrid.execution.runner import run
    from zmumu_hybrid.processors.analysis import AnalysisConfig, AnalysisProcessor, Cuts

    started = time.perf_counter()
    inputs = {name: tuple(paths) for name, paths in inputs.items() if paths}
    require_known(inputs, (*SAMPLES, "data"), "data set")
    if not inputs:
        raise ConfigurationError("no input file is given: at least one is needed")
    measures = all(sample in inputs for sample in SAMPLES)
    if options.unblind and not (measures and "data" in inputs):
        raise ConfigurationError("--unblind: a fit of data needs --signal, --background and --data")
    if measures:
        require("pyhf", "iminuit")
    options.execution.require()
    cuts = Cuts(options.pt, options.eta, options.mass)
    observables, tables, used = _networks(models, options.bins)
    simulated = any(sample in inputs for sample in SAMPLES)
    detector = _detector(options, tables if simulated else {})
    systematics = _systematics(options, detector)
    if detector.optimal is not None:
        observables.append(of_score("optimal", "optimal", detector.optimal, options.bins))
    low, high = options.mass_window
    observables = [of_mass("mass-cut", 1, low, high), of_mass("mass", options.bins, *options.mass), *observables]
    sources = open_sources(
        inputs, options.cache, branches=options.declared, tree=options.tree, show_progress=show_progress
    )
    config = AnalysisConfig(
        observables=observables,
        selection=options.selection,
        smearing=detector.smearing,
        systematics=systematics,
        cuts=cuts,
        reweighting=detector.reweighting,
        rows=options.rows,
        used=(*detector.used, *used),
        table=True,
    )
    parts = staging.resolve() / "parts"
    parts.mkdir()
    with worker_pool(options.execution) as pool:
        found = run(
            sources,
            AnalysisProcessor(config),
            pool=pool,
            chunksize=options.chunksize,
            finish=PartWriter(parts),
            show_progress=show_progress,
        )
    with located(sources):
        deque(merge_parts(written_parts(parts, found["parts"])), maxlen=0)  # refuses repeated events
    templates, results, workspaces = {}, [], {}
    if measures:
        _require_selected(found, sources)
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
        results = measure(observables, templates, found, fits, systematics, options.yields)
    histograms.write_json(found["histograms"], staging / "histograms.json")
    histograms.write_root(found["histograms"], staging / "histograms.root")
    for name, workspace in workspaces.items():
        write_json(staging / f"workspace-{name}.json", workspace)
    record = {
        "inputs": [
            {"dataset": each.dataset, "path": str(each.path), "sha256": each.sha256, "events": each.entries}
            for each in sources
        ],
        "models": {name: str(path) for name, path in models.items()},
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
    seconds = time.perf_counter() - started
    return AnalysisSummary(staging, found["cutflow"], found["histograms"], results, templates, seconds), record


def _networks(
    models: Mapping[str, str | os.PathLike[str]], bins: int
) -> tuple[list[Observable], dict[str, str | None], list[TrainingEvents]]:
    """Return the observables of networks, the checksum of the table of each, and what training events are known."""
    observables, tables, used = [], {}, []
    for name, path in models.items():
        if name in ("mass", "mass-cut", "optimal") or not name.replace("-", "").replace("_", "").isalnum():
            raise ConfigurationError(
                f"model name {name!r}: use letters, digits, - and _, and none of mass, mass-cut, optimal: name it, "
                f"as NAME={path}"
            )
        from zmumu_hybrid.deploy import Discriminant

        discriminant = Discriminant.load(path, out_of_range="ignore")
        observables.append(of_score(name, discriminant.card.name, DiscriminantScore(discriminant), bins))
        data = discriminant.card.data
        tables[name] = data.get("sha256")
        if "training_events" in data and (known := TrainingEvents.of_model(path, data["training_events"])) is not None:
            used.append(known)
    return observables, tables, used


def _detector(options: AnalysisOptions, tables: dict[str, str | None]) -> _Detector:
    """Read what the training sample says."""
    if options.trained_on is None:
        if not options.independent:
            require_trained_on(tables, None)
        return _Detector(options.smearing_config)
    with reading(options.trained_on):
        return _trained_on(options.trained_on, options, tables)


def _trained_on(directory: Path, options: AnalysisOptions, tables: dict[str, str | None]) -> _Detector:
    """Read a directory of `zmumu process`."""
    known = read_training_sample(directory)
    if not options.independent:
        require_trained_on(tables, known)
    smearing, reweighting = known.smearing, None
    if (directory / "reweighting.json").exists():
        reweighting = Reweighting.read(directory / "reweighting.json")
    best = None
    if options.optimal:
        from zmumu_hybrid import optimal
        from zmumu_hybrid.candidates import truth

        sample = truth.read_sample(directory)
        smearing, reweighting = truth.read_settings(directory, sample)
        learned = sample.where(~sample.columns["is_test"])
        best = OptimalScore(optimal.learn_classifier(learned, smearing, reweighting))
    return _Detector(smearing, reweighting, (known.events,), best)


def _require_selected(found: Mapping[str, Any], sources: Sequence[Source]) -> None:
    """Raise `InputError` for a sample without selected events, saying where they were lost, or of negative weight."""
    for sample in SAMPLES:
        steps = found["cutflow"][sample]
        if not list(steps.values())[-1]:
            said = ", ".join(f"{name} {count}" for name, count in steps.items())
            raise InputError(f"{sample}: no event is selected ({said}): loosen the cuts, or give other events")
        if (total := found["weights"][sample][NOMINAL]) <= 0:
            raise InputError(
                f"{named_files(sources, sample)}: the weights of the selected {sample} events sum to {total:.6g}, "
                "not above zero: such a sample expects nothing; give one with more events of positive weight"
            )


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
