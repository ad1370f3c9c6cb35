"""What a network is and how it is trained, as plain validated descriptions. Knows no torch."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.learn.quantities import EVENT, INVARIANTS, PARTICLE
from zmumu_hybrid.learn.regimen import TrainingConfig, choose
from zmumu_hybrid.learn.variables import (
    PAIR_INVARIANTS,
    ContextVariable,
    Product,
    pair_indices,
    parse_context,
    parse_invariant,
)
from zmumu_hybrid.values import require_count

__all__ = [
    "ACTIVATIONS",
    "BATCH_NORM_EPSILON",
    "BATCH_NORM_MOMENTUM",
    "MODELS",
    "POOLINGS",
    "ModelConfig",
    "TrainingConfig",
    "from_dict",
]

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.1

MODELS = ("hybrid", "pfn", "invariant")
ACTIVATIONS = ("relu", "silu")

POOLINGS = ("weighted-sum", "weighted-concatenation", "concatenation-with-weight", "concatenation-with-pt")

_COUNTS = {"latent": 2**16, "particles": 1024, "context": 2**16, "classes": 2**16, "labels": 2**16}
_COUNTS |= {"pair_latent": 2**16, "symmetric_latent": 2**16}
"""What these are at most; no width is more than that of a latent, and no stack has more than 100 layers."""

MAX_PARAMETERS = 10**8
"""Of one network."""

Config = TypeVar("Config", "ModelConfig", "TrainingConfig")


@dataclasses.dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything that determines a network's function but its parameters.

    The defaults are those of the muon pair; `docs/general.md` describes other events.

    Attributes
    ----------
    model : str
        "hybrid", "pfn" or "invariant".
    particle_map : tuple of int
        Hidden widths of the map of one particle's momentum to the general latent; unused by the invariant network.
    invariant_map : tuple of int
        Hidden widths of the MLP on the Lorentz invariants that gives the symmetric latent; hybrid only.
    gate : tuple of int
        Hidden widths of the MLP on the context that gives the two pooling weights; hybrid only.
    classifier : tuple of int
        Hidden widths of the last MLP.
    latent : int
        Width of the latents.
    pooling : str
        How the hybrid joins its two latents g and s (paper, Eq. 1 and Appendix C): "weighted-sum" w g + (1 - w) s,
        "weighted-concatenation" [w g, (1 - w) s], "concatenation-with-weight" [g, s, w], "concatenation-with-pt"
        [g, s, pT]. The last has no gate.
    normalisation : str
        "batch" puts BatchNorm1d before every activation, "none" nothing.
    particle_norm : str
        What the BatchNorm of the particle map normalises: every "feature" over events and particles, or every
        "particle" index over events and features, as the authors' published networks do.
    squared_norm : str
        Whose squared Minkowski norm the first invariant is where `invariants` is None: of the "total" momentum or of
        the "difference".
    particles : int
        Particles per event, padding included.
    context : int
        Context variables of the gate.
    invariants : tuple of str, optional
        The Lorentz invariants of the event, by their names in `zmumu_hybrid.learn.variables`. None means the two of a
        pair: the squared norm and the inner product.
    pair_invariants : tuple of str
        The invariants of every pair of particles that `pair_map` reads: "dot", "m2", "difference".
    pair_map : tuple of int
        Hidden widths of the map of one pair's invariants to a latent that is summed over the pairs and joins the
        invariants of the event; unused without `pair_invariants`, and by the PFN.
    pair_latent, symmetric_latent : int, optional
        Widths of that latent and of the hybrid's symmetric latent; `latent` by default.
    labels : int
        Lorentz-invariant numbers that come with each particle: its species, charge or tag.
    masked : bool
        Whether events have fewer particles than `particles`, and a mask that says which are there.
    context_variables : tuple of str, optional
        Names of the context variables, which are then computed from the momenta. By default the pT of the first
        particle if `context` is 1, else none: they are given with the events.
    classes : int
        1 for one logit, signal against background; K > 1 for the K logits of as many classes.
    activation : str
        "relu", or "silu": x times the sigmoid of x.
    standardised : bool
        Whether what the stacks read is standardised with mean and standard deviation of the training events.
    particle_features : tuple of str, optional
        What the particle map reads of each muon of a pair instead of its four-momentum, by the names in
        `zmumu_hybrid.learn.quantities`: of the muon, or of the pair.
    invariant_features : tuple of str
        Conditioned functions of the pair's mass that join the invariants of the event.
    """

    model: str
    particle_map: tuple[int, ...] = ()
    invariant_map: tuple[int, ...] = ()
    gate: tuple[int, ...] = ()
    classifier: tuple[int, ...] = ()
    latent: int = 16
    pooling: str = "weighted-sum"
    normalisation: str = "batch"
    particle_norm: str = "feature"
    squared_norm: str = "total"
    particles: int = 2
    context: int = 1
    invariants: tuple[str, ...] | None = None
    pair_invariants: tuple[str, ...] = ()
    pair_map: tuple[int, ...] = ()
    pair_latent: int | None = None
    symmetric_latent: int | None = None
    labels: int = 0
    masked: bool = False
    context_variables: tuple[str, ...] | None = None
    classes: int = 1
    activation: str = "relu"
    standardised: bool = False
    particle_features: tuple[str, ...] | None = None
    invariant_features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what makes no network; lists of widths become tuples."""
        choose("model", "model", self.model, MODELS)
        choose("model", "pooling", self.pooling, POOLINGS)
        choose("model", "normalisation", self.normalisation, ("batch", "none"))
        choose("model", "particle_norm", self.particle_norm, ("feature", "particle"))
        choose("model", "squared_norm", self.squared_norm, ("total", "difference"))
        for field in ("particle_map", "invariant_map", "gate", "classifier", "pair_map"):
            widths = getattr(self, field)
            if not isinstance(widths, (list, tuple)) or len(widths) > 100:
                raise ConfigurationError(f"model: {field} must be a list of at most 100 widths, not {widths!r:.80}")
            for width in widths:
                require_count(f"model: a width of {field}", width, 1, 2**16)
            object.__setattr__(self, field, tuple(widths))
        for field, maximum in _COUNTS.items():
            if not (getattr(self, field) is None and field in ("pair_latent", "symmetric_latent")):
                require_count(f"model: {field}", getattr(self, field), 0 if field == "labels" else 1, maximum)
        for field in ("masked", "standardised"):
            if not isinstance(getattr(self, field), bool):
                raise ConfigurationError(f"model: {field} must be true or false, not {getattr(self, field)!r}")
        choose("model", "activation", self.activation, ACTIVATIONS)
        self._check_variables()
        if self.parameters > MAX_PARAMETERS:
            raise ConfigurationError(
                f"model: these widths make {self.parameters:,} parameters, more than {MAX_PARAMETERS:,}"
            )

    def _check_variables(self) -> None:
        """Refuse names that mean nothing for such events, and latents that cannot be joined."""
        for field in ("invariants", "pair_invariants", "context_variables", "particle_features", "invariant_features"):
            names = getattr(self, field)
            if names is not None and not isinstance(names, (list, tuple)):
                raise ConfigurationError(f"model: {field} must be a list of names, not {names!r}")
            object.__setattr__(self, field, names if names is None else tuple(names))
        for name in self.pair_invariants:
            choose("model", "every one of pair_invariants", name, tuple(PAIR_INVARIANTS))
        for name in self.particle_features or ():
            choose("model", "every one of particle_features", name, (*PARTICLE, *EVENT))
        for name in self.invariant_features:
            choose("model", "every one of invariant_features", name, INVARIANTS)
        self._check_conditioning()
        try:
            read, variables = self.event_invariants, self.context_definitions
        except ConfigurationError as error:
            raise ConfigurationError(f"model: {error}") from None
        if self.model != "pfn" and not read and not self.pair_invariants:
            raise ConfigurationError(
                "model: invariants and pair_invariants are empty: the symmetric part has nothing to read"
            )
        if self.context_variables is not None and len(variables) != self.context:
            raise ConfigurationError(
                f"model: context_variables has {len(variables)} names for context = {self.context} variables"
            )
        if self.pooling == "weighted-sum" and self.symmetric_width != self.latent:
            raise ConfigurationError(
                f"model: symmetric_latent must be that of latent ({self.latent}) for a weighted sum, "
                f"not {self.symmetric_latent}"
            )

    def _check_conditioning(self) -> None:
        """Refuse quantities of a muon pair, and standardised inputs, for other events."""
        if self.particle_features == ():
            raise ConfigurationError("model: particle_features is empty: the particle map has nothing to read")
        other = self.particles != 2 or self.masked or self.labels > 0 or bool(self.pair_invariants)
        for field in ("particle_features", "invariant_features", "standardised"):
            if getattr(self, field) and other:
                raise ConfigurationError(
                    f"model: {field} is for a pair of particles without mask, labels and pair_invariants"
                )

    @property
    def event_invariants(self) -> list[Product]:
        """The invariants of the event, in the order in which the network reads them."""
        names = self.invariants
        if names is None and (self.model == "pfn" or self.pair_invariants):
            names = ()
        elif names is None:
            if self.particles != 2:
                raise ConfigurationError(f"invariants must be named for events of {self.particles} particles")
            names = ("m2(all)" if self.squared_norm == "total" else "m2(0-1)", "dot(0,1)")
        return [parse_invariant(name, self.particles) for name in names]

    @property
    def all_pair_invariants(self) -> list[Product]:
        """The invariants of all pairs, those of one pair together."""
        pairs = pair_indices(self.particles) if self.pair_invariants else []
        return [
            parse_invariant(PAIR_INVARIANTS[name].format(*pair), self.particles)
            for pair in pairs
            for name in self.pair_invariants
        ]

    @property
    def context_definitions(self) -> list[ContextVariable]:
        """The context variables that are computed from the momenta; none if they come with the events."""
        names = self.context_variables
        if names is None:
            names = ("pt(0)",) if self.context == 1 else ()
        return [parse_context(name, self.particles) for name in names]

    @property
    def symmetric_width(self) -> int:
        """Width of the hybrid's symmetric latent."""
        return self.latent if self.symmetric_latent is None else self.symmetric_latent

    @property
    def stacks(self) -> dict[str, tuple[int, ...]]:
        """The MLPs that the network has, by name: their widths from input to output."""
        both = self.latent + self.symmetric_width
        pooled = {"weighted-sum": self.latent, "weighted-concatenation": both}.get(self.pooling, both + 1)
        stacks: dict[str, tuple[int, ...]] = {}
        symmetric = len(self.event_invariants) + len(self.invariant_features)
        if self.model != "invariant":
            read_of_each = 4 + self.labels if self.particle_features is None else len(self.particle_features)
            stacks["particle_map"] = (read_of_each, *self.particle_map, self.latent)
        if self.model != "pfn" and self.pair_invariants:
            width = self.latent if self.pair_latent is None else self.pair_latent
            stacks["pair_map"] = (len(self.pair_invariants) + 2 * self.labels, *self.pair_map, width)
            symmetric += width
        if self.model == "hybrid":
            stacks["invariant_map"] = (symmetric, *self.invariant_map, self.symmetric_width)
        if self.has_gate:
            stacks["gate"] = (self.context, *self.gate, 2)
        read = {"hybrid": pooled, "pfn": self.latent, "invariant": symmetric}[self.model]
        return stacks | {"classifier": (read, *self.classifier, self.classes)}

    @property
    def sources(self) -> dict[str, str]:
        """What the stacks that read features read, by their names: "particles", "invariants" or "context"."""
        sources = {"particle_map": "particles", "invariant_map": "invariants", "gate": "context"}
        if self.model == "invariant":
            sources["classifier"] = "invariants"
        return {stack: source for stack, source in sources.items() if stack in self.stacks}

    @property
    def has_gate(self) -> bool:
        """Whether the network learns a symmetry factor."""
        return self.model == "hybrid" and self.pooling != "concatenation-with-pt"

    @property
    def hidden_neurons(self) -> int:
        """Number of hidden neurons over all stacks, as the paper counts them (Appendix B)."""
        return sum(sum(widths[1:-1]) for widths in self.stacks.values())

    @property
    def parameters(self) -> int:
        """Number of trained parameters of one member."""
        total = 0
        for name, widths in self.stacks.items():
            total += sum((before + 1) * after for before, after in itertools.pairwise(widths))
            if self.normalisation == "batch":
                by_particle = name == "particle_map" and self.particle_norm == "particle"
                total += 2 * (self.particles * len(widths[1:-1]) if by_particle else sum(widths[1:-1]))
        return total


def from_dict(kind: type[Config], values: Mapping[str, Any], where: str) -> Config:
    """Make a configuration from a mapping that was read from `where`.

    Raises
    ------
    ConfigurationError
        If a key is unknown or missing, or a value cannot be used.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ConfigurationError(f"{where}: unknown key {unknown[0]!r}; there are {', '.join(fields)}")
    missing = [name for name, field in fields.items() if field.default is dataclasses.MISSING and name not in values]
    if missing:
        raise ConfigurationError(f"{where}: {missing[0]} is missing")
    try:
        return kind(**values)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None
