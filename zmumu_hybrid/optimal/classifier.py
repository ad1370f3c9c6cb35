"""The optimal classifier: by the Neyman-Pearson lemma, the ratio of the likelihoods of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.candidates.truth import Sample
from zmumu_hybrid.optimal.density import TruthCuts, TruthDensity, fit_truth_density, mass_knots
from zmumu_hybrid.optimal.likelihood import MeasuredPairs, log_likelihoods
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.physics.smearing import SmearingConfig

__all__ = ["OptimalClassifier", "learn_classifier", "log_ratios"]


@dataclass(frozen=True, slots=True, eq=False)
class OptimalClassifier:
    """log p(measured | signal) - log p(measured | reweighted background).

    Attributes
    ----------
    signal, background : TruthDensity
        The densities of the truth.
    smearing : SmearingConfig
        How muons are measured.
    reweighting : Reweighting or None
        What the background's weights were multiplied with.
    muon_mass : float
        In GeV.
    """

    signal: TruthDensity
    background: TruthDensity
    smearing: SmearingConfig
    reweighting: Reweighting | None
    muon_mass: float

    def log_ratio(self, columns: Mapping[str, NDArray[Any]], *, nodes: int | None = None) -> Floats:
        """Return the score of each row of a candidates table; +inf where there is no background.

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,)
            px_0, py_0, pz_0, px_1, py_1, pz_1 of the measured muons in GeV.
        nodes : int, optional
            See `log_likelihoods`.
        """
        return log_ratios([self], columns, nodes=nodes)[:, 0]


def learn_classifier(
    truth: Sample, smearing: SmearingConfig, reweighting: Reweighting | None, cuts: TruthCuts | None = None
) -> OptimalClassifier:
    """Learn the truth densities of both classes from a sample.

    Parameters
    ----------
    truth : Sample
        Only its true momenta, labels and generator weights are used.
    smearing, reweighting
        See `OptimalClassifier`.
    cuts : TruthCuts, optional
        The cuts that the true muons passed; by default the tightest that all have passed.

    Raises
    ------
    InputError
        If a class has too few events, or events outside the cuts.
    """
    mass, rapidity, cosine = truth.truth()
    if cuts is None:
        muons = truth.true_momenta()
        pt = np.concatenate([np.hypot(px, py) for px, py, _, _ in muons])
        cuts = TruthCuts.around(pt, np.arcsinh(np.concatenate([pz for _, _, pz, _ in muons]) / pt), mass)
    weight = truth.columns["gen_weight"]
    classes = [truth.signal, ~truth.signal]
    knots = mass_knots([mass[rows] for rows in classes], [weight[rows] for rows in classes], cuts.mass)
    signal, background = (
        fit_truth_density(mass[rows], rapidity[rows], cosine[rows], weight[rows], knots, cuts) for rows in classes
    )
    return OptimalClassifier(signal, background, smearing, reweighting, truth.muon_mass)


def log_ratios(
    classifiers: Sequence[OptimalClassifier],
    columns: Mapping[str, NDArray[Any]],
    *,
    nodes: int | None = None,
    advance: Callable[[float], None] | None = None,
) -> Floats:
    """Return the scores of several classifiers that differ in their densities alone, shape (n, classifiers).

    The integrals share their nodes, which costs less than one classifier after the other. The smearing and the
    reweighting are those of the first. See `OptimalClassifier.log_ratio` and `log_likelihoods` for the arguments.
    """
    first = classifiers[0]
    measured = MeasuredPairs.from_columns(columns, first.muon_mass)
    densities = [density for each in classifiers for density in (each.signal, each.background)]
    logarithms = log_likelihoods(densities, measured, first.smearing, nodes=nodes, advance=advance)
    score = logarithms[:, ::2] - logarithms[:, 1::2]
    if first.reweighting is not None:
        with np.errstate(divide="ignore"):
            score -= np.log(first.reweighting.apply(measured.pt_0))[:, None]
    return np.asarray(score)
