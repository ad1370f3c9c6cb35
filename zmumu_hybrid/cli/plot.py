"""`zmumu plot`: figures from the output of the other commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["plot"]


def plot(
    directory: Annotated[Path, typer.Argument(help="Output of `zmumu process` or of `zmumu train`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for the figures, each as PNG and PDF.")],
    note: Annotated[str | None, typer.Option(help="Small type above each figure, such as its scale.")] = None,
) -> None:
    """Draw the figures that a directory has the data for.

    Spectra and masses from `zmumu process`; learning curve, architecture and symmetry factor from `zmumu train`.
    """
    from zmumu_hybrid.plots.folders import draw_folder

    for path in draw_folder(directory, output, note=note):
        typer.echo(path)
