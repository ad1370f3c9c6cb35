"""The paper's claims, each as a number with an uncertainty and a verdict.

A claim is a difference of two AUCs (or of two weights) that the paper says is positive, or zero within a margin. Its
uncertainty is that of the means over the members of the two ensembles; both are scored on the same events, so that
the statistical uncertainty of the sample largely cancels in the difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

__all__ = ["Claim", "Verdict", "equality", "judge", "superiority"]

Verdict = Literal["holds", "does not hold", "undecided"]
SIGMAS = 2.0
"""How many standard deviations a difference must have to count."""
PAPER_EPOCHS = 100
"""Epochs that the paper trains; claims on where a training ends are left undecided after fewer."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of the paper and what was measured.

    Attributes
    ----------
    name, text, source : str
        Short name, the claim in words, and where the paper makes it.
    value, uncertainty : float
        The measured difference and its standard deviation.
    verdict : str
        "holds", "does not hold" or "undecided".
    caveat : str
        What limits the verdict, if anything.
    """

    name: str
    text: str
    source: str
    value: float
    uncertainty: float
    verdict: Verdict
    caveat: str = ""


def difference(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return the difference of the means of two ensembles and its standard deviation.

    With fewer than two members in either ensemble the standard deviation is infinite: nothing is known of it.
    """
    value = float(np.mean(first) - np.mean(second))
    if min(len(first), len(second)) < 2:
        return value, math.inf
    variance = np.var(first, ddof=1) / len(first) + np.var(second, ddof=1) / len(second)
    return value, float(np.sqrt(variance))


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


def judge(
    first_epoch: Mapping[str, Sequence[float]],
    final: Mapping[str, Mapping[str, Sequence[float]]],
    symmetry_factor: Sequence[tuple[float, float]],
    poolings: Mapping[str, Sequence[float]],
    *,
    epochs: int,
) -> list[Claim]:
    """Judge the paper's claims from the AUCs of ensembles.

    Parameters
    ----------
    first_epoch : mapping of model to AUCs
        AUC of every member after the first epoch on the large data set.
    final : mapping of data set to model to AUCs
        AUC of every member after training on "small" and "large"; the models "hybrid", "pfn", "invariant", and
        "enlarged" where it was trained.
    symmetry_factor : sequence of (float, float)
        Weight of the general subnet at 20 GeV and at 80 GeV, for every member.
    poolings : mapping of pooling to AUCs
        AUC of every member, trained on the small data set.
    epochs : int
        Epochs that were trained; the paper trains 100.
    """
    whole = epochs >= PAPER_EPOCHS
    short = "" if whole else f"after {epochs} epochs, where the paper trains {PAPER_EPOCHS}"
    small, large = final["small"], final["large"]

    def claim(name: str, text: str, source: str, measured: tuple[float, float], caveat: str = "") -> Claim:
        return Claim(name, text, source, *measured, superiority(*measured), caveat)

    def in_the_end(claim: Claim) -> Claim:
        """Leave a claim on the end of a long training undecided where the training was short."""
        return claim if whole else replace(claim, verdict="undecided")

    low, high = ([pair[i] for pair in symmetry_factor] for i in (0, 1))
    rise = [b - a for a, b in zip(low, high, strict=True)]
    spread = float(np.std(rise, ddof=1) / np.sqrt(len(rise))) if len(rise) > 1 else math.inf
    ranked = sorted(poolings, key=lambda pooling: -float(np.mean(poolings[pooling])))
    others = [auc for pooling in poolings if pooling != "concatenation-with-pt" for auc in poolings[pooling]]
    rest = [auc for pooling in poolings if pooling != "weighted-concatenation" for auc in poolings[pooling]]
    claims = [
        claim(
            "learns as fast as the invariant network",
            "After the first epoch the hybrid is ahead of the general network, on the large data set",
            "Sec. IV, Fig. 4",
            difference(first_epoch["hybrid"], first_epoch["pfn"]),
        ),
        claim(
            "is not behind the invariant network from the start",
            "After the first epoch the hybrid is ahead of the invariant network, on the large data set",
            "Sec. IV, Fig. 4",
            difference(first_epoch["hybrid"], first_epoch["invariant"]),
        ),
        claim(
            "escapes the ceiling, small data set",
            "After training the hybrid is ahead of the invariant network, on the small data set",
            "Sec. IV, Fig. 4",
            difference(small["hybrid"], small["invariant"]),
            short,
        ),
        claim(
            "escapes the ceiling, large data set",
            "After training the hybrid is ahead of the invariant network, on the large data set",
            "Sec. IV, Fig. 4",
            difference(large["hybrid"], large["invariant"]),
            short,
        ),
        claim(
            "wins on the small data set",
            "After training the hybrid is ahead of the general network, on the small data set",
            "Sec. IV, Figs. 4 and 6",
            difference(small["hybrid"], small["pfn"]),
            short,
        ),
        in_the_end(
            claim(
                "the general network wins in the end",
                "After long training on the large data set the general network is ahead of the hybrid",
                "Sec. IV, Fig. 4; Appendix A",
                difference(large["pfn"], large["hybrid"]),
                short,
            )
        ),
        claim(
            "relies on the general subnet at high pT",
            "The general subnet's weight is larger at 80 GeV than at 20 GeV, trained on the small data set",
            "Sec. IV, Fig. 5",
            (float(np.mean(rise)), spread),
            short,
        ),
        claim(
            "concatenation with pT is the best pooling",
            "Concatenating the latents and pT is ahead of the other poolings; measured order: " + " > ".join(ranked),
            "Appendix C, Fig. 8",
            difference(poolings["concatenation-with-pt"], others),
            short,
        ),
        claim(
            "concatenation of the weighted latents is the worst pooling",
            "The other poolings are ahead of concatenating the weighted latents",
            "Appendix C, Fig. 8",
            difference(rest, poolings["weighted-concatenation"]),
            short,
        ),
    ]
    if "enlarged" in large:
        measured = difference(large["enlarged"], large["pfn"])
        claims.append(
            in_the_end(
                Claim(
                    "the enlarged hybrid equals the general network",
                    "With a subnet as large as the general network the hybrid ends at the same AUC, within 0.002",
                    "Appendix A, Fig. 7",
                    *measured,
                    equality(*measured, 0.002),
                    short,
                )
            )
        )
    return claims
