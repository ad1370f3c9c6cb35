from __future__ import annotations

from itertools import pairwise

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from laws import examples
from toys import toy_pairs
from zmumu_hybrid.draws import keys
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.physics import kinematics
from zmumu_hybrid.physics.pair_arrays import FlatPairs
from zmumu_hybrid.physics.smearing import SmearingConfig, count_negative_pt, draws, smear, smear_components

PAIRS = toy_pairs(300)
TOYS = toy_pairs(20_000, seed=5)
MODES = ("independent", "shared", "none")
configs = st.builds(
    SmearingConfig,
    mode=st.sampled_from(MODES),
    hold=st.sampled_from(["pz", "eta"]),
    width=st.floats(0, 0.5),
    seed=st.integers(0, 2**40),
)


def columns(pairs: ak.Array) -> np.ndarray:
    return np.array([ak.to_numpy(pairs[side, c]) for side in ("plus", "minus") for c in ("px", "py", "pz", "mass")])


def pulls(pairs: ak.Array, smeared: ak.Array, width: float) -> list[np.ndarray]:
    sides = ((pairs.plus, smeared.plus), (pairs.minus, smeared.minus))
    return [ak.to_numpy((after.pt - before.pt) / (width * before.pt)) for before, after in sides]


def test_the_pull_of_a_million_muons_is_a_standard_normal_and_those_of_an_event_are_independent() -> None:
    pairs = toy_pairs(500_000, seed=3)
    plus, minus = pulls(pairs, smear(pairs, SmearingConfig(seed=1), "signal"), 0.1)
    assert kstest(np.concatenate([plus, minus]), "norm").pvalue > 1e-3
    assert kstest((plus + minus) / np.sqrt(2), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(plus, minus)[0, 1]) < 5 / np.sqrt(len(plus))
    assert abs(np.corrcoef(plus**2, minus**2)[0, 1]) < 5 / np.sqrt(len(plus))
    assert np.all(plus != minus)


@given(st.lists(st.integers(0, 300), max_size=6), st.permutations(range(6)), configs)
@examples(50)
def test_the_values_do_not_depend_on_chunks_or_their_order(
    cuts: list[int], order: list[int], config: SmearingConfig
) -> None:
    edges = [0, *sorted(cuts), 300]
    chunks = [slice(a, b) for a, b in pairwise(edges)]
    chunks = [chunks[i] for i in order if i < len(chunks)] + chunks[6:]
    whole = columns(smear(PAIRS, config, "signal"))
    for chunk in chunks:
        np.testing.assert_array_equal(columns(smear(PAIRS[chunk], config, "signal")), whole[:, chunk])


@given(configs)
@examples(50)
def test_what_is_held_is_held(config: SmearingConfig) -> None:
    smeared = smear(PAIRS, config, "signal")
    for before, after in ((PAIRS.plus, smeared.plus), (PAIRS.minus, smeared.minus)):
        forward = ak.to_numpy(before.px * after.px + before.py * after.py) > 0
        turn = np.where(forward, 0, np.pi)
        np.testing.assert_allclose(np.cos(after.phi - before.phi - turn), 1, rtol=1e-13)
        np.testing.assert_array_equal(after.mass, before.mass)
        if config.hold == "pz":
            np.testing.assert_array_equal(after.pz, before.pz)
        else:
            np.testing.assert_allclose(after.eta, before.eta, rtol=1e-12, atol=1e-12)
        shell = after.E**2 - after.px**2 - after.py**2 - after.pz**2 - after.mass**2
        np.testing.assert_allclose(shell / after.E**2, 0, atol=1e-14)
    turned = sum(int((1 + config.width * z < 0).sum()) for z in draws_of(config))
    assert count_negative_pt(FlatPairs.of(PAIRS), FlatPairs.of(smeared)) == turned


def draws_of(config: SmearingConfig) -> tuple[np.ndarray, np.ndarray]:
    return draws({name: ak.to_numpy(PAIRS[name]) for name in ("run", "luminosityBlock", "event")}, config, "signal")


def test_shared_draws_are_the_first_muons_and_independent_ones_never_equal() -> None:
    independent = draws_of(SmearingConfig())
    shared = draws_of(SmearingConfig(mode="shared"))
    np.testing.assert_array_equal(shared[0], independent[0])
    np.testing.assert_array_equal(shared[1], independent[0])
    assert np.all(independent[0] != independent[1])
    plus, minus = pulls(PAIRS, smear(PAIRS, SmearingConfig(mode="shared"), "signal"), 0.1)
    np.testing.assert_allclose(plus, minus, atol=1e-12)


def test_draws_depend_on_every_part_of_the_key() -> None:
    identity = {name: ak.to_numpy(PAIRS[name]) for name in ("run", "luminosityBlock", "event")}
    reference = draws(identity, SmearingConfig(), "signal")[0]
    others = [draws(identity, SmearingConfig(seed=1), "signal")[0], draws(identity, SmearingConfig(), "background")[0]]
    others += [draws({**identity, name: identity[name] + 1}, SmearingConfig(), "signal")[0] for name in identity]
    for other in others:
        assert np.all(other != reference)


def test_no_smearing_returns_the_same_values_bit_for_bit() -> None:
    np.testing.assert_array_equal(columns(smear(PAIRS, SmearingConfig(mode="none"), "signal")), columns(PAIRS))
    np.testing.assert_array_equal(draws_of(SmearingConfig(mode="none")), 0)
    zero = smear(PAIRS, SmearingConfig(width=0.0), "signal")
    np.testing.assert_array_equal(columns(zero), columns(PAIRS))


def test_the_given_pairs_stay_as_they_are() -> None:
    before = columns(PAIRS)
    smeared = smear(PAIRS, SmearingConfig(), "signal")
    np.testing.assert_array_equal(columns(PAIRS), before)
    assert smeared.type == PAIRS.type
    for name in ("run", "luminosityBlock", "event", "gen_weight"):
        np.testing.assert_array_equal(smeared[name], PAIRS[name])


@pytest.mark.parametrize("hold", ["pz", "eta"])
def test_a_negative_transverse_momentum_turns_round(hold: str) -> None:
    px, py, pz, mass = np.array([[30.0], [40.0], [-20.0], [0.1]])
    x, y, z, e = smear_components(px, py, pz, mass, np.array([-12.0]), 0.1, hold)
    np.testing.assert_allclose((x, y), ([-6.0], [-8.0]))
    assert z == pytest.approx(-20.0 if hold == "pz" else -4.0)
    np.testing.assert_array_equal(e, kinematics.energy(x, y, z, mass))


def test_broad_smearing_reverses_the_tail() -> None:
    pairs = toy_pairs(20_000)
    smeared = smear(pairs, SmearingConfig(width=0.5), "signal")
    assert count_negative_pt(FlatPairs.of(pairs), FlatPairs.of(smeared)) == pytest.approx(40_000 * 0.02275, abs=4 * 30)
    assert count_negative_pt(FlatPairs.of(pairs), FlatPairs.of(smear(pairs, SmearingConfig(), "signal"))) == 0


def test_an_empty_chunk_is_smeared_to_an_empty_one() -> None:
    for mode in MODES:
        smeared = smear(PAIRS[:0], SmearingConfig(mode=mode), "signal")
        assert len(smeared) == 0
        assert smeared.type.content == PAIRS.type.content


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "twice"}, "smearing 'twice': use one of independent, shared, none"),
        ({"hold": "phi"}, "hold 'phi': use one of pz, eta"),
        ({"width": -0.1}, "width of the smearing must be a finite number at least 0, not -0.1"),
        ({"width": float("nan")}, "width of the smearing must be .* not nan"),
    ],
)
def test_unusable_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SmearingConfig(**options)


def width_by_slice(config: SmearingConfig) -> list[float]:
    """Interquartile range / 1.349 (GeV) of the smeared mass for smeared pT of the mu+ below 30, 30-40, above 40 GeV."""
    smeared = smear(TOYS, config, "signal")
    mass, pt = (smeared.plus + smeared.minus).mass.to_numpy(), smeared.plus.pt.to_numpy()
    slices = [pt < 30, (pt >= 30) & (pt < 40), pt >= 40]
    return [float(np.subtract(*np.quantile(mass[rows], [0.75, 0.25])) / 1.349) for rows in slices]


def test_the_mass_width_grows_with_pt_only_if_pz_is_held() -> None:
    low, middle, high = width_by_slice(SmearingConfig())
    assert low == pytest.approx(4.0, abs=0.5)
    assert middle == pytest.approx(6.5, abs=0.5)
    assert high == pytest.approx(6.5, abs=0.5)
    low, middle, high = width_by_slice(SmearingConfig(hold="eta"))
    assert max(low, middle, high) - min(low, middle, high) < 1.0


@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 2**64 - 1), max_size=9))
def test_draws_are_those_of_the_keys(seed: int, events: list[int]) -> None:
    identity = {
        "run": np.arange(len(events), dtype=np.uint32),
        "luminosityBlock": np.full(len(events), 2**32 - 1, np.uint32),
        "event": np.array(events, np.uint64),
    }
    for slot, drawn in enumerate(draws(identity, SmearingConfig(seed=seed), "signal")):
        expected = keys.normal(seed, "smear", "signal", *identity.values(), slot)
        assert drawn.tobytes() == expected.tobytes()


def test_settings_are_those_of_a_configuration() -> None:
    config = SmearingConfig("shared", "eta", 0.2, 4)
    expected = columns(smear(PAIRS, config, "data"))
    np.testing.assert_array_equal(columns(smear(PAIRS, mode="shared", hold="eta", width=0.2, seed=4)), expected)
    np.testing.assert_array_equal(
        columns(smear(PAIRS, SmearingConfig("shared"), hold="eta", width=0.2, seed=4)), expected
    )
    with pytest.raises(ConfigurationError, match="width of the smearing must be"):
        smear(PAIRS, width=-0.1)
    with pytest.raises(TypeError, match="sigma"):
        smear(PAIRS, sigma=0.1)
