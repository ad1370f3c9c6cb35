"""Trained networks in use: exported to ONNX once, then applied anywhere, without torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from zmumu_hybrid.extras import explained

if TYPE_CHECKING:
    from zmumu_hybrid.apply.card import ModelCard
    from zmumu_hybrid.apply.discriminant import Discriminant, ExtrapolationWarning, Scores
    from zmumu_hybrid.apply.exporting import export
    from zmumu_hybrid.apply.job import ApplyOptions, ApplySummary, apply

_HOMES = {
    "ApplyOptions": "job",
    "ApplySummary": "job",
    "Discriminant": "discriminant",
    "ExtrapolationWarning": "discriminant",
    "ModelCard": "card",
    "Scores": "discriminant",
    "apply": "job",
    "export": "exporting",
}

__all__ = [
    "ApplyOptions",
    "ApplySummary",
    "Discriminant",
    "ExtrapolationWarning",
    "ModelCard",
    "Scores",
    "apply",
    "export",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        raise explained(error) from error


def __dir__() -> list[str]:
    return __all__
