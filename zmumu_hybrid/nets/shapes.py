"""What events are and what networks read of them, as plain validated descriptions. Knows no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.nets.names import CONDITIONED_INVARIANTS, PAIR_INVARIANTS
from zmumu_hybrid.support.values import require_count

__all__ = [
    "MAX_WIDTH",
    "EventShape",
    "Invariants",
    "PairMap",
    "Widths",
    "choose",
    "from_dict",
    "names_of",
    "nest",
    "widths_of",
]

MAX_WIDTH, MAX_PARTICLES = 2**16, 1024
"""Bounds that keep a typing error from taking all memory."""

Widths = tuple[int, ...]
Config = TypeVar("Config")


def choose(owner: str, field: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise `ConfigurationError` if the value is none of those that are allowed."""
    if value not in allowed:
        raise ConfigurationError(f"{owner}: {field} must be one of {', '.join(allowed)}, not {value!r}")


def widths_of(field: str, value: object) -> Widths:
    """Return a list of widths as a tuple; `ConfigurationError` if it is none."""
    if not isinstance(value, (list, tuple)) or len(value) > 100:
        raise ConfigurationError(f"model: {field} must be a list of at most 100 widths, not {value!r:.80}")
    return tuple(require_count(f"model: a width of {field}", width, 1, MAX_WIDTH) for width in value)


def nest(config: object, field: str, kind: type[Config], where: str) -> None:
    """Make a description of a field of one that was given as a mapping."""
    value = getattr(config, field)
    if not isinstance(value, kind):
        object.__setattr__(config, field, from_dict(kind, value, where))


def names_of(field: str, value: object) -> tuple[str, ...]:
    """Return a list of names as a tuple; `ConfigurationError` if it is none."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise ConfigurationError(f"model: {field} must be a list of names, not {value!r}")
    return tuple(value)


@dataclasses.dataclass(frozen=True, slots=True)
class EventShape:
    """What an event consists of; by default a pair of muons.

    Attributes
    ----------
    particles : int
        Particles of an event, padding included.
    scalars : int
        Lorentz-invariant numbers that come with each particle: its species, charge or tag.
    masked : bool
        Whether events may have fewer particles than `particles`, with a mask that says which are there.
    """

    particles: int = 2
    scalars: int = 0
    masked: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no event."""
        require_count("model: events.particles", self.particles, 1, MAX_PARTICLES)
        require_count("model: events.scalars", self.scalars, 0, MAX_WIDTH)
        if not isinstance(self.masked, bool):
            raise ConfigurationError(f"model: events.masked must be true or false, not {self.masked!r}")


@dataclasses.dataclass(frozen=True, slots=True)
class PairMap:
    """A map of the invariants of each pair of particles to a latent, which is summed over the pairs.

    Attributes
    ----------
    names : tuple of str
        Of `PAIR_INVARIANTS`.
    widths : tuple of int
        Hidden widths of the map.
    latent : int
        Its width.
    """

    names: tuple[str, ...] = ("dot",)
    widths: Widths = (64,)
    latent: int = 16

    def __post_init__(self) -> None:
        """Refuse what is no map."""
        object.__setattr__(self, "names", names_of("invariants.pairs.names", self.names))
        for name in self.names:
            choose("model", "every one of invariants.pairs.names", name, PAIR_INVARIANTS)
        if not self.names:
            raise ConfigurationError("model: invariants.pairs.names is empty: the map of pairs has nothing to read")
        object.__setattr__(self, "widths", widths_of("invariants.pairs.widths", self.widths))
        require_count("model: invariants.pairs.latent", self.latent, 1, MAX_WIDTH)


@dataclasses.dataclass(frozen=True, slots=True)
class Invariants:
    """What a Lorentz-invariant network or subnet reads.

    Attributes
    ----------
    names : tuple of str
        Invariants of the event, see `zmumu_hybrid.nets.names`; each is read as sign(x) log(1 + abs(x)). By default the
        squared norm of the pair's total momentum and the inner product (Appendix B).
    conditioned : tuple of str
        Conditioned functions of a muon pair's mass that join them.
    pairs : PairMap, optional
        What is read of every pair of particles.
    """

    names: tuple[str, ...] = ("m2(all)", "dot(0,1)")
    conditioned: tuple[str, ...] = ()
    pairs: PairMap | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be read."""
        for field in ("names", "conditioned"):
            object.__setattr__(self, field, names_of(f"invariants.{field}", getattr(self, field)))
        for name in self.conditioned:
            choose("model", "every one of invariants.conditioned", name, CONDITIONED_INVARIANTS)
        if self.pairs is not None:
            nest(self, "pairs", PairMap, "model: invariants.pairs")
        if not self.names and not self.conditioned and self.pairs is None:
            raise ConfigurationError("model: invariants is empty: the symmetric part has nothing to read")

    @property
    def width(self) -> int:
        """How many numbers are read, with the latent of the pairs."""
        return len(self.names) + len(self.conditioned) + (self.pairs.latent if self.pairs else 0)


def from_dict(kind: type[Config], values: Mapping[str, Any], where: str) -> Config:
    """Make a description from a mapping that was read from `where`.

    Raises
    ------
    ConfigurationError
        If a key is unknown or missing, or a value cannot be used.
    """
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{where}: must be a table of settings, not {values!r}")
    fields = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(map(str, values)) - set(fields))
    if unknown:
        raise ConfigurationError(f"{where}: unknown key {unknown[0]!r}; there are {', '.join(fields)}")
    try:
        return kind(**values)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None
