"""The paper's three networks: four-momenta in, logits out; features are computed inside.

By default an event is a muon pair, p4 (B, 2, 4) as E, px, py, pz in GeV, mu+ first. `EventShape` describes other
events: n particles, a mask (B, n) for padding, particle scalars (B, n, L).

Every network has two halves: `features`, which has no parameters, and `classify`. A training loop may compute the
features of all events once; `forward` does both.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.nets.approximate_symmetry import ApproximateSymmetry
from zmumu_hybrid.nets.blocks import SetMap, Standardise, mlp
from zmumu_hybrid.nets.config import (
    HybridConfig,
    InvariantNetworkConfig,
    Invariants,
    NetworkConfig,
    PFNConfig,
)
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.nets.variables import (
    checked,
    context_of,
    evaluate,
    invariants_of,
    kinematics_of,
    pair_invariants,
    pair_places,
    particles_of,
    require_shape,
)

__all__ = ["PFN", "DimuonHybrid", "Features", "InvariantNetwork", "ParticleNetwork", "build"]

Described = TypeVar("Described", PFNConfig, InvariantNetworkConfig, HybridConfig)

Features = dict[str, Tensor]
"""What the subnets read, batch first, in the type of the parameters: "particles" (B, n, F), "invariants" (B, I),
"pairs" (B, P, Q), "context" (B, C), "mask" (B, n), those that the network has."""


class ParticleNetwork(nn.Module):
    """What the three networks have in common: the features.

    Parameters
    ----------
    config : NetworkConfig, optional
        The paper's by default.
    **fields
        Fields of the configuration that are other than in the paper.
    """

    kind: type[NetworkConfig]
    config: Any

    def __init__(self, config: NetworkConfig, sources: dict[str, int]) -> None:
        super().__init__()
        self.config = config
        if config.standardised:
            self.standard = nn.ModuleDict({name: Standardise(width) for name, width in sources.items()})

    @property
    def model(self) -> str:
        """The kind of network: "hybrid", "pfn" or "invariant"."""
        return self.config.model  # type: ignore[no-any-return]

    @property
    def default_learning_rate(self) -> float:
        """The learning rate of the authors' code for this kind."""
        return self.config.default_learning_rate  # type: ignore[no-any-return]

    @classmethod
    def preset(cls, name: str, **fields: Any) -> Any:
        """Return the network of a preset by name, see `zmumu_hybrid.nets.presets`."""
        return cls(preset(cls.kind.model, name, **fields))  # type: ignore[call-arg]

    @classmethod
    def paper(cls, **fields: Any) -> Any:
        """Return the network of Appendix B."""
        return cls.preset("paper", **fields)

    @classmethod
    def released(cls, **fields: Any) -> Any:
        """Return the network as the authors published it."""
        return cls.preset("released", **fields)

    @classmethod
    def tuned(cls, **fields: Any) -> Any:
        """Return the network with conditioned, standardised inputs, see `docs/optimal.md`."""
        return cls.preset("tuned", **fields)

    @property
    def stacks(self) -> dict[str, tuple[int, ...]]:
        """The widths of each MLP from input to output, by name."""
        return self.config.stacks  # type: ignore[no-any-return]

    @property
    def hidden_neurons(self) -> int:
        """Number of hidden neurons over all MLPs, as the paper counts them (Appendix B)."""
        return self.config.hidden_neurons  # type: ignore[no-any-return]

    @property
    def inputs(self) -> dict[str, dict[str, Any]]:
        """What `forward` takes: for each name the "dtype", and the "shape" of one event."""
        events, context = self.config.events, getattr(self.config, "given_context", 0)
        n = events.particles
        found: dict[str, dict[str, Any]] = {"p4": {"dtype": "float64", "shape": [n, 4]}}
        if events.masked:
            found["mask"] = {"dtype": "bool", "shape": [n]}
        if events.scalars:
            found["scalars"] = {"dtype": "float64", "shape": [n, events.scalars]}
        return found | ({"context": {"dtype": "float64", "shape": [context]}} if context else {})

    def standardise(self, features: Features) -> None:
        """Take the standardisation of the inputs from the features of the training events, where there is one."""
        for name, standard in self.standard.items() if self.config.standardised else ():
            standard.learn(features[name])  # type: ignore[operator]

    def _standard(self, features: Features, name: str) -> Tensor:
        return self.standard[name](features[name]) if self.config.standardised else features[name]

    def features(
        self, p4: Tensor, mask: Tensor | None = None, scalars: Tensor | None = None, context: Tensor | None = None
    ) -> Features:
        """Compute what the subnets read.

        Parameters
        ----------
        p4 : Tensor, shape (B, n, 4)
            E, px, py, pz in GeV; float64 keeps the invariants exact.
        mask : Tensor, shape (B, n), optional
            True or 1 for particles, False or 0 for padding; all are there by default.
        scalars : Tensor, shape (B, n, L), optional
            The particle scalars, for networks that read some.
        context : Tensor, shape (B, C), optional
            For networks whose context is given with the events.

        Returns
        -------
        Features

        Raises
        ------
        InputError
            If a shape does not fit, or an input is missing or superfluous.
        """
        events = self.config.events
        p4, mask, scalars = checked(events, p4, mask, scalars)
        found: dict[str, Tensor] = {}
        if self.model != "invariant":
            found["particles"] = particles_of(self.config, p4, scalars)
        if self.model != "pfn":
            found |= invariants_of(self.config.invariants, p4.double(), scalars)
        if self.model == "hybrid":
            found["context"] = context_of(self.config, p4, context)
        elif context is not None:
            raise InputError(f"a network of the kind {self.model} reads no context")
        if mask is not None:
            found["mask"] = mask
        kind = next(self.parameters()).dtype
        return {name: values.to(kind) for name, values in found.items()}

    def classify(self, features: Features) -> Tensor:
        """Return the logits of events whose features were computed before: (B,), or (B, K) of several classes."""
        raise NotImplementedError

    def forward(
        self, p4: Tensor, mask: Tensor | None = None, scalars: Tensor | None = None, context: Tensor | None = None
    ) -> Tensor:
        """Return the logits, (B,) or (B, K) of several classes; arguments and errors as `features`."""
        return self.classify(self.features(p4, mask, scalars, context))

    def observables(
        self, p4: Tensor, mask: Tensor | None = None, scalars: Tensor | None = None, context: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the quantities that the network reads in their own units, by name, to compare with the training's.

        Each has the shape (B, k); padding is NaN. Invariants are in GeV^2, momenta in GeV.
        """
        p4, mask, _ = checked(self.config.events, p4, mask, scalars)
        p4, found = p4.double(), dict[str, Tensor]()
        if self.model != "pfn":
            invariants: Invariants = self.config.invariants
            found |= {name: evaluate([name], p4) for name in invariants.names}
            if invariants.pairs:
                values = pair_invariants(p4, invariants.pairs.names)
                if mask is not None:
                    first, second = pair_places(p4.shape[1])
                    there = (mask[:, first] * mask[:, second]).unsqueeze(-1) > 0
                    values = torch.where(there, values, torch.nan)
                found |= {name: values[..., k] for k, name in enumerate(invariants.pairs.names)}
        if self.model == "hybrid":
            names = self.config.context or [f"context {k}" for k in range(self.config.given_context)]
            values = context_of(self.config, p4, context).double()
            found |= {name: values[:, k : k + 1] for k, name in enumerate(names)}
        return found if self.model == "invariant" else found | kinematics_of(p4, mask)


class _SymmetricInput(nn.Module):
    """The invariants of the event, with the sum over its pairs of a map of theirs."""

    def __init__(self, config: InvariantNetworkConfig | HybridConfig) -> None:
        super().__init__()
        widths = config.stacks.get("pair_map")
        self.pair_map = SetMap(widths, config.normalisation) if widths else None

    def forward(self, invariants: Tensor, pairs: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        if self.pair_map is None or pairs is None:
            return invariants
        if mask is not None:
            first, second = pair_places(mask.shape[1])
            mask = mask[:, first] * mask[:, second]
        return torch.cat([invariants, self.pair_map(pairs, mask)], -1)


class _SymmetricSubnet(_SymmetricInput):
    """The same, through an MLP: the symmetric latent."""

    def __init__(self, config: HybridConfig) -> None:
        super().__init__(config)
        self.map = mlp(config.stacks["invariant_map"], config.normalisation)

    def forward(self, invariants: Tensor, pairs: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        return self.map(super().forward(invariants, pairs, mask))


def _described(kind: type[Described], config: Described | None, fields: dict[str, Any]) -> Described:
    """Return a configuration of this kind with fields that are other than in it; the paper's if none is given."""
    if not isinstance(config, kind | None):
        raise ConfigurationError(f"the configuration must be of type {kind.__name__}, not {config!r}")
    unknown = sorted(set(fields) - {field.name for field in dataclasses.fields(kind)})
    if unknown:
        raise ConfigurationError(f"{unknown[0]} is no field of {kind.__name__}")
    return dataclasses.replace(config or kind(), **fields)


def _elements(config: PFNConfig | HybridConfig) -> int | None:
    return config.events.particles if config.particle_norm == "particle" else None


class PFN(ParticleNetwork):
    """The particle flow network, which knows no symmetry but that of exchanging particles (Appendix B).

    Parameters
    ----------
    config : PFNConfig, optional
        The paper's by default.
    **fields
        Fields of the configuration that are other than in the paper.

    Examples
    --------
    >>> PFN()(torch.rand(5, 2, 4)).shape, PFN().hidden_neurons
    (torch.Size([5]), 1152)
    """

    kind = PFNConfig

    def __init__(self, config: PFNConfig | None = None, **fields: Any) -> None:
        config = _described(PFNConfig, config, fields)
        stacks = config.stacks
        super().__init__(config, {"particles": stacks["particle_map"][0]})
        self.particle_map = SetMap(stacks["particle_map"], config.normalisation, _elements(config))
        self.classifier = mlp(stacks["classifier"], config.normalisation)

    def classify(self, features: Features) -> Tensor:
        """Return the logits, see `ParticleNetwork.classify`."""
        logits: Tensor = self.classifier(self.particle_map(self._standard(features, "particles"), features.get("mask")))
        return logits.squeeze(-1) if self.config.classes == 1 else logits


class InvariantNetwork(ParticleNetwork):
    """The Lorentz-invariant network: an MLP on invariants of the event and of its pairs (Appendix B).

    Parameters
    ----------
    config : InvariantNetworkConfig, optional
        The paper's by default.
    **fields
        Fields of the configuration that are other than in the paper.

    Examples
    --------
    >>> InvariantNetwork()(torch.rand(5, 2, 4)).shape, InvariantNetwork().hidden_neurons
    (torch.Size([5]), 1152)
    """

    kind = InvariantNetworkConfig

    def __init__(self, config: InvariantNetworkConfig | None = None, **fields: Any) -> None:
        config = _described(InvariantNetworkConfig, config, fields)
        super().__init__(config, {"invariants": config.invariants.width})
        self.symmetric = _SymmetricInput(config)
        self.classifier = mlp(config.stacks["classifier"], config.normalisation)

    def classify(self, features: Features) -> Tensor:
        """Return the logits, see `ParticleNetwork.classify`."""
        read = self.symmetric(self._standard(features, "invariants"), features.get("pairs"), features.get("mask"))
        logits: Tensor = self.classifier(read)
        return logits.squeeze(-1) if self.config.classes == 1 else logits


class DimuonHybrid(ParticleNetwork):
    """The hybrid: a particle flow map and an MLP on invariants, joined by a symmetry factor of pT (paper, Sec. III).

    `joined` is the `ApproximateSymmetry` that does it.

    Parameters
    ----------
    config : HybridConfig, optional
        The paper's by default.
    **fields
        Fields of the configuration that are other than in the paper.

    Examples
    --------
    >>> net = DimuonHybrid()
    >>> net(torch.rand(5, 2, 4)).shape, net.hidden_neurons
    (torch.Size([5]), 1152)
    >>> net.eval().symmetry_factor(torch.tensor([[20.0], [60.0]])).shape
    torch.Size([2, 2])
    """

    kind = HybridConfig

    def __init__(self, config: HybridConfig | None = None, **fields: Any) -> None:
        config = _described(HybridConfig, config, fields)
        sources = {
            "particles": config.stacks["particle_map"][0],
            "invariants": config.invariants.width,
            "context": config.context_width,
        }
        super().__init__(config, sources)
        stacks, norm = self.stacks, config.normalisation
        self.joined = ApproximateSymmetry(
            [SetMap(stacks["particle_map"], norm, _elements(config)), _SymmetricSubnet(config)],
            mlp(stacks["gate"], norm) if "gate" in stacks else None,
            mlp(stacks["classifier"], norm),
            config.pooling,
        )

    @classmethod
    def enlarged(cls, **fields: Any) -> DimuonHybrid:
        """Return the hybrid of Appendix A, with the PFN's particle map."""
        return cls.preset("enlarged", **fields)

    def latents(self, features: Features) -> list[Tensor]:
        """Return the general and the symmetric latent of events, each (B, l)."""
        mask = features.get("mask")
        particles, invariants = (self._standard(features, name) for name in ("particles", "invariants"))
        return self.joined.latents([(particles, mask), (invariants, features.get("pairs"), mask)])

    def classify(self, features: Features) -> Tensor:
        """Return the logits, see `ParticleNetwork.classify`."""
        return self.joined.classify(self.latents(features), self._standard(features, "context"))

    def symmetry_factor(self, context: Tensor) -> Tensor:
        """Return the weights of the general and of the symmetric subnet at a context.

        Parameters
        ----------
        context : Tensor, shape (B, C)
            By default the pT of the mu+ in GeV.

        Returns
        -------
        Tensor, shape (B, 2)
            Each row sums to one.

        Raises
        ------
        ConfigurationError
            If the pooling is "concatenation-with-pt", which learns none.
        InputError
            If the context has another shape.
        """
        require_shape("context", context, (*context.shape[:1], self.config.context_width))
        features = {"context": context.to(next(self.parameters()).dtype)}
        return self.joined.symmetry_factor(self._standard(features, "context"))


def build(config: NetworkConfig) -> ParticleNetwork:
    """Return the network that a configuration describes, initialised by torch."""
    if isinstance(config, HybridConfig):
        return DimuonHybrid(config)
    return PFN(config) if isinstance(config, PFNConfig) else InvariantNetwork(config)
