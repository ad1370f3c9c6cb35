from __future__ import annotations

import math

import pytest

from zmumu_hybrid.study.claims import STATEMENTS, difference, equality, judge, overtaking, superiority
from zmumu_hybrid.study.conditions import OPTIONS, PAPER, Conditions, replicas
from zmumu_hybrid.study.results import EnsembleResult, Outcome
from zmumu_hybrid.study.scales import SMALL
from zmumu_hybrid.study.trainings import PT_POINTS


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


def score(
    model: str,
    fraction: float,
    auc: float,
    first: float = 0.7,
    weights: tuple[float, ...] = (),
    pooling: str = "weighted-sum",
) -> EnsembleResult:
    factor = {f"{pt:g}": [each - 0.01, each, each + 0.005] for pt, each in zip(PT_POINTS, weights, strict=False)}
    return EnsembleResult(
        "paper", model, fraction, members(auc), pooling, first_epoch=members(first), symmetry_factor=factor
    )


def outcome(conditions: Conditions = PAPER, shift: float = 0.0) -> Outcome:
    results = [
        score("hybrid", SMALL, 0.79, weights=(0.4, 0.6, 0.6, 0.65, 0.9)),
        score("pfn", SMALL, 0.76),
        score("invariant", SMALL, 0.78),
        score("hybrid", 1.0, 0.80 + shift, first=0.77),
        score("pfn", 1.0, 0.79, first=0.70),
        score("invariant", 1.0, 0.78, first=0.78),
    ]
    if conditions == PAPER or conditions.replica:
        results += [
            score("enlarged", 1.0, 0.80),
            score("hybrid", SMALL, 0.77, pooling="weighted-concatenation"),
            score("hybrid", SMALL, 0.79, pooling="concatenation-with-weight"),
            score("hybrid", SMALL, 0.80, pooling="concatenation-with-pt"),
        ]
    return Outcome(conditions, {}, results)


def test_every_claim_is_judged_by_what_was_measured() -> None:
    claims = judge([outcome()], epochs=12)
    assert [claim.name for claim in claims] == [statement.name for statement in STATEMENTS]
    verdicts = {claim.name: claim.verdict for claim in claims}
    assert verdicts["escapes the ceiling, large data set"] == "holds"
    assert verdicts["the general network wins in the end"] == "undecided"
    assert verdicts["the enlarged hybrid equals the general network"] == "undecided"
    assert verdicts["is not behind the invariant network from the start"] == "does not hold"
    assert verdicts["relies on the general subnet at high pT"] == "holds"
    assert verdicts["the weight has a bump at 40-50 GeV"] == "does not hold"
    assert verdicts["concatenation with pT is the best pooling"] == "holds"
    assert all("12 epochs" in claim.caveat for claim in claims if "first epoch" not in claim.text)
    long = judge([outcome()], epochs=100)
    assert not any(claim.caveat for claim in long)
    ended = {claim.name: claim.verdict for claim in long}
    assert ended["the general network wins in the end"] == "does not hold"
    assert ended["the enlarged hybrid equals the general network"] == "does not hold"


def test_data_sets_that_disagree_leave_a_claim_undecided() -> None:
    name = "escapes the ceiling, large data set"
    agreeing = [outcome(), *(outcome(conditions, 0.001) for conditions in replicas(2))]
    claim = next(claim for claim in judge(agreeing, epochs=100) if claim.name == name)
    assert claim.data_sets == pytest.approx([0.02, 0.021, 0.021])
    assert claim.spread == pytest.approx(0.001 / math.sqrt(3))
    assert claim.verdict == "holds"
    disagreeing = [outcome(), *(outcome(conditions, -0.04) for conditions in replicas(2))]
    assert next(claim for claim in judge(disagreeing, epochs=100) if claim.name == name).verdict == "undecided"


def test_other_readings_are_judged_beside_the_papers() -> None:
    claims = judge([outcome(), outcome(OPTIONS[0], shift=-0.05)], epochs=100)
    by_name = {claim.name: claim for claim in claims}
    assert by_name["escapes the ceiling, large data set"].verdict == "holds"
    value, _, verdict = by_name["escapes the ceiling, large data set"].options[OPTIONS[0].name]
    assert (value, verdict) == (pytest.approx(-0.03), "does not hold")
    assert not by_name["concatenation with pT is the best pooling"].options


def by_fraction(leads: dict[float, float]) -> list[EnsembleResult]:
    leading = {"hybrid": dict.fromkeys(leads, 0.0), "pfn": leads}
    return [score(model, each, 0.79 + lead) for model, ways in leading.items() for each, lead in ways.items()]


def test_where_the_general_network_overtakes() -> None:
    found = overtaking(by_fraction({0.2: -0.03, 0.5: -0.01, 1.0: 0.01}), draws=200)
    assert found["fraction"] == pytest.approx(0.75)
    assert found["low"] < 0.75 < found["high"]
    assert found["within"] == 1.0
    never = overtaking(by_fraction({0.2: -0.03, 1.0: -0.01}), draws=50)
    assert (never["fraction"], never["always"], never["within"]) == (None, False, 0.0)
    assert overtaking(by_fraction({0.2: 0.03, 1.0: 0.01}), draws=50)["always"] is True
