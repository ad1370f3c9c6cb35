"""`zmumu limit`: how good a classifier of a processed sample can be at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from zmumu_hybrid.cli.options import console_of_names, quiet, writes

__all__ = ["limit"]


def limit(
    data: Annotated[Path, typer.Option(help="Directory of `zmumu process`, of leading-order events.")],
    output: Annotated[Path, writes("JSON file for the result.")],
    truth: Annotated[
        Path | None,
        typer.Option(help="Directory of `zmumu process` to learn the true densities from; by default that of --data."),
    ] = None,
    rows: Annotated[
        Literal["test", "all"] | None,
        typer.Option(help="Which events to classify: by default all with --truth, else the held-out ones."),
    ] = None,
) -> None:
    """Compute the best possible AUC, and the best with Lorentz invariants alone."""
    from zmumu_hybrid.jobs.limit import limit as compute
    from zmumu_hybrid.support.files import write_json
    from zmumu_hybrid.support.outputs import output_file

    with output_file(output, "limit", [data, truth]):
        found = compute(data, truth=truth, rows=rows, show_progress=not quiet.get())
        write_json(output, found)
    _show(found)


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("", "optimal AUC", "invariant ceiling", box=None, pad_edge=False)
    for name, part in {"all": found, **found["by_slice"]}.items():
        if part is None:
            table.add_row(name, "too few events", "")
        else:
            table.add_row(name, *(f"{part[a]:.4f} ± {part[u]:.4f}" for a, u in _COLUMNS))
    console_of_names().print(table)


_COLUMNS = (("auc", "uncertainty"), ("invariant_ceiling", "invariant_ceiling_uncertainty"))
