"""Quantities by name: fixed numbers, and what the conditioned ones of a muon pair are made for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from laws import examples
from nets.samples import collection, muon_pairs
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.nets import DimuonHybrid, InvariantNetwork
from zmumu_hybrid.nets.conditioned import Z_MASS, MuonPair
from zmumu_hybrid.nets.names import (
    CONDITIONED_EVENT,
    CONDITIONED_INVARIANTS,
    CONDITIONED_PARTICLE,
    PAIR_INVARIANTS,
    check_name,
)
from zmumu_hybrid.nets.variables import evaluate, pair_invariants, pair_places
from zmumu_hybrid.physics.kinematics import rotation_matrix

MUON = 0.1056583745
TWO_PAIRS = torch.tensor(
    [
        [[50.0, 30.0, 20.0, -25.0], [60.0, -28.0, -16.0, 45.0]],
        [[150.0, 8.0, -40.0, 140.0], [45.0, -6.0, 44.0, -5.0]],
    ],
    dtype=torch.float64,
)
BY_MUON = {
    "log_pt": [[3.58505977172, 3.70848981069], [3.47348799607, 3.79340176758]],
    "peak_pt": [[-0.766185761577, -0.514625298943], [-0.857687419816, -0.146719038606]],
    "charge": [[1.0, 1.0], [-1.0, -1.0]],
    "balanced_eta": [[0.676867912698, 1.90360453887], [1.08668501781, 0.116894444224]],
}
BY_EVENT = {
    "mass_peak": [0.883671412047, 0.979101912341],
    "mass_tail": [1.51811368631, 3.18545446158],
    "log_pt_plus": [3.58505977172, 3.70848981069],
    "log_pt_minus": [3.47348799607, 3.79340176758],
    "peak_pt_plus": [-0.766185761577, -0.514625298943],
    "peak_pt_minus": [-0.857687419816, -0.146719038606],
    "log_balanced_pt": [3.53392991767, 3.75364550117],
    "log_balanced_mass": [4.68201044957, 4.93495818532],
    "balanced_peak": [0.982438023466, 0.995335194621],
    "balanced_tail": [3.35769172598, 4.67689711135],
    "response": [0.407762362379, 0.542856155375],
    "abs_rapidity": [0.18416474394, 0.860540763632],
    "edge": [-0.997506179833, -0.986232351214],
    "pt(0)": [36.0555127546, 40.7921561087],
    "pz(all)": [20.0, 135.0],
    "energy(0-1)": [-10.0, 105.0],
    "eta(0+1)": [2.20328524654, 4.10083005781],
    "mass(all)": [108.074048689, 140.641387934],
    "mass(1)": [23.1300670124, 5.29150262213],
    "ht": [68.3045437478, 85.1993627311],
    "count": [2.0, 2.0],
    "m2(all)": [11680.0, 19780.0],
    "m2(0-1)": [-9460.0, -17252.0],
    "dot(0,1)": [5285.0, 9258.0],
    "m2(1)": [535.0, 28.0],
    "dot(0+1,0)": [5860.0, 10494.0],
}


def test_fixed_numbers() -> None:
    """As the quantities had them when they were written for numpy, torch and ONNX alike."""
    assert set(CONDITIONED_EVENT) < set(BY_EVENT)
    assert set(CONDITIONED_PARTICLE) == set(BY_MUON)
    found = evaluate(list(BY_EVENT), TWO_PAIRS)
    for column, (name, expected) in enumerate(BY_EVENT.items()):
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-11, err_msg=name)
    pair = MuonPair(TWO_PAIRS)
    for name, by_muon in BY_MUON.items():
        np.testing.assert_allclose(torch.stack(pair.particle(name)), by_muon, rtol=1e-11, err_msg=name)
    for name in CONDITIONED_EVENT:
        for value in pair.particle(name):
            np.testing.assert_allclose(value, BY_EVENT[name], rtol=1e-11, err_msg=name)


def test_every_pair_of_particles_has_its_invariants() -> None:
    p4 = collection(5, 4)["p4"]
    found = pair_invariants(p4, PAIR_INVARIANTS)
    places = list(zip(*pair_places(4), strict=True))
    assert places == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for place, (i, j) in enumerate(places):
        expected = evaluate([f"dot({i},{j})", f"m2({i}+{j})", f"m2({i}-{j})"], p4)
        torch.testing.assert_close(found[:, place], expected)


def muon(pt: float, eta: float, phi: float) -> list[float]:
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return [float(np.sqrt(px**2 + py**2 + pz**2 + MUON**2)), px, py, pz]


def pair_of(first: list[float], second: list[float]) -> Tensor:
    return torch.tensor([[first, second]], dtype=torch.float64)


def value(name: str, p4: Tensor) -> float:
    return float(evaluate([name], p4))


@given(
    pt=st.floats(10, 300),
    eta=st.floats(-2.5, 2.5),
    other=st.floats(-2.5, 2.5),
    phi=st.floats(0, 6.3),
    turn=st.floats(0, 6.3),
    factors=st.tuples(st.floats(0.7, 1.3), st.floats(0.7, 1.3)),
)
@examples(50)
def test_a_balanced_pair_is_its_own_fit(
    pt: float, eta: float, other: float, phi: float, turn: float, factors: tuple[float, float]
) -> None:
    """Without smearing the fit changes nothing; azimuth and the direction of the beam never do."""
    true = pair_of(muon(pt, eta, phi), muon(pt, other, phi + np.pi))
    mass = float(np.sqrt(2 * pt**2 * (np.cosh(eta - other) + 1)))
    assert np.exp(value("log_balanced_mass", true)) == pytest.approx(mass, rel=1e-3)
    assert np.exp(value("log_balanced_pt", true)) == pytest.approx(pt, rel=1e-6)
    found = [float(each) for each in MuonPair(true).particle("balanced_eta")]
    assert found == pytest.approx([abs(eta), abs(other)], rel=1e-6, abs=1e-6)
    smeared = true.clone()
    smeared[..., 1:3] *= torch.tensor(factors).reshape(1, 2, 1)
    smeared[..., 0] = (smeared[..., 1:].square().sum(-1) + MUON**2).sqrt()
    turned = smeared @ smeared.new_tensor(rotation_matrix([0, 0, 1], turn).T)
    turned[..., 3] *= -1
    before, after = (evaluate(CONDITIONED_EVENT, p4) for p4 in (smeared, turned))
    torch.testing.assert_close(before, after, rtol=1e-6, atol=1e-6)


def test_the_response_is_the_derivative_of_the_balanced_mass() -> None:
    def at(pt: float) -> Tensor:
        return pair_of(*([float(np.hypot(np.hypot(pt, pz), MUON)), px, 0.0, pz] for px, pz in ((pt, 70.0), (-pt, -20))))

    step = 1e-4
    masses = [value("log_balanced_mass", at(40 * factor)) for factor in (1 + step, 1 - step)]
    assert value("response", at(40.0)) == pytest.approx((masses[0] - masses[1]) / (2 * step), rel=1e-5)
    assert value("response", pair_of(muon(45, 0, 0), muon(45, 0, np.pi))) == pytest.approx(1, rel=1e-4)


def test_all_are_of_order_one_and_centred_on_the_physics() -> None:
    rng = np.random.default_rng(0)
    pt, eta = rng.uniform(8, 300, (1000, 2)), rng.uniform(-2.8, 2.8, (1000, 2))
    pz = pt * np.sinh(eta)
    p4 = torch.from_numpy(np.stack([np.sqrt(pt**2 + pz**2 + MUON**2), pt * [1, -1], 0 * pt, pz], -1))
    for name in (*CONDITIONED_PARTICLE, *CONDITIONED_EVENT):
        assert torch.stack(MuonPair(p4).particle(name)).abs().max() < 12, name
    at_the_z = pair_of(muon(Z_MASS / 2, 0, 0), muon(Z_MASS / 2, 0, np.pi))
    for name in (*CONDITIONED_INVARIANTS, "peak_pt_plus", "peak_pt_minus", "balanced_peak", "balanced_tail"):
        assert value(name, at_the_z) == pytest.approx(0, abs=1e-3), name
    assert value("edge", pair_of(muon(20, 2.5, 0), muon(20, 0, np.pi))) == pytest.approx(0, abs=1e-4)


def test_padding_counts_as_nothing() -> None:
    p4, mask = (collection(20)[name] for name in ("p4", "mask"))
    found = evaluate(["count", "ht", "energy(all)", "eta(5)"], p4)
    assert found.isfinite().all()
    assert found[:, 0].tolist() == mask.sum(1).tolist()
    torch.testing.assert_close(found[:, 2], p4[..., 0].sum(1))


@pytest.mark.parametrize(
    ("name", "particles", "invariant", "message"),
    [
        ("m3(all)", 6, True, r"'m3\(all\)' is no invariant: write m2\(all\)"),
        ("__import__('os')", 6, True, "is no invariant"),
        ("pt(0)", 6, True, "is no invariant"),
        (3, 6, True, "3 is no invariant"),
        ("m2(0+6)", 6, True, "there is no particle 6, only 0 to 5"),
        ("dot(0+0,1)", 6, True, "particle 0 is there twice"),
        ("met", 6, False, r"'met' is no context variable: write pt\(0\)"),
        ("m2(all)", 6, False, "is no context variable"),
        ("pt(2)", 2, False, "there is no particle 2, only 0 to 1"),
        ("edge", 3, False, "is a quantity of two muons, not of 3 particles"),
    ],
)
def test_names_that_mean_nothing_are_refused(name: object, particles: int, invariant: bool, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_name(name, particles, invariant=invariant)


def test_observables_are_what_a_network_reads_in_its_units() -> None:
    found = DimuonHybrid().observables(TWO_PAIRS)
    assert set(found) == {"m2(all)", "dot(0,1)", "pt(0)", "pt", "eta", "energy"}
    for name in ("m2(all)", "dot(0,1)", "pt(0)"):
        np.testing.assert_allclose(found[name][:, 0], BY_EVENT[name], rtol=1e-11)
    np.testing.assert_allclose(found["pt"].log(), np.transpose(BY_MUON["log_pt"]), rtol=1e-11)
    assert set(InvariantNetwork().observables(TWO_PAIRS)) == {"m2(all)", "dot(0,1)"}


def test_inputs_are_standardised_with_the_training_events() -> None:
    p4 = muon_pairs(500)
    net = DimuonHybrid.tuned().double()
    features = net.features(p4)
    before = net(p4)
    net.standardise(features)
    assert not torch.equal(net(p4), before)
    for name, standard in net.standard.items():
        values = standard(features[name]).flatten(0, -2)
        torch.testing.assert_close(values.mean(0), torch.zeros_like(values[0]), rtol=0, atol=1e-9)
        torch.testing.assert_close(values.std(0, correction=0), torch.ones_like(values[0]), rtol=0, atol=1e-9)
    same = net.features(p4[:1].expand(7, 2, 4))
    net.standardise(same)
    assert net.classify(same).isfinite().all()  # what does not vary keeps its size
