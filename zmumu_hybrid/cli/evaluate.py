"""`zmumu evaluate`: the metrics of a trained ensemble on a processed sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from zmumu_hybrid.cli.options import Data, Run, console_of_names, warn, writes

__all__ = ["evaluate"]


def evaluate(
    run: Run,
    data: Data,
    output: Annotated[Path, writes("JSON file for the metrics.")],
) -> None:
    """Measure an ensemble, on events that it was not trained on: of its own sample those held out."""
    from zmumu_hybrid.jobs.evaluate import evaluate as evaluate_ensemble
    from zmumu_hybrid.support.files import write_json
    from zmumu_hybrid.support.outputs import output_file

    with output_file(output, "evaluate", [data]):
        found = evaluate_ensemble(run, data)
        write_json(output, found)
    _show(found, output)


def _show(found: dict[str, Any], output: Path) -> None:
    from rich.table import Table

    table = Table(found["model"], "mean", "std over members", box=None, pad_edge=False)
    for name, metric in found["metrics"].items():
        table.add_row(name, *("–" if metric[part] is None else f"{metric[part]:.4f}" for part in ("mean", "std")))
    score = found["mean_score"]
    table.add_row("auc of the mean score", f"{score['auc']:.4f}", f"± {score['auc_uncertainty']:.4f} (statistical)")
    console = console_of_names()
    console.print(table)
    data = found["data"]
    events = "the held-out events" if data["left_out"] else "all events"
    members = len(found["metrics"]["auc"]["members"])
    console.print(f"{members} members on {events} of {data['path']}; {output}", soft_wrap=True)
    if data["left_out"]:
        console.print(f"left out are {data['left_out']:,} of {data['events']:,} events, which it was trained on")
    elif data["left_out"] is None:
        warn(f"{found['run']} does not say which events it was trained on: any may count")
