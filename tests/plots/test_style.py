from __future__ import annotations

import os
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from zmumu_hybrid.errors import ConfigurationError, OutputError
from zmumu_hybrid.plots import learning_curves, style


def test_importing_the_figures_loads_no_matplotlib():
    names = "architecture comparisons learning_curves mass_slices pt_reweighting symmetry_factor"
    code = (
        "import importlib, sys\n"
        f"for name in '{names}'.split(): importlib.import_module('zmumu_hybrid.plots.' + name)\n"
        "sys.exit(any(name in sys.modules for name in ('matplotlib', 'mplhep', 'hist', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_first_drawing_ever_is_silent(tmp_path):
    code = (
        "from zmumu_hybrid.plots import style\n"
        "with style.canvas(None) as (ax,): ax.plot([1, 2])\n"
        f"style.save(style.figure_of(ax), {str(tmp_path / 'x')!r})"
    )
    environment = os.environ | {"MPLCONFIGDIR": str(tmp_path / "fresh"), "DISPLAY": ""}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "x.png").exists()


def test_the_context_changes_nothing_outside():
    before = dict(mpl.rcParams)
    with style.context():
        assert mpl.rcParams["xtick.direction"] == "in"
    assert dict(mpl.rcParams) == before


def test_models_differ_in_colour_and_in_dash():
    for looks in (style.MODELS, style.POOLINGS, style.SLICES):
        assert len({look.color for look in looks.values()}) == len(looks)
    three = [style.MODELS[name] for name in ("hybrid", "pfn", "invariant")]
    assert len({look.dash for look in three}) == 3


def test_an_unknown_name_gets_a_spare_colour_and_keeps_its_name():
    looks = style.looks_for(["one", "hybrid", "two"], style.MODELS)
    assert looks["hybrid"] is style.MODELS["hybrid"]
    assert looks["one"].label == "one"
    assert len({look.color for look in looks.values()}) == 3


def test_new_axes_have_the_style_and_given_axes_keep_theirs():
    with style.canvas(None) as (ax,):
        ax.plot([1, 2])
    assert ax.xaxis.get_major_ticks()[0].tick1line.get_markersize() == 8
    given = Figure().subplots()
    with style.canvas(given) as (ax,):
        assert ax is given
    assert given.xaxis.label.get_size() == mpl.rcParams["font.size"]


def test_the_number_of_axes_must_fit():
    with (
        pytest.raises(ConfigurationError, match="draws on 2 of them, 3 were given"),
        style.canvas(list(Figure().subplots(3)), 2),
    ):
        pass


def test_axes_without_a_figure_are_refused():
    ax = Figure().subplots()
    ax.remove()
    with pytest.raises(ConfigurationError, match="no figure"):
        style.figure_of(ax)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_no_curve_runs_behind_the_legend(scale):
    with style.canvas(None) as (ax,):
        ax.plot([0, 1, 2], [1, 10, 100], label="rising")
        ax.set_yscale(scale)
        made = style.legend(ax, columns=2, title="title")
    low = made.get_window_extent().y0
    assert ax.transData.transform((2, 100))[1] < low


def test_the_legend_reads_row_by_row():
    with style.canvas(None) as (ax,):
        for name in "abcde":
            ax.plot([1, 2], label=name)
        made = style.legend(ax, columns=3)
    places = {text.get_text(): text.get_window_extent() for text in made.get_texts()}
    tops = [round(places[name].y1) for name in "abcde"]
    assert tops[0] == tops[1] == tops[2] > tops[3] == tops[4]
    assert places["a"].x0 < places["b"].x0 < places["c"].x0


def test_a_long_note_is_broken_and_stays_on_the_figure():
    with style.canvas(None) as (ax,):
        style.note(ax, "quick scale: 3 members, 10 epochs, 80,000 events, seed 1; " * 4)
    (text,) = ax.texts
    figure = style.figure_of(ax)
    assert text.get_text().count("\n") >= 2
    extent = text.get_window_extent()
    assert 0 <= extent.x0 < extent.x1 <= figure.bbox.x1
    assert extent.y1 <= figure.bbox.y1 + 1
    with style.canvas(None) as (ax,):
        style.note(ax, None)
    assert not ax.texts


def draw_something():
    with style.canvas(None) as (ax,):
        ax.plot(np.arange(5), label="line")
        ax.set_xlabel(r"$p_\mathrm{T}$ [GeV]")
        style.legend(ax)
    return style.figure_of(ax)


def test_files_are_the_same_bytes_each_time_and_big_enough(tmp_path):
    first = style.save(draw_something(), tmp_path / "a" / "fig.1")
    second = style.save(draw_something(), tmp_path / "b" / "fig.1")
    assert [path.name for path in first] == ["fig.1.png", "fig.1.pdf"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[0].read_bytes().startswith(b"\x89PNG")
    assert int.from_bytes(first[0].read_bytes()[16:20], "big") == 8 * style.DPI
    assert first[1].read_bytes().startswith(b"%PDF")
    assert b"CreationDate" not in first[1].read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["fig.1.pdf", "fig.1.png"]


def test_a_place_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="file"):
        style.save(draw_something(), tmp_path / "file" / "figure")


def test_a_drawing_shows_itself_in_a_notebook() -> None:
    drawing = learning_curves.draw_panel({"hybrid": {"member": [0, 0], "epoch": [1, 2], "auc": [0.7, 0.8]}})
    assert drawing._repr_png_().startswith(b"\x89PNG")
