"""The paper's idea: subnets that respect a symmetry and subnets that do not, joined by a learned factor (Sec. III)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.nets.config import POOLINGS

__all__ = ["ApproximateSymmetry", "find_joined"]


class ApproximateSymmetry(nn.Module):
    """z_k = subnet_k(input_k), w = softmax(gate(context)), logits = classifier(sum_k w_k z_k).

    Nabat et al., Phys. Rev. D 111, 072002, Eq. 1 and Appendix C.

    Parameters
    ----------
    subnets : sequence of torch.nn.Module
        K of them, the general one first by convention; each maps its input to a latent (B, l_k).
    gate : torch.nn.Module or None
        Maps the context (B, C) to K logits (B, K); None only for "concatenation-with-pt", which has no factor.
    classifier : torch.nn.Module
        Maps what the pooling gives to (B, 1), or to (B, classes).
    pooling : str
        "weighted-sum": sum_k w_k z_k, for latents of one width. "weighted-concatenation": [w_1 z_1, ..., w_K z_K].
        "concatenation-with-weight": [z_1, ..., z_K, w_1, ..., w_(K-1)]. "concatenation-with-pt": the latents and the
        context, [z_1, ..., z_K, context].

    Raises
    ------
    ConfigurationError
        If there are fewer than two subnets, no such pooling, or a gate is missing.

    Examples
    --------
    Any modules will do:

    >>> general, symmetric = nn.Linear(8, 4), nn.Linear(3, 4)
    >>> net = ApproximateSymmetry([general, symmetric], gate=nn.Linear(1, 2), classifier=nn.Linear(4, 1))
    >>> net([torch.ones(5, 8), torch.ones(5, 3)], context=torch.ones(5, 1)).shape
    torch.Size([5])
    >>> net.symmetry_factor(torch.ones(5, 1)).sum(1).allclose(torch.ones(5))
    True
    """

    def __init__(
        self,
        subnets: Sequence[nn.Module],
        gate: nn.Module | None,
        classifier: nn.Module,
        pooling: str = "weighted-sum",
    ) -> None:
        super().__init__()
        if len(subnets) < 2:
            raise ConfigurationError(f"ApproximateSymmetry joins two subnets or more, not {len(subnets)}")
        if pooling not in POOLINGS:
            raise ConfigurationError(f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r}")
        if gate is None and pooling != "concatenation-with-pt":
            raise ConfigurationError(f"pooling {pooling!r} needs a gate")
        self.subnets = nn.ModuleList(subnets)
        self.gate = None if pooling == "concatenation-with-pt" else gate
        self.classifier = classifier
        self.pooling = pooling

    def symmetry_factor(self, context: Tensor) -> Tensor:
        """Return the weight of each subnet at a context.

        Parameters
        ----------
        context : Tensor, shape (B, C)

        Returns
        -------
        Tensor, shape (B, K)
            Each row sums to one.

        Raises
        ------
        ConfigurationError
            If the pooling is "concatenation-with-pt", which learns none, or the gate gives another shape.
        """
        if self.gate is None:
            raise ConfigurationError(f"pooling {self.pooling!r} learns no symmetry factor")
        logits: Tensor = self.gate(context)
        if logits.ndim != 2 or logits.shape[-1] != len(self.subnets):
            wanted = f"(B, {len(self.subnets)}), a logit for each subnet"
            raise ConfigurationError(f"the gate must give the shape {wanted}, not {tuple(logits.shape)}")
        return torch.softmax(logits, -1)

    def latents(self, inputs: Tensor | Sequence[Tensor | Sequence[Tensor | None]]) -> list[Tensor]:
        """Return z_k, one latent (B, l_k) for each subnet; `inputs` as in `forward`."""
        if isinstance(inputs, Tensor):
            inputs = [inputs] * len(self.subnets)
        if len(inputs) != len(self.subnets):
            raise InputError(f"{len(inputs)} inputs are given for {len(self.subnets)} subnets: one for each is needed")
        return [
            subnet(given) if isinstance(given, Tensor) else subnet(*given)
            for subnet, given in zip(self.subnets, inputs, strict=True)
        ]

    def pool(self, latents: Sequence[Tensor], context: Tensor) -> Tensor:
        """Return what the classifier reads, shape (B, ...)."""
        shapes = [tuple(latent.shape) for latent in latents]
        summed = self.pooling == "weighted-sum"
        if any(len(shape) != 2 or (summed and shape[1] != shapes[0][1]) for shape in shapes):
            widths = "one width l: " if summed else ""
            raise ConfigurationError(f"subnets must give latents (B, l), {widths}they give {shapes}")
        if self.gate is None:
            return torch.cat([*latents, context], -1)
        factor = self.symmetry_factor(context)
        if self.pooling == "concatenation-with-weight":
            return torch.cat([*latents, factor[:, :-1]], -1)
        weighted = [factor[:, k : k + 1] * latent for k, latent in enumerate(latents)]
        return sum(weighted[1:], weighted[0]) if self.pooling == "weighted-sum" else torch.cat(weighted, -1)

    def forward(self, inputs: Tensor | Sequence[Tensor | Sequence[Tensor | None]], context: Tensor) -> Tensor:
        """Return the logits.

        Parameters
        ----------
        inputs : Tensor, or sequence of K of what the subnets read
            A single tensor goes to all subnets; a tuple in the sequence is given to its subnet as several arguments.
        context : Tensor, shape (B, C)

        Returns
        -------
        Tensor, shape (B,), or (B, classes) if the classifier has several outputs
        """
        return self.classify(self.latents(inputs), context)

    def classify(self, latents: Sequence[Tensor], context: Tensor) -> Tensor:
        """Return the logits of events whose latents are known, as `forward` does."""
        logits: Tensor = self.classifier(self.pool(latents, context))
        return logits.squeeze(-1) if logits.shape[-1] == 1 else logits


def find_joined(module: nn.Module) -> ApproximateSymmetry | None:
    """Return the outermost `ApproximateSymmetry` in a module that learns a factor, or itself; None if there is none."""
    found = (each for each in module.modules() if isinstance(each, ApproximateSymmetry) and each.gate is not None)
    return next(found, None)
