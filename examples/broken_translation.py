"""One light or two? Images whose translation symmetry is broken by coarse pixels; nothing here has to do with muons.

    python examples/broken_translation.py [most images] [members]

An image shows one source of light, or two close ones, anywhere on a camera. Where does not matter to the question, so a
convolution with a mean over the image, which no shift changes, learns fast. But the pixels are four times as wide at
the edge of the camera as in its middle: the same two sources do not look the same there, and a network that cannot know
where it looks has a ceiling. A general network of all pixels has none and needs many more images. The hybrid joins
both; its symmetry factor depends on how far from the middle the light is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

from zmumu_hybrid import Ensemble, TrainingConfig, TrainingTable, train
from zmumu_hybrid.metrics import auc_with_uncertainty
from zmumu_hybrid.nets import ApproximateSymmetry
from zmumu_hybrid.nets.blocks import mlp

PIXELS, LATENT = 8, 16
CUBIC = torch.linspace(-1, 1, PIXELS + 1, dtype=torch.float64)
EDGES = (CUBIC + CUBIC**3) / 2
"""Of the pixels, in both directions; the camera reaches from -1 to 1."""

BLUR, NOISE = 0.12, 0.005
"""Width of the light of one source, and noise of a pixel in units of the whole light."""


def light(centre: Tensor, width: Tensor) -> Tensor:
    """Return what pixels see of Gaussian sources at (N, 2), of widths (N,): exact integrals, shape (N, y, x)."""
    standard = (EDGES - centre[..., None]) / (2**0.5 * width[:, None, None])
    x, y = (0.5 * torch.erf(standard)).diff(dim=-1).unbind(1)
    return y[:, :, None] * x[:, None, :]


def images(count: int, seed: int) -> TrainingTable:
    """Draw images, half of them of two sources (label 1), the others of one that may be somewhat wider."""
    generator = torch.Generator().manual_seed(seed)
    middle, angle, apart, share, wider = (
        torch.rand(count, *shape, generator=generator, dtype=torch.float64) for shape in ((2,), (), (), (), ())
    )
    middle, angle, apart, share = 1.5 * middle - 0.75, 2 * np.pi * angle, 0.2 + 0.25 * apart, 0.3 + 0.4 * share
    vector = apart[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    one = light(middle, BLUR + 0.1 * wider)
    two = [light(middle + part[:, None] * vector, BLUR + 0 * wider) for part in (1 - share, -share)]
    both = share[:, None, None] * two[0] + (1 - share[:, None, None]) * two[1]
    label = torch.arange(count) % 2
    seen = torch.where(label[:, None, None] == 1, both, one)
    seen = seen + NOISE * torch.randn(seen.shape, generator=generator, dtype=torch.float64)
    return TrainingTable.of({"image": 10 * seen[:, None].float().numpy()}, label.numpy())


def distance(image: Tensor) -> Tensor:
    """Return how far the light's mean position is from the middle of the camera, shape (B, 1)."""
    centres = ((EDGES[1:] + EDGES[:-1]) / 2).to(image)
    bright = image[:, 0].clamp(min=0)
    x, y = ((bright.sum(axis) * centres).sum(1) / bright.sum((1, 2)) for axis in (1, 2))
    return torch.hypot(x, y)[:, None]


def symmetric() -> nn.Module:
    """Return convolutions on an image without edges and a mean: no shift by whole pixels changes it."""
    layers: list[nn.Module] = []
    for before, after in ((1, 8), (8, 16)):
        convolution = nn.Conv2d(before, after, 3, padding=1, padding_mode="circular")
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, LATENT))


def general(*hidden: int) -> nn.Module:
    """Return an MLP of all pixels."""
    return nn.Sequential(nn.Flatten(), mlp([PIXELS**2, *hidden, LATENT]))


class Alone(nn.Module):
    """One subnet and a classifier."""

    def __init__(self, subnet: nn.Module) -> None:
        super().__init__()
        self.subnet, self.classifier = subnet, mlp([LATENT, 64, 1])

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits (B,) of images (B, 1, y, x)."""
        return self.classifier(self.subnet(image))[:, 0]


class Hybrid(nn.Module):
    """Both subnets, joined by a factor of the distance from the middle, which begins near the symmetric one."""

    def __init__(self) -> None:
        super().__init__()
        gate = mlp([1, 16, 2])
        nn.init.constant_(gate[-1].bias[:1], -3.0)
        self.joined = ApproximateSymmetry([general(32), symmetric()], gate, mlp([LATENT, 64, 1]))

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits (B,) of images (B, 1, y, x)."""
        return self.joined(image, distance(image))


NETWORKS = {
    "general": lambda: Alone(general(64, 64)),
    "symmetric": lambda: Alone(symmetric()),
    "hybrid": Hybrid,
}


def run(sizes: Sequence[int], members: int = 2, steps: int = 800, tests: int = 20_000) -> dict[str, Any]:
    """Train every network on so many images; return the AUC of each member by network and size, and the last hybrid."""
    test, found = images(tests, 10**6), {name: [] for name in NETWORKS}
    for size in sizes:
        batch = min(128, size // 4)
        epochs = int(np.clip(steps * batch / size, 1, 40))
        settings = TrainingConfig(
            members, epochs, batch, learning_rate=3e-3, weight_decay=0.1, sampling="shuffle", schedule="one-cycle"
        )
        for name, make in NETWORKS.items():
            ensemble = train(make, images(size, 1), training=settings).ensemble
            logits = ensemble.logits(**test.inputs)
            found[name].append([auc_with_uncertainty(of_member, test.label)[0] for of_member in logits])
            print(f"{size:7,} images, {name:9s}: AUC {np.mean(found[name][-1]):.4f} ± {np.std(found[name][-1]):.4f}")
    return {"sizes": list(sizes), "auc": {name: np.array(rows) for name, rows in found.items()}, "hybrid": ensemble}


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw three images, the AUC against the number of images, and the share of the general subnet."""
    hybrid: Ensemble = result["hybrid"]
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.2), layout="constrained")
    shown = images(400, 5)
    far = distance(torch.from_numpy(shown.inputs["image"]))[:, 0].numpy()
    places = [np.flatnonzero((shown.label == 1) & keep)[0] for keep in (far < 0.15, far > 0.8)]
    stacked = np.hstack([shown.inputs["image"][place, 0] for place in places])
    shifted = [np.concatenate([EDGES.numpy(), EDGES.numpy()[1:] + 2.0]), EDGES.numpy()]
    axes[0].pcolormesh(*shifted, stacked, edgecolors="#555555", linewidth=0.3)
    axes[0].axvline(1, color="white", linewidth=4)
    axes[0].set(title="Two sources in the middle, and at the edge", aspect="equal", xticks=[], yticks=[])
    for name, colour in (("general", "#3f90da"), ("symmetric", "#ffa90e"), ("hybrid", "#bd1f01")):
        mean, spread = result["auc"][name].mean(1), result["auc"][name].std(1)
        axes[1].plot(result["sizes"], mean, "o-", color=colour, label=name)
        axes[1].fill_between(result["sizes"], mean - spread, mean + spread, color=colour, alpha=0.25, linewidth=0)
    axes[1].set(xscale="log", xlabel="training images", ylabel="AUC")
    axes[1].legend()
    r = np.linspace(0, 0.95, 100)
    for factor in hybrid.symmetry_factor(r):
        axes[2].plot(r, factor[:, 0], color="#bd1f01")
    axes[2].set(xlabel="distance from the middle", ylabel="share of the general subnet", ylim=(0, 1))
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    most, count = (*map(int, sys.argv[1:3]), *(30_000, 3)[len(sys.argv) - 1 :])
    draw(
        run([n for n in (500, 1000, 3000, 10_000, 30_000, 100_000) if n <= most], count), Path("broken-translation.png")
    )
