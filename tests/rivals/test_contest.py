from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from learned import toy_columns, write
from zmumu_hybrid.errors import ConfigurationError, MissingDependencyError
from zmumu_hybrid.learn.tensors import load
from zmumu_hybrid.rivals import RIVALS, Rules, compete, gather, require_packages
from zmumu_hybrid.rivals.contest import PULL, parameter_groups, train_network
from zmumu_hybrid.rivals.networks import NETWORKS
from zmumu_hybrid.rivals.trees import features

pytest.importorskip("lgatr")
pytest.importorskip("pelican")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("samples")
    return write(toy_columns(2000, 1), folder / "study"), write(toy_columns(1500, 2), folder / "evaluation")


RULES = Rules(epochs=3, rounds=30, members=2, batch_size=128, seed=4)


@pytest.mark.parametrize("name", sorted(RIVALS))
def test_a_rival_learns_and_is_measured(name: str, samples: tuple[Path, Path]) -> None:
    rules = replace(RULES, epochs=14) if name == "pelican" else RULES  # which is slow to begin
    found = gather([compete(name, *samples, member, rules) for member in range(2)], rules)
    assert np.mean(found["auc"]) > 0.75
    assert found["auc"][0] != found["auc"][1]
    assert found["parameters"] > 100
    assert found["events_per_second"] > 0


def test_other_rules_are_another_contest(samples: tuple[Path, Path]) -> None:
    first = compete("trees", *samples, 0, RULES)
    assert compete("trees", *samples, 0, replace(RULES, rounds=5))["auc"] != first["auc"]


def test_the_draws_are_keyed_by_seed_and_member(samples: tuple[Path, Path]) -> None:
    table = load(samples[0], fraction=0.3)
    once = replace(RULES, epochs=1)
    first, again, other = (
        train_network("residual-pathway", table, rules, member).logits(table.p4[:50])
        for rules, member in ((once, 0), (once, 0), (once, 1))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_only_a_general_pathway_is_pulled() -> None:
    assert [group["weight_decay"] for group in parameter_groups(NETWORKS["residual-pathway"]())] == [0.1, PULL]
    assert [group["weight_decay"] for group in parameter_groups(NETWORKS["pelican"]())] == [0.1]


def test_the_features_of_the_trees(samples: tuple[Path, Path]) -> None:
    p4 = np.array([[[50.0, 40.0, 0.0, 30.0], [50.0, -40.0, 0.0, -30.0]]])
    eta = np.arcsinh(0.75)
    assert features(p4)[0] == pytest.approx([100, 40, 40, 1, eta, -eta, 0, 2 * eta])


def test_what_cannot_be_held_is_refused(samples: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="no rival 'svm': there are lgatr, pelican, residual-pathway, trees"):
        compete("svm", *samples, 0)
    with pytest.raises(ConfigurationError, match="epochs of the rivals must be an integer of at least 1"):
        Rules(epochs=0)
    monkeypatch.setattr("zmumu_hybrid.extras.find_spec", lambda name: None if name == "pelican" else object())
    with pytest.raises(
        MissingDependencyError, match=r"pelican-lite is not installed: pip install 'zmumu-hybrid\[rivals\]'"
    ):
        require_packages()
