"""The model card: what a model is, what it was trained on and how well it does, as JSON that travels with it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError
from zmumu_hybrid.files import parse_json
from zmumu_hybrid.learn.configuration import ModelConfig, from_dict
from zmumu_hybrid.learn.presets import PRESETS
from zmumu_hybrid.learn.ranges import require_limits
from zmumu_hybrid.values import require_count, require_form

__all__ = ["FORMAT", "VERSION", "ModelCard", "Task", "preset_of"]

FORMAT = "zmumu-hybrid model"
VERSION = 1

Task = Literal["muon pair", "particles"]

_FORM = {
    **dict.fromkeys(("model", "training", "data", "metrics", "limits", "check"), dict),
    "members": int,
    "labels": [str],
    "versions": {...: str},
    **dict.fromkeys(("task", "sha256"), str),
    **dict.fromkeys(("preset", "git_revision"), (str, None)),
}


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What there is to know of an exported model.

    Attributes
    ----------
    model : ModelConfig
        The network.
    members : int
        Networks in the ensemble.
    task : "muon pair" or "particles"
        What an event is: a mu+ and a mu- in this order, or any particles.
    preset : str, optional
        Name of the preset that the network is.
    labels : tuple of str
        Fields that go with each particle.
    training : dict
        How it was trained.
    data : dict
        What it was trained on: "sha256" of the table, and "training_events", the
        `zmumu_hybrid.training_events.TrainingEvents.summary` of what is beside the model.
    metrics : dict
        On held-out events: "mean", "std" over members and "members" of each metric; null where not finite.
    limits : dict
        Ranges and quantiles of the training events, see `zmumu_hybrid.learn.ranges`; empty if they are not known.
    check : dict
        How far the model is from the network that it was made from, on so many "events": the largest deviation of a
        "score", and of a "logit" relative to the largest logit.
    versions : dict of str to str
    git_revision : str, optional
    sha256 : str
        Checksum of the graph with its weights, and of the rest of the card.
    """

    model: ModelConfig
    members: int
    task: Task
    preset: str | None = None
    labels: tuple[str, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    check: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    git_revision: str | None = None
    sha256: str = ""

    def to_json(self) -> str:
        """Return the card as indented JSON."""
        described = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return json.dumps(described, indent=2, allow_nan=False)

    def sealed(self, graph: bytes) -> ModelCard:
        """Return the card with the checksum of itself and of a graph."""
        bare = replace(self, sha256="")
        return replace(self, sha256=hashlib.sha256(graph + bare.to_json().encode()).hexdigest())

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelCard:
        """Read a card.

        Raises
        ------
        ModelError
            If it is not one, or of another version; the message names `where`.
        """
        try:
            known = parse_json(text, f"{where}: its model card")
        except InputError as error:
            raise ModelError(str(error)) from error
        if not isinstance(known, dict) or known.pop("format", None) != FORMAT:
            raise ModelError(f"{where}: its model card does not say {FORMAT!r}")
        version = known.pop("version", None)
        if version != VERSION:
            raise ModelError(f"{where}: version {version!r} of the model format cannot be read, only {VERSION}")
        try:
            require_form(known, _FORM, "its content")
            require_count("members", known["members"], 1, 10_000)
            require_limits(known["limits"], "limits")
            known["model"] = from_dict(ModelConfig, known["model"], where)
            known["labels"] = tuple(known["labels"])
            card = cls(**known)
        except (ConfigurationError, InputError, TypeError) as error:
            raise ModelError(f"{where}: its model card cannot be used: {error}") from error
        if card.task not in get_args(Task):
            raise ModelError(f"{where}: the task {card.task!r} of its model card is not {' or '.join(get_args(Task))}")
        return card


def preset_of(model: ModelConfig) -> str | None:
    """Return the name of the preset that has this network, None if there is none."""
    return next((name for name, networks in PRESETS.items() if model in networks.values()), None)
