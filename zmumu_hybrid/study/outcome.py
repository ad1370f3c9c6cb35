"""What a branch of a study found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zmumu_hybrid.study.conditions import Conditions
from zmumu_hybrid.study.trainings import Training

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The numbers of one branch.

    Attributes
    ----------
    conditions : Conditions
        How its events were made.
    limit : mapping
        What `zmumu_hybrid.limit` returned.
    scores : mapping of Training to mapping
        What `zmumu_hybrid.study.scoring.score` returned for each training.
    """

    conditions: Conditions
    limit: Mapping[str, Any]
    scores: Mapping[Training, Mapping[str, Any]]
