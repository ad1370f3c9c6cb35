"""Under which conditions a study asks its question: the paper's, on other data sets, and with other options."""

from __future__ import annotations

from dataclasses import dataclass

from zmumu_hybrid.candidates.reweighting import Binning
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.physics.smearing import SmearingMode

__all__ = ["OPTIONS", "PAPER", "WIDTH", "Conditions", "of_width", "replicas"]


WIDTH = 0.1
"""Relative width of the paper's smearing."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How the events of one branch of a study are made.

    Attributes
    ----------
    name : str
        Also of its folder.
    text : str
        What is different from the paper, in words.
    smearing, binning : str
        See `zmumu_hybrid.physics.smearing.SmearingConfig` and `zmumu_hybrid.candidates.reweighting.fit`.
    width : float
        Relative width of the smearing.
    replica : int
        0 for the study's own events; any other number stands for other events, draws and initialisations.
    members : int, optional
        Members of each ensemble; without it as many as the study's.
    """

    name: str
    text: str
    smearing: SmearingMode = "independent"
    binning: Binning = "equal-content"
    width: float = WIDTH
    replica: int = 0
    members: int | None = None

    def __post_init__(self) -> None:
        """Refuse conditions that make no study."""
        if self.members is not None and self.members < 1:
            raise ConfigurationError(f"members of {self.name} must be at least 1, not {self.members}")
        if self.replica < 0:
            raise ConfigurationError(f"the replica of {self.name} must not be negative, but is {self.replica}")


PAPER = Conditions("paper", "the paper's conditions")
"""One draw per muon, and bins of equal signal content."""

OPTIONS = (
    Conditions("shared-draws", "one draw shared by both muons of an event", smearing="shared", members=3),
    Conditions("equal-width", "100 bins of equal width for the reweighting", binning="equal-width", members=3),
    Conditions(
        "as-released",
        "one draw shared by both muons, and bins of equal width",
        smearing="shared",
        binning="equal-width",
        members=3,
    ),
)
"""The readings of the paper that its text or its authors' code allow."""


def replicas(count: int, members: int | None = None) -> tuple[Conditions, ...]:
    """Return `count` data sets of other events under the paper's conditions."""
    return tuple(
        Conditions(f"replica-{number}", f"other events, no. {number}", replica=number, members=members)
        for number in range(1, count + 1)
    )


def of_width(width: float, members: int | None = None) -> Conditions:
    """Return the paper's conditions with another relative width of the smearing."""
    return Conditions(f"width-{width:g}", f"smearing of relative width {width:g}", width=width, members=members)
