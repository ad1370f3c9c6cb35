from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import done, zmumu
from learned import toy_columns, write
from zmumu_hybrid.errors import ZmumuError
from zmumu_hybrid.training.measures import METRICS
from zmumu_hybrid.training.settings import configure


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of 500 toy events a class."""
    return write(toy_columns(500), tmp_path_factory.mktemp("table"))


def test_train_then_evaluate(table: Path, tmp_path: Path) -> None:
    run, output = tmp_path / "run", tmp_path / "auc.json"
    arguments = ["train", "hybrid", "--data", table, "--members", 2, "--epochs", 1, "--output", run]
    trained = done(*arguments)
    assert "hybrid, 2 members" in trained.output
    assert "std over members" in trained.output
    again = done(*arguments)
    assert "hybrid, 2 members, trained before" in " ".join(again.output.split())
    assert {path.name for path in run.iterdir()} == {
        "config.json",
        "members.safetensors",
        "metrics.parquet",
        "ranges.json",
        "training_events.parquet",
    }
    evaluated = done("evaluate", run, "--data", table, "--output", output)
    assert "2 members on the held-out events of" in evaluated.output
    found = json.loads(output.read_text())
    assert len(found["metrics"]["auc"]["members"]) == 2
    assert found["data"]["split"] == "test"


def test_a_file_sets_what_options_do_not(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text('[model]\nlatent = 4\nclassifier = [32, 16]\n[training]\nepochs = 7\nsampling = "shuffle"\n')
    model, training = configure("pfn", given={"epochs": 3, "members": None}, file=file)
    assert (model.latent, model.classifier, model.particle_map) == (4, (32, 16), (128, 128))
    assert (training.epochs, training.sampling, training.members) == (3, "shuffle", 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nepoch = 7\n", r"small\.toml: unknown key 'epoch'; there are members, epochs"),
        ("[train]\nepochs = 7\n", r"unknown key 'train'; there are the tables"),
        ("[training]\nepochs = 0\n", r"epochs must be an integer of at least 1, not 0"),
        ('[model]\nnetwork = "hybrid"\n', r"network is 'hybrid', the command says 'pfn'"),
        ("training", r"not valid TOML"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "small.toml"
    file.write_text(text)
    with pytest.raises(ZmumuError, match=message):
        configure("pfn", file=file)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--members", "0"], "members must be an integer of at least 1"),
        (["--learning-rate", "-1"], "learning_rate must be a finite number above 0"),
        (["--pooling", "sum"], "pooling must be one of"),
        (["--sampling", "all"], "sampling must be one of"),
        (["--batch-size", "5000"], "too few for a batch of 5000"),
        (["--fraction", "0"], "fraction must be a finite number above 0 and at most 1"),
    ],
)
def test_bad_options_are_refused(table: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    command = ["train", "hybrid", "--data", str(table), "--output", str(tmp_path / "run"), *arguments]
    result = zmumu(*command)
    assert isinstance(result.exception, ZmumuError)
    assert message in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_the_example_of_the_page_can_be_used(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    file = tmp_path / "wide.toml"
    file.write_text(page.split("```toml\n")[1].split("```")[0])
    model, training = configure("hybrid", given={"epochs": 10}, file=file)
    assert (model.particle_map, model.pooling) == ((128, 128), "concatenation-with-pt")
    assert (training.epochs, training.members, training.precision) == (10, 10, "bfloat16")


def test_the_page_names_every_metric() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    for name in ("training_loss", *METRICS):
        assert f"`{name}`" in page or name.endswith("_uncertainty")
