"""`zmumu export` and `zmumu apply`: a trained network in use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["apply", "export"]

_INPUT = "What the files hold"
_WORK = "Who does the work"
_PHYSICS = "Physics"


def export(
    run: Annotated[Path, typer.Argument(help="Folder of `zmumu train`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file, ending in .onnx.")],
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
    from zmumu_hybrid.support.outputs import output_file

    with output_file(output, "export", [data], [output.with_suffix(".card.json")]) as place:
        model, card = export_model(run, place, data, scalars=scalars or ())
    typer.echo(f"{model}, {card}")


def apply(
    model: Annotated[Path, typer.Argument(help="Model file of `zmumu export`, or folder of `zmumu train`.")],
    input_: Annotated[
        list[str],
        typer.Option(
            "--input", "-i", help="Files: LHE, LHE gz, ROOT, NanoAOD or Parquet; also addresses, pipes and -."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="ROOT file for the tree of scores.")],
    executor: Annotated[
        Literal["iterative", "futures", "dask"],
        typer.Option(help="This process, local processes, or a dask cluster.", rich_help_panel=_WORK),
    ] = "iterative",
    workers: Annotated[int, typer.Option(help="Number of workers.", rich_help_panel=_WORK)] = 1,
    chunksize: Annotated[int, typer.Option(help="About how many events a chunk has.", rich_help_panel=_WORK)] = 100_000,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler that runs already.", rich_help_panel=_WORK)
    ] = None,
    jobqueue: Annotated[
        Path | None, typer.Option(help="YAML file for dask-jobqueue: start batch jobs.", rich_help_panel=_WORK)
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Directory for converted LHE files.", rich_help_panel=_WORK)
    ] = None,
    muons: Annotated[
        Literal["Muon", "GenPart", "LHEPart"],
        typer.Option(help="Collection of NanoAOD that holds the muons.", rich_help_panel=_INPUT),
    ] = "Muon",
    branches: Annotated[
        Path | None,
        typer.Option(help="TOML file that declares branches with other names.", rich_help_panel=_INPUT),
    ] = None,
    tree: Annotated[
        str,
        typer.Option(
            help="Tree to read of ROOT files with several, such as dir/Events; or give FILE:TREE.",
            rich_help_panel=_INPUT,
        ),
    ] = "",
    pair: Annotated[
        Literal["leading", "closest-to-z"],
        typer.Option(help="Which mu+ and mu- of an event.", rich_help_panel=_PHYSICS),
    ] = "leading",
    smearing: Annotated[
        Literal["independent", "shared", "none"],
        typer.Option(help="Smear true muons before: a draw for each, or one for both.", rich_help_panel=_PHYSICS),
    ] = "none",
    hold: Annotated[
        Literal["pz", "eta"], typer.Option(help="What the smearing of pT leaves as it is.", rich_help_panel=_PHYSICS)
    ] = "pz",
    width: Annotated[
        float, typer.Option(help="Width of the smearing, relative to pT.", rich_help_panel=_PHYSICS)
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Of the smearing.", rich_help_panel=_PHYSICS)] = 0,
    dataset: Annotated[
        str, typer.Option(help="Name of the data set, part of the key of the smearing.", rich_help_panel=_PHYSICS)
    ] = "data",
) -> None:
    """Score the muon pairs of event files: a ROOT file with a row per pair."""
    from zmumu_hybrid.jobs import apply as applying
    from zmumu_hybrid.support.outputs import output_file

    options = applying.ApplyOptions(
        executor=executor,
        workers=workers,
        chunksize=chunksize,
        pair=pair,
        smearing=smearing,
        hold=hold,
        width=width,
        seed=seed,
        dataset=dataset,
        cache=cache,
        scheduler=scheduler,
        jobqueue=jobqueue,
        branches=branches,
        tree=tree,
        muons=muons,
    )
    with output_file(output, "apply", [*input_, model, branches, jobqueue]):
        summary = applying.apply(model, input_, output, options)
    for warning in summary.warnings:
        typer.echo(f"zmumu: warning: {warning}", err=True)
    typer.echo(f"{summary.output}: {summary.pairs:,} pairs of {summary.events:,} events, {summary.seconds:.1f} s")
