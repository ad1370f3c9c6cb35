from __future__ import annotations

import pytest

from zmumu_hybrid.errors import LeakError
from zmumu_hybrid.study.results import EnsembleResult, refuse_leaks

LIMIT = {"auc": 0.8126, "uncertainty": 0.001}


def result(auc: float, held_out: float) -> EnsembleResult:
    aucs = {"auc": [auc] * 3, "auc_uncertainty": 0.001, "held_out": [held_out] * 3, "held_out_uncertainty": 0.003}
    return EnsembleResult("paper", "pfn", 1.0, **aucs, run="runs/large-pfn", sample="paper")  # type: ignore[arg-type]


def test_an_auc_near_the_optimum_is_no_leak() -> None:
    refuse_leaks(result(0.8126 + 0.004, 0.8126 + 0.010), LIMIT)


@pytest.mark.parametrize(
    ("auc", "held_out", "words"),
    [(0.8126 + 0.007, 0.80, "on independent events is 0.8196, 4.9"), (0.80, 0.8126 + 0.02, "on held-out events")],
)
def test_an_auc_above_the_optimum_stops_the_study(auc: float, held_out: float, words: str) -> None:
    with pytest.raises(LeakError, match=words) as caught:
        refuse_leaks(result(auc, held_out), LIMIT)
    assert "runs/large-pfn" in str(caught.value)
    assert str(caught.value).endswith("best possible 0.8126: training events are in the test part")
