from __future__ import annotations

import pytest

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.study.scales import SCALES, Scale
from zmumu_hybrid.study.specs import papers


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_every_training_is_planned_once(scale: Scale) -> None:
    names = [training.name for training in papers(scale)]
    assert len(names) == len(set(names))
    assert {"small-hybrid", "large-pfn", "large-enlarged", "small-hybrid-concatenation-with-pt"} <= set(names)


def test_full_scale_is_the_papers() -> None:
    scale = SCALES["full"]
    assert (2 * scale.events, scale.members, scale.epochs) == (100_000, 5, 100)
    fractions = {spec.training.fraction for spec in papers(scale)}
    assert sorted(fractions) == [
        0.1,
        0.2,
        0.3,
        0.4,
        0.5,
        0.6,
        0.7,
        0.8,
        0.9,
        1.0,
    ]


@pytest.mark.parametrize("change", [{"members": 0}, {"epochs": 0}, {"events": 0}, {"fractions": (1.5,)}])
def test_a_scale_that_makes_no_study_is_refused(change: dict[str, object]) -> None:
    sizes = {"events": 1, "evaluation_events": 1, "members": 1, "epochs": 1, "fractions": ()}
    with pytest.raises(ConfigurationError, match=r"must"):
        Scale("custom", **{**sizes, **change})  # type: ignore[arg-type]
