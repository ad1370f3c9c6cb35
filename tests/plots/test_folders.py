from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zmumu_hybrid.candidates import histograms as stored
from zmumu_hybrid.errors import InputError, MissingInputError
from zmumu_hybrid.nets.presets import preset
from zmumu_hybrid.plots.folders import draw_folder
from zmumu_hybrid.training.config import TrainingConfig
from zmumu_hybrid.training.measures import read_metrics


@pytest.fixture
def processed(histograms, tmp_path):
    stored.write_json(histograms, tmp_path / "processed" / "histograms.json")
    (tmp_path / "processed" / "process.json").write_text("{}")
    return tmp_path / "processed"


def test_spectra_and_masses_are_drawn_from_what_was_processed(processed, tmp_path):
    files = draw_folder(processed, tmp_path / "figures", note="a toy")
    assert [path.name for path in files] == [
        "mass_slices.png",
        "mass_slices.pdf",
        "pt_reweighting.png",
        "pt_reweighting.pdf",
    ]
    assert all(path.stat().st_size > 5_000 for path in files)


def test_without_a_background_there_is_no_reweighting_to_draw(histograms, tmp_path):
    filled = {name: each.copy() for name, each in histograms.items()}
    for each in filled.values():
        for field in ("value", "variance"):
            each.view(flow=True)[field][1] = 0
    stored.write_json(filled, tmp_path / "histograms.json")
    (tmp_path / "process.json").write_text("{}")
    assert [path.name for path in draw_folder(tmp_path, tmp_path)] == ["mass_slices.png", "mass_slices.pdf"]


def test_a_folder_that_cannot_be_drawn_is_refused(histograms, tmp_path):
    with pytest.raises(MissingInputError, match="none: no such directory"):
        draw_folder(tmp_path / "none", tmp_path)
    with pytest.raises(InputError, match=r"neither histograms.json nor metrics.parquet"):
        draw_folder(tmp_path, tmp_path)
    stored.write_json({"mass_true": histograms["mass_true"]}, tmp_path / "histograms.json")
    with pytest.raises(MissingInputError, match=r"process.json: no such file: .* not a complete output of `zmumu proc"):
        draw_folder(tmp_path, tmp_path)
    (tmp_path / "process.json").write_text("{}")
    with pytest.raises(InputError, match=r"histograms.json: the histogram pt_before is missing; there are mass_true"):
        draw_folder(tmp_path, tmp_path)
    (tmp_path / "histograms.json").write_text("{")
    with pytest.raises(InputError, match="does not hold histograms"):
        draw_folder(tmp_path, tmp_path)


def test_metrics_that_are_not_parquet_are_refused(tmp_path):
    (tmp_path / "metrics.parquet").write_text("member,epoch,auc")
    with pytest.raises(InputError, match=r"metrics.parquet: not a whole Parquet file"):
        read_metrics(tmp_path / "metrics.parquet")


def write_run(run, config, models):
    """Write an untrained ensemble as `zmumu train` does a trained one."""
    ensemble = pytest.importorskip("zmumu_hybrid.training.ensemble")
    networks = pytest.importorskip("zmumu_hybrid.nets.dimuon")
    modules = [networks.build(config) for _ in range(3)]
    ensemble.Ensemble(modules, TrainingConfig(members=3, epochs=12)).save(run)
    pq.write_table(pa.table(models[config.model]), run / "metrics.parquet")


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (preset("hybrid"), ["learning_curve", "architecture", "symmetry_factor"]),
        (preset("hybrid", pooling="concatenation-with-pt"), ["learning_curve", "architecture"]),
        (preset("pfn"), ["learning_curve", "architecture"]),
    ],
)
def test_an_ensemble_is_drawn_from_its_run(config, names, models, tmp_path):
    write_run(tmp_path / "run", config, models)
    files = draw_folder(tmp_path / "run", tmp_path / "figures", note="a toy")
    assert [path.name for path in files] == [f"{name}.{suffix}" for name in names for suffix in ("png", "pdf")]
    assert all(path.stat().st_size > 5_000 for path in files)


def test_the_command_names_what_it_wrote(processed, tmp_path):
    from commands import zmumu

    result = zmumu("plot", processed, "--output", tmp_path / "figures", "--note", "toy")
    assert result.exit_code == 0, result.output
    assert sorted(result.stdout.split("\n")) == ["", *sorted(str(path) for path in (tmp_path / "figures").iterdir())]


def test_runs_are_drawn_side_by_side(models, tmp_path, monkeypatch):
    from commands import zmumu
    from zmumu_hybrid.plots import style

    for name, table in models.items():
        (tmp_path / name).mkdir()
        pq.write_table(pa.table(table), tmp_path / name / "metrics.parquet")
    (tmp_path / "a=b").symlink_to(tmp_path / "pfn")
    drawn = {}

    def save(figure, path):
        drawn[path.name] = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        return original(figure, path)

    original = style.save
    monkeypatch.setattr(style, "save", save)
    folders = [
        tmp_path / "hybrid",
        tmp_path / "a=b",
        f"_costs $5={tmp_path / 'invariant'}",
        f"of $x\udcff={tmp_path / 'pfn'}",
    ]
    result = zmumu("plot", *folders, "--output", tmp_path / "figures", "--note", "$, µ and \udcff")
    assert result.stdout.split() == [str(tmp_path / "figures" / f"learning_curves.{kind}") for kind in ("png", "pdf")]
    assert sorted(drawn["learning_curves"]) == [" _costs \\$5", "Hybrid", "a=b", "of \\$x?"]

    def refused(*words):
        return str(zmumu("plot", *words, "--output", tmp_path / "none").exception)

    assert "'hybrid' is" in refused(tmp_path / "hybrid", tmp_path / "hybrid")
    assert "no metrics.parquet is in it" in refused(tmp_path / "hybrid", tmp_path)
    assert not (tmp_path / "none").exists()


def test_the_command_ends_with_one_line_on_bad_input(tmp_path):
    code = "from zmumu_hybrid.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "plot", str(tmp_path), "--output", str(tmp_path / "figures")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "neither histograms.json nor metrics.parquet" in done.stderr
    assert not (tmp_path / "figures").exists()
