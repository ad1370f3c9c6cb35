"""The optimal classifier, checked: `python benchmarks/optimal.py [EVENTS]` (per class; needs Pythia and scikit-learn).

Two samples are generated, one to learn the densities from and one to classify. Every table of `docs/optimal.md` is
printed: the limits for several ways of smearing and reweighting, their convergence, boosted trees from below, and
the time it takes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from zmumu_hybrid.candidates.reweighting import Reweighting, fit
from zmumu_hybrid.candidates.truth import Sample, read_sample, resmear
from zmumu_hybrid.generation.sample import generate
from zmumu_hybrid.jobs.process import ProcessOptions, process
from zmumu_hybrid.metrics import auc_with_uncertainty, weighted_auc
from zmumu_hybrid.optimal import OptimalClassifier, fit_mass_ratio, learn_classifier, log_ratios, quadrature_nodes
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.physics.smearing import SmearingConfig

CONTENT, NONE = "equal content", "none"
RANGES = {"0 to 125 GeV": (0, 125), "7 to 1307 GeV": (7, 1307), "7 to 1507 GeV": (7, 1507)}
"""Equal bins; the wide ones are as from a sample whose hardest background muon has about so much."""

CASES = (
    (SmearingConfig(), CONTENT),
    *((SmearingConfig(), binning) for binning in RANGES),
    (SmearingConfig(), NONE),
    (SmearingConfig("shared"), CONTENT),
    (SmearingConfig("shared"), "7 to 1507 GeV"),
    (SmearingConfig(hold="eta"), CONTENT),
    (SmearingConfig("shared", "eta"), CONTENT),
    (SmearingConfig("none"), NONE),
    *((SmearingConfig(width=width), CONTENT) for width in (0.0, 0.01, 0.05, 0.2, 0.3)),
)


def make_sample(folder: Path, name: str, events: int, seed: int) -> Sample:
    paths = [folder / f"{name}-{label}.lhe" for label in ("signal", "background")]
    for path, label in zip(paths, ("signal", "background"), strict=True):
        generate(label, events, seed, path)
    process(paths[:1], paths[1:], folder / name, ProcessOptions(cache=folder / "cache"))
    return read_sample(folder / name)


def reweight(sample: Sample, binning: str) -> Reweighting | None:
    """Fit 100 bins on all events of a sample."""
    if binning == NONE:
        return None
    signal, background = sample.pt_0[sample.signal], sample.pt_0[~sample.signal]
    if binning == CONTENT:
        return fit(signal, background)
    edges = np.linspace(*RANGES[binning], 101)
    counts = [np.histogram(np.clip(pt, edges[0], edges[-1]), edges)[0] for pt in (signal, background)]
    return Reweighting(tuple(edges), tuple(counts[0] / np.maximum(counts[1], 1)))


def measure(truth: Sample, smearing: SmearingConfig, binning: str, copy: int = 0) -> tuple[Sample, Reweighting | None]:
    """Smear and reweight the events of a sample."""
    reweighting = reweight(resmear(truth, smearing, None, f"limit {copy}"), binning)
    return resmear(truth, smearing, reweighting, f"limit {copy}"), reweighting


def invariant_scores(
    learned: Sample, smearing: SmearingConfig, reweighting: Reweighting | None, sample: Sample
) -> Floats:
    copies = [resmear(learned, smearing, reweighting, f"limit {copy}") for copy in range(10, 14)]
    mass, weight, signal = (
        np.concatenate(parts)
        for parts in zip(*((c.columns["mass"], c.columns["weight"], c.signal) for c in copies), strict=True)
    )
    return fit_mass_ratio(mass[signal], mass[~signal], weight[signal], weight[~signal])(sample.columns["mass"])


def limits(learned: Sample, tried: Sample, classifier: OptimalClassifier) -> None:
    print("draws        hold width reweighting         optimal AUC       invariant ceiling  -abs(m - 90.5 GeV)")
    for smearing, binning in CASES:
        sample, reweighting = measure(tried, smearing, binning)
        score = replace(classifier, smearing=smearing, reweighting=reweighting).log_ratio(sample.columns)
        scores = (
            score,
            invariant_scores(learned, smearing, reweighting, sample),
            -np.abs(sample.columns["mass"] - 90.5),
        )
        areas = [auc_with_uncertainty(s, sample.signal, sample.columns["weight"]) for s in scores]
        text = "   ".join(f"{value:.4f} ± {error:.4f}" for value, error in areas)
        print(f"{smearing.mode:12s} {smearing.hold:4s} {smearing.width:<5g} {binning:18s}  {text}", flush=True)


def convergence(learned: Sample, tried: Sample, classifier: OptimalClassifier) -> None:
    sample, reweighting = measure(tried, classifier.smearing, CONTENT)
    label, weight = sample.signal, sample.columns["weight"]
    base = replace(classifier, reweighting=reweighting)
    usual = quadrature_nodes(base.smearing.width)
    start = time.perf_counter()
    score = base.log_ratio(sample.columns)
    seconds = time.perf_counter() - start
    reference = weighted_auc(score, label, weight)
    print(f"\n{len(sample):,} events classified in {seconds:.1f} s: {1e6 * seconds / len(sample):.1f} us an event")
    print("\nnodes   AUC - AUC(usual)   rms of log ratio")
    for nodes in (16, 32, 64, 96, 128, usual, 2 * usual, 4 * usual):
        other = base.log_ratio(sample.columns, nodes=nodes)
        difference = weighted_auc(other, label, weight) - reference
        print(f"{nodes:5d}   {difference:+.6f}          {np.std(other - score):.5f}", flush=True)
    print("\nevents per class to learn from   AUC - AUC(all)   mean over parts")
    order = np.random.default_rng(1).permutation(len(learned))
    for share in (100, 30, 10, 3, 1):
        parts = [order[i::share] for i in range(min(share, 4))]
        classifiers = [replace(learn(learned, rows, base), reweighting=reweighting) for rows in parts]
        scores = log_ratios(classifiers, sample.columns).T
        loss = [weighted_auc(s, label, weight) - reference for s in scores]
        print(
            f"{len(learned) / 2 / share:10,.0f}                       {np.mean(loss):+.6f}        {len(parts)}",
            flush=True,
        )


def learn(learned: Sample, rows: Iterable[int], like: OptimalClassifier) -> OptimalClassifier:
    return learn_classifier(learned.where(np.asarray(rows)), like.smearing, like.reweighting, like.signal.cuts)


def features(sample: Sample) -> Floats:
    c = sample.columns
    pt_1 = np.hypot(c["px_1"], c["py_1"])
    eta_0, eta_1 = np.arcsinh(c["pz_0"] / sample.pt_0), np.arcsinh(c["pz_1"] / pt_1)
    return np.stack(
        [c["mass"], sample.pt_0, sample.pt_0 / pt_1, np.abs(eta_0 - eta_1), np.abs(eta_0 + eta_1), eta_0, eta_1], axis=1
    )


def trees(learned: Sample, tried: Sample, classifier: OptimalClassifier) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    print("\nboosted trees      training rows   AUC      optimal - AUC")
    for smearing in (SmearingConfig(), SmearingConfig("shared")):
        sample, reweighting = measure(tried, smearing, CONTENT)
        label, weight = sample.signal, sample.columns["weight"]
        optimal = replace(classifier, smearing=smearing, reweighting=reweighting).log_ratio(sample.columns)
        best = weighted_auc(optimal, label, weight)
        copies = [resmear(learned, smearing, reweighting, f"limit {copy}") for copy in range(20, 22)]
        model = HistGradientBoostingClassifier(
            max_iter=200, learning_rate=0.08, max_leaf_nodes=48, min_samples_leaf=400, random_state=1
        )
        x = np.concatenate([features(copy) for copy in copies])
        model.fit(
            x,
            np.concatenate([copy.signal for copy in copies]),
            sample_weight=np.concatenate([copy.columns["weight"] for copy in copies]),
        )
        reached = weighted_auc(model.predict_proba(features(sample))[:, 1], label, weight)
        print(f"{smearing.mode:18s} {len(x):13,d}   {reached:.4f}   {best - reached:+.4f}", flush=True)


def main(events: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        learned, tried = (
            make_sample(Path(folder), name, events, seed) for seed, name in enumerate(("learned", "tried"), 1)
        )
    start = time.perf_counter()
    classifier = learn_classifier(learned, SmearingConfig(), None)
    print(f"{events:,} events per class; densities learned in {time.perf_counter() - start:.1f} s\n", flush=True)
    limits(learned, tried, classifier)
    convergence(learned, tried, classifier)
    trees(learned, tried, classifier)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
