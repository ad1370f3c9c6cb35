"""The job of `zmumu limit`: how good a classifier of a processed sample can be at all.

Two areas under the ROC curve, on the sample's own events: of the optimal classifier, and of the best function of
Lorentz invariants. Every other classifier has its place between or below them: its headroom.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.candidates.histograms import SLICES
from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.candidates.table import SIGNAL
from zmumu_hybrid.candidates.training_events import TrainingEvents
from zmumu_hybrid.candidates.truth import Sample, read_sample, read_settings, resmear
from zmumu_hybrid.draws import keys
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.metrics import auc_with_uncertainty, weighted_auc
from zmumu_hybrid.optimal.classifier import learn_classifier, log_ratios
from zmumu_hybrid.optimal.density import LEAST_EVENTS
from zmumu_hybrid.optimal.invariant_ceiling import MassRatio, fit_mass_ratio
from zmumu_hybrid.optimal.likelihood import quadrature_nodes
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.physics.smearing import SmearingConfig
from zmumu_hybrid.support.outputs import reading
from zmumu_hybrid.support.progress import progress

__all__ = ["headroom", "limit"]

Rows = Literal["test", "all"]
Bools = NDArray[np.bool_]

_COPIES = 4


def headroom(auc: float, limit: Mapping[str, Any]) -> float:
    """Return the share of the way from the invariant ceiling to the optimum that a classifier has gone.

    Parameters
    ----------
    auc : float
        Of the classifier.
    limit : mapping
        From `limit`, or one of its `by_slice`: "auc" and "invariant_ceiling" of the same events.

    Raises
    ------
    InputError
        If the optimum is not above the ceiling, so that there is no way between them.
    """
    span = limit["auc"] - limit["invariant_ceiling"]
    if not span > 0.0:
        raise InputError(
            f"the optimum {limit['auc']:.6g} is not above the invariant ceiling {limit['invariant_ceiling']:.6g}: "
            "headroom is not defined"
        )
    return float((auc - limit["invariant_ceiling"]) / span)


def limit(
    data: str | os.PathLike[str],
    *,
    truth: str | os.PathLike[str] | None = None,
    rows: Rows | None = None,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Compute the AUC of the optimal classifier and of the best function of invariants.

    Parameters
    ----------
    data : path
        Directory of `zmumu process`, whose events are classified.
    truth : path, optional
        Directory of `zmumu process` whose true momenta the densities are learned from; `data` itself by default.
        Its smearing does not matter. Events that are to be classified are left out.
    rows : {"test", "all"}, optional
        Which events of `data` are classified: by default all if `truth` is given, else the held-out ones.
    show_progress : bool
        Show a bar on a terminal.

    Returns
    -------
    dict
        "auc", "uncertainty", "invariant_ceiling", "invariant_ceiling_uncertainty"; the parts of the uncertainties,
        "statistical" of the events classified and "density" of those learned from; "by_slice", with the same for each
        slice in the measured pT of the mu+, or None for one with too few events; and "events", "smearing", "cuts",
        "nodes" as used. It can be written as JSON.

    Raises
    ------
    ConfigurationError
        If `rows` is unknown.
    InputError, MissingInputError
        If a directory cannot be used, the events are not of leading order, or there are too few.

    Examples
    --------
    >>> import zmumu_hybrid as zh
    >>> for process in ("signal", "background"):
    ...     _ = zh.generate(process, 2000, 1, f"{process}.lhe.gz")
    >>> files = ["signal.lhe.gz"], ["background.lhe.gz"]
    >>> options = zh.ProcessOptions(reweighting_bins=5, cache="cache")
    >>> _ = zh.process(*files, "sample", options, show_progress=False)
    >>> found = zh.limit("sample")
    >>> round(found["auc"], 2), round(found["uncertainty"], 2)
    (0.84, 0.01)
    """
    if rows not in (*get_args(Rows), None):
        raise ConfigurationError(f"rows {rows!r}: use {' or '.join(get_args(Rows))}")
    with reading(data):
        sample = read_sample(data)
        smearing, reweighting = read_settings(data, sample)
    rows = rows or ("test" if truth is None else "all")
    tried = sample.where(sample.columns["is_test"]) if rows == "test" else sample
    _require_events(tried, LEAST_EVENTS, f"{data}: of the events to classify ({rows})", "make or hold out more")
    if truth is None:
        source = sample
    else:
        with reading(truth):
            source = read_sample(truth)
    learned = source.where(~TrainingEvents.made_of(tried.identity).include(source.identity))
    _require_events(
        learned, 3 * LEAST_EVENTS, f"{truth or data}: of the events left to learn from", "give others as truth"
    )

    half = keys.uniform("limit halves", *keys.shared_identity(*learned.identity.values())) < 0.5
    parts = [np.ones_like(half), half, ~half]
    classifiers = [learn_classifier(learned, smearing, reweighting)]
    cuts = classifiers[0].signal.cuts
    classifiers += [learn_classifier(learned.where(part), smearing, reweighting, cuts) for part in parts[1:]]
    with progress("optimal classifier", len(tried), unit="events", enabled=show_progress) as advance:
        scores = log_ratios(classifiers, tried.columns, advance=advance)
    pool = _measure_anew(learned, smearing, reweighting)

    def area(low: float, high: float) -> dict[str, Any] | None:
        """Return both areas for the events with a measured pT from `low` to below `high`; None if there are few."""
        in_slice = (pool["pt_0"] >= low) & (pool["pt_0"] < high)
        ratios = [_mass_ratio(pool, in_slice & np.tile(part, _COPIES)) for part in parts]
        chosen = (tried.pt_0 >= low) & (tried.pt_0 < high)
        inside = tried.where(chosen)
        fewest = min(np.count_nonzero(inside.signal), np.count_nonzero(~inside.signal))
        if fewest < LEAST_EVENTS or None in ratios:
            return None
        of_mass = np.stack([ratio(inside.columns["mass"]) for ratio in ratios if ratio is not None], axis=1)
        return _area(scores[chosen], inside, "auc", "") | _area(of_mass, inside, *2 * ("invariant_ceiling",))

    total = area(-np.inf, np.inf)
    if total is None:
        raise InputError(f"{data}: with the weights of reweighting.json too little background is left: make more")
    return {
        **total,
        "by_slice": {name: area(*edges) for name, edges in SLICES.items()},
        "events": {"classified": _count(tried), "learned_from": _count(learned)},
        "rows": rows,
        "smearing": asdict(smearing),
        "cuts": asdict(cuts),
        "muon_mass": sample.muon_mass,
        "nodes": quadrature_nodes(smearing.width),
    }


def _measure_anew(sample: Sample, smearing: SmearingConfig, reweighting: Reweighting | None) -> dict[str, Floats]:
    """Return label, mass, weight and pt_0 of `_COPIES` measurements of each pair, one copy after the other."""
    copies = [resmear(sample, smearing, reweighting, f"limit {copy}") for copy in range(_COPIES)]
    pool = {name: np.concatenate([copy.columns[name] for copy in copies]) for name in ("label", "mass", "weight")}
    return {**pool, "pt_0": np.concatenate([copy.pt_0 for copy in copies])}


def _mass_ratio(pool: Mapping[str, Floats], rows: Bools) -> MassRatio | None:
    """Learn the ratio in the measured mass from some rows of the copies; None if there are too few events."""
    rows = rows & (pool["weight"] != 0.0)
    mass, weight, signal = pool["mass"][rows], pool["weight"][rows], pool["label"][rows] == SIGNAL
    if min(np.count_nonzero(signal), np.count_nonzero(~signal)) < LEAST_EVENTS * _COPIES:
        return None
    return fit_mass_ratio(mass[signal], mass[~signal], weight[signal], weight[~signal])


def _area(scores: Floats, sample: Sample, name: str, prefix: str) -> dict[str, float]:
    """Return the area of the first column of scores; the others are from half of the truth each.

    A density learned from n events costs the area an amount that falls as 1 / n. The half samples lose twice as much
    as the whole, so that their mean lies below it by what the whole has lost: the second part of the uncertainty.
    """
    label, weight = sample.signal, sample.columns["weight"]
    value, statistical = auc_with_uncertainty(scores[:, 0], label, weight)
    halves = [weighted_auc(column, label, weight) for column in scores.T[1:]]
    density = abs(value - float(np.mean(halves)))
    start = f"{prefix}_" if prefix else ""
    return {
        name: value,
        f"{start}uncertainty": float(np.hypot(statistical, density)),
        f"{start}statistical": statistical,
        f"{start}density": density,
    }


def _count(sample: Sample) -> dict[str, int]:
    return {"signal": int(np.count_nonzero(sample.signal)), "background": int(np.count_nonzero(~sample.signal))}


def _require_events(sample: Sample, least: int, where: str, remedy: str) -> None:
    """Raise `InputError` if a class has fewer than `least` events."""
    for name, count in _count(sample).items():
        if count < least:
            raise InputError(f"{where} {count} are {name}, at least {least} are needed: {remedy}")
