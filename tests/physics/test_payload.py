from __future__ import annotations

import gzip
import json
import math
import warnings
from pathlib import Path

import awkward as ak
import correctionlib
import correctionlib.schemav2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from commands import zmumu
from laws import examples
from toys import toy_identity, toy_pairs
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.physics.smearing import SmearingConfig, correctionlib_key, draws, smear
from zmumu_hybrid.physics.smearing_payload import make_payload, write_payload

MODES = ("independent", "shared")
LAST_DIGITS = 4 * np.finfo(np.float64).eps
identities = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)), min_size=1, max_size=30
)
configs = st.builds(
    SmearingConfig,
    mode=st.sampled_from(MODES),
    width=st.floats(0, 0.5),
    seed=st.integers(0, 2**63 - 1),
    draws=st.just("correctionlib"),
)


def columns(rows: list[tuple[int, int, int]]) -> dict[str, np.ndarray]:
    run, luminosity_block, event = zip(*rows, strict=True)
    return {
        "run": np.array(run, np.uint32),
        "luminosityBlock": np.array(luminosity_block, np.uint32),
        "event": np.array(event, np.uint64),
    }


def test_names_that_are_no_text_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    output = tmp_path / "smearing.json"
    done = zmumu("export-smearing", "--dataset", "signal", "a\udcff", "--output", output)
    assert isinstance(done.exception, ConfigurationError)
    assert str(done.exception) == "name of a data set must be text in UTF-8, not 'a\\udcff'"
    assert not output.exists()


def read(config: SmearingConfig, **options: object) -> correctionlib.CorrectionSet:
    return correctionlib.CorrectionSet.from_string(json.dumps(make_payload(config, ["signal", "data: 2"], **options)))


@given(identities, configs, st.sampled_from(["signal", "data: 2"]))
@examples(60)
def test_correctionlib_draws_what_the_smearing_draws(
    rows: list[tuple[int, int, int]], config: SmearingConfig, dataset: str
) -> None:
    identity = columns(rows)
    payload = read(config)
    for muon, ours in enumerate(draws(identity, config, dataset)):
        theirs = payload["draw"].evaluate(dataset, *identity.values(), muon)
        np.testing.assert_allclose(theirs, ours, rtol=LAST_DIGITS, atol=0)
        scale = payload["scale"].evaluate(dataset, *identity.values(), muon, 30.0, "nominal")
        np.testing.assert_allclose(scale, 1 + config.width * ours, rtol=LAST_DIGITS, atol=LAST_DIGITS)


@pytest.mark.parametrize("mode", MODES)
def test_correctionlib_smears_as_smear_does(mode: str) -> None:
    pairs = toy_pairs(2000, seed=4)
    config = SmearingConfig(mode, width=0.1, seed=7, draws="correctionlib")
    smeared = smear(pairs, config, "signal")
    payload = read(config, widths={"nominal": 0.1, "widthUp": 0.11, "off": 0.0})
    identity = [ak.to_numpy(pairs[name]) for name in ("run", "luminosityBlock", "event")]
    for muon, side in enumerate(("plus", "minus")):
        pt = np.hypot(ak.to_numpy(pairs[side].px), ak.to_numpy(pairs[side].py))
        found = payload.compound["smeared_pt"].evaluate("signal", *identity, muon, pt, "nominal")
        np.testing.assert_allclose(found, ak.to_numpy(smeared[side].pt), rtol=1e-15, atol=0)
        off = payload.compound["smeared_pt"].evaluate("signal", *identity, muon, pt, "off")
        np.testing.assert_array_equal(off, pt)
        up = payload["scale"].evaluate("signal", *identity, muon, pt, "widthUp")
        z = payload["draw"].evaluate("signal", *identity, muon)
        np.testing.assert_allclose(up, 1 + 0.11 * z, rtol=1e-15)


def test_the_uniform_part_is_the_same_integer_by_integer() -> None:
    identity = toy_identity(1000, seed=3)
    config = SmearingConfig(seed=3, draws="correctionlib")
    key = correctionlib_key(config, "signal", 1)
    assert 0 <= key < 2**48
    ours = draws(identity, config, "signal")[1]
    for row in range(len(ours)):
        words = [int(values[row]) for values in identity.values()]
        assert math.isclose(ours[row], reference([*words, key]), rel_tol=LAST_DIGITS)


def reference(words: list[int]) -> float:
    """The definition again, in integers without end: XXH64, PCG-XSH-RR and the polar method."""
    mask = 2**64 - 1
    p1, p2, p3, p4 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63

    def turn(x: int, bits: int, size: int = 64) -> int:
        return ((x << bits) | (x >> (size - bits))) & (2**size - 1)

    starts = (p1 + p2, p2, 0, -p1)
    lanes = [turn((start + word * p2) & mask, 31) * p1 & mask for start, word in zip(starts, words, strict=True)]
    state = sum(turn(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & mask
    for lane in lanes:
        state = ((state ^ (turn(lane * p2 & mask, 31) * p1 & mask)) * p1 + p4) & mask
    state = state + 32 & mask
    state = (state ^ state >> 33) * p2 & mask
    state = (state ^ state >> 29) * p3 & mask
    state ^= state >> 32

    factor, increment = 6364136223846793005, 1442695040888963407
    state = ((state + increment) * factor + increment) & mask

    def word() -> int:
        nonlocal state
        old, state = state, (state * factor + increment) & mask
        return turn(((old >> 18 ^ old) >> 27) & (2**32 - 1), -(old >> 59) % 32, 32)

    while True:
        u, v = word() * 2.0**-31 - 1, word() * 2.0**-31 - 1
        if 0 < (square := u * u + v * v) < 1:
            return u * math.sqrt(-2 * math.log(square) / square)


def test_the_draws_are_standard_normal_and_independent() -> None:
    plus, minus = draws(toy_identity(200_000, seed=1), SmearingConfig(draws="correctionlib"), "signal")
    assert kstest(plus, "norm").pvalue > 1e-3
    assert kstest((plus + minus) / np.sqrt(2), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(plus, minus)[0, 1]) < 5 / np.sqrt(len(plus))


def test_a_payload_is_valid_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    config = SmearingConfig(draws="correctionlib")
    first = write_payload(tmp_path / "a.json.gz", config, ["signal"])
    second = write_payload(tmp_path / "b.json.gz", config, ["signal"])
    assert first.read_bytes() == second.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        held = correctionlib.schemav2.CorrectionSet.model_validate_json(gzip.decompress(first.read_bytes()))
    assert [each.name for each in held.corrections] == ["draw", "scale", "value"]
    assert list(correctionlib.CorrectionSet.from_file(str(first))) == ["draw", "scale", "value"]


@pytest.mark.parametrize(
    ("config", "datasets", "widths", "said"),
    [
        (SmearingConfig(), ["a"], None, "draws 'splitmix64'"),
        (SmearingConfig("none", draws="correctionlib"), ["a"], None, "smearing 'none'"),
        (SmearingConfig(draws="correctionlib"), [], None, "name at least one"),
        (SmearingConfig(draws="correctionlib"), ["a", "a"], None, "each once"),
        (SmearingConfig(draws="correctionlib"), ["a"], {"up": -1.0}, "width -1.0 of 'up'"),
    ],
)
def test_what_a_payload_cannot_express_is_refused(
    config: SmearingConfig, datasets: list[str], widths: dict[str, float] | None, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make_payload(config, datasets, widths)


def test_unknown_draws_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="draws 'mt19937': use one of splitmix64, correctionlib"):
        SmearingConfig(draws="mt19937")  # type: ignore[arg-type]


def test_the_command_writes_a_payload_with_the_variations_of_the_analysis(tmp_path: Path) -> None:
    output = tmp_path / "smearing.json.gz"
    outcome = zmumu("export-smearing", "-o", output, "--dataset", "signal", "dy", "--seed", 4)
    assert outcome.exit_code == 0, outcome.output
    assert "signal, dy; systematics nominal, widthUp, widthDown, off" in " ".join(outcome.output.split())
    payload = correctionlib.CorrectionSet.from_file(str(output))
    identity = toy_identity(5)
    ours = draws(identity, SmearingConfig(seed=4, draws="correctionlib"), "dy")[0]
    theirs = payload["scale"].evaluate("dy", *identity.values(), 0, 25.0, "widthDown")
    np.testing.assert_allclose(theirs, 1 + 0.09 * ours, rtol=1e-15)
