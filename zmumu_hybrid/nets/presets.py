"""Networks by name: the paper's, its enlarged hybrid, the ones that the authors published, and tuned ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.nets.config import (
    MODELS,
    HybridConfig,
    InvariantNetworkConfig,
    Invariants,
    NetworkConfig,
    PFNConfig,
)
from zmumu_hybrid.nets.names import CONDITIONED_EVENT, CONDITIONED_INVARIANTS, CONDITIONED_PARTICLE

__all__ = ["PRESETS", "TRAININGS", "preset"]

_PAPER: dict[str, NetworkConfig] = {
    "pfn": PFNConfig(),
    "invariant": InvariantNetworkConfig(),
    "hybrid": HybridConfig(),
}


def _released(config: Any) -> NetworkConfig:
    """Return the network as the authors published it, which differs from the text of the paper."""
    changes: dict[str, Any] = {
        name: (*widths, widths[-1])
        for name in ("particle_map", "invariant_map", "gate", "classifier")
        if (widths := getattr(config, name, ()))
    }
    if hasattr(config, "particle_map"):
        changes["particle_norm"] = "particle"
    if hasattr(config, "invariants"):
        changes["invariants"] = Invariants(("m2(0-1)", "dot(0,1)"))
    return replace(config, **changes)


_BALANCED = tuple(
    name for name in CONDITIONED_EVENT if name not in CONDITIONED_INVARIANTS and not name.endswith(("_plus", "_minus"))
)


def _tuned(config: Any) -> NetworkConfig:
    """Return the network with conditioned, standardised inputs and no normalisation."""
    changes: dict[str, Any] = {"normalisation": "none", "standardised": True}
    if hasattr(config, "particle_map"):
        changes["particle_features"] = (*CONDITIONED_PARTICLE, *_BALANCED)
    if hasattr(config, "invariants"):
        changes["invariants"] = Invariants(("m2(all)",), CONDITIONED_INVARIANTS)
    if hasattr(config, "context"):
        changes["context"] = ("log_pt_plus",)
    return replace(config, **changes)


PRESETS: dict[str, dict[str, NetworkConfig]] = {
    "paper": _PAPER,
    "released": {name: _released(config) for name, config in _PAPER.items()},
    "enlarged": {"hybrid": HybridConfig(particle_map=(128, 128))},
    "tuned": {name: _tuned(config) for name, config in _PAPER.items()},
}
"""The description of each network by preset and model.

"paper" is Appendix B: 1152 hidden neurons each. "released" has the last hidden width of every stack once more, a
BatchNorm over the particle index in the particle map, and the squared norm of the difference of the momenta.
"enlarged" is the hybrid of Appendix A, with the PFN's particle map. "tuned" has the widths of "paper" and other inputs;
see `docs/optimal.md` for what each of its steps contributes.
"""

TRAININGS: dict[str, dict[str, Any]] = {
    "tuned": {"epochs": 20, "batch_size": 256, "learning_rate": 5e-3, "sampling": "shuffle", "schedule": "one-cycle"}
}
"""What of the training of a preset differs from the defaults of `TrainingConfig`."""


def preset(model: str, name: str = "paper", **fields: Any) -> NetworkConfig:
    """Return the description of a network.

    Parameters
    ----------
    model : str
        "hybrid", "pfn" or "invariant".
    name : str
        "paper", "released", "enlarged" or "tuned".
    **fields
        Fields of the description that are other than in the preset; None leaves a field alone.

    Raises
    ------
    ConfigurationError
        If there is no such model or preset, or a field is not one of this network.

    Examples
    --------
    >>> preset("hybrid", latent=8).latent
    8
    """
    if name not in PRESETS:
        raise ConfigurationError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
    if model not in MODELS:
        raise ConfigurationError(f"model must be one of {', '.join(MODELS)}, not {model!r}")
    if model not in PRESETS[name]:
        raise ConfigurationError(f"preset {name!r} has no {model}, only {', '.join(PRESETS[name])}")
    given = {field: value for field, value in fields.items() if value is not None}
    for field in given:
        if not hasattr(PRESETS[name][model], field):
            raise ConfigurationError(f"{field} is no option of the {model}")
    return replace(PRESETS[name][model], **given)
