"""The rival networks as torch modules: momenta of muon pairs in, one logit an event out.

Shapes below use B events; momenta are (B, 2, 4): E, px, py, pz in GeV, mu+ first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from zmumu_hybrid.nets import ApproximateSymmetry
from zmumu_hybrid.nets.variables import pt

__all__ = ["NETWORKS", "LocalFrames", "ModernHybrid", "Pelican", "ResidualPathway", "Transformer"]

UNIT = 50.0
"""GeV: momenta are given in units of it, one number for all components, which keeps every symmetry."""

PULL = 1.0
"""Weight decay of the general pathway of the residual pathway prior."""

CHARGES = ((1.0,), (-1.0,))


def products(p4: Tensor) -> Tensor:
    """Return the Minkowski products of all momenta, shape (..., n, n), from shape (..., n, 4)."""
    metric = p4.new_tensor((1.0, -1.0, -1.0, -1.0))
    return (p4 * metric) @ p4.transpose(-1, -2)


class Transformer(nn.Module):
    """L-GATr, a transformer of multivectors that is equivariant under Lorentz transformations.

    The symmetry is broken by what it is shown: the time direction and the beam as reference multivectors, tokens
    beside the muons (Spinner et al., arXiv:2405.14806; Brehmer et al., arXiv:2411.00446; package `lgatr`).

    Parameters
    ----------
    blocks, multivectors, scalars, heads : int
        Of the transformer.
    outputs : int
        1 for a logit, (B,); more for a latent, (B, outputs).
    references : bool
        Show the reference multivectors; without them the output is Lorentz invariant.
    """

    def __init__(
        self,
        blocks: int = 2,
        multivectors: int = 8,
        scalars: int = 16,
        heads: int = 2,
        outputs: int = 1,
        *,
        references: bool = True,
    ) -> None:
        super().__init__()
        from lgatr import LGATr, get_spurions

        self.net = LGATr(
            num_blocks=blocks,
            in_mv_channels=1,
            out_mv_channels=outputs,
            hidden_mv_channels=multivectors,
            in_s_channels=3,
            out_s_channels=outputs,
            hidden_s_channels=scalars,
            attention={"num_heads": heads},
            mlp={"mlp_ratio": 2},
        )
        shown = get_spurions(beam_spurion="xyplane", add_time_spurion=True) if references else torch.zeros(0, 16)
        # One-hot kind of each token: mu+, mu-, reference.
        kinds = torch.tensor([0, 1] + [2] * len(shown))
        self.register_buffer("references", shown)
        self.register_buffer("kinds", nn.functional.one_hot(kinds, 3).to(shown.dtype))

    def forward(self, p4: Tensor) -> Tensor:
        """Return the logits, shape (B,), or the latent."""
        from lgatr import embed_vector, extract_scalar

        references, kinds = self.get_buffer("references"), self.get_buffer("kinds")
        muons = embed_vector(p4 / UNIT)
        tokens = torch.cat([muons, references.to(p4.dtype).expand(p4.shape[0], -1, -1)], 1)
        multivectors, scalars = self.net(tokens.unsqueeze(2), kinds.to(p4.dtype).expand(p4.shape[0], -1, -1))
        found: Tensor = (scalars + extract_scalar(multivectors)[..., 0]).mean(1)
        return found.squeeze(-1)


class LocalFrames(nn.Module):
    """LLoCa: each particle in a frame of its own that moves with it, which makes any backbone Lorentz equivariant.

    A small network predicts the frames from the momenta, a transformer compares particles through them. The symmetry is
    broken by the vectors that the frames see beside the muons: the time direction and the beams, without which two
    muons span no frame either (Spinner et al., arXiv:2505.20280; package `lloca`).

    Parameters
    ----------
    blocks, heads : int
        Of the transformer.
    hidden : int
        Width of the network that predicts the frames.
    """

    def __init__(self, blocks: int = 2, heads: int = 2, hidden: int = 32) -> None:
        super().__init__()
        from lloca import LearnedPDFrames, MLPVectors
        from lloca.backbone.transformer import Transformer as Backbone

        self.frames = LearnedPDFrames(partial(MLPVectors, num_scalars=3, hidden_channels=hidden, num_layers_mlp=2))
        self.net = Backbone(7, "8x0n+2x1n", 1, blocks, heads, mlp_factor=2, preserve_variance=False)
        shown = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, -1.0]])
        self.register_buffer("references", shown)
        self.register_buffer("kinds", nn.functional.one_hot(torch.tensor([0, 1, 2, 2, 2]), 3).float())

    def _tokens(self, p4: Tensor) -> tuple[Tensor, Tensor]:
        """Return momenta, (B, n, 4), and kinds, (B, n, 3), of muons and references."""
        references, kinds = self.get_buffer("references"), self.get_buffer("kinds")
        tokens = torch.cat([p4 / UNIT, references.to(p4.dtype).expand(p4.shape[0], -1, -1)], 1)
        return tokens, kinds.to(p4.dtype).expand(p4.shape[0], -1, -1)

    def standardise(self, inputs: dict[str, Tensor]) -> None:
        """Take the scale of the products of momenta from the training events."""
        self.frames.equivectors.init_standardization(self._tokens(inputs["p4"][:4096])[0])

    def forward(self, p4: Tensor) -> Tensor:
        """Return the logits, shape (B,)."""
        tokens, kinds = self._tokens(p4)
        frames = self.frames(tokens, scalars=kinds)
        local = (frames.matrices @ tokens.unsqueeze(-1)).squeeze(-1)
        found: Tensor = self.net(torch.cat([local, kinds], -1), frames)
        return found[..., 0].mean(1)


class ModernHybrid(nn.Module):
    """The paper's idea with other subnets: a plain transformer as the general one, L-GATr as the symmetric one.

    L-GATr sees no references, so that its latent is Lorentz invariant; all that breaks the symmetry goes through the
    transformer and the symmetry factor.

    Parameters
    ----------
    latent : int
        Width of both latents.
    width, heads, blocks : int
        Of the transformer.
    """

    def __init__(self, latent: int = 16, width: int = 32, heads: int = 2, blocks: int = 2) -> None:
        super().__init__()
        self.joined = ApproximateSymmetry(
            [_GeneralTransformer(latent, width, heads, blocks), Transformer(outputs=latent, references=False)],
            _stack(1, (32, 32), 2),
            _stack(latent, (128, 64)),
        )

    def forward(self, p4: Tensor) -> Tensor:
        """Return the logits, shape (B,)."""
        return self.joined(p4, pt(p4[:, :1]) / UNIT)


class _GeneralTransformer(nn.Module):
    """A transformer on components of momenta and their logarithms, which knows no symmetry; no dropout."""

    def __init__(self, latent: int, width: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Linear(6, width)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.net = nn.TransformerEncoder(layer, blocks, enable_nested_tensor=False)
        self.leave = nn.Linear(width, latent)
        self.register_buffer("charges", torch.tensor(CHARGES))

    def forward(self, p4: Tensor) -> Tensor:
        """Return the latent, shape (B, latent)."""
        charges = self.get_buffer("charges").to(p4.dtype).expand(p4.shape[0], -1, -1)
        tokens = torch.cat([p4 / UNIT, torch.log(pt(p4) / UNIT + 1e-6).unsqueeze(-1), charges], -1)
        found: Tensor = self.leave(self.net(self.enter(tokens)).mean(1))
        return found


class Pelican(nn.Module):
    """PELICAN: permutation equivariant layers on the matrix of Lorentz invariants of all pairs.

    The symmetry is broken by the beams, which enter as two more particles, and by charges (Bogatskiy et al.,
    JHEP 03 (2024) 113; package `pelican-lite`).

    Parameters
    ----------
    blocks, channels : int
        Of the network.
    references : bool
        Show beams and charges; without them the logit is Lorentz invariant.
    """

    def __init__(self, blocks: int = 3, channels: int = 24, *, references: bool = True) -> None:
        super().__init__()
        from pelican import PELICAN

        self.net = PELICAN(
            in_channels_rank2=1,
            in_channels_rank1=2 if references else 0,
            in_channels_rank0=0,
            out_rank=0,
            out_channels=1,
            num_blocks=blocks,
            hidden_channels=channels,
        )
        beams = torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, -1.0]]) if references else torch.zeros(0, 4)
        labels = [[*charge, 0.0] for charge in CHARGES] + [[0.0, 1.0]] * len(beams)
        self.register_buffer("beams", beams)
        self.register_buffer("labels", torch.tensor(labels))

    def forward(self, p4: Tensor) -> Tensor:
        """Return the logits, shape (B,)."""
        beams, labels = self.get_buffer("beams").to(p4.dtype), self.get_buffer("labels").to(p4.dtype)
        particles = torch.cat([p4 / UNIT, beams.expand(p4.shape[0], -1, -1)], 1)
        events, count = particles.shape[:2]
        edges = torch.log1p(products(particles).clamp(min=0.0)).reshape(-1, 1)
        index = torch.arange(events * count).reshape(events, count)
        edge_index = torch.stack(
            [index.unsqueeze(2).expand(-1, -1, count).reshape(-1), index.unsqueeze(1).expand(-1, count, -1).reshape(-1)]
        )
        batch = torch.arange(events).repeat_interleave(count)
        nodes = labels.expand(events, -1, -1).reshape(-1, 2) if len(beams) else None
        logits: Tensor = self.net(edge_index=edge_index, batch=batch, in_rank2=edges, in_rank1=nodes, num_graphs=events)
        return logits[:, 0]


class ResidualPathway(nn.Module):
    """A residual pathway prior: an invariant network plus a general one, whose weights are pulled towards zero.

    The pull is a stronger weight decay of the general pathway: what the symmetry can explain, it does (Finzi,
    Benton and Wilson, NeurIPS 2021, arXiv:2112.01388; there pathways are added layer by layer, here at the end).

    Parameters
    ----------
    widths : sequence of int
        Hidden layers of each pathway.
    """

    def __init__(self, widths: Sequence[int] = (256, 128, 128)) -> None:
        super().__init__()
        self.symmetric = _stack(1, widths)
        self.general = _stack(8, widths)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return what AdamW takes: the general pathway is pulled to zero more strongly than all else."""
        return [
            {"params": [*self.symmetric.parameters()]},
            {"params": [*self.general.parameters()], "weight_decay": PULL},
        ]

    def forward(self, p4: Tensor) -> Tensor:
        """Return the logits, shape (B,)."""
        total = p4.sum(1, keepdim=True)
        squared = products(total.double())[:, 0].to(p4.dtype)
        invariant = torch.log(squared.clamp(min=1e-6)) - 2 * torch.log(squared.new_tensor(90.0))
        logits: Tensor = self.symmetric(invariant) + self.general((p4 / UNIT).flatten(1))
        return logits[:, 0]


def _stack(width: int, widths: Sequence[int], outputs: int = 1) -> nn.Sequential:
    sizes = [width, *widths]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "lgatr": Transformer,
    "lloca": LocalFrames,
    "modern-hybrid": ModernHybrid,
    "pelican": Pelican,
    "residual-pathway": ResidualPathway,
}
"""The rival networks by name."""
