"""The trainings of the study: which networks, on which part of the data, and which figure wants them."""

from __future__ import annotations

from dataclasses import dataclass

from zmumu_hybrid.study.conditions import PAPER, Conditions
from zmumu_hybrid.study.scales import SMALL, Scale

__all__ = ["MODELS", "POOLINGS", "RUN", "Training", "by_fraction", "plan"]

MODELS = ("hybrid", "pfn", "invariant")
RUN = ("config.json", "members.safetensors", "metrics.parquet")
"""The files of a run, `ranges.json` beside."""

POOLINGS = (
    "weighted-sum",
    "weighted-concatenation",
    "concatenation-with-weight",
    "concatenation-with-pt",
)


@dataclass(frozen=True, slots=True)
class Training:
    """One ensemble to train.

    Attributes
    ----------
    model : str
        "hybrid", "pfn", "invariant", or "enlarged" for the hybrid of Appendix A.
    fraction : float
        The fraction of the large data set that it is trained on.
    pooling : str
        How a hybrid joins its two latents.
    """

    model: str
    fraction: float
    pooling: str = "weighted-sum"

    @property
    def dataset(self) -> str:
        """The paper's name of the data set: "small", "large", or the fraction of the large one."""
        return {SMALL: "small", 1.0: "large"}.get(self.fraction, f"fraction-{self.fraction:g}")

    @property
    def name(self) -> str:
        """Name of the run, also of its folder."""
        pooling = "" if self.pooling == POOLINGS[0] else f"-{self.pooling}"
        return f"{self.dataset}-{self.model}{pooling}"


def by_fraction(scale: Scale) -> list[float]:
    """Return every fraction that is trained, ascending."""
    return sorted({*scale.fractions, SMALL, 1.0})


def plan(scale: Scale, conditions: Conditions = PAPER) -> list[Training]:
    """Return the trainings of a branch of a study, each once: figures share what they can.

    Only the paper's conditions have every fraction of the data set, and options that change the smearing or the
    reweighting have what Fig. 4 shows alone.
    """
    fractions = by_fraction(scale) if conditions == PAPER else [SMALL, 1.0]
    trainings = [Training(model, fraction) for fraction in fractions for model in MODELS]
    if conditions == PAPER or conditions.replica:
        trainings += [Training("hybrid", SMALL, pooling) for pooling in POOLINGS[1:]]
        trainings.append(Training("enlarged", 1.0))
    return trainings
