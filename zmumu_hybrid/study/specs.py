"""What is trained: each ensemble of a study as one frozen description, and which of them a study needs."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from zmumu_hybrid.nets.config import POOLINGS, NetworkConfig
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.rivals import RIVALS, Rules
from zmumu_hybrid.study.conditions import PAPER, Conditions
from zmumu_hybrid.study.scales import SMALL, Scale
from zmumu_hybrid.training.config import TrainingConfig
from zmumu_hybrid.training.settings import configure

__all__ = [
    "EVENTS",
    "LARGEST",
    "MODELS",
    "POOLINGS",
    "STEPS",
    "EnsembleSpec",
    "approaches",
    "cases",
    "compared_at",
    "paper",
    "papers",
    "rivals",
    "rules_of",
]

MODELS = ("hybrid", "pfn", "invariant")
LARGEST = "largest"
EVENTS = {PAPER.name: 80_000, LARGEST: 1_000_000}
"""Training events of a sample, about: of a study's own, and of the larger one that `docs/optimal.md` describes."""
EPOCHS = {16_000: (20, 50), 80_000: (10, 40), 1_000_000: (5, 10)}
"""Of the tuned networks by training events: with one measurement of each event and with fresh ones."""


@dataclass(frozen=True, slots=True)
class EnsembleSpec:
    """An ensemble to train and to score: a network, how it is trained, and on which sample.

    Attributes
    ----------
    network : NetworkConfig or str
        The description of the network, or the name of a rival, see `zmumu_hybrid.rivals`.
    training : TrainingConfig
        How it is trained; its `fraction` and `seed` say on which events of the sample.
    sample : str
        The conditions under which its events were made, by name; `LARGEST` for the sample of 1,000,000 events.
    approach, model, step : str
        What the figures and tables call it: the way of training, the network, the step of the ablation.
    """

    network: NetworkConfig | str
    training: TrainingConfig
    sample: str = PAPER.name
    approach: str = "paper"
    model: str = "hybrid"
    step: str = ""

    @property
    def key(self) -> str:
        """A hash of all that its numbers depend on: network, training and sample."""
        described = self.network
        network = described if isinstance(described, str) else {"kind": described.model, **asdict(described)}
        content = {"network": network, "training": asdict(self.training), "sample": self.sample}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def pooling(self) -> str:
        """How a hybrid joins its latents; that of the paper for a network that has one latent."""
        return getattr(self.network, "pooling", POOLINGS[0])

    @property
    def events(self) -> int:
        """Training events, about."""
        return round(self.training.fraction * EVENTS.get(self.sample, EVENTS[PAPER.name]))

    @property
    def dataset(self) -> str:
        """The paper's name of the data set: "small", "large", or the fraction of the large one."""
        return {SMALL: "small", 1.0: "large"}.get(self.training.fraction, f"fraction-{self.training.fraction:g}")

    @property
    def name(self) -> str:
        """Name of its folder and of its stage, under the conditions of its sample."""
        if self.approach == "rival":
            return self.model
        if self.approach == "paper":
            return f"{self.dataset}-{self.model}" + ("" if self.pooling == POOLINGS[0] else f"-{self.pooling}")
        words = f"{self.approach} {self.step}".strip().replace(",", "").replace(" ", "-")
        return f"{words}-{self.model}-{self.events}"

    @property
    def run(self) -> str:
        """Its folder, relative to that of its conditions."""
        return f"{ {'paper': 'runs', 'rival': 'rivals'}.get(self.approach, 'approaches') }/{self.name}"

    @property
    def cost(self) -> float:
        """Events that its members see in all: what takes long is begun first."""
        return self.training.members * self.training.epochs * self.events


def paper(
    model: str, fraction: float, pooling: str = POOLINGS[0], *, sample: str = PAPER.name, **training: Any
) -> EnsembleSpec:
    """Return one of the paper's ensembles.

    Parameters
    ----------
    model : str
        "hybrid", "pfn", "invariant", or "enlarged" for the hybrid of Appendix A.
    fraction : float
        Of the large data set.
    pooling : str
        How the hybrid joins its two latents.
    sample : str
        See `EnsembleSpec`.
    **training
        Other fields of `TrainingConfig`.

    Examples
    --------
    >>> paper("hybrid", 0.2, "concatenation-with-pt").name
    'small-hybrid-concatenation-with-pt'
    """
    if model == "enlarged":
        network = preset("hybrid", "enlarged")
    else:
        network = preset(model, pooling=pooling if model == "hybrid" else None)
    return EnsembleSpec(network, TrainingConfig(fraction=fraction, **training), sample, model=model)


def papers(scale: Scale, conditions: Conditions = PAPER, *, seed: int = 0) -> list[EnsembleSpec]:
    """Return the paper's ensembles under some conditions, each once: figures share what they can.

    Only the paper's conditions have every fraction of the data set, and options that change the smearing or the
    reweighting have what Fig. 4 shows alone.
    """
    fractions = sorted({*scale.fractions, SMALL, 1.0}) if conditions == PAPER else [SMALL, 1.0]
    named: list[tuple[Any, ...]] = [(model, fraction) for fraction in fractions for model in MODELS]
    if conditions == PAPER or conditions.replica:
        named += [("hybrid", SMALL, pooling) for pooling in POOLINGS[1:]] + [("enlarged", 1.0)]
    return [paper(*each, sample=conditions.name, **sizes(scale, conditions, seed)) for each in named]


def sizes(scale: Scale, conditions: Conditions, seed: int) -> dict[str, Any]:
    """Return members, epochs and seed of the paper's trainings."""
    return {"members": scale.members_of(conditions), "epochs": scale.epochs, "seed": seed}


def changes(**fields: Any) -> dict[str, Any]:
    """Return the fields of the paper's hybrid that are named, with other values for some."""
    network = preset("hybrid")
    return {name: getattr(network, name) if value is ... else value for name, value in fields.items()}


def without(*words: str) -> dict[str, Any]:
    """Return the inputs of the tuned hybrid's particle map without those whose name has one of the words."""
    read = preset("hybrid", "tuned").particle_features  # type: ignore[union-attr]
    return {"particle_features": tuple(name for name in read if not any(word in name for word in words))}


BALANCED = ("balanced", "response", "rapidity", "edge")
MOMENTA = changes(particle_features=..., invariants=..., context=...)
STEPS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "+ one-cycle rate to 5e-3, 256 events a step": ({**MOMENTA, **changes(standardised=..., normalisation=...)}, {}),
    "+ standardised inputs, no BatchNorm": (MOMENTA, {}),
    "+ conditioned inputs": (without(*BALANCED), {}),
    "+ balanced pair": (without("edge"), {}),
    "+ edge of the acceptance (tuned)": ({}, {}),
    "tuned, constant rate of 1e-3": ({}, {"schedule": "constant", "learning_rate": 1e-3}),
    "tuned, no charge": (without("charge"), {}),
    "tuned, no Jacobian peak": (without("peak_pt"), {}),
}
"""The ablation: what each step adds to the one before, and what the tuned network is without one of them."""

FRESH = {"resmear": True}
AUGMENTED: dict[str, dict[str, Any]] = {
    "paper fresh": FRESH,
    "paper boosted truth": {"copies": "boosted-truth"},
    "paper boosted measurement": {"copies": "boosted-measurement"},
}
"""The paper's networks, each with a way to augment the data."""


def case(
    approach: str,
    model: str,
    fraction: float,
    network: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    *,
    members: int = 5,
    sample: str = PAPER.name,
    step: str = "",
) -> EnsembleSpec:
    """Return an ensemble of a preset, that of the first word of the approach; the ablation's is the tuned one."""
    base = "paper" if approach.startswith("paper") else "tuned"
    described, settings = configure(model, base, {"members": members, "fraction": fraction})
    spec = EnsembleSpec(replace(described, **(network or {})), settings, sample, approach, model, step)
    changed = dict(training or {})
    if base == "tuned":
        changed = {"epochs": EPOCHS[spec.events]["resmear" in changed]} | changed
    return replace(spec, training=replace(settings, **changed))


def cases() -> Iterator[EnsembleSpec]:
    """Yield what is compared with the paper's: the tuned networks, the ablation, and ways to augment the data."""
    for model, fraction in itertools.product(MODELS, (SMALL, 1.0)):
        yield case("tuned", model, fraction)
        yield case("tuned fresh", model, fraction, training=FRESH)
    yield case("tuned fresh", "hybrid", 1.0, training=FRESH, sample=LARGEST)
    for (step, changed), fraction in itertools.product(STEPS.items(), (SMALL, 1.0)):
        yield case("ablation", "hybrid", fraction, *changed, members=2, step=step)
    for fraction, model, (approach, training) in itertools.product((SMALL, 1.0), MODELS[:2], AUGMENTED.items()):
        yield case(approach, model, fraction, training=training, members=2)


def limited(spec: EnsembleSpec, scale: Scale, conditions: Conditions, seed: int) -> EnsembleSpec:
    """Return the same ensemble on the sample of some conditions, with no more members than all have there."""
    members = min(spec.training.members, scale.members_of(conditions))
    return replace(spec, sample=conditions.name, training=replace(spec.training, members=members, seed=seed))


def approaches(scale: Scale, *, seed: int) -> list[EnsembleSpec]:
    """Return the cases of a study: at quick scale the tuned hybrid on the small data set, at full scale all it can."""
    chosen = [spec for spec in cases() if spec.sample != LARGEST]
    if scale.name != "full":
        tuned = (spec for spec in chosen if spec.approach.startswith("tuned") and spec.model == "hybrid")
        chosen = [spec for spec in tuned if spec.training.fraction == SMALL] if scale.name == "quick" else []
    return [limited(spec, scale, PAPER, seed) for spec in chosen]


def compared_at(scale: Scale, conditions: Conditions, *, seed: int) -> list[EnsembleSpec]:
    """Return what is compared at a width of the smearing: the paper's networks, at full scale also the tuned ones."""
    chosen = [paper(model, SMALL, sample=conditions.name, **sizes(scale, conditions, seed)) for model in MODELS]
    if scale.name == "full":
        chosen += [limited(case("tuned", model, SMALL), scale, conditions, seed) for model in MODELS]
    return chosen


def rules_of(scale: Scale, seed: int) -> Rules:
    """Return the rules for the rivals: the small data set, where symmetry helps the most, and at most 30 epochs."""
    return Rules(
        fraction=SMALL,
        epochs=min(scale.epochs, 30),
        members=min(scale.members, 3),
        batch_size=min(256, scale.events // 10),
        seed=seed,
    )


def rivals(scale: Scale, seed: int) -> list[EnsembleSpec]:
    """Return the rivals, each as the rules have it."""
    training = rules_of(scale, seed).training
    return [EnsembleSpec(name, training, approach="rival", model=name) for name in RIVALS]
