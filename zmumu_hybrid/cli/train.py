"""`zmumu train`: from the candidate table to a trained ensemble."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any, Literal

import typer

from zmumu_hybrid.cli.options import Data, Device, Fraction, Model, Precision, console_of_names, quiet, writes

__all__ = ["train"]


def train(
    model: Model,
    data: Data,
    output: Annotated[Path, writes("Folder of the run.")],
    members: Annotated[int | None, typer.Option(help="Networks in the ensemble; 5 by default.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data; 100 by default.")] = None,
    preset: Annotated[
        Literal["paper", "released", "enlarged", "tuned"],
        typer.Option(help="The paper's networks, the published ones, or those that come close to the best possible."),
    ] = "paper",
    pooling: Annotated[str | None, typer.Option(help="How a hybrid joins its latents (paper, Appendix C).")] = None,
    latent: Annotated[int | None, typer.Option(help="Width of the latents.")] = None,
    fraction: Fraction = None,
    batch_size: Annotated[int | None, typer.Option(help="Events in a step; 128 by default.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="1e-5 by default, 1e-6 for the invariant.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="0.01 by default.")] = None,
    sampling: Annotated[
        str | None, typer.Option(help="'weighted' draws events by weight, 'shuffle' weighs their loss.")
    ] = None,
    precision: Precision = None,
    resmear: Annotated[
        bool | None, typer.Option("--resmear", help="Smear the training events anew in every epoch.")
    ] = None,
    device: Device = None,
    seed: Annotated[int | None, typer.Option(help="Of initialisation and order; 0 by default.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with the tables [model] and [training]; options override it.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Cores to use; all by default.")] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write the metrics for TensorBoard, below the output.")
    ] = False,
) -> None:
    """Train an ensemble; the same command goes on where it was interrupted."""
    from zmumu_hybrid.jobs.train import train as train_ensemble
    from zmumu_hybrid.training.settings import configure

    given = {
        "members": members,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "sampling": sampling,
        "precision": precision,
        "fraction": fraction,
        "resmear": resmear,
        "device": device,
        "seed": seed,
    }
    described, training = configure(model, preset, given, pooling=pooling, latent=latent, file=config)
    progress = not quiet.get()
    summary = train_ensemble(
        described, data, output, training, threads=threads, tensorboard=tensorboard, show_progress=progress
    )
    _show(model, summary)


def _show(model: str, summary: Any) -> None:
    from rich.table import Table

    table = Table("member", "epoch", "loss", "AUC, held out", box=None, pad_edge=False)
    for row in summary.final:
        auc = f"{row['auc']:.4f} ± {row['auc_uncertainty']:.4f}"
        table.add_row(str(int(row["member"])), str(int(row["epoch"])), f"{row['loss']:.4f}", auc)
    values = [row["auc"] for row in summary.final]
    if len(values) > 1:
        table.add_row("mean", "", "", f"{mean(values):.4f}, std over members {stdev(values):.4f}", style="bold")
    console = console_of_names()
    console.print(table)
    for member in summary.stopped:
        console.print(f"member {member} was stopped: its loss was not finite; what it had learned before is kept")
    took = "trained before" if summary.repeated else f"{summary.seconds:.1f} s"
    console.print(f"{summary.output}: {model}, {len(summary.final)} members, {took}", soft_wrap=True)
