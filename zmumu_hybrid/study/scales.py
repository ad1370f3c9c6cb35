"""How large a study is: at quick scale in minutes, at full scale as in the paper."""

from __future__ import annotations

from dataclasses import dataclass

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.study.conditions import OPTIONS, WIDTH, Conditions, replicas

__all__ = ["SCALES", "SMALL", "Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """The numbers that set the size of a study.

    Attributes
    ----------
    name : str
        "quick" or "full".
    events : int
        Accepted events per class of the study sample; a fifth of them is held out.
    evaluation_events : int
        Accepted events per class of the independent evaluation sample.
    members : int
        Members of each ensemble.
    epochs : int
        Epochs of every training.
    fractions : tuple of float
        Fractions of the data set shown in Fig. 6, besides the small and the large one.
    conditions : tuple of Conditions
        Under which conditions the claims are asked again, besides the paper's.
    widths : tuple of float
        Relative widths of the smearing at which the networks are compared, besides the paper's.
    """

    name: str
    events: int
    evaluation_events: int
    members: int
    epochs: int
    fractions: tuple[float, ...]
    conditions: tuple[Conditions, ...] = ()
    widths: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse sizes that make no study."""
        for field in ("events", "evaluation_events", "members", "epochs"):
            if getattr(self, field) < 1:
                raise ConfigurationError(f"{field} of a scale must be at least 1, not {getattr(self, field)}")
        if any(not 0 < fraction < 1 for fraction in self.fractions):
            raise ConfigurationError(f"the fractions of a scale must lie between 0 and 1, not {self.fractions}")
        if any(width < 0 or width == WIDTH for width in self.widths):
            raise ConfigurationError(
                f"the widths of a scale must not be negative, nor the paper's {WIDTH:g}, which is always there, "
                f"not {self.widths}"
            )

    def members_of(self, conditions: Conditions) -> int:
        """Return the members of each ensemble under some conditions."""
        return min(conditions.members or self.members, self.members)


SMALL = 0.2
"""The fraction of the large data set that is the small one (paper, Sec. IV)."""

SCALES = {
    "quick": Scale("quick", 50_000, 100_000, members=3, epochs=12, fractions=(0.1, 0.5), widths=(0.0, 0.3)),
    "full": Scale(
        "full",
        50_000,
        100_000,
        members=5,
        epochs=100,
        fractions=(0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        conditions=(*replicas(2, members=3), *OPTIONS),
        widths=(0.0, 0.03, 0.06, 0.15, 0.2, 0.3),
    ),
}
"""The two scales by name. The paper's large data set has 100,000 events, of both classes together."""
