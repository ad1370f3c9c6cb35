from __future__ import annotations

import numpy as np
import pytest

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.metrics import weighted_auc
from zmumu_hybrid.optimal import fit_mass_ratio


def draw(events: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian logarithms of the mass, with means 4.5 and 4.6 and width 0.1: the log ratio is linear in log mass."""
    generator = np.random.default_rng(seed)
    return np.exp(generator.normal(4.6, 0.1, events)), np.exp(generator.normal(4.5, 0.1, events))


def test_the_ratio_of_known_densities_is_found() -> None:
    signal, background = draw(50_000, 1)
    one = np.ones(50_000)
    ratio = fit_mass_ratio(signal, background, one, one)
    at = np.linspace(4.35, 4.75, 50)
    np.testing.assert_allclose(ratio(np.exp(at)), 10 * (at - 4.55), atol=0.15)


def test_weights_stand_for_the_densities_and_their_total_does_not_matter() -> None:
    signal, background = draw(50_000, 2)
    one = np.ones(50_000)
    weight = 3 * np.exp(10 * (np.log(background) - 4.55))  # makes the background like the signal
    ratio = fit_mass_ratio(signal, background, one, weight)
    assert np.max(np.abs(ratio(np.exp(np.linspace(4.45, 4.75, 50))))) < 0.15


def test_it_is_the_best_function_of_the_mass() -> None:
    signal, background = draw(20_000, 3)
    ratio = fit_mass_ratio(signal, background, np.ones(20_000), np.ones(20_000))
    signal, background = draw(20_000, 4)
    mass, label = np.concatenate([signal, background]), np.repeat([1, 0], 20_000)
    assert weighted_auc(ratio(mass), label) == pytest.approx(weighted_auc(mass, label), abs=2e-4)


def test_masses_beyond_the_known_ones_have_the_ratio_of_the_end() -> None:
    signal, background = draw(1000, 5)
    ratio = fit_mass_ratio(signal, background, np.ones(1000), np.ones(1000))
    low, high = min(signal.min(), background.min()), max(signal.max(), background.max())
    np.testing.assert_array_equal(ratio(np.array([low / 2, high * 2])), ratio(np.array([low, high])))


def test_too_few_events_are_refused() -> None:
    signal, background = draw(300, 6)
    with pytest.raises(InputError, match="100 background events are too few"):
        fit_mass_ratio(signal, background, np.ones(300), np.where(np.arange(300) < 100, 1.0, 0.0))
