"""The optimal classifier of leading-order events, and the best one that sees Lorentz invariants alone."""

from zmumu_hybrid.optimal.classifier import OptimalClassifier, learn_classifier, log_ratios
from zmumu_hybrid.optimal.density import TruthCuts, TruthDensity, fit_truth_density, mass_knots
from zmumu_hybrid.optimal.invariant_ceiling import MassRatio, fit_mass_ratio
from zmumu_hybrid.optimal.likelihood import MeasuredPairs, log_likelihoods, quadrature_nodes
from zmumu_hybrid.optimal.symmetry_factor import beyond_invariants

__all__ = [
    "MassRatio",
    "MeasuredPairs",
    "OptimalClassifier",
    "TruthCuts",
    "TruthDensity",
    "beyond_invariants",
    "fit_mass_ratio",
    "fit_truth_density",
    "learn_classifier",
    "log_likelihoods",
    "log_ratios",
    "mass_knots",
    "quadrature_nodes",
]
