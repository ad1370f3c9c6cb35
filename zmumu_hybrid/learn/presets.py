"""Networks by name: the paper's, its enlarged hybrid, and the ones that the authors published."""

from __future__ import annotations

import dataclasses

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.learn.configuration import MODELS, ModelConfig

__all__ = ["PRESETS", "preset"]

_PAPER = {
    "pfn": ModelConfig("pfn", particle_map=(128, 128), classifier=(512, 256, 128)),
    "invariant": ModelConfig("invariant", classifier=(512, 256, 256, 128)),
    "hybrid": ModelConfig("hybrid", particle_map=(64,), invariant_map=(64,), gate=(64, 64), classifier=(512, 256, 128)),
}


def _released(config: ModelConfig) -> ModelConfig:
    """Return the network as the authors published it, which differs from the text of the paper."""
    stacks = ("particle_map", "invariant_map", "gate", "classifier")
    longer = {name: widths + widths[-1:] for name in stacks if (widths := getattr(config, name))}
    return dataclasses.replace(config, **longer, particle_norm="particle", squared_norm="difference")


PRESETS: dict[str, dict[str, ModelConfig]] = {
    "paper": _PAPER,
    "released": {name: _released(config) for name, config in _PAPER.items()},
    "enlarged": {"hybrid": dataclasses.replace(_PAPER["hybrid"], particle_map=(128, 128))},
}
"""The description of each network by preset and model.

"paper" is Appendix B: 1152 hidden neurons each. "released" has the last hidden width of every stack once more, a
BatchNorm over the particle index in the particle map, and the squared norm of the difference of the momenta.
"enlarged" is the hybrid of Appendix A, with the PFN's particle map.
"""


def preset(model: str, name: str = "paper", *, pooling: str | None = None, latent: int | None = None) -> ModelConfig:
    """Return the description of a network.

    Parameters
    ----------
    model : str
        "hybrid", "pfn" or "invariant".
    name : str
        "paper", "released" or "enlarged".
    pooling, latent : optional
        Instead of the preset's.

    Raises
    ------
    ConfigurationError
        If there is no such model or preset, or a network without two latents is given a pooling.
    """
    if name not in PRESETS:
        raise ConfigurationError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
    if model not in MODELS:
        raise ConfigurationError(f"model must be one of {', '.join(MODELS)}, not {model!r}")
    if model not in PRESETS[name]:
        raise ConfigurationError(f"preset {name!r} has no {model}, only {', '.join(PRESETS[name])}")
    if pooling is not None and model != "hybrid":
        raise ConfigurationError(f"pooling is an option of the hybrid: the {model} has one latent at most")
    changes: dict[str, object] = {"pooling": pooling, "latent": latent}
    given = {field: value for field, value in changes.items() if value is not None}
    return dataclasses.replace(PRESETS[name][model], **given)  # type: ignore[arg-type]
