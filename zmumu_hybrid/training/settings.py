"""The settings of a training, from a preset, a TOML file and options; each overrides the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.nets.config import CONFIGS, NetworkConfig, from_dict
from zmumu_hybrid.nets.presets import TRAININGS
from zmumu_hybrid.nets.presets import preset as find_preset
from zmumu_hybrid.support.extras import require
from zmumu_hybrid.support.files import read_toml
from zmumu_hybrid.training.config import TrainingConfig

__all__ = ["configure", "require_torch"]

TABLES = ("model", "training")


def require_torch() -> None:
    """Raise `MissingDependencyError` where torch or safetensors is not installed."""
    require("torch", "safetensors")


def configure(
    model: str,
    preset: str = "paper",
    given: Mapping[str, Any] | None = None,
    *,
    pooling: str | None = None,
    latent: int | None = None,
    file: Path | None = None,
) -> tuple[NetworkConfig, TrainingConfig]:
    """Return the descriptions of a network and of its training.

    Parameters
    ----------
    model, preset : str
        See `zmumu_hybrid.nets.presets.preset`.
    given : mapping, optional
        Fields of `TrainingConfig` that override those of the file; None leaves a field alone.
    pooling, latent : optional
        Fields of the network that override those of the file.
    file : Path, optional
        TOML with the tables [model] and [training].

    Raises
    ------
    MissingDependencyError
        If torch is not installed.
    ConfigurationError
        If a table, key or value cannot be used; the message names the file.
    """
    require_torch()
    tables = {} if file is None else _read(file)
    where = "the command" if file is None else str(file)
    described: dict[str, Any] = asdict(find_preset(model, preset))
    for name, value in tables.get("model", {}).items():
        known = described.get(name)
        described[name] = known | value if isinstance(known, dict) and isinstance(value, dict) else value
    if (named := described.pop("network", model)) != model:
        raise ConfigurationError(f"{file}: model: network is {named!r}, the command says {model!r}")
    changed = {name: value for name, value in (("pooling", pooling), ("latent", latent)) if value is not None}
    for name in changed:
        if name not in described:
            raise ConfigurationError(f"{name} is no option of the {model}: it has one latent at most")
    options = {name: value for name, value in (given or {}).items() if value is not None}
    return (
        from_dict(CONFIGS[model], described | changed, where),
        from_dict(TrainingConfig, TRAININGS.get(preset, {}) | tables.get("training", {}) | options, where),
    )


def _read(file: Path) -> dict[str, dict[str, Any]]:
    tables = read_toml(file)
    for name, table in tables.items():
        if name not in TABLES or not isinstance(table, dict):
            raise ConfigurationError(f"{file}: unknown key {name!r}; there are the tables [model] and [training]")
    return tables
