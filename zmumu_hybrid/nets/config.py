"""What a network is, as plain validated descriptions: one small dataclass a network. Knows no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.nets.names import CONDITIONED_EVENT, CONDITIONED_PARTICLE, check_name
from zmumu_hybrid.nets.shapes import (
    MAX_WIDTH,
    EventShape,
    Invariants,
    PairMap,
    Widths,
    choose,
    from_dict,
    names_of,
    nest,
    widths_of,
)
from zmumu_hybrid.support.values import require_count

__all__ = [
    "CONFIGS",
    "MODELS",
    "POOLINGS",
    "EventShape",
    "HybridConfig",
    "InvariantNetworkConfig",
    "Invariants",
    "NetworkConfig",
    "PFNConfig",
    "PairMap",
    "choose",
    "from_dict",
    "network_config",
    "parameters_of",
]

POOLINGS = ("weighted-sum", "weighted-concatenation", "concatenation-with-weight", "concatenation-with-pt")
"""How latents are joined (paper, Eq. 1 and Appendix C)."""

MAX_PARAMETERS = 10**8
"""A bound that keeps a typing error from taking all memory."""

Stacks = dict[str, Widths]


class _Network:
    """What follows from the widths of any network."""

    __slots__ = ()

    @property
    def stacks(self) -> Stacks:
        """The widths of each MLP from input to output, by name."""
        raise NotImplementedError

    @property
    def hidden_neurons(self) -> int:
        """Number of hidden neurons over all MLPs, as the paper counts them (Appendix B)."""
        return sum(sum(widths[1:-1]) for widths in self.stacks.values())


@dataclasses.dataclass(frozen=True, slots=True)
class PFNConfig(_Network):
    """The particle flow network (Appendix B): a map of each particle to a latent, the sum over them, a classifier.

    Attributes
    ----------
    particle_map, classifier : tuple of int
        Hidden widths.
    latent : int
        Width of the latent.
    normalisation : str
        "batch" puts BatchNorm1d before every activation, "none" nothing.
    particle_norm : str
        What the normalisation of the particle map is over: every "feature", or every "particle" index as in the
        authors' published networks.
    particle_features : tuple of str
        Conditioned quantities of each muon that are read instead of its four-momentum; none by default.
    standardised : bool
        Whether inputs are standardised with mean and standard deviation of the training events.
    classes : int
        1 for one logit, signal against background; K > 1 for the logits of K classes.
    events : EventShape
    """

    model: ClassVar[str] = "pfn"
    default_learning_rate: ClassVar[float] = 1e-5

    particle_map: Widths = (128, 128)
    classifier: Widths = (512, 256, 128)
    latent: int = 16
    normalisation: str = "batch"
    particle_norm: str = "feature"
    particle_features: tuple[str, ...] = ()
    standardised: bool = False
    classes: int = 1
    events: EventShape = EventShape()

    def __post_init__(self) -> None:
        """Refuse what makes no network; lists become tuples."""
        _check(self)
        _check_size(self)

    @property
    def stacks(self) -> Stacks:
        """The widths of each MLP from input to output, by name."""
        latent, classes = self.latent, self.classes
        return {"particle_map": _particle_widths(self), "classifier": (latent, *self.classifier, classes)}


@dataclasses.dataclass(frozen=True, slots=True)
class InvariantNetworkConfig(_Network):
    """The Lorentz-invariant network (Appendix B): an MLP on invariants.

    Attributes
    ----------
    classifier : tuple of int
        Hidden widths.
    invariants : Invariants
        What is read.
    normalisation, standardised, classes, events
        As in `PFNConfig`.
    """

    model: ClassVar[str] = "invariant"
    default_learning_rate: ClassVar[float] = 1e-6

    classifier: Widths = (512, 256, 256, 128)
    invariants: Invariants = Invariants()
    normalisation: str = "batch"
    standardised: bool = False
    classes: int = 1
    events: EventShape = EventShape()

    def __post_init__(self) -> None:
        """Refuse what makes no network; lists become tuples."""
        _check(self)
        _check_size(self)

    @property
    def stacks(self) -> Stacks:
        """The widths of each MLP from input to output, by name."""
        return {**_pair_widths(self), "classifier": (self.invariants.width, *self.classifier, self.classes)}


@dataclasses.dataclass(frozen=True, slots=True)
class HybridConfig(_Network):
    """The hybrid (paper, Sec. III): a general and a Lorentz-invariant subnet, joined by a learned symmetry factor.

    Attributes
    ----------
    particle_map : tuple of int
        Hidden widths of the general subnet's map of one particle to the latent.
    invariant_map : tuple of int
        Hidden widths of the MLP on the invariants that gives the symmetric latent.
    gate : tuple of int
        Hidden widths of the MLP on the context whose softmax is the symmetry factor.
    classifier : tuple of int
        Hidden widths of the last MLP.
    latent : int
        Width of both latents.
    pooling : str
        One of `POOLINGS`; "concatenation-with-pt" has no symmetry factor.
    context : tuple of str
        What the symmetry factor depends on, see `zmumu_hybrid.nets.names`; by default the pT of the first muon.
    given_context : int
        How many context variables come with the events; then `context` is empty.
    invariants : Invariants
    normalisation, particle_norm, particle_features, standardised, classes, events
        As in `PFNConfig`.
    """

    model: ClassVar[str] = "hybrid"
    default_learning_rate: ClassVar[float] = 1e-5

    particle_map: Widths = (64,)
    invariant_map: Widths = (64,)
    gate: Widths = (64, 64)
    classifier: Widths = (512, 256, 128)
    latent: int = 16
    pooling: str = "weighted-sum"
    context: tuple[str, ...] = ("pt(0)",)
    given_context: int = 0
    invariants: Invariants = Invariants()
    normalisation: str = "batch"
    particle_norm: str = "feature"
    particle_features: tuple[str, ...] = ()
    standardised: bool = False
    classes: int = 1
    events: EventShape = EventShape()

    def __post_init__(self) -> None:
        """Refuse what makes no network; lists become tuples."""
        _check(self)
        choose("model", "pooling", self.pooling, POOLINGS)
        object.__setattr__(self, "context", names_of("context", self.context))
        for name in self.context:
            _check_named(name, self.events, invariant=False)
        require_count("model: given_context", self.given_context, 0, MAX_WIDTH)
        if bool(self.context) == bool(self.given_context):
            raise ConfigurationError("model: either context names variables or given_context says how many are given")
        _check_size(self)

    @property
    def context_width(self) -> int:
        """How many context variables there are."""
        return len(self.context) or self.given_context

    @property
    def stacks(self) -> Stacks:
        """The widths of each MLP from input to output, by name."""
        pooled = {
            "weighted-sum": self.latent,
            "weighted-concatenation": 2 * self.latent,
            "concatenation-with-weight": 2 * self.latent + 1,
            "concatenation-with-pt": 2 * self.latent + self.context_width,
        }[self.pooling]
        gate = {} if self.pooling == "concatenation-with-pt" else {"gate": (self.context_width, *self.gate, 2)}
        return {
            "particle_map": _particle_widths(self),
            **_pair_widths(self),
            "invariant_map": (self.invariants.width, *self.invariant_map, self.latent),
            **gate,
            "classifier": (pooled, *self.classifier, self.classes),
        }


NetworkConfig = PFNConfig | InvariantNetworkConfig | HybridConfig

CONFIGS: dict[str, type[NetworkConfig]] = {
    "hybrid": HybridConfig,
    "pfn": PFNConfig,
    "invariant": InvariantNetworkConfig,
}
"""The descriptions by the name of the network."""

MODELS = tuple(CONFIGS)


def _particle_widths(config: PFNConfig | HybridConfig) -> Widths:
    width = len(config.particle_features) or 4
    return (width + config.events.scalars, *config.particle_map, config.latent)


def _pair_widths(config: InvariantNetworkConfig | HybridConfig) -> Stacks:
    pairs = config.invariants.pairs
    if pairs is None:
        return {}
    return {"pair_map": (len(pairs.names) + 2 * config.events.scalars, *pairs.widths, pairs.latent)}


def parameters_of(config: NetworkConfig) -> int:
    """Return the number of weights and biases of a network's linear layers."""
    return sum((before + 1) * after for widths in config.stacks.values() for before, after in pairwise(widths))


def _check_size(config: NetworkConfig) -> None:
    count = parameters_of(config)
    if count > MAX_PARAMETERS:
        raise ConfigurationError(f"model: these widths make {count:,} parameters, more than {MAX_PARAMETERS:,}")


def _check_named(name: str, events: EventShape, *, invariant: bool) -> None:
    try:
        check_name(name, events.particles, invariant=invariant)
    except ConfigurationError as error:
        raise ConfigurationError(f"model: {error}") from None


def _check(config: Any) -> None:
    """Check the fields that networks share."""
    fields = {field.name for field in dataclasses.fields(config)}
    for field, kind in (("events", EventShape), ("invariants", Invariants)):
        if field in fields:
            nest(config, field, kind, f"model: {field}")
    for field in fields & {"particle_map", "invariant_map", "gate", "classifier"}:
        object.__setattr__(config, field, widths_of(field, getattr(config, field)))
    for field in fields & {"latent", "classes"}:
        require_count(f"model: {field}", getattr(config, field), 1, MAX_WIDTH)
    choose("model", "normalisation", config.normalisation, ("batch", "none"))
    if not isinstance(config.standardised, bool):
        raise ConfigurationError(f"model: standardised must be true or false, not {config.standardised!r}")
    if "particle_map" in fields:
        _check_particles(config)
    if "invariants" in fields:
        _check_invariants(config, scalars_of_pairs_alone="particle_map" not in fields)
    pairs = "invariants" in fields and config.invariants.pairs is not None
    if config.standardised and (config.events.masked or config.events.scalars or pairs):
        raise ConfigurationError("model: standardised is for events without mask, scalars and invariants.pairs")


def _check_particles(config: Any) -> None:
    choose("model", "particle_norm", config.particle_norm, ("feature", "particle"))
    object.__setattr__(config, "particle_features", names_of("particle_features", config.particle_features))
    for name in config.particle_features:
        choose("model", "every one of particle_features", name, (*CONDITIONED_PARTICLE, *CONDITIONED_EVENT))
    if config.particle_features:
        _check_muon_pair("particle_features", config.events)
    if config.particle_norm == "particle" and config.events.masked:
        raise ConfigurationError("model: particle_norm 'particle' knows no mask: every event has all its particles")


def _check_invariants(config: Any, *, scalars_of_pairs_alone: bool) -> None:
    events, invariants = config.events, config.invariants
    for name in invariants.names:
        _check_named(name, events, invariant=True)
    if invariants.conditioned:
        _check_muon_pair("invariants.conditioned", events)
    if invariants.pairs and events.particles < 2:
        raise ConfigurationError("model: invariants.pairs needs events of two particles or more")
    if events.scalars and scalars_of_pairs_alone and not invariants.pairs:
        raise ConfigurationError("model: events.scalars are read with invariants.pairs alone: name some")


def _check_muon_pair(field: str, events: EventShape) -> None:
    if events.particles != 2 or events.masked:
        raise ConfigurationError(f"model: {field} is for muon pairs without a mask")


def network_config(described: Mapping[str, Any], where: str) -> NetworkConfig:
    """Return the description of a network from a mapping with "network", its name, and its fields."""
    name = described.get("network")
    choose(where, "network", name, MODELS)
    return from_dict(CONFIGS[str(name)], {key: value for key, value in described.items() if key != "network"}, where)
