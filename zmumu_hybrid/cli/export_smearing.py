"""`zmumu export-smearing`: the smearing for other frameworks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from zmumu_hybrid.cli.options import WidthUncertainty, say, shares, smearing, writes

__all__ = ["export_smearing"]


@shares(smearing)
def export_smearing(
    output: Annotated[Path, writes("JSON file for correctionlib, or .json.gz.")],
    dataset: Annotated[list[str] | None, typer.Option(help="Names of the data sets.")] = None,
    width_uncertainty: WidthUncertainty = 0.1,
    **options: Any,
) -> None:
    """Write the smearing as a correctionlib payload: the same draws in every framework."""
    from zmumu_hybrid.execution.options import RunOptions
    from zmumu_hybrid.measurement.systematics import Systematics
    from zmumu_hybrid.physics.smearing_payload import write_payload
    from zmumu_hybrid.support.outputs import output_file

    config = replace(RunOptions(**options).smearing_config, draws="correctionlib")
    datasets = dataset or ["signal", "background"]
    varied = Systematics(width_uncertainty=width_uncertainty).smearings(config)
    widths = {name: 0.0 if each.mode == "none" else each.width for name, each in varied.items()}
    with output_file(output, "export-smearing"):
        path = write_payload(output, config, datasets, widths)
    say(f"{path}: draw, scale and smeared_pt of {', '.join(datasets)}; systematics {', '.join(widths)}")
