from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from learned import toy_columns, write
from zmumu_hybrid.errors import ConfigurationError, MissingDependencyError
from zmumu_hybrid.rivals import RIVALS, Rules, contest, require_packages
from zmumu_hybrid.rivals.networks import NETWORKS, PULL
from zmumu_hybrid.rivals.trees import features

pytest.importorskip("lgatr")
pytest.importorskip("pelican")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("samples")
    return write(toy_columns(2000, 1), folder / "study"), write(toy_columns(1500, 2), folder / "evaluation")


RULES = Rules(epochs=3, rounds=30, members=2, batch_size=128, seed=4)
EPOCHS = {"lgatr": 5, "lloca": 8, "pelican": 14}
"""Of those that are slow to begin."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in ("residual-pathway", "trees")))
        for name in sorted(RIVALS)
    ],
)
def test_a_rival_learns_is_measured_and_is_not_trained_again(
    name: str, samples: tuple[Path, Path], tmp_path: Path
) -> None:
    data, evaluation = samples
    rules = replace(RULES, epochs=EPOCHS.get(name, RULES.epochs))
    found = contest(name, data, evaluation, tmp_path, rules)
    assert np.mean(found["auc"]) > 0.75
    assert found["auc"][0] != found["auc"][1]
    assert found["parameters"] > 100
    assert found["events_per_second"] > 0
    again = contest(name, data, evaluation, tmp_path, rules)
    assert {key: again[key] for key in ("auc", "held_out", "rules")} == {
        k: found[k] for k in ("auc", "held_out", "rules")
    }


def test_other_rules_are_another_contest(samples: tuple[Path, Path], tmp_path: Path) -> None:
    first = contest("trees", *samples, tmp_path, RULES)
    assert contest("trees", *samples, tmp_path, replace(RULES, rounds=5))["auc"] != first["auc"]


def test_only_a_general_pathway_is_pulled() -> None:
    network = NETWORKS["residual-pathway"]()
    plain, general = network.parameter_groups()
    assert "weight_decay" not in plain
    assert general["weight_decay"] == PULL
    assert general["params"] == [*network.general.parameters()]
    assert len(plain["params"]) + len(general["params"]) == len([*network.parameters()])


def test_the_features_of_the_trees(samples: tuple[Path, Path]) -> None:
    p4 = np.array([[[50.0, 40.0, 0.0, 30.0], [50.0, -40.0, 0.0, -30.0]]])
    eta = np.arcsinh(0.75)
    assert features(p4)[0] == pytest.approx([100, 40, 40, 1, eta, -eta, 0, 2 * eta])


def test_what_cannot_be_held_is_refused(
    samples: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="no rival 'svm': there are lgatr, "):
        contest("svm", *samples, tmp_path)
    with pytest.raises(ConfigurationError, match="epochs of the rivals must be an integer of at least 1"):
        Rules(epochs=0)
    monkeypatch.setattr("zmumu_hybrid.support.extras.find_spec", lambda name: None if name == "pelican" else object())
    with pytest.raises(
        MissingDependencyError, match=r"pelican-lite is not installed: pip install 'zmumu-hybrid\[rivals\]'"
    ):
        require_packages()
