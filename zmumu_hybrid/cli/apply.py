"""`zmumu export` and `zmumu apply`: a trained network in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zmumu_hybrid.cli.options import (
    FILES,
    Run,
    TrainedOn,
    content,
    execution,
    pieces,
    quiet,
    say,
    shares,
    smearing,
    warn,
    writes,
)

__all__ = ["apply", "export"]


def export(
    run: Run,
    output: Annotated[Path, writes("Model file, ending in .onnx.")],
    data: Annotated[
        Path | None, typer.Option(help="What it was trained on, for the ranges where the run does not know them.")
    ] = None,
    scalars: Annotated[
        list[str] | None,
        typer.Option(help="Field of a collection that goes with each particle, in the order of training."),
    ] = None,
) -> None:
    """Export a trained ensemble to ONNX, checked against torch, with its model card."""
    from zmumu_hybrid.deploy import export as export_model

    model, card = export_model(run, output, data, scalars=scalars or ())
    say(f"{model}, {card}")


@shares(content, execution, pieces, smearing)
def apply(
    model: Annotated[Path, typer.Argument(help="Model file of `zmumu export`, or folder of `zmumu train`.")],
    input_: Annotated[list[str], typer.Option("--input", "-i", help=f"Files: {FILES}.")],
    output: Annotated[Path, writes("ROOT file for the tree of scores.")],
    trained_on: TrainedOn = None,
    dataset: Annotated[str, typer.Option(help="Name of the data set, part of the key of the smearing.")] = "data",
    **options: Any,
) -> None:
    """Score the muon pairs of event files: a ROOT file with a row per pair."""
    from zmumu_hybrid.jobs import apply as job

    chosen = job.ApplyOptions(trained_on=trained_on, dataset=dataset, **options)
    summary = job.apply(model, input_, output, chosen, show_progress=not quiet.get())
    for warning in summary.warnings:
        warn(warning)
    say(f"{summary.output}: {summary.pairs:,} pairs of {summary.events:,} events, {summary.seconds:.1f} s")
