"""A guard on the honesty of a study: no network does better than is possible."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from zmumu_hybrid.errors import LeakError

__all__ = ["MAX_SIGMAS", "refuse_leaks"]

MAX_SIGMAS = 4.0
"""How many standard deviations an AUC may lie above the best possible one."""


def refuse_leaks(scores: Mapping[str, Mapping[str, Any]], limit: Mapping[str, Any]) -> None:
    """Stop if the AUC of an ensemble lies above the optimum by more than `MAX_SIGMAS` standard deviations.

    Parameters
    ----------
    scores : mapping of str to mapping
        By the name of the run: "auc" and "held_out", the values of all members on independent and on held-out events,
        with "auc_uncertainty" and "held_out_uncertainty", the statistical one of a member.
    limit : mapping
        "auc" and "uncertainty" of the best possible classifier.

    Raises
    ------
    LeakError
        With the run, the sample and the numbers.
    """
    for name, score in scores.items():
        for part, words in (("auc", "independent"), ("held_out", "held-out")):
            reached, uncertainty = float(np.mean(score[part])), float(score[f"{part}_uncertainty"])
            sigma = math.hypot(uncertainty, float(limit["uncertainty"]))
            if reached - limit["auc"] > MAX_SIGMAS * sigma:
                excess = (reached - limit["auc"]) / sigma if sigma > 0 else math.inf
                raise LeakError(
                    f"{name}: the AUC on {words} events is {reached:.4f}, {excess:.1f} standard deviations above the "
                    f"best possible {limit['auc']:.4f}: training events are in the test part"
                )
