"""The model card: what a model takes and gives, what it was trained on and how well it does, as JSON in its file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from zmumu_hybrid.errors import ConfigurationError, InputError, ModelError
from zmumu_hybrid.nets.ranges import require_limits
from zmumu_hybrid.support.files import parse_json
from zmumu_hybrid.support.values import require_count, require_form
from zmumu_hybrid.training.data import Arrays, require_arrays

__all__ = ["FORMAT", "SCORES", "VERSION", "ModelCard", "Task", "task_of"]

FORMAT = "zmumu-hybrid model"
VERSION = 2

Task = Literal["muon pair", "particles", "arrays"]

SCORES = ("logits", "scores", "symmetry_factor")
"""The outputs of a model that are not quantities of the events."""

_FORM = {
    **dict.fromkeys(("network", "training", "data", "metrics", "check"), dict),
    "members": int,
    "scalars": [str],
    "versions": {...: str},
    **dict.fromkeys(("task", "sha256"), str),
    **dict.fromkeys(("preset", "git_revision"), (str, None)),
}


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What there is to know of an exported model.

    Attributes
    ----------
    network : dict
        The kind, "network", and its fields; or "class" and "state", the shapes of the parameters, of one's own.
    members : int
        Networks in the ensemble.
    task : "muon pair", "particles" or "arrays"
        What an event is: a mu+ and a mu- in this order, any particles, or arrays of other numbers.
    inputs, outputs : dict
        What the graph takes and gives: for each name the "dtype", and the "shape" of one event. The outputs are
        "logits" and "scores" of all members, "symmetry_factor" if there is one, and quantities of the events.
    preset : str, optional
        Name of the preset that the network is.
    scalars : tuple of str
        Fields that go with each particle.
    training : dict
        How it was trained.
    data : dict
        What it was trained on: "sha256" of the table, and "training_events", the
        `zmumu_hybrid.candidates.training_events.TrainingEvents.summary` of what is beside the model.
    metrics : dict
        On held-out events: "mean", "std" over members and "members" of each metric; null where not finite.
    limits : dict
        Ranges and quantiles of the training events, see `zmumu_hybrid.nets.ranges`; empty if they are not known.
    check : dict
        How far the model is from the network that it was made from, on so many "events": for each output the largest
        deviation, relative to its largest value if that is above 1.
    versions : dict of str to str
    git_revision : str, optional
    sha256 : str
        Checksum of the graph with its weights, and of the rest of the card.
    """

    network: dict[str, Any]
    members: int
    task: Task
    inputs: Arrays
    outputs: Arrays
    preset: str | None = None
    scalars: tuple[str, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    check: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    git_revision: str | None = None
    sha256: str = ""

    @property
    def name(self) -> str:
        """The kind of the network: "hybrid", "pfn", "invariant", or the name of the class of one's own."""
        return str(self.network.get("network") or str(self.network.get("class")).rpartition(".")[2])

    @property
    def classes(self) -> int:
        """How many classes are told apart by several logits; 1 for signal against background."""
        return int((*self.outputs["scores"]["shape"], 1)[1])

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
            raise ModelError(
                f"{where}: version {version!r} of the model format cannot be read, only {VERSION}: export it again"
            )
        try:
            require_form(known, _FORM, "its content")
            require_count("members", known["members"], 1, 10_000)
            require_limits(known["limits"], "limits")
            for name in ("inputs", "outputs"):
                require_arrays(known.get(name), name)
            known["scalars"] = tuple(known["scalars"])
            card = cls(**known)
            card._check()
        except (ConfigurationError, InputError, TypeError) as error:
            raise ModelError(f"{where}: its model card cannot be used: {error}") from error
        return card

    def _check(self) -> None:
        """Raise `InputError` if the parts do not belong together."""
        if self.task not in get_args(Task):
            raise InputError(f"the task {self.task!r:.80} is not one of {', '.join(get_args(Task))}")
        if self.task != task_of(self.inputs):
            raise InputError(f"the task {self.task!r} does not fit its inputs {self.inputs!r:.200}")
        lengths = {"logits": (1, 2), "scores": (1, 2), "symmetry_factor": (2,)}
        for name in SCORES[: 3 if "symmetry_factor" in self.outputs else 2]:
            shape = self.outputs.get(name, {"shape": []})["shape"]
            if shape[:1] != [self.members] or len(shape) not in lengths[name]:
                raise InputError(f"outputs: {name} must be of {self.members} members, not of the shape {shape!r:.80}")


def task_of(inputs: Arrays) -> Task:
    """Return what events are by the inputs of a model."""
    shape = inputs.get("p4", {"shape": []})["shape"]
    if len(shape) != 2 or shape[1] != 4 or not inputs.keys() <= {"p4", "mask", "scalars", "context"}:
        return "arrays"
    return "muon pair" if shape[0] == 2 and len(inputs) == 1 else "particles"
