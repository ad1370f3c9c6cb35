"""`zmumu smearing`: the smearing for other frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["smearing"]


def smearing(
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON file for correctionlib, or .json.gz.")],
    dataset: Annotated[list[str] | None, typer.Option(help="Names of the data sets.")] = None,
    smearing: Annotated[
        Literal["independent", "shared"], typer.Option(help="A draw for each muon, or one for both.")
    ] = "independent",
    hold: Annotated[Literal["pz", "eta"], typer.Option(help="What the smearing of pT leaves as it is.")] = "pz",
    width: Annotated[float, typer.Option(help="Width of the smearing, relative to pT.")] = 0.1,
    width_uncertainty: Annotated[float, typer.Option(help="Relative uncertainty of the width.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of the smearing.")] = 0,
) -> None:
    """Write the smearing as a correctionlib payload: the same draws in every framework."""
    from zmumu_hybrid.measurement.systematics import Systematics
    from zmumu_hybrid.physics.smearing import SmearingConfig
    from zmumu_hybrid.physics.smearing_payload import write_payload
    from zmumu_hybrid.support.outputs import output_file

    config = SmearingConfig(smearing, hold, width, seed, draws="correctionlib")
    datasets = dataset or ["signal", "background"]
    varied = Systematics(width_uncertainty=width_uncertainty).smearings(config)
    widths = {name: 0.0 if each.mode == "none" else each.width for name, each in varied.items()}
    with output_file(output, "smearing"):
        path = write_payload(output, config, datasets, widths)
    typer.echo(f"{path}: draw, scale and smeared_pt of {', '.join(datasets)}; systematics {', '.join(widths)}")
