"""What can be drawn from a folder: the output of `zmumu process`, or the run of one ensemble."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.errors import InputError, MissingInputError
from zmumu_hybrid.plots import architecture, learning_curves, mass_slices, pt_reweighting, style, symmetry_factor
from zmumu_hybrid.support.outputs import reading
from zmumu_hybrid.training.measures import read_metrics

__all__ = ["draw_folder", "draw_runs"]

PT_GRID = np.linspace(5.0, 100.0, 191)
"""Where the symmetry factor is asked for (GeV)."""


def draw_folder(
    directory: str | os.PathLike[str], output: str | os.PathLike[str], *, note: str | None = None
) -> list[Path]:
    """Draw every figure that a folder has the data for.

    Parameters
    ----------
    directory : path-like
        The output of `zmumu process` (Figs. 1 and 2; Fig. 1 needs a background), or of `zmumu train` (learning curve,
        architecture, and for a hybrid with a symmetry factor its weight against pT).
    output : path-like
        Folder for the figures.
    note : str, optional
        Small type above each figure.

    Returns
    -------
    list of Path
        The files, a PNG and a PDF for each figure.

    Raises
    ------
    MissingInputError
        If there is no such folder.
    InputError
        If it holds nothing that can be drawn.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise MissingInputError(f"{directory}: no such directory")
    if (directory / "process.json").exists() or (directory / "histograms.json").exists():
        with reading(directory):
            drawings = _draw_processed(directory, note)
    elif (directory / "metrics.parquet").exists():
        drawings = _draw_run(directory, note)
    else:
        raise InputError(
            f"{directory}: neither histograms.json nor metrics.parquet is in it: name the output of `zmumu process` or "
            "of `zmumu train`"
        )
    return [file for name, drawing in drawings.items() for file in style.save(drawing.figure, Path(output) / name)]


def draw_runs(
    runs: Mapping[str, str | os.PathLike[str]], output: str | os.PathLike[str], *, note: str | None = None
) -> list[Path]:
    """Draw the learning curves of several runs in one figure, `learning_curves`; it needs no torch.

    Parameters
    ----------
    runs : mapping of str to path-like
        Outputs of `zmumu train` by what they are called in the legend; the names of the networks have their own looks.
    output : path-like
        Folder for the figure.
    note : str, optional
        Small type above it.

    Returns
    -------
    list of Path
        The files, a PNG and a PDF.

    Raises
    ------
    MissingInputError, InputError
        If a folder is not the output of `zmumu train`.
    """
    tables = {}
    for name, run in runs.items():
        if not (Path(run) / "metrics.parquet").exists():
            raise InputError(f"{run}: no metrics.parquet is in it: several folders must be outputs of `zmumu train`")
        tables[name] = read_metrics(Path(run) / "metrics.parquet")
    columns = 3 if max(map(len, runs)) < 20 else 1
    drawing = learning_curves.draw_panel(tables, note=note, columns=columns)
    return style.save(drawing.figure, Path(output) / "learning_curves")


def _draw_processed(directory: Path, note: str | None) -> dict[str, style.Drawing]:
    """Draw Figs. 1 and 2; without a background there is no Fig. 1."""
    path = directory / "histograms.json"
    filled = histograms.read(path)
    missing = [name for name in ("pt_before", "pt_after", "mass_true", "mass_smeared") if name not in filled]
    if missing:
        raise InputError(
            f"{path}: the histogram {missing[0]} is missing; there are {', '.join(filled)}: the figures need simulated "
            "events, with their truth"
        )
    drawings = {"mass_slices": mass_slices.draw(filled["mass_true"], filled["mass_smeared"], note=note)}
    if filled["pt_before"][{"dataset": "background"}].values().any():
        drawings["pt_reweighting"] = pt_reweighting.draw(filled["pt_before"], filled["pt_after"], note=note)
    return drawings


def _draw_run(directory: Path, note: str | None) -> dict[str, style.Drawing]:
    """Draw what a trained ensemble and its metrics show."""
    from zmumu_hybrid.training.ensemble import load_ensemble

    ensemble = load_ensemble(directory)
    table = read_metrics(directory / "metrics.parquet")
    drawings = {
        "learning_curve": learning_curves.draw_panel({ensemble.name: table}, note=note),
        "architecture": architecture.draw(architecture.describe(ensemble.modules[0]), note=note),
    }
    if ensemble.has_symmetry_factor:
        weights = ensemble.symmetry_factor(PT_GRID)[..., 0]
        drawings["symmetry_factor"] = symmetry_factor.draw(PT_GRID, weights, note=note)
    return drawings
