"""What is varied in an analysis, by name: the smearing of the muons, and the weights of the events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.physics.smearing import SmearingConfig
from zmumu_hybrid.support.values import require_number

__all__ = ["NOMINAL", "SYSTEMATICS", "Systematics", "require_known"]

NOMINAL = "nominal"

SYSTEMATICS = {
    "width": "the width of the smearing, up and down by its uncertainty",
    "off": "no smearing at all: a comparison, not an uncertainty of the fit",
    "reweighting": "the factors of the pT reweighting of the background, to a power above and below 1: their shape",
}
"""What can be varied, and how."""

_CATEGORIES = {
    "width": ("widthUp", "widthDown"),
    "off": ("off",),
    "reweighting": ("reweightingUp", "reweightingDown"),
}


def require_known(names: Iterable[str], available: Iterable[str], what: str) -> None:
    """Raise `ConfigurationError` for the first of the names that is not available, saying what is."""
    available = list(available)
    for name in names:
        if name not in available:
            raise ConfigurationError(f"{what} {name!r}: there is none of this name; available: {', '.join(available)}")


@dataclass(frozen=True, slots=True)
class Systematics:
    """Which systematics an analysis has.

    Parameters
    ----------
    names : tuple of str
        Of `SYSTEMATICS`.
    width_uncertainty : float
        Relative uncertainty of the width of the smearing.
    reweighting_uncertainty : float
        How much more, or less, of the reweighting is applied: the powers of its factors are 1 plus and minus this.

    Raises
    ------
    ConfigurationError
        If a name is unknown or given twice, or an uncertainty is not a number above 0 and below 1.
    """

    names: tuple[str, ...] = tuple(SYSTEMATICS)
    width_uncertainty: float = 0.1
    reweighting_uncertainty: float = 0.2

    def __post_init__(self) -> None:
        require_known(self.names, SYSTEMATICS, "systematic")
        if len(set(self.names)) != len(self.names):
            raise ConfigurationError(f"systematics {', '.join(self.names)}: name each once")
        for name in ("width", "reweighting"):
            require_number(f"uncertainty of the {name}", getattr(self, f"{name}_uncertainty"), above=0, below=1)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories of a histogram's axis "systematic": "nominal" and the variations."""
        return (NOMINAL, *(category for name in self.names for category in _CATEGORIES[name]))

    @property
    def two_sided(self) -> dict[str, tuple[str, str]]:
        """The categories up and down of each systematic that is an uncertainty of the fit."""
        pairs = {name: _CATEGORIES[name] for name in self.names}
        return {name: (pair[0], pair[1]) for name, pair in pairs.items() if len(pair) == 2}

    @property
    def shapes(self) -> tuple[str, ...]:
        """The categories that change weights: their normalisation has an uncertainty of its own."""
        return _CATEGORIES["reweighting"]

    def smearings(self, nominal: SmearingConfig) -> dict[str, SmearingConfig]:
        """Return how muons are smeared in the nominal case and in each variation of it, always with the same draws."""
        made = {NOMINAL: nominal}
        if "width" in self.names:
            up, down = _CATEGORIES["width"]
            made[up] = replace(nominal, width=nominal.width * (1 + self.width_uncertainty))
            made[down] = replace(nominal, width=nominal.width * (1 - self.width_uncertainty))
        if "off" in self.names:
            made["off"] = replace(nominal, mode="none")
        return made
