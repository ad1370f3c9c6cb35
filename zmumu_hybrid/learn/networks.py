"""The three networks as torch modules whose parameters have a leading axis of members.

An ensemble of M networks is one module and one batched product; a single network is an ensemble of one. Shapes below
use M members, B events, n particles per event, C context variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zmumu_hybrid import keys
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.learn.configuration import ModelConfig
from zmumu_hybrid.learn.layers import Mlp
from zmumu_hybrid.learn.presets import preset

__all__ = ["PFN", "Features", "Hybrid", "Invariant", "Network", "build", "invariants"]


class Features(NamedTuple):
    """What the stacks of a network read, computed from the momenta once.

    Attributes
    ----------
    particles : Tensor, shape (..., B, n, 4)
        E, px, py, pz of each particle, in GeV.
    invariants : Tensor, shape (..., B, 2)
        The Lorentz invariants, see `invariants`.
    context : Tensor, shape (..., B, C)
        pT of the first muon, in GeV.
    """

    particles: Tensor
    invariants: Tensor
    context: Tensor


def _minkowski(p: Tensor, q: Tensor) -> Tensor:
    return p[..., 0] * q[..., 0] - (p[..., 1:] * q[..., 1:]).sum(-1)


def invariants(p4: Tensor, squared_norm: str = "total") -> Tensor:
    """Return the two Lorentz invariants of a pair, each as sign(x) log(1 + abs(x)).

    Parameters
    ----------
    p4 : Tensor, shape (..., 2, 4)
        E, px, py, pz in GeV; the products are taken in float64.
    squared_norm : str
        Whose squared Minkowski norm is taken: "total" or "difference" of the two momenta.

    Returns
    -------
    Tensor of float64, shape (..., 2)
        The squared norm and the inner product of the two momenta, in GeV^2 before the logarithm.
    """
    first, second = p4.double().unbind(-2)
    whole = first + second if squared_norm == "total" else first - second
    x = torch.stack([_minkowski(whole, whole), _minkowski(first, second)], -1)
    return x.sign() * x.abs().log1p()


class Network(nn.Module):
    """What the three networks have in common: they turn momenta into features, and features into logits.

    Parameters
    ----------
    config : ModelConfig
        Widths and options.
    members : int
        M, the length of the leading axis of every parameter.
    """

    classifier: Mlp

    def __init__(self, config: ModelConfig, members: int = 1) -> None:
        super().__init__()
        self.config = config
        self.members = members
        for name, widths in config.stacks.items():
            particles = config.particles if name == "particle_map" else 1
            by_particle = particles > 1 and config.particle_norm == "particle"
            self.add_module(name, Mlp(widths, members, config.normalisation, particles if by_particle else None))

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

    @property
    def dtype(self) -> torch.dtype:
        """The type of the parameters."""
        return next(self.parameters()).dtype

    def features(self, p4: Tensor, pt: Tensor | None = None) -> Features:
        """Compute what the stacks read.

        Parameters
        ----------
        p4 : Tensor, shape (..., B, 2, 4)
            E, px, py, pz in GeV, mu+ first; float64 keeps the invariants exact.
        pt : Tensor, shape (..., B, C), optional
            The context of the symmetry factor in GeV; by default the pT of the first muon.

        Returns
        -------
        Features
            In the type of the parameters.
        """
        if pt is None:
            pt = torch.hypot(p4[..., 0, 1], p4[..., 0, 2]).unsqueeze(-1)
        reduced = invariants(p4, self.config.squared_norm)
        return Features(p4.to(self.dtype), reduced.to(self.dtype), pt.to(self.dtype))

    def forward(self, p4: Tensor, pt: Tensor | None = None) -> Tensor:
        """Return the logits (M, B) of events that all members share (B, 2, 4) or that are their own (M, B, 2, 4)."""
        return self.classify(self.features(p4, pt))

    def classify(self, features: Features) -> Tensor:
        """Return the logits, shape (M, B), of events whose features were computed before."""
        raise NotImplementedError


def _own(x: Tensor, members: int, axes: int) -> Tensor:
    """Give a tensor without a members axis one, as a view; `axes` is the number of axes that it should have then."""
    return x if x.ndim == axes else x.expand(members, *x.shape)


class PFN(Network):
    """The particle flow network: a map of each particle to a latent, the sum over particles, a classifier.

    Knows no symmetry but that of exchanging particles (Appendix B; Komiske, Metodiev, Thaler, arXiv:1810.05165).
    """

    particle_map: Mlp

    def __init__(self, config: ModelConfig | None = None, members: int = 1) -> None:
        super().__init__(config or preset("pfn"), members)

    def classify(self, features: Features) -> Tensor:
        """Return the logits, shape (M, B)."""
        latent: Tensor = self.particle_map(_own(features.particles, self.members, 4)).sum(-2)
        return self.classifier(latent).squeeze(-1)  # type: ignore[no-any-return]


class Invariant(Network):
    """The Lorentz-invariant network: an MLP on two invariants (Appendix B)."""

    def __init__(self, config: ModelConfig | None = None, members: int = 1) -> None:
        super().__init__(config or preset("invariant"), members)

    def classify(self, features: Features) -> Tensor:
        """Return the logits, shape (M, B)."""
        return self.classifier(_own(features.invariants, self.members, 3)).squeeze(-1)  # type: ignore[no-any-return]


class Hybrid(Network):
    """A general and a Lorentz-invariant subnet, joined by a learned symmetry factor (paper, Sec. III)."""

    particle_map: Mlp
    invariant_map: Mlp
    gate: Mlp

    def __init__(self, config: ModelConfig | None = None, members: int = 1) -> None:
        super().__init__(config or preset("hybrid"), members)

    def classify(self, features: Features) -> Tensor:
        """Return the logits, shape (M, B)."""
        return self.classifier(self.pool(features)).squeeze(-1)  # type: ignore[no-any-return]

    def latents(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return the general latent g and the symmetric latent s, each of shape (M, B, latent)."""
        general = self.particle_map(_own(features.particles, self.members, 4)).sum(-2)
        return general, self.invariant_map(_own(features.invariants, self.members, 3))

    def weights(self, context: Tensor) -> Tensor:
        """Return the pooling weights (w, 1 - w) at a context (..., B, C), shape (M, B, 2).

        Raises
        ------
        ConfigurationError
            If the pooling is "concatenation-with-pt", which has none.
        """
        if not self.config.has_gate:
            raise ConfigurationError(f"a hybrid with pooling {self.config.pooling!r} has no general weight")
        return torch.softmax(self.gate(_own(context.to(self.dtype), self.members, 3)), -1)

    def general_weight(self, pt: Tensor) -> Tensor:
        """Return w, the share of the general latent, at pT of the first muon in GeV (..., B, C), shape (M, B)."""
        return self.weights(pt)[..., 0]

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
