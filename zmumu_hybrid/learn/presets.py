"""Networks by name: the paper's, its enlarged hybrid, and the ones that the authors published."""

from __future__ import annotations

import dataclasses

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.learn.configuration import MODELS, ModelConfig
from zmumu_hybrid.learn.quantities import EVENT, INVARIANTS, PARTICLE

__all__ = ["PRESETS", "TRAININGS", "preset"]

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


_BALANCED = tuple(name for name in EVENT if name not in INVARIANTS and not name.endswith(("_plus", "_minus")))
_OF_MUONS = tuple(f"{name}_{muon}" for name in ("log_pt", "peak_pt") for muon in ("plus", "minus"))


def _tuned(config: ModelConfig) -> ModelConfig:
    """Return the network with conditioned, standardised inputs, a smooth activation and no normalisation."""
    context = (*_OF_MUONS, *_BALANCED) if config.model == "hybrid" else None
    return dataclasses.replace(
        config,
        activation="silu",
        normalisation="none",
        standardised=True,
        particle_features=None if config.model == "invariant" else (*PARTICLE, *_BALANCED),
        invariants=None if config.model == "pfn" else ("m2(all)",),
        invariant_features=() if config.model == "pfn" else INVARIANTS,
        context_variables=context,
        context=1 if context is None else len(context),
    )


PRESETS: dict[str, dict[str, ModelConfig]] = {
    "paper": _PAPER,
    "released": {name: _released(config) for name, config in _PAPER.items()},
    "enlarged": {"hybrid": dataclasses.replace(_PAPER["hybrid"], particle_map=(128, 128))},
    "tuned": {name: _tuned(config) for name, config in _PAPER.items()},
}
"""The description of each network by preset and model.

"paper" is Appendix B: 1152 hidden neurons each. "released" has the last hidden width of every stack once more, a
BatchNorm over the particle index in the particle map, and the squared norm of the difference of the momenta.
"enlarged" is the hybrid of Appendix A, with the PFN's particle map. "tuned" has the widths of "paper" and other inputs;
see `docs/optimal.md` for what each of its steps contributes.
"""

_STEADY = {"epochs": 20, "batch_size": 256, "learning_rate": 5e-3, "sampling": "shuffle", "schedule": "one-cycle"}

TRAININGS: dict[str, dict[str, object]] = {"tuned": {**_STEADY, "averaging": 0.1, "doublings": 1}}
"""What of the training of a preset differs from the defaults of `TrainingConfig`."""


def preset(model: str, name: str = "paper", *, pooling: str | None = None, latent: int | None = None) -> ModelConfig:
    """Return the description of a network.

    Parameters
    ----------
    model : str
        "hybrid", "pfn" or "invariant".
    name : str
        "paper", "released", "enlarged" or "tuned".
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
