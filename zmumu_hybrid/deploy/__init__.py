"""Trained networks in use: exported to ONNX once, then applied anywhere, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmumu_hybrid.support.lazy import lazily

if TYPE_CHECKING:
    from zmumu_hybrid.deploy.discriminant import Discriminant, ExtrapolationWarning, Scores
    from zmumu_hybrid.deploy.model_card import ModelCard
    from zmumu_hybrid.deploy.onnx_export import export

__all__ = ["Discriminant", "ExtrapolationWarning", "ModelCard", "Scores", "export"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Discriminant": "zmumu_hybrid.deploy.discriminant",
        "ExtrapolationWarning": "zmumu_hybrid.deploy.discriminant",
        "ModelCard": "zmumu_hybrid.deploy.model_card",
        "Scores": "zmumu_hybrid.deploy.discriminant",
        "export": "zmumu_hybrid.deploy.onnx_export",
    },
)
