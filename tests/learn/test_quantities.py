from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.learn import ModelConfig
from zmumu_hybrid.learn.quantities import EVENT, INVARIANTS, PARTICLE, Z_MASS, PairQuantities
from zmumu_hybrid.learn.variables import context_values, parse_context

MUON = 0.1056583745


def muon(pt: float, eta: float, phi: float) -> list[float]:
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return [float(np.sqrt(px**2 + py**2 + pz**2 + MUON**2)), px, py, pz]


def pair(first: list[float], second: list[float]) -> PairQuantities:
    return PairQuantities(first, second, np.sqrt, np.log)


@given(
    pt=st.floats(10, 300),
    eta=st.floats(-2.5, 2.5),
    other=st.floats(-2.5, 2.5),
    phi=st.floats(0, 6.3),
    turn=st.floats(0, 6.3),
    factors=st.tuples(st.floats(0.7, 1.3), st.floats(0.7, 1.3)),
)
def test_a_balanced_pair_is_its_own_fit(
    pt: float, eta: float, other: float, phi: float, turn: float, factors: tuple[float, float]
) -> None:
    """Without smearing the fit changes nothing; azimuth and the direction of the beam never do."""
    true = pair(muon(pt, eta, phi), muon(pt, other, phi + np.pi))
    mass = float(np.sqrt(2 * pt**2 * (np.cosh(eta - other) + 1)))
    assert np.exp(true.event("log_balanced_mass")) == pytest.approx(mass, rel=1e-3)
    assert np.exp(true.event("log_balanced_pt")) == pytest.approx(pt, rel=1e-6)
    assert true.particle("balanced_eta") == pytest.approx((abs(eta), abs(other)), rel=1e-6, abs=1e-6)
    scaled = [
        [energy, px * factor, py * factor, pz]
        for (energy, px, py, pz), factor in zip(
            (muon(pt, eta, phi), muon(pt, other, phi + np.pi)), factors, strict=True
        )
    ]
    for values in scaled:
        values[0] = float(np.sqrt(sum(x * x for x in values[1:]) + MUON**2))
    turned = []
    for energy, px, py, pz in scaled:
        c, s = np.cos(turn), np.sin(turn)
        turned.append([energy, px * c - py * s, px * s + py * c, -pz])
    for name in EVENT:
        assert pair(*turned).event(name) == pytest.approx(pair(*scaled).event(name), rel=1e-6, abs=1e-6), name


def test_the_response_is_the_derivative_of_the_balanced_mass() -> None:
    def at(pt: float) -> PairQuantities:
        return pair(*([float(np.hypot(np.hypot(pt, pz), MUON)), px, 0.0, pz] for px, pz in ((pt, 70.0), (-pt, -20.0))))

    step = 1e-4
    slope = (at(40 * (1 + step)).event("log_balanced_mass") - at(40 * (1 - step)).event("log_balanced_mass")) / (
        2 * step
    )
    assert at(40.0).event("response") == pytest.approx(slope, rel=1e-5)
    assert pair(muon(45, 0, 0), muon(45, 0, np.pi)).event("response") == pytest.approx(1, rel=1e-4)


def test_all_are_of_order_one_and_centred_on_the_physics() -> None:
    rng = np.random.default_rng(0)
    pt, eta = rng.uniform(8, 300, (2, 1000)), rng.uniform(-2.8, 2.8, (2, 1000))
    pz = pt * np.sinh(eta)
    momenta = [[np.sqrt(p**2 + z**2 + MUON**2), sign * p, 0 * p, z] for p, z, sign in zip(pt, pz, (1, -1), strict=True)]
    drawn = PairQuantities(*momenta, np.sqrt, np.log)
    for name in (*PARTICLE, *EVENT):
        assert np.abs(drawn.particle(name)).max() < 12, name
    at_the_z = pair(muon(Z_MASS / 2, 0, 0), muon(Z_MASS / 2, 0, np.pi))
    for name in (*INVARIANTS, "peak_pt_plus", "peak_pt_minus", "balanced_peak", "balanced_tail"):
        assert at_the_z.event(name) == pytest.approx(0, abs=1e-3), name
    assert at_the_z.particle("charge") == (1, -1)
    assert pair(muon(20, 2.5, 0), muon(20, 0, np.pi)).event("edge") == pytest.approx(0, abs=1e-4)


def test_numpy_and_torch_agree_and_other_events_have_none() -> None:
    rng = np.random.default_rng(1)
    p4 = rng.normal(0, 40, (50, 2, 4))
    p4[..., 0] = np.sqrt((p4[..., 1:] ** 2).sum(-1) + MUON**2)
    from zmumu_hybrid.learn.features import context_of

    variables = [parse_context(name, 2) for name in EVENT]
    np.testing.assert_allclose(context_values(p4, variables), context_of(torch.from_numpy(p4), variables), rtol=1e-12)
    with pytest.raises(ConfigurationError, match="is a quantity of two muons, not of 3 particles"):
        parse_context("edge", 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"particle_features": ("pt",)}, "every one of particle_features must be one of log_pt"),
        ({"particle_features": ()}, "particle_features is empty"),
        ({"invariant_features": ("edge",)}, "every one of invariant_features must be one of mass_peak, mass_tail"),
        ({"standardised": True, "masked": True}, "standardised is for a pair of particles without mask"),
        ({"particle_features": ("log_pt",), "labels": 1}, "particle_features is for a pair of particles"),
        ({"standardised": 1}, "standardised must be true or false"),
        ({"activation": "tanh"}, "activation must be one of relu, silu"),
    ],
)
def test_unusable_descriptions_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ModelConfig("pfn", (8,), classifier=(8,), **options)  # type: ignore[arg-type]
