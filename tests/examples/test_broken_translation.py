"""The hybrid of images, in a small form."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zmumu_hybrid.nets.laws import assert_invariant, assert_symmetry_factor

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def example() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        import broken_translation

        yield broken_translation
        del sys.modules["broken_translation"]


def test_all_learn_and_are_drawn(example: Any, tmp_path: Path) -> None:
    result = example.run([1000], members=1, steps=60, tests=1000)
    auc = {name: values[0, 0] for name, values in result["auc"].items()}
    assert auc["symmetric"] > 0.75
    assert auc["symmetric"] > auc["general"]
    assert auc["hybrid"] > auc["general"] > 0.5
    assert_symmetry_factor(result["hybrid"][0].joined, torch.linspace(0, 1, 5)[:, None])
    example.draw(result, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_shifts_move_nothing_but_the_general_subnet(example: Any) -> None:
    torch.manual_seed(0)
    image = torch.from_numpy(example.images(20, 3).inputs["image"])
    shifted = image.roll((2, -3), (2, 3))
    assert_invariant(example.symmetric(), image, shifted, 1e-9)
    with pytest.raises(AssertionError, match="not invariant"):
        assert_invariant(example.general(8), image, shifted, 1e-3)


def test_pixels_see_all_light_where_it_is(example: Any) -> None:
    seen = example.light(torch.tensor([[0.5, -0.25]], dtype=torch.float64), torch.tensor([0.05]))
    np.testing.assert_allclose(seen.sum(), 1, atol=1e-6)
    place = int(seen.argmax())
    for index, position in ((place % 8, 0.5), (place // 8, -0.25)):
        assert example.EDGES[index] < position < example.EDGES[index + 1]
    image = seen[:, None].float()
    assert float(example.distance(image)) == pytest.approx(np.hypot(0.5, 0.25), abs=0.15)
