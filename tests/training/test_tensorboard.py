from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from zmumu_hybrid.errors import MissingDependencyError
from zmumu_hybrid.jobs.train import train
from zmumu_hybrid.nets.config import HybridConfig
from zmumu_hybrid.training import TrainingConfig
from zmumu_hybrid.training.measures import METRICS
from zmumu_hybrid.training.trainer import Member

SMALL = HybridConfig((16,), (16,), (8,), (32, 16), latent=4)
QUICK = TrainingConfig(members=2, epochs=3, learning_rate=1e-3, seed=4)


def shown(run: Path, member: int) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard reads: by metric the steps and values, in the order of the file."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(run / "tensorboard" / f"member-{member}"), purge_orphaned_data=False)
    events.Reload()
    return {name: [(point.step, point.value) for point in events.Scalars(name)] for name in events.Tags()["scalars"]}


def same_as_metrics(run: Path) -> None:
    table = pq.read_table(run / "metrics.parquet").to_pandas()
    for member in (0, 1):
        rows = table[table.member == member]
        found = shown(run, member)
        assert set(found) == {"training_loss", *METRICS}
        for name, points in found.items():
            assert [step for step, _ in points] == [1, 2, 3]
            np.testing.assert_allclose([value for _, value in points], rows[name], rtol=1e-6)


def test_tensorboard_shows_the_metrics(data: Path, tmp_path: Path) -> None:
    train(SMALL, data, tmp_path / "run", QUICK, tensorboard=True)
    same_as_metrics(tmp_path / "run")
    train(SMALL, data, tmp_path / "late", QUICK)
    assert not (tmp_path / "late" / "tensorboard").exists()
    train(SMALL, data, tmp_path / "late", QUICK, tensorboard=True)
    same_as_metrics(tmp_path / "late")


@pytest.mark.parametrize("before", [True, False])
def test_no_step_is_there_twice_after_an_interruption(data: Path, tmp_path: Path, *, before: bool) -> None:
    def stop(member: Member) -> None:
        if member.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(SMALL, data, tmp_path, QUICK, tensorboard=before, watch=stop)
    train(SMALL, data, tmp_path, QUICK, tensorboard=True)
    same_as_metrics(tmp_path)


def test_without_tensorboard_nothing_is_begun(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "zmumu_hybrid.support.extras.find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    with pytest.raises(MissingDependencyError, match=r"pip install 'zmumu-hybrid\[tensorboard\]'"):
        train(SMALL, data, tmp_path / "run", replace(QUICK, epochs=1), tensorboard=True)
    assert not (tmp_path / "run").exists()
