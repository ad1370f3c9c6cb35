"""The paper's claims, each as a number with an uncertainty and a verdict.

A claim is a difference of two AUCs (or of two weights) that the paper says is positive, or zero within a margin. It
has two uncertainties: that of the means over the members of the ensembles, and the standard deviation over data sets
where the study has several. Both networks of a difference are scored on the same events, so that the statistical
uncertainty of the sample largely cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from zmumu_hybrid.nets.config import POOLINGS
from zmumu_hybrid.study.results import EnsembleResult, Outcome, find
from zmumu_hybrid.study.scales import SMALL

__all__ = ["STATEMENTS", "Claim", "Measured", "Statement", "Verdict", "judge", "overtaking"]

Verdict = Literal["holds", "does not hold", "undecided"]
Measured = tuple[float, float]
"""A value and its standard deviation."""
Results = Sequence[EnsembleResult]

SIGMAS = 2.0
"""How many standard deviations a difference must have to count."""
PAPER_EPOCHS = 100
"""Epochs that the paper trains; claims on where a training ends are left undecided after fewer."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim of the paper.

    Attributes
    ----------
    name, text, source : str
        Short name, the claim in words, and where the paper makes it.
    measure : callable
        Takes the results of a branch to a value and its standard deviation over the members; raises KeyError where a
        training that it needs is not there.
    margin : float, optional
        The claim is that the value is zero within this; without it, that the value is above zero.
    when : "first epoch", "trained" or "end"
        "trained" says more the longer the training; "end" needs the paper's number of epochs to be decided at all.
    """

    name: str
    text: str
    source: str
    measure: Callable[[Results], Measured]
    margin: float | None = None
    when: Literal["first epoch", "trained", "end"] = "trained"


@dataclass(frozen=True, slots=True)
class Claim:
    """What was measured of a statement.

    Attributes
    ----------
    name, text, source : str
        See `Statement`.
    value, uncertainty : float
        The difference under the paper's conditions and its standard deviation over the members.
    data_sets : list of float
        The value on each data set, this one first; the others under the same conditions.
    spread : float or None
        Standard deviation over the data sets, if there are at least two.
    verdict : str
        "holds", "does not hold" or "undecided", with both uncertainties in quadrature.
    options : dict of str to (float, float, str)
        Value, standard deviation over the members and verdict under other readings of the paper.
    caveat : str
        What limits the verdict, if anything.
    """

    name: str
    text: str
    source: str
    value: float
    uncertainty: float
    verdict: Verdict
    data_sets: list[float] = field(default_factory=list)
    spread: float | None = None
    options: dict[str, tuple[float, float, Verdict]] = field(default_factory=dict)
    caveat: str = ""


def mean(values: Sequence[float]) -> Measured:
    """Return the mean and its standard deviation: infinite with fewer than two values, as nothing is known of it."""
    if len(values) < 2:
        return float(np.mean(values)), math.inf
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def difference(first: Sequence[float], second: Sequence[float]) -> Measured:
    """Return the difference of the means of two ensembles and its standard deviation."""
    (a, sigma_a), (b, sigma_b) = mean(first), mean(second)
    return a - b, math.hypot(sigma_a, sigma_b)


def aucs(
    first: str, second: str, fraction: float, which: Literal["auc", "first_epoch"] = "auc"
) -> Callable[[Results], Measured]:
    """Measure by how much one model is ahead of another."""
    return lambda results: difference(
        getattr(find(results, first, fraction), which), getattr(find(results, second, fraction), which)
    )


def weights(shares: Mapping[str, float]) -> Callable[[Results], Measured]:
    """Measure a sum of the general subnet's weights at several pT, each times its share, on the small data set."""

    def measure(results: Results) -> Measured:
        factor = find(results, "hybrid", SMALL).symmetry_factor
        return mean(np.sum([share * np.asarray(factor[pt]) for pt, share in shares.items()], axis=0))

    return measure


def pooling_lead(best: Sequence[str], worse: Sequence[str]) -> Callable[[Results], Measured]:
    """Measure by how much some poolings are ahead of others, on the small data set."""

    def together(results: Results, poolings: Sequence[str]) -> list[float]:
        return [auc for pooling in poolings for auc in find(results, "hybrid", SMALL, pooling).auc]

    return lambda results: difference(together(results, best), together(results, worse))


def others(pooling: str) -> list[str]:
    return [name for name in POOLINGS if name != pooling]


STATEMENTS = (
    Statement(
        "learns as fast as the invariant network",
        "After the first epoch the hybrid is ahead of the general network, on the large data set",
        "Sec. IV, Fig. 4",
        aucs("hybrid", "pfn", 1.0, "first_epoch"),
        when="first epoch",
    ),
    Statement(
        "is not behind the invariant network from the start",
        "After the first epoch the hybrid is ahead of the invariant network, on the large data set",
        "Sec. IV, Fig. 4",
        aucs("hybrid", "invariant", 1.0, "first_epoch"),
        when="first epoch",
    ),
    Statement(
        "escapes the ceiling, small data set",
        "After training the hybrid is ahead of the invariant network, on the small data set",
        "Sec. IV, Fig. 4",
        aucs("hybrid", "invariant", SMALL),
    ),
    Statement(
        "escapes the ceiling, large data set",
        "After training the hybrid is ahead of the invariant network, on the large data set",
        "Sec. IV, Fig. 4",
        aucs("hybrid", "invariant", 1.0),
    ),
    Statement(
        "wins on the small data set",
        "After training the hybrid is ahead of the general network, on the small data set",
        "Sec. IV, Figs. 4 and 6",
        aucs("hybrid", "pfn", SMALL),
    ),
    Statement(
        "the general network wins in the end",
        "After long training on the large data set the general network is ahead of the hybrid",
        "Sec. IV, Fig. 4; Appendix A",
        aucs("pfn", "hybrid", 1.0),
        when="end",
    ),
    Statement(
        "the enlarged hybrid equals the general network",
        "With a subnet as large as the general network the hybrid ends at the same AUC, within 0.002",
        "Appendix A, Fig. 7",
        aucs("enlarged", "pfn", 1.0),
        margin=0.002,
        when="end",
    ),
    Statement(
        "relies on the general subnet at high pT",
        "The general subnet's weight is larger at 80 GeV than at 20 GeV, trained on the small data set",
        "Sec. IV, Fig. 5",
        weights({"80": 1.0, "20": -1.0}),
    ),
    Statement(
        "the weight has a bump at 40-50 GeV",
        "The general subnet's weight at 45 GeV is above the mean of those at 37.5 and 52.5 GeV, trained on the small "
        "data set",
        "Sec. IV, Fig. 5",
        weights({"45": 1.0, "37.5": -0.5, "52.5": -0.5}),
    ),
    Statement(
        "concatenation with pT is the best pooling",
        "Concatenating the latents and pT is ahead of the other poolings",
        "Appendix C, Fig. 8",
        pooling_lead(["concatenation-with-pt"], others("concatenation-with-pt")),
    ),
    Statement(
        "concatenation of the weighted latents is the worst pooling",
        "The other poolings are ahead of concatenating the weighted latents",
        "Appendix C, Fig. 8",
        pooling_lead(others("weighted-concatenation"), ["weighted-concatenation"]),
    ),
)
"""What the paper claims."""


def superiority(value: float, uncertainty: float) -> Verdict:
    """Judge the claim that `value` is above zero."""
    if abs(value) <= SIGMAS * uncertainty:
        return "undecided"
    return "holds" if value > 0 else "does not hold"


def equality(value: float, uncertainty: float, margin: float) -> Verdict:
    """Judge the claim that `value` is zero within `margin`."""
    if abs(value) + SIGMAS * uncertainty <= margin:
        return "holds"
    return "does not hold" if abs(value) - SIGMAS * uncertainty > margin else "undecided"


def verdict(statement: Statement, value: float, uncertainty: float, epochs: int) -> Verdict:
    """Judge a statement."""
    if statement.when == "end" and epochs < PAPER_EPOCHS:
        return "undecided"
    if statement.margin is None:
        return superiority(value, uncertainty)
    return equality(value, uncertainty, statement.margin)


def judge(outcomes: Sequence[Outcome], *, epochs: int) -> list[Claim]:
    """Judge the paper's claims.

    Parameters
    ----------
    outcomes : sequence of Outcome
        The paper's conditions first.
    epochs : int
        Epochs that were trained; the paper trains 100.

    Returns
    -------
    list of Claim
        Of each of `STATEMENTS` whose trainings are there under the paper's conditions.
    """
    paper, *rest = outcomes
    claims = []
    for statement in STATEMENTS:
        try:
            value, uncertainty = statement.measure(paper.results)
        except KeyError:
            continue
        data_sets, options = [value], {}
        for outcome in rest:
            try:
                other, sigma = statement.measure(outcome.results)
            except KeyError:
                continue
            if outcome.conditions.replica:
                data_sets.append(other)
            else:
                options[outcome.conditions.name] = (other, sigma, verdict(statement, other, sigma, epochs))
        spread = float(np.std(data_sets, ddof=1)) if len(data_sets) > 1 else None
        short = epochs < PAPER_EPOCHS and statement.when != "first epoch"
        claims.append(
            Claim(
                statement.name,
                statement.text,
                statement.source,
                value,
                uncertainty,
                verdict(statement, value, math.hypot(uncertainty, spread or 0.0), epochs),
                data_sets,
                spread,
                options,
                f"after {epochs} epochs, where the paper trains {PAPER_EPOCHS}" if short else "",
            )
        )
    return claims


def overtaking(results: Results, *, draws: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Find the fraction of the data set from which on the general network is ahead of the hybrid (Fig. 6).

    Returns
    -------
    dict
        "fraction": where the difference of the mean AUCs, interpolated, is zero for the last time; null if the hybrid
        is ahead at the end (or behind throughout: then "always" is true). "low" and "high": the central 68% over
        `draws` resamplings of the members, null where the crossing is not within the data set. "within": the share
        of resamplings that have a crossing within the data set.
    """
    fractions = sorted({each.fraction for each in results if each.model == "hybrid"})
    values = {
        model: [np.asarray(find(results, model, fraction).auc) for fraction in fractions] for model in ("pfn", "hybrid")
    }

    def crossing(take: Callable[[np.ndarray[Any, Any]], float]) -> float | None:
        lead = np.array([take(a) - take(b) for a, b in zip(values["pfn"], values["hybrid"], strict=True)])
        behind = np.flatnonzero(lead <= 0)
        if len(behind) == 0 or behind[-1] == len(lead) - 1:
            return None
        k = int(behind[-1])
        return float(np.interp(0.0, lead[k : k + 2], fractions[k : k + 2]))

    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = [crossing(lambda sample: float(np.mean(generator.choice(sample, len(sample))))) for _ in range(draws)]
    crossings = [value for value in drawn if value is not None]
    sure = len(crossings) > draws / 2
    low, high = np.quantile(crossings, [0.16, 0.84]).tolist() if sure else (None, None)
    lead = [float(a.mean() - b.mean()) for a, b in zip(values["pfn"], values["hybrid"], strict=True)]
    return {
        "fraction": crossing(lambda sample: float(np.mean(sample))),
        "always": min(lead) > 0,
        "low": low,
        "high": high,
        "within": len(crossings) / draws,
        "lead": {f"{fraction:g}": value for fraction, value in zip(fractions, lead, strict=True)},
    }
