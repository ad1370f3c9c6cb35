"""`zmumu generate` and `zmumu convert`: what makes event files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from zmumu_hybrid.cli.options import Workers, quiet, say, writes

__all__ = ["convert", "generate"]

_CUTS = "Cuts on the true muons"


def generate(
    process: Annotated[
        Literal["signal", "background"], typer.Argument(help="p p > Z > mu+ mu-, or p p > gamma* > mu+ mu-.")
    ],
    events: Annotated[int, typer.Option(help="Number of events that pass the cuts.")],
    output: Annotated[Path, writes("The file to write: .lhe, or .lhe.gz to compress it.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 0,
    workers: Workers = None,
    min_pt: Annotated[float, typer.Option(help="pT of each muon above, in GeV.", rich_help_panel=_CUTS)] = 10.0,
    max_abs_eta: Annotated[float, typer.Option(help="|eta| of each muon below.", rich_help_panel=_CUTS)] = 2.5,
    min_mass: Annotated[float, typer.Option(help="Mass of the pair above, in GeV.", rich_help_panel=_CUTS)] = 70.0,
    ecm: Annotated[float, typer.Option(help="Proton-proton collision energy in GeV.")] = 13000.0,
) -> None:
    """Generate muon pairs with Pythia 8 at leading order, without showers, as a Les Houches Event file."""
    from zmumu_hybrid.execution.workers import available_cores
    from zmumu_hybrid.generation import sample as generation

    summary = generation.generate(
        process,
        events,
        seed,
        output,
        cuts=generation.Cuts(min_pt, max_abs_eta, min_mass),
        workers=available_cores() if workers is None else workers,
        ecm=ecm,
        show_progress=not quiet.get(),
    )
    say(
        f"{summary.path}: {summary.events:,} {summary.process} events, "
        f"{summary.cross_section_pb:.5g} ± {summary.cross_section_error_pb:.2g} pb inside the cuts; "
        f"{summary.seconds:.1f} s, {summary.events_per_second:,.0f} events/s; sha256 {summary.sha256[:16]}"
    )


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
