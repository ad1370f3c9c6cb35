from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drellyan import write_directory
from zmumu_hybrid import train
from zmumu_hybrid.metrics import weighted_auc
from zmumu_hybrid.nets import preset
from zmumu_hybrid.nets.presets import TRAININGS
from zmumu_hybrid.training import TrainingConfig
from zmumu_hybrid.training.data import load


@pytest.mark.slow
def test_the_hybrid_is_ahead_of_the_invariant_network(tmp_path: Path) -> None:
    """By more than two standard deviations: of the difference over members, and over blocks of the held-out events."""
    data = write_directory(tmp_path / "data", 8000)
    held_out, settings = load(data, split="test"), TrainingConfig(members=2, **{**TRAININGS["tuned"], "epochs": 6})
    blocks = np.arange(len(held_out)) % 20
    found = {}
    for model in ("hybrid", "invariant"):
        logits = train(preset(model, "tuned"), data, tmp_path / model, settings).ensemble.logits(p4=held_out.p4)
        found[model] = np.array(
            [
                [
                    weighted_auc(each[kept], held_out.label[kept], held_out.weight[kept])
                    for kept in (np.ones(len(held_out), bool), *(blocks != block for block in range(20)))
                ]
                for each in logits
            ]
        )
    members = {model: values[:, 0] for model, values in found.items()}
    difference = found["hybrid"].mean(0) - found["invariant"].mean(0)
    over_members = np.hypot(*(values.std(ddof=1) / np.sqrt(2) for values in members.values()))
    over_events = np.sqrt(19) * difference[1:].std()
    assert difference[0] > 2 * np.hypot(over_members, over_events)
