from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import drellyan
from commands import zmumu
from toys import MUON_MASS
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.candidates.truth import read_sample, read_settings, resmear
from zmumu_hybrid.errors import ConfigurationError, InputError, MissingInputError
from zmumu_hybrid.jobs.limit import headroom, limit
from zmumu_hybrid.metrics import auc_with_uncertainty, weighted_auc
from zmumu_hybrid.optimal import TruthCuts, TruthDensity, learn_classifier
from zmumu_hybrid.optimal.classifier import OptimalClassifier
from zmumu_hybrid.physics.smearing import SmearingConfig
from zmumu_hybrid.support.files import read_json, write_json

AREAS = ("auc", "invariant_ceiling")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drellyan.write_directory(tmp_path_factory.mktemp("limit") / "study", events=12_000)


@pytest.fixture(scope="module")
def held_out(study: Path) -> dict[str, Any]:
    return limit(study)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory, study: Path) -> Path:
    factors = Reweighting.read(study / "reweighting.json")
    return drellyan.write_directory(
        tmp_path_factory.mktemp("limit") / "evaluation", 12_000, SmearingConfig(seed=3), factors, seed=8
    )


@pytest.fixture(scope="module")
def found(study: Path, evaluation: Path) -> dict[str, Any]:
    return limit(evaluation, truth=study)


def exact(path: Path) -> OptimalClassifier:
    """The optimal classifier with the density that the toys are drawn from, instead of a learned one."""
    log_mass = np.linspace(np.log(70), np.log(3000), 1 << 14)
    sample = read_sample(path)
    smearing, reweighting = read_settings(path, sample)
    rapidity = np.zeros((3, 2))
    rapidity[0, 0] = -0.5 * (drellyan.ETA / drellyan.RAPIDITY_WIDTH) ** 2
    densities = []
    for label in (1, 0):
        asymmetry = np.zeros((3, 2))
        asymmetry[0, 0] = drellyan.ASYMMETRY[label]
        spectrum = np.log(drellyan.density(label, np.exp(log_mass), 0, 0))
        densities.append(TruthDensity(TruthCuts(), log_mass, spectrum, rapidity, asymmetry, 0))
    return OptimalClassifier(*densities, smearing, reweighting, MUON_MASS)


def test_the_limit_is_the_area_of_the_exact_likelihood_ratio(found: dict[str, Any], evaluation: Path) -> None:
    sample = read_sample(evaluation)
    best = weighted_auc(exact(evaluation).log_ratio(sample.columns), sample.signal, sample.columns["weight"])
    assert best - 0.002 < found["auc"] < best + 0.0005
    assert found["statistical"] == pytest.approx(0.003, abs=0.001)


def test_the_ratio_turns_the_background_into_the_signal(evaluation: Path, study: Path) -> None:
    # E[w r(x) g(x) | background] = E[g(x) | signal] for every g: only the true ratio r does this
    sample = read_sample(evaluation)
    score = learn_classifier(read_sample(study), *read_settings(evaluation, sample)).log_ratio(sample.columns)
    weight = np.where(sample.signal, 1.0, sample.columns["weight"] * np.exp(np.minimum(score, 8)))
    for g in (np.abs(sample.columns["mass"] - 91) < 5, sample.pt_0 > 40, np.abs(sample.columns["pz_0"]) > 60):
        signal = np.average(g[sample.signal])
        background = np.average(g[~sample.signal], weights=weight[~sample.signal])
        assert background == pytest.approx(signal, abs=0.02)


def test_trees_come_close_from_below(found: dict[str, Any], study: Path, evaluation: Path) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    def features(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        sample = read_sample(path)
        c = sample.columns
        pt_1 = np.hypot(c["px_1"], c["py_1"])
        etas = [np.arcsinh(c["pz_0"] / sample.pt_0), np.arcsinh(c["pz_1"] / pt_1)]
        x = np.stack([c["mass"], sample.pt_0, sample.pt_0 / pt_1, abs(etas[0] - etas[1])], axis=1)
        return x, c["label"], c["weight"]

    x, label, weight = features(study)
    trees = HistGradientBoostingClassifier(max_iter=80, learning_rate=0.08, max_leaf_nodes=12, random_state=1)
    trees.fit(x, label, sample_weight=weight)
    x, label, weight = features(evaluation)
    reached = weighted_auc(trees.predict_proba(x)[:, 1], label, weight)
    assert found["auc"] - 0.015 < reached < found["auc"]
    assert reached > found["invariant_ceiling"]


def test_each_area_has_its_uncertainty_everywhere(found: dict[str, Any]) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found["by_slice"]) == ["below30", "30to40", "above40"]
    for part in (found, *found["by_slice"].values()):
        assert 0.5 < part["invariant_ceiling"] < part["auc"] < 1
        for prefix in ("", "invariant_ceiling_"):
            total = np.hypot(part[f"{prefix}statistical"], part[f"{prefix}density"])
            assert part[f"{prefix}uncertainty"] == pytest.approx(total)
            assert part[f"{prefix}density"] < part[f"{prefix}statistical"]
    assert found["by_slice"]["below30"]["auc"] > found["by_slice"]["above40"]["auc"]
    assert found["events"]["classified"] == {"signal": 12_000, "background": 12_000}
    assert found["events"]["learned_from"] == {"signal": 12_000, "background": 12_000}
    assert found["cuts"]["mass"] == pytest.approx(70, abs=0.1)


def test_by_default_the_held_out_part_is_classified_with_densities_of_the_rest(
    study: Path, held_out: dict[str, Any]
) -> None:
    table = candidates.read(study / "candidates.parquet", ["label", "is_test"])
    number = int(np.sum(table["is_test"] & (table["label"] == 1)))
    assert held_out["rows"] == "test"
    assert held_out["events"]["classified"]["signal"] == number
    assert held_out["events"]["learned_from"]["signal"] == 12_000 - number


def test_events_that_are_classified_are_not_learned_from(study: Path, held_out: dict[str, Any]) -> None:
    assert limit(study, truth=study, rows="test") == held_out
    with pytest.raises(
        InputError, match=r"of the events left to learn from 0 are signal, at least 600 are needed: give others"
    ):
        limit(study, rows="all")


def test_without_smearing_the_mass_says_nearly_all(tmp_path: Path) -> None:
    path = drellyan.write_directory(tmp_path / "exact", 8000, SmearingConfig("none"))
    found = limit(path)
    sample = read_sample(path)
    held_out = sample.columns["is_test"]
    mass = sample.columns["mass"]
    ratio = np.log(drellyan.density(1, mass, 0, 0) / drellyan.density(0, mass, 0, 0))
    factors = read_settings(path, sample)[1]
    assert factors is not None
    with np.errstate(divide="ignore"):
        score = ratio - np.log(factors.apply(sample.pt_0))
    mass_and_weight = weighted_auc(score[held_out], sample.signal[held_out], sample.columns["weight"][held_out])
    assert found["auc"] == pytest.approx(mass_and_weight, abs=0.008)
    assert found["auc"] > found["invariant_ceiling"]


@pytest.mark.parametrize("smearing", [SmearingConfig("shared"), SmearingConfig(hold="eta"), SmearingConfig(width=0.02)])
def test_every_way_of_smearing_has_its_limit(tmp_path: Path, smearing: SmearingConfig) -> None:
    path = drellyan.write_directory(tmp_path / "other", 6000, smearing)
    found = limit(path)
    sample = read_sample(path)
    test = sample.where(sample.columns["is_test"])
    best, error = auc_with_uncertainty(exact(path).log_ratio(test.columns), test.signal, test.columns["weight"])
    assert found["auc"] == pytest.approx(best, abs=0.004)
    assert found["invariant_ceiling"] < found["auc"] + error


def test_a_slice_of_few_events_has_no_limit(tmp_path: Path) -> None:
    path = drellyan.write_directory(tmp_path / "small", 1500)
    found = limit(path)
    assert None in found["by_slice"].values()


def test_headroom_is_the_share_of_the_way(found: dict[str, Any]) -> None:
    assert headroom(found["auc"], found) == 1
    assert headroom(found["invariant_ceiling"], found) == 0
    assert headroom(0.75, {"auc": 0.8, "invariant_ceiling": 0.7}) == pytest.approx(0.5)
    with pytest.raises(InputError, match="headroom is not defined"):
        headroom(0.75, {"auc": 0.7, "invariant_ceiling": 0.7})


def test_resmearing_draws_anew_from_the_same_truth(study: Path) -> None:
    sample = read_sample(study)
    settings = read_settings(study, sample)
    first, second, again = (resmear(sample, *settings, f"limit {copy}") for copy in (0, 1, 0))
    assert not np.any(first.columns["px_0"] == second.columns["px_0"])
    assert np.array_equal(first.columns["mass"], again.columns["mass"])
    assert np.array_equal(first.columns["true_px_0"], sample.columns["true_px_0"])
    pull = (first.pt_0 / np.hypot(sample.columns["true_px_0"], sample.columns["true_py_0"]) - 1) / 0.1
    assert np.std(pull) == pytest.approx(1, abs=0.02)


def rewrite(path: Path, **columns: Any) -> None:
    """Replace columns of the table; None removes one."""
    table = pq.read_table(path / "candidates.parquet")
    for name, values in columns.items():
        index = table.column_names.index(name)
        table = table.remove_column(index) if values is None else table.set_column(index, name, [values])
    pq.write_table(table, path / "candidates.parquet")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return drellyan.write_directory(tmp_path / "data", 1000)


def test_events_beyond_leading_order_are_refused(tmp_path: Path) -> None:
    path = drellyan.write_directory(tmp_path / "boosted", 800, boost=1.0)
    with pytest.raises(InputError, match=r"1600 of 1600 true pairs \(100%\) have muons of unequal transverse momentum"):
        limit(path)


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    path = drellyan.write_directory(tmp_path / "signal", 800, labels=(1,))
    with pytest.raises(InputError, match="holds no background events"):
        limit(path)


def test_a_table_without_truth_is_refused(small: Path) -> None:
    rewrite(small, true_px_0=None)
    with pytest.raises(InputError, match="has no column true_px_0"):
        limit(small)


def test_a_sample_without_a_held_out_part_is_refused(small: Path) -> None:
    rewrite(small, is_test=np.zeros(2000, bool))
    with pytest.raises(InputError, match="of the events to classify \\(test\\) 0 are signal, at least 200"):
        limit(small)


def test_weights_that_leave_no_background_are_refused(small: Path) -> None:
    table = candidates.read(small / "candidates.parquet", ["label", "gen_weight"])
    Reweighting((0.0, 1e-9, 1000.0), (1.0, 0.0)).write(small / "reweighting.json")
    rewrite(small, weight=np.where(table["label"] == 1, table["gen_weight"], 0.0))
    with pytest.raises(InputError, match="too little background is left"):
        limit(small)


def test_foreign_weights_are_refused(small: Path) -> None:
    Reweighting((0.0, 50.0, 1000.0), (1.0, 0.5)).write(small / "reweighting.json")
    with pytest.raises(InputError, match=r"reweighting.json: the weights of candidates.parquet are others"):
        limit(small)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"options": {"smearing": "independent"}},
        {"options": {"smearing": "triple", "hold": "pz", "width": 1, "seed": 0}},
    ],
)
def test_unknown_smearing_is_refused(small: Path, content: Any) -> None:
    write_json(small / "process.json", content)
    with pytest.raises(InputError, match=r"process.json: does not say how the muons were smeared"):
        limit(small)


def test_missing_files_are_named(small: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"nowhere/candidates.parquet: no such file"):
        limit(tmp_path / "nowhere")
    (small / "process.json").unlink()
    with pytest.raises(MissingInputError, match=r"process.json: no such file"):
        limit(small)


def test_unknown_rows_are_refused(small: Path) -> None:
    with pytest.raises(ConfigurationError, match="rows 'train': use test or all"):
        limit(small, rows="train")  # type: ignore[arg-type]


def test_the_command_writes_what_the_function_returns(study: Path, tmp_path: Path, held_out: dict[str, Any]) -> None:
    output = tmp_path / "limit.json"
    result = zmumu("limit", "--data", study, "--output", output)
    assert result.exit_code == 0, result.output
    assert read_json(output) == held_out
    assert f"{held_out['auc']:.4f}" in result.output
