"""`zmumu scan`: hyperparameters over the paper's ranges, and the best setting beside the preset's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zmumu_hybrid.cli.options import (
    Data,
    Device,
    Fraction,
    Model,
    Precision,
    console_of_names,
    execution,
    quiet,
    shares,
    writes,
)

__all__ = ["scan"]

_TRIALS = "Trials"
_COMPARISON = "Comparison of the best setting with the preset's"


@shares(execution)
def scan(
    model: Model,
    data: Data,
    output: Annotated[Path, writes("Folder of the scan.")],
    trials: Annotated[int, typer.Option(help="How many in all, those of earlier calls included.")] = 50,
    preset: Annotated[str, typer.Option(help="The networks whose hyperparameters are varied.")] = "paper",
    fraction: Fraction = None,
    precision: Precision = None,
    device: Device = None,
    seed: Annotated[int, typer.Option(help="Of the proposals, the validation part and every training.")] = 0,
    trial_members: Annotated[int, typer.Option(help="Networks in a trial.", rich_help_panel=_TRIALS)] = 1,
    trial_epochs: Annotated[int, typer.Option(help="Epochs of a trial.", rich_help_panel=_TRIALS)] = 20,
    validation: Annotated[
        float, typer.Option(help="Part of the training events that judges trials.", rich_help_panel=_TRIALS)
    ] = 0.2,
    generation: Annotated[
        int, typer.Option(help="Trials that are proposed together; more workers are idle.", rich_help_panel=_TRIALS)
    ] = 8,
    pruning: Annotated[
        bool, typer.Option(help="End trials that are worse than most at the same epoch.", rich_help_panel=_TRIALS)
    ] = True,
    storage: Annotated[
        str | None,
        typer.Option(
            help="SQLite file, or URL of a database; scan.db in the output by default.", rich_help_panel=_TRIALS
        ),
    ] = None,
    members: Annotated[int | None, typer.Option(help="5 by default.", rich_help_panel=_COMPARISON)] = None,
    epochs: Annotated[int | None, typer.Option(help="100 by default.", rich_help_panel=_COMPARISON)] = None,
    **options: Any,
) -> None:
    """Scan batch size, learning rate, weight decay and latent width; the same command goes on where it was ended."""
    from zmumu_hybrid.execution.workers import choose_workers
    from zmumu_hybrid.support.extras import require
    from zmumu_hybrid.training.settings import configure

    require("torch", "safetensors", "optuna")
    from zmumu_hybrid.plots.hyperparameters import draw
    from zmumu_hybrid.scan.scan import ScanConfig
    from zmumu_hybrid.scan.scan import scan as run_scan
    from zmumu_hybrid.support.outputs import output_folder

    given = {"members": members, "epochs": epochs, "fraction": fraction, "precision": precision, "device": device}
    described, training = configure(model, preset, given | {"seed": seed})
    config = ScanConfig(described, training, trial_members, trial_epochs, validation, generation, pruning)
    console = console_of_names(stderr=True)

    def announce(number: int, outcome: Any) -> None:
        auc = f"{outcome.curve[-1]:.4f}" if outcome.curve else "–"
        console.print(
            f"trial {number:3d}  {_words(outcome.setting):56s} AUC {auc:6s} {_state(outcome)}", soft_wrap=True
        )

    there = choose_workers(**options, otherwise="futures")
    with output_folder(output, "scan", [data]):
        found = run_scan(
            config,
            data,
            output,
            trials,
            storage=storage,
            workers=there,
            announce=announce,
            show_progress=not quiet.get(),
        )
        drawn = draw(found["storage"]["url"], found["storage"]["study"], output)
    _show(found, output, drawn)


def _words(setting: dict[str, float]) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in setting.items())


def _state(outcome: Any) -> str:
    return "" if outcome.state == "complete" else f"{outcome.state} after epoch {len(outcome.curve)}"


def _show(found: dict[str, Any], output: Path, drawn: list[Path]) -> None:
    from rich.table import Table

    names = list(found["settings"]["axes"])
    table = Table("", *(name.replace("_", " ") for name in names), "AUC, held out", box=None, pad_edge=False)
    comparison = found["comparison"]
    for side in ("preset", "best"):
        setting = comparison[side]["setting"]
        table.add_row(side, *(f"{setting[name]:g}" for name in names), _value(comparison[side], "std"))
    table.add_row("difference", *("" for _ in names), _value(comparison["difference"], "uncertainty", "+"))
    console = console_of_names()
    console.print(table)
    training = found["settings"]["training"]
    states = [trial["state"] for trial in found["trials"]]
    console.print(
        f"{training['members']} members, {training['epochs']} epochs; ± is over members, of the difference that of its "
        f"mean; the held-out events, which both share, add {comparison['preset']['uncertainty']:.4f} to each AUC",
        soft_wrap=True,
    )
    saved = 1 - found["epochs"]["taken"] / found["epochs"]["without_pruning"]
    console.print(
        f"{len(states)} trials: {states.count('complete')} complete, {states.count('pruned')} pruned, "
        f"{states.count('diverged')} diverged; {saved:.0%} of the epochs were spared; best is trial {found['best']}",
        soft_wrap=True,
    )
    console.print(f"{output}: scan.json, {', '.join(path.name for path in drawn)}", soft_wrap=True)


def _value(entry: dict[str, Any], spread: str, sign: str = "") -> str:
    uncertainty = "" if entry[spread] is None else f" ± {entry[spread]:.4f}"
    return f"{entry['mean']:{sign}.4f}{uncertainty}"
