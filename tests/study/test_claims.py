from __future__ import annotations

import math

import pytest

from zmumu_hybrid.study.claims import difference, equality, judge, superiority


def test_difference_of_means_and_its_standard_deviation() -> None:
    value, uncertainty = difference([0.80, 0.82], [0.70, 0.74])
    assert value == pytest.approx(0.09)
    assert uncertainty == pytest.approx(math.sqrt(0.0002 / 2 + 0.0008 / 2))


def test_one_member_says_nothing_of_the_spread() -> None:
    assert difference([0.8], [0.7, 0.71])[1] == math.inf
    assert superiority(0.1, math.inf) == "undecided"


@pytest.mark.parametrize(
    ("value", "uncertainty", "verdict"),
    [(0.1, 0.01, "holds"), (-0.1, 0.01, "does not hold"), (0.01, 0.01, "undecided"), (-0.01, 0.01, "undecided")],
)
def test_superiority(value: float, uncertainty: float, verdict: str) -> None:
    assert superiority(value, uncertainty) == verdict


@pytest.mark.parametrize(
    ("value", "uncertainty", "verdict"),
    [(0.0005, 0.0005, "holds"), (0.005, 0.001, "does not hold"), (0.001, 0.001, "undecided")],
)
def test_equality(value: float, uncertainty: float, verdict: str) -> None:
    assert equality(value, uncertainty, 0.002) == verdict


def members(mean: float) -> list[float]:
    return [mean - 0.001, mean, mean + 0.001]


def test_every_claim_is_judged_by_what_was_measured() -> None:
    final = {
        "small": {"hybrid": members(0.79), "pfn": members(0.76), "invariant": members(0.78)},
        "large": {
            "hybrid": members(0.80),
            "pfn": members(0.79),
            "invariant": members(0.78),
            "enlarged": members(0.80),
        },
    }
    first = {"hybrid": members(0.77), "pfn": members(0.70), "invariant": members(0.78)}
    poolings = {
        "weighted-sum": members(0.78),
        "weighted-concatenation": members(0.77),
        "concatenation-with-weight": members(0.78),
        "concatenation-with-pt": members(0.79),
    }
    claims = judge(first, final, [(0.4, 0.9), (0.45, 0.92), (0.42, 0.88)], poolings, epochs=12)
    verdicts = {claim.name: claim.verdict for claim in claims}
    assert verdicts["escapes the ceiling, large data set"] == "holds"
    assert verdicts["the general network wins in the end"] == "undecided"
    assert verdicts["the enlarged hybrid equals the general network"] == "undecided"
    assert verdicts["is not behind the invariant network from the start"] == "does not hold"
    assert verdicts["relies on the general subnet at high pT"] == "holds"
    assert verdicts["concatenation with pT is the best pooling"] == "holds"
    assert all("12 epochs" in claim.caveat for claim in claims if "first epoch" not in claim.text)
    long = judge(first, final, [(0.4, 0.9)], poolings, epochs=100)
    assert not any(claim.caveat for claim in long)
    ended = {claim.name: claim.verdict for claim in long}
    assert ended["the general network wins in the end"] == "does not hold"
    assert ended["the enlarged hybrid equals the general network"] == "does not hold"
