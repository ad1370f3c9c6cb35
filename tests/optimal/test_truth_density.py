from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drellyan
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.optimal import TruthCuts, TruthDensity, fit_truth_density, mass_knots

CUTS = TruthCuts(drellyan.PT, drellyan.ETA, drellyan.MASS)


def learn(events: int, seed: int = 0) -> list[TruthDensity]:
    samples = [drellyan.truth(label, events, seed) for label in (1, 0)]
    one = np.ones(events)
    knots = mass_knots([sample[0] for sample in samples], [one, one], CUTS.mass)
    return [fit_truth_density(*sample, one, knots, CUTS) for sample in samples]


@pytest.fixture(scope="module")
def learned() -> list[TruthDensity]:
    return learn(40_000)


@given(st.floats(70, 1000), st.floats(-2.6, 2.6), st.floats(-0.999, 0.999))
def test_the_limit_of_the_angle_is_where_a_muon_fails(mass: float, rapidity: float, cosine: float) -> None:
    plus, minus = drellyan.muons(*np.array([[mass], [rapidity], [cosine]]))
    pt = np.hypot(plus[0, 0], plus[0, 1])
    etas = [np.arcsinh(p[0, 2] / pt) for p in (plus, minus)]
    limit = CUTS.cosine_limit(np.array([mass]), np.array([rapidity]))[0]
    passes = pt > CUTS.pt and max(map(abs, etas)) < CUTS.abs_eta
    if abs(abs(cosine) - limit) > 1e-3:
        assert passes == (abs(cosine) < limit)


def test_the_tightest_cuts_around_a_sample() -> None:
    cuts = TruthCuts.around(np.array([30.0, 12.0]), np.array([-2.0, 1.0]), np.array([80.0, 91.0]))
    assert cuts == TruthCuts(pt=12.0, abs_eta=2.0, mass=80.0)


@pytest.mark.parametrize("label", [1, 0])
def test_the_density_is_the_one_that_events_were_drawn_from(learned: list[TruthDensity], label: int) -> None:
    sample = drellyan.truth(label, 20_000, seed=5)
    ratio = np.log(learned[1 - label](*sample) / drellyan.density(label, *sample))
    ratio -= np.median(ratio)
    assert np.quantile(np.abs(ratio), 0.9) < 0.1
    assert abs(np.mean(ratio)) < 0.01


@pytest.mark.parametrize("label", [1, 0])
def test_the_density_is_normalised(learned: list[TruthDensity], label: int) -> None:
    mass, rapidity, cosine = np.meshgrid(
        np.exp(np.linspace(np.log(70), np.log(3000), 1200)),
        np.linspace(-2.5, 2.5, 41),
        np.linspace(-1, 1, 81),
        indexing="ij",
    )
    f = learned[1 - label](mass, rapidity, cosine) * (np.abs(cosine) < CUTS.cosine_limit(mass, rapidity)) * mass
    spacing = (np.log(3000) - np.log(70)) / 1199 * 5 / 40 * 2 / 80
    assert f.sum() * spacing == pytest.approx(1, abs=0.01)


def test_the_density_is_alike_seen_from_either_beam(learned: list[TruthDensity]) -> None:
    mass, rapidity, cosine = drellyan.truth(1, 100)
    np.testing.assert_allclose(learned[0](mass, -rapidity, -cosine), learned[0](mass, rapidity, cosine), rtol=1e-12)
    assert np.any(np.abs(learned[0](mass, rapidity, -cosine) / learned[0](mass, rapidity, cosine) - 1) > 0.05)


def test_weights_count_as_events() -> None:
    mass, rapidity, cosine = drellyan.truth(1, 4000)
    one = np.ones(4000)
    knots = mass_knots([mass], [one], CUTS.mass)
    weight = np.where(rapidity > 0, 2.0, 1.0) * np.where(np.abs(rapidity) > 1, 3.0, 1.0)
    repeated = [np.repeat(x, weight.astype(int)) for x in (mass, rapidity, cosine)]
    weighted = fit_truth_density(mass, rapidity, cosine, weight, knots, CUTS)
    copied = fit_truth_density(*repeated, np.ones(len(repeated[0])), knots, CUTS)
    np.testing.assert_allclose(weighted.rapidity, copied.rapidity, rtol=0.05, atol=0.05)
    np.testing.assert_allclose(weighted.asymmetry, copied.asymmetry, rtol=1e-3, atol=1e-3)


def test_more_events_make_more_knots_and_they_rise() -> None:
    small, large = (mass_knots([drellyan.truth(1, n)[0]], [np.ones(n)]) for n in (500, 5000))
    assert len(small) < len(large)
    assert np.all(np.diff(large) > 0)


def test_too_few_events_are_refused() -> None:
    with pytest.raises(InputError, match="199 events are too few"):
        learn(199)


def test_events_outside_the_cuts_are_refused() -> None:
    mass, rapidity, cosine = drellyan.truth(1, 1000)
    knots = mass_knots([mass], [np.ones(1000)])
    with pytest.raises(InputError, match="of 1000 true pairs lie outside the cuts pT > 30 GeV"):
        fit_truth_density(mass, rapidity, cosine, np.ones(1000), knots, TruthCuts(pt=30.0))


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("name", ["pt", "abs_eta", "mass"])
def test_cuts_must_be_positive(name: str, bad: float) -> None:
    with pytest.raises(ConfigurationError, match=f"truth cuts: {name} is"):
        TruthCuts(**{name: bad})
