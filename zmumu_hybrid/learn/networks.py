"""The three networks as torch modules whose parameters have a leading axis of members.

An ensemble of M networks is one module and one batched product; a single network is an ensemble of one. The modules are
general: any number of particles with a mask, any invariants, context variables, latents and classes; the muon pair
is what `ModelConfig` describes by default. Shapes below use M members, B events, n particles per event, L labels of a
particle, I invariants of an event, P pairs with Q invariants each, C context variables, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zmumu_hybrid import keys
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.learn.configuration import ModelConfig
from zmumu_hybrid.learn.features import Features, context_of, invariants_of, particles_of
from zmumu_hybrid.learn.layers import Mlp, Standard
from zmumu_hybrid.learn.presets import preset
from zmumu_hybrid.learn.variables import pair_indices, parse_context

__all__ = ["PFN", "Features", "Hybrid", "Invariant", "Network", "build"]


class Network(nn.Module):
    """What the three networks have in common: they turn momenta into features, and features into logits.

    Parameters
    ----------
    config : ModelConfig
        Widths and options.
    members : int
        M, the length of the leading axis of every parameter.
    """

    particle_map: Mlp
    pair_map: Mlp
    classifier: Mlp

    def __init__(self, config: ModelConfig, members: int = 1) -> None:
        super().__init__()
        self.config = config
        self.members = members
        for name, widths in config.stacks.items():
            particles = config.particles if name == "particle_map" else 1
            by_particle = particles > 1 and config.particle_norm == "particle"
            axis = particles if by_particle else None
            self.add_module(name, Mlp(widths, members, config.normalisation, axis, config.activation))
        if config.standardised:
            for stack, source in config.sources.items():
                self.add_module(f"standard_{source}", Standard(config.stacks[stack][0], members))

    def initialise(self, seed: int, members: Sequence[int] | None = None) -> None:
        """Draw the parameters, as torch does for `nn.Linear`, from a generator of each member's own.

        Parameters
        ----------
        seed : int
            The training's seed.
        members : sequence of int, optional
            The number of each member in its ensemble, 0 to M - 1 by default: member k of an ensemble gets the same
            parameters in whatever company.
        """
        for place, member in enumerate(range(self.members) if members is None else members):
            generator = torch.Generator().manual_seed(keys.seed_from(seed, "initialisation", member))
            for stack in self.children():
                if isinstance(stack, Mlp):
                    stack.initialise(place, generator)

    def standardise(self, features: Features) -> None:
        """Take the standardisation of the inputs from the training events, where the network has one."""
        for source in self.config.sources.values() if self.config.standardised else ():
            self.get_submodule(f"standard_{source}").learn(getattr(features, source))  # type: ignore[operator]

    def _standard(self, source: str, x: Tensor) -> Tensor:
        """Standardise what a stack reads, with its axis of members, where the network does that."""
        if not self.config.standardised:
            return x
        standard: Tensor = self.get_submodule(f"standard_{source}")(x)
        return standard

    @property
    def dtype(self) -> torch.dtype:
        """The type of the parameters."""
        return next(self.parameters()).dtype

    def features(
        self, p4: Tensor, context: Tensor | None = None, mask: Tensor | None = None, labels: Tensor | None = None
    ) -> Features:
        """Compute what the stacks read.

        Parameters
        ----------
        p4 : Tensor, shape (..., B, n, 4)
            E, px, py, pz in GeV, for a muon pair mu+ first; float64 keeps the invariants exact.
        context : Tensor, shape (..., B, C), optional
            The context of the symmetry factor; by default computed from the momenta, where the configuration says how.
        mask : Tensor, shape (..., B, n), optional
            True or 1 for particles, False or 0 for padding, for networks with masked particles. All are there by
            default.
        labels : Tensor, shape (..., B, n, L), optional
            The labels of the particles, for networks that read some.

        Returns
        -------
        Features
            In the type of the parameters.

        Raises
        ------
        InputError
            If the context or labels are missing, or a mask or labels are given to a network without.
        """
        config = self.config
        if (labels is None) != (config.labels == 0):
            raise InputError(f"the network reads {config.labels} labels of each particle: {_given(labels)}")
        if mask is not None and not config.masked:
            raise InputError("the network knows no mask: its events have all their particles")
        if config.masked:
            mask = torch.ones_like(p4[..., 0]) if mask is None else mask.to(p4.dtype)
            p4 = torch.where(mask.unsqueeze(-1) > 0, p4, torch.zeros_like(p4))
            labels = None if labels is None else torch.where(mask.unsqueeze(-1) > 0, labels, torch.zeros_like(labels))
        if context is None:
            if config.model == "hybrid" and not config.context_definitions:
                raise InputError(f"the {config.context} context variables of the network are missing")
            context = context_of(p4, config.context_definitions)
        particles = p4 if labels is None else torch.cat([p4, labels.to(p4.dtype)], -1)
        if config.particle_features is not None and config.model != "invariant":
            particles = particles_of(p4, config.particle_features)
        conditioned = context_of(p4, [parse_context(name, config.particles) for name in config.invariant_features])
        features = Features(
            particles,
            torch.cat([invariants_of(p4, config.event_invariants), conditioned.double()], -1),
            context,
            self._pairs(p4, labels),
            mask,
        )
        return features.map(lambda values: values.to(self.dtype))

    def _pairs(self, p4: Tensor, labels: Tensor | None) -> Tensor | None:
        """Return what is read of every pair of particles."""
        if "pair_map" not in self.config.stacks:
            return None
        first, second = self._pair_places()
        reduced = invariants_of(p4, self.config.all_pair_invariants)
        pairs = reduced.reshape(*reduced.shape[:-1], len(first), len(self.config.pair_invariants))
        if labels is None:
            return pairs
        one, other = labels[..., first, :].double(), labels[..., second, :].double()
        return torch.cat([pairs, one + other, one * other], -1)

    def _pair_places(self) -> tuple[list[int], list[int]]:
        places = pair_indices(self.config.particles)
        return [i for i, _ in places], [j for _, j in places]

    def forward(
        self, p4: Tensor, context: Tensor | None = None, mask: Tensor | None = None, labels: Tensor | None = None
    ) -> Tensor:
        """Return the logits of events that all members share (B, n, 4) or that are their own (M, B, n, 4).

        See `features` for the arguments and `classify` for the shape.
        """
        return self.classify(self.features(p4, context, mask, labels))

    def classify(self, features: Features) -> Tensor:
        """Return the logits of events whose features were computed before: (M, B), or (M, B, K) of several classes."""
        logits: Tensor = self.classifier(self.pool(features))
        return logits.squeeze(-1) if self.config.classes == 1 else logits

    def pool(self, features: Features) -> Tensor:
        """Return what the classifier reads, shape (M, B, ...)."""
        raise NotImplementedError

    def general(self, features: Features) -> Tensor:
        """Return the general latent g: the sum over the particles of their map, shape (M, B, latent)."""
        particles = self._standard("particles", _own(features.particles, self.members, 4))
        return _sum_of(self.particle_map, particles, features.mask, self.members)

    def symmetric(self, features: Features) -> Tensor:
        """Return the invariants of the event and the sum over its pairs of their map, shape (M, B, ...)."""
        invariants = self._standard("invariants", _own(features.invariants, self.members, 3))
        if features.pairs is None:
            return invariants
        mask = features.mask
        if mask is not None:
            first, second = self._pair_places()
            mask = mask[..., first] * mask[..., second]
        return torch.cat([invariants, _sum_of(self.pair_map, features.pairs, mask, self.members)], -1)


def _given(labels: Tensor | None) -> str:
    return "none are given" if labels is None else f"labels of shape {tuple(labels.shape)} are given"


def _own(x: Tensor, members: int, axes: int) -> Tensor:
    """Give a tensor without a members axis one, as a view; `axes` is the number of axes that it should have then."""
    return x if x.ndim == axes else x.expand(members, *x.shape)


def _sum_of(stack: Mlp, x: Tensor, mask: Tensor | None, members: int) -> Tensor:
    """Map the elements of sets (..., B, n, F) and sum over those that are there, shape (M, B, ...)."""
    x = _own(x, members, 4)
    if mask is None:
        mapped: Tensor = stack(x)
        return mapped.sum(-2)
    mask = _own(mask, members, 3)
    mapped = stack(x, mask)
    return (mapped * mask.unsqueeze(-1)).sum(-2)


class PFN(Network):
    """The particle flow network: a map of each particle to a latent, the sum over particles, a classifier.

    Knows no symmetry but that of exchanging particles (Appendix B; Komiske, Metodiev, Thaler, arXiv:1810.05165).
    """

    def __init__(self, config: ModelConfig | None = None, members: int = 1) -> None:
        super().__init__(config or preset("pfn"), members)

    def pool(self, features: Features) -> Tensor:
        """Return the general latent, shape (M, B, latent)."""
        return self.general(features)


class Invariant(Network):
    """The Lorentz-invariant network: an MLP on invariants (Appendix B), of the event and of its pairs."""

    def __init__(self, config: ModelConfig | None = None, members: int = 1) -> None:
        super().__init__(config or preset("invariant"), members)

    def pool(self, features: Features) -> Tensor:
        """Return the invariants, with what is known of the pairs."""
        return self.symmetric(features)


class Hybrid(Network):
    """A general and a Lorentz-invariant subnet, joined by a learned symmetry factor (paper, Sec. III)."""

    invariant_map: Mlp
    gate: Mlp

    def __init__(self, config: ModelConfig | None = None, members: int = 1) -> None:
        super().__init__(config or preset("hybrid"), members)

    def latents(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return the general latent g and the symmetric latent s, of shape (M, B, latent) and (M, B, its own)."""
        return self.general(features), self.invariant_map(self.symmetric(features))

    def weights(self, context: Tensor) -> Tensor:
        """Return the pooling weights (w, 1 - w) at a context (..., B, C), shape (M, B, 2).

        Raises
        ------
        ConfigurationError
            If the pooling is "concatenation-with-pt", which has none.
        """
        if not self.config.has_gate:
            raise ConfigurationError(f"a hybrid with pooling {self.config.pooling!r} has no general weight")
        read = self._standard("context", _own(context.to(self.dtype), self.members, 3))
        return torch.softmax(self.gate(read), -1)

    def general_weight(self, context: Tensor) -> Tensor:
        """Return w, the share of the general latent, at a context (..., B, C), shape (M, B)."""
        return self.weights(context)[..., 0]

    def pool(self, features: Features) -> Tensor:
        """Return what the classifier reads: w g + (1 - w) s, or one of the variants of Appendix C."""
        general, symmetric = self.latents(features)
        if self.config.pooling == "concatenation-with-pt":
            return torch.cat([general, symmetric, _own(features.context[..., :1], self.members, 3)], -1)
        weight, rest = self.weights(features.context).split(1, -1)
        if self.config.pooling == "weighted-sum":
            return weight * general + rest * symmetric
        if self.config.pooling == "weighted-concatenation":
            return torch.cat([weight * general, rest * symmetric], -1)
        return torch.cat([general, symmetric, weight], -1)


def build(config: ModelConfig, members: int = 1) -> Network:
    """Return the network that `config` describes, with `members` members and parameters that are not drawn yet."""
    kinds: dict[str, type[Network]] = {"pfn": PFN, "invariant": Invariant, "hybrid": Hybrid}
    return kinds[config.model](config, members)
