"""The parts that networks are made of: MLPs, standardisation, and maps of sets that are summed."""

from __future__ import annotations

import copy
import itertools
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["SetMap", "Standardise", "fold_batch_norm", "mlp"]


def mlp(widths: Sequence[int], normalisation: str = "batch", channels: int | None = None) -> nn.Sequential:
    """Return linear layers, each but the last followed by batch normalisation and ReLU.

    Parameters
    ----------
    widths : sequence of int
        From input to output.
    normalisation : str
        "batch" or "none".
    channels : int, optional
        Normalise over the middle axis of inputs (B, channels, F) instead of over the features.

    Examples
    --------
    >>> mlp([2, 8, 1])(torch.zeros(3, 2)).shape
    torch.Size([3, 1])
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    last = len(widths) - 2
    for place, (before, after) in enumerate(itertools.pairwise(widths)):
        layers[f"linear_{place}"] = nn.Linear(before, after)
        if place < last:
            if normalisation == "batch":
                layers[f"norm_{place}"] = nn.BatchNorm1d(channels or after)
            layers[f"relu_{place}"] = nn.ReLU()
    return nn.Sequential(layers)


class Standardise(nn.Module):
    """Standardisation by constants, which `learn` takes from the training events; does nothing before.

    Parameters
    ----------
    channels : int
        Number of quantities.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    @torch.no_grad()
    def learn(self, x: Tensor) -> None:
        """Take mean and standard deviation of x (..., channels); what does not vary keeps its size."""
        variance, mean = torch.var_mean(x.double().flatten(0, -2), 0, correction=0)
        self.shift.copy_(mean)
        self.scale.copy_(torch.where(variance > 0, variance, 1).sqrt())

    def forward(self, x: Tensor) -> Tensor:
        """Return x (..., channels) less the mean, in units of the standard deviation."""
        return (x - self.shift) / self.scale


class SetMap(nn.Module):
    """A map of each element of a set to a latent, summed over the elements (Komiske et al., arXiv:1810.05165).

    Parameters
    ----------
    widths : sequence of int
        Of the map, from input to latent.
    normalisation : str
        "batch" or "none".
    elements : int, optional
        If given, normalise over the index of the element, of which there are so many, instead of over the features.
    """

    def __init__(self, widths: Sequence[int], normalisation: str = "batch", elements: int | None = None) -> None:
        super().__init__()
        self.by_element = elements is not None
        self.latent = widths[-1]
        self.map = mlp(widths, normalisation, elements)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the sum of the map over the elements that are there.

        Parameters
        ----------
        x : Tensor, shape (B, n, F)
        mask : Tensor, shape (B, n), optional
            1 for elements, 0 for padding, which does not count in any normalisation.

        Returns
        -------
        Tensor, shape (B, latent)
        """
        events, count, width = x.shape
        if self.by_element:
            return self.map(x).sum(1)
        rows = x.reshape(events * count, width)
        if mask is not None and self.training:  # the statistics of a batch are those of its particles
            places = mask.reshape(-1).nonzero().squeeze(1)
            if len(places) == 0:
                return rows.new_zeros(events, self.latent)
            mapped = self.map(rows[places])
            whole = mapped.new_zeros(events * count, self.latent)
            return whole.index_copy(0, places, mapped).reshape(events, count, -1).sum(1)
        mapped = self.map(rows).reshape(events, count, -1)
        return mapped.sum(1) if mask is None else (mapped * mask.unsqueeze(-1)).sum(1)


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode, with each `BatchNorm1d` after a `Linear` in a `Sequential` folded into it.

    A normalisation over something else than the features of that layer stays.
    """
    from torch.nn.utils.fusion import fuse_linear_bn_eval

    folded = copy.deepcopy(module).eval()
    for sequence in [each for each in folded.modules() if isinstance(each, nn.Sequential)]:
        for (name, linear), (norm_name, norm) in itertools.pairwise(list(sequence.named_children())):
            if not (isinstance(linear, nn.Linear) and isinstance(norm, nn.BatchNorm1d)):
                continue
            if norm.num_features == linear.out_features and norm.running_var is not None:
                setattr(sequence, name, fuse_linear_bn_eval(linear, norm))
                setattr(sequence, norm_name, nn.Identity())
    return folded
