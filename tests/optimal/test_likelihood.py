from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import drellyan
from laws import examples
from toys import MUON_MASS
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.optimal import MeasuredPairs, TruthCuts, TruthDensity, log_likelihoods
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.physics.smearing import SmearingConfig, smear_components

CUTS = TruthCuts(drellyan.PT, drellyan.ETA, drellyan.MASS)


def smooth(power: float, tilt: float, cuts: TruthCuts = CUTS) -> TruthDensity:
    """A density with a power law in mass and a slope in rapidity and angle."""
    log_mass = np.linspace(np.log(60), np.log(3000), 1 << 12)
    shape = np.array([[tilt, 0.1], [-tilt, 0.0], [0.0, 0.0]])
    return TruthDensity(cuts, log_mass, power * log_mass, shape, 0.5 * shape, 0)


DENSITIES = [smooth(-3.0, 0.4), smooth(-5.0, -1.0)]


def measured(events: int, smearing: SmearingConfig, seed: int = 0) -> tuple[MeasuredPairs, dict[str, Floats]]:
    """Signal pairs, smeared with plain random numbers."""
    generator = np.random.default_rng([seed, 3])
    z = generator.normal(size=(2, events)) if smearing.mode != "none" else np.zeros((2, events))
    columns = {}
    for slot, p in enumerate(drellyan.muons(*drellyan.truth(1, events, seed), seed)):
        draw = z[0 if smearing.mode == "shared" else slot]
        values = smear_components(*p.T, draw, smearing.width, smearing.hold)
        columns |= dict(zip((f"{name}_{slot}" for name in ("px", "py", "pz", "energy")), values, strict=True))
    return MeasuredPairs.from_columns(columns, MUON_MASS), columns


def from_first_principles(densities: list[TruthDensity], pair: MeasuredPairs, smearing: SmearingConfig) -> Floats:
    """The integral over the true pT as the definition has it: literal Gaussians, cuts and a numerical Jacobian."""
    p0, p1, z0, z1 = (float(x[0]) for x in (pair.pt_0, pair.pt_1, pair.pz_0, pair.pz_1))
    x = np.linspace(1 / 3000, 1 / CUTS.pt, 40_001)
    pt = 1 / x
    if smearing.hold == "pz":
        held = np.stack([np.full_like(pt, z0), np.full_like(pt, z1)])
    else:
        held = np.stack([np.full_like(pt, np.arcsinh(z / abs(p))) for z, p in ((z0, p0), (z1, p1))])

    def variables(point: Floats) -> Floats:
        pz = point[1:] if smearing.hold == "pz" else point[0] * np.sinh(point[1:])
        e = np.sqrt(point[0] ** 2 + MUON_MASS**2 + pz**2)
        mass = np.sqrt(e.sum(axis=0) ** 2 - pz.sum(axis=0) ** 2)
        return np.stack([mass, np.arctanh(pz.sum(axis=0) / e.sum(axis=0)), 2 * (pz[0] * e[1] - pz[1] * e[0]) / mass**2])

    point = np.stack([pt, *held])
    columns = []
    for i in range(3):
        step = np.zeros_like(point)
        step[i] = 1e-5 * np.maximum(np.abs(point[i]), 1)
        columns.append((variables(point + step) - variables(point - step)) / (2 * step[i]))
    jacobian = np.abs(np.linalg.det(np.stack(columns).transpose(2, 0, 1)))
    at = variables(point)
    eta = np.abs(held if smearing.hold == "eta" else np.arcsinh(held / pt)).max(axis=0)
    inside = (at[0] > CUTS.mass) & (eta < CUTS.abs_eta * (1 + 1e-12))
    gauss = np.zeros_like(pt)
    for sign in (1, -1):
        each = np.exp(-0.5 * ((sign * p0 - pt) / (smearing.width * pt)) ** 2) / pt
        if smearing.mode == "independent":
            each *= np.exp(-0.5 * ((sign * p1 - pt) / (smearing.width * pt)) ** 2) / pt
        gauss += each
    return np.array([np.trapezoid(f(*at) * jacobian * gauss * inside * pt**2, x) for f in densities])


@pytest.mark.parametrize("width", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("hold", ["pz", "eta"])
@pytest.mark.parametrize("mode", ["independent", "shared"])
def test_the_integral_is_that_of_the_definition(mode: str, hold: str, width: float) -> None:
    smearing = SmearingConfig(mode, hold, width)
    pairs, _ = measured(8, smearing)
    literal = np.array([from_first_principles(DENSITIES, pairs[i : i + 1], smearing) for i in range(len(pairs))])
    ours = log_likelihoods(DENSITIES, pairs, smearing)
    difference = ours - np.log(literal)
    np.testing.assert_allclose(difference[:, 0], difference[:, 1], atol=2e-3)
    if hold == "pz":  # with eta held the Jacobian of the measurement, which classes share, is left out
        np.testing.assert_allclose(difference, difference[0, 0], atol=2e-3)


def test_muons_on_one_side_are_read_as_one_smeared_past_zero() -> None:
    smearing = SmearingConfig(width=0.3)
    pairs = MeasuredPairs(
        np.array([40.0, 3.0]), np.array([-3.0, -40.0]), np.array([5.0, 5.0]), np.array([9.0, 9.0]), MUON_MASS
    )
    literal = np.array([from_first_principles(DENSITIES, pairs[i : i + 1], smearing) for i in range(2)])
    ours = log_likelihoods(DENSITIES, pairs, smearing)
    np.testing.assert_allclose(ours[:, 0] - ours[:, 1], np.log(literal[:, 0] / literal[:, 1]), atol=1e-3)


@pytest.mark.parametrize("width", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("mode", ["independent", "shared"])
def test_the_default_nodes_are_enough_for_a_narrow_resonance(mode: str, width: float) -> None:
    smearing = SmearingConfig(mode, width=width)
    log_mass = np.linspace(np.log(70), np.log(3000), 1 << 14)
    resonance = TruthDensity(
        CUTS, log_mass, np.log(drellyan.density(1, np.exp(log_mass), 0, 0)), np.zeros((3, 2)), np.zeros((3, 2)), 0
    )
    pairs, _ = measured(300, smearing)
    few, many = (log_likelihoods([resonance], pairs, smearing, nodes=n) for n in (None, 1000))
    assert np.max(np.abs(few - many)) < 0.02


@pytest.mark.parametrize("hold", ["pz", "eta"])
def test_without_smearing_the_ratio_is_that_of_the_truth(hold: str) -> None:
    pairs, _ = measured(500, SmearingConfig("none"))
    mass, rapidity, cosine = drellyan.truth(1, 500)
    expected = np.log(DENSITIES[0](mass, rapidity, cosine) / DENSITIES[1](mass, rapidity, cosine))
    for smearing in (
        SmearingConfig("none", hold),
        SmearingConfig("independent", hold, 0.0),
        SmearingConfig("shared", hold, 0.0),
    ):
        found = log_likelihoods(DENSITIES, pairs, smearing)
        np.testing.assert_allclose(found[:, 0] - found[:, 1], expected, rtol=1e-6, atol=1e-9)
    for mode in ("independent", "shared"):
        found = log_likelihoods(DENSITIES, pairs, SmearingConfig(mode, hold, 1e-4))
        np.testing.assert_allclose(found[:, 0] - found[:, 1], expected, atol=2e-3)


@examples(20)
@given(angle=st.floats(0, 6.3), seed=st.integers(0, 1000))
def test_nothing_depends_on_azimuth_or_on_which_beam_comes_from_where(angle: float, seed: int) -> None:
    smearing = SmearingConfig()
    pairs, columns = measured(20, smearing, seed)
    turned = dict(columns)
    for slot in (0, 1):
        px, py = columns[f"px_{slot}"], columns[f"py_{slot}"]
        turned[f"px_{slot}"] = np.cos(angle) * px - np.sin(angle) * py
        turned[f"py_{slot}"] = np.sin(angle) * px + np.cos(angle) * py
        turned[f"pz_{slot}"] = -columns[f"pz_{slot}"]
    again = MeasuredPairs.from_columns(turned, MUON_MASS)
    np.testing.assert_allclose(
        log_likelihoods(DENSITIES, again, smearing), log_likelihoods(DENSITIES, pairs, smearing), rtol=1e-8
    )


def test_rows_are_worked_on_one_by_one_whatever_the_chunk() -> None:
    smearing = SmearingConfig()
    pairs, _ = measured(1000, smearing)
    done: list[float] = []
    whole = log_likelihoods(DENSITIES, pairs, smearing, advance=done.append)
    assert sum(done) == 1000
    assert len(done) > 1
    np.testing.assert_array_equal(whole[700:710], log_likelihoods(DENSITIES, pairs[700:710], smearing))
    assert log_likelihoods(DENSITIES, pairs[:0], smearing).shape == (0, 2)


def test_measurements_far_from_any_truth_have_a_finite_likelihood() -> None:
    pt = np.array([0.1, 1.0, 5000.0, 10.0])
    pairs = MeasuredPairs(pt, pt[::-1].copy(), np.array([0.0, 900.0, 1e4, -50.0]), np.zeros(4), MUON_MASS)
    for smearing in (SmearingConfig(), SmearingConfig("shared"), SmearingConfig(hold="eta"), SmearingConfig(width=0.3)):
        assert np.all(np.isfinite(log_likelihoods(DENSITIES, pairs, smearing)))


def test_densities_of_different_cuts_are_refused() -> None:
    pairs, _ = measured(2, SmearingConfig())
    with pytest.raises(ConfigurationError, match="learned with different cuts"):
        log_likelihoods([DENSITIES[0], smooth(-3, 0, TruthCuts(pt=20.0))], pairs, SmearingConfig())


def test_one_node_is_refused() -> None:
    pairs, _ = measured(2, SmearingConfig())
    with pytest.raises(ConfigurationError, match="1 nodes: at least two"):
        log_likelihoods(DENSITIES, pairs, SmearingConfig(), nodes=1)
