"""`zmumu plot`: figures from the output of the other commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zmumu_hybrid.cli.options import named_paths, say, writes

__all__ = ["plot"]


def plot(
    directories: Annotated[
        list[str],
        typer.Argument(
            metavar="DIR...",
            help="Output of `zmumu process` or of `zmumu train`; several of `zmumu train`, each as DIR or NAME=DIR.",
        ),
    ],
    output: Annotated[Path, writes("Directory for the figures, each as PNG and PDF.")],
    note: Annotated[str | None, typer.Option(help="Small type above each figure, such as its scale.")] = None,
) -> None:
    """Draw the figures that a directory has the data for, or the learning curves of several runs in one.

    Spectra and masses from `zmumu process`; learning curve, architecture and symmetry factor from `zmumu train`.
    """
    from zmumu_hybrid.plots.folders import draw_folder, draw_runs
    from zmumu_hybrid.support.outputs import output_folder

    folders = named_paths(directories, "run")
    with output_folder(output, "plot"):
        if len(folders) == 1:
            (folder,) = folders.values()
            drawn = draw_folder(folder, output, note=note)
        else:
            drawn = draw_runs(folders, output, note=note)
    for path in drawn:
        say(path)
