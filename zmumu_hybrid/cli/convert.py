"""`zmumu convert`: Les Houches Event files to ROOT or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zmumu_hybrid.cli.options import quiet, say, writes

__all__ = ["convert"]


def convert(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IN...", help="LHE files, plain or gz; also addresses, pipes and -.")
    ],
    output: Annotated[Path, writes("The file to write: .root or .parquet.")],
) -> None:
    """Convert Les Houches Event files to one ROOT or Parquet file with columns named as in NanoAOD.

    Its SHA-256 is written beside it, to OUTPUT.sha256; `zmumu process` compares the two.
    """
    from zmumu_hybrid.events import lhe_to_root as conversion

    summary = conversion.convert(inputs, output, note=True, show_progress=not quiet.get())
    say(
        f"{output}: {summary.events:,} events with {summary.muons:,} muons from {summary.files} "
        f"file{'s' if summary.files > 1 else ''}; {summary.seconds:.1f} s, {summary.events_per_second:,.0f} events/s"
    )
