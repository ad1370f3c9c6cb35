"""The trainings of the study: which networks, on which part of the data, and which figure wants them."""

from __future__ import annotations

from dataclasses import dataclass

from zmumu_hybrid.study.scales import SMALL, Scale

__all__ = ["MODELS", "POOLINGS", "Training", "by_fraction", "plan"]

MODELS = ("hybrid", "pfn", "invariant")
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


def plan(scale: Scale) -> list[Training]:
    """Return the trainings of a study, each once: Figs. 4 and 6 share theirs, as do Figs. 5, 8 and 4, and 7 and 4."""
    trainings = [Training(model, fraction) for fraction in by_fraction(scale) for model in MODELS]
    trainings += [Training("hybrid", SMALL, pooling) for pooling in POOLINGS[1:]]
    trainings.append(Training("enlarged", 1.0))
    return trainings
