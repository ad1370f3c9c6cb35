"""`claims.md`: the paper's claims and what was measured, for people who read text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zmumu_hybrid.support.files import atomic_path

__all__ = ["render_claims", "write_claims"]

MARKS = {"holds": "**holds**", "does not hold": "**does not hold**", "undecided": "undecided"}


def number(value: float | None, uncertainty: float | None = None, digits: int = 4) -> str:
    """Return a signed value, with its uncertainty if that is known."""
    if value is None:
        return "–"
    known = uncertainty is not None and math.isfinite(uncertainty)
    return f"{value:+.{digits}f}" + (f" ± {uncertainty:.{digits}f}" if known else "")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def render_claims(summary: Mapping[str, Any]) -> str:
    """Return the page for what `summary.json` holds."""
    scale, limit, claims = summary["scale"], summary["limit"], summary["claims"]
    replicas = max((len(claim["data_sets"]) for claim in claims), default=1)
    parts = [
        "# The paper's claims, measured\n",
        f"{scale['name'].capitalize()} scale: {scale['members']} members, {scale['epochs']} epochs, "
        f"{2 * scale['events']:,} events; AUCs on {2 * scale['evaluation_events']:,} independent events that no "
        f"network was trained on, but for the first epoch, which is measured on the held-out events. Seed "
        f"{summary['seeds']['study']}, revision {summary['git_revision'] or 'unknown'}, {summary['created']}. "
        "All numbers, with their inputs' checksums, are in `summary.json`.\n",
        "A claim is a difference that the paper says is positive, or zero within a margin. The first uncertainty "
        "is that of the means over the members; the second is the standard deviation over "
        + (f"{replicas} data sets of other events and draws" if replicas > 1 else "data sets, where there are several")
        + ". The verdict takes both in quadrature and asks for two standard deviations.\n",
        table(
            ["claim", "where", "measured, ± over members", "± over data sets", "verdict", "caveat"],
            (
                [
                    claim["text"],
                    claim["source"],
                    number(claim["value"], claim["uncertainty"]),
                    "–" if claim["spread"] is None else f"{claim['spread']:.4f}",
                    MARKS[claim["verdict"]],
                    claim["caveat"],
                ]
                for claim in claims
            ),
        ),
        f"The order of the poolings, best first: {', '.join(summary['poolings'])}.\n",
        overtaking(summary["overtaking"]) + "\n",
        "## How far from the best possible\n",
        f"The best possible AUC is {limit['auc']:.4f} ± {limit['uncertainty']:.4f}, that of the best function of "
        f"Lorentz invariants {limit['invariant_ceiling']:.4f} ± {limit['invariant_ceiling_uncertainty']:.4f}. "
        "Headroom is the share of the way from the second to the first.\n",
        table(
            ["data set", "model", "AUC ± over members", "headroom", *limit["by_slice"]],
            (
                [
                    dataset,
                    model,
                    f"{entry['mean']:.4f}" + ("" if entry["std"] is None else f" ± {entry['std']:.4f}"),
                    share(entry),
                    *(share(entry["by_slice"][name]) for name in limit["by_slice"]),
                ]
                for dataset, models in summary["auc"].items()
                for model, entry in models.items()
            ),
        ),
        "The last columns are the headroom in slices of the smeared pT of the mu+.\n",
    ]
    named = [name for name in summary["conditions"] if any(name in claim["options"] for claim in claims)]
    if named:
        texts = [f"- {name}: {summary['conditions'][name]['text']}" for name in named]
        parts += [
            "## What other readings of the paper would say\n",
            "\n".join(texts) + "\n",
            table(
                ["claim", *named],
                (
                    [claim["text"], *(option(claim["options"][name]) for name in named)]
                    for claim in claims
                    if claim["options"]
                ),
            ),
            table(
                [
                    "conditions",
                    "best possible",
                    "best invariant",
                    "hybrid, small",
                    "PFN, small",
                    "hybrid, large",
                    "PFN, large",
                ],
                (conditions_row(name, summary["conditions"][name]) for name in summary["conditions"]),
            ),
        ]
    return "\n".join(parts)


def share(entry: Mapping[str, Any]) -> str:
    """Return the headroom in per cent."""
    return "–" if entry["headroom"] is None else f"{100 * entry['headroom']:.0f}%"


def option(measured: Sequence[Any]) -> str:
    """Return what was measured under other conditions, and the verdict."""
    value, uncertainty, verdict = measured
    return f"{number(value, uncertainty)}, {verdict}"


def conditions_row(name: str, found: Mapping[str, Any]) -> list[str]:
    """Return the AUCs under other conditions."""
    limit, auc = found["limit"], found["auc"]
    cells = [
        f"{auc[size][model]['mean']:.4f} ({share(auc[size][model])})" for size in auc for model in ("hybrid", "pfn")
    ]
    return [name, f"{limit['auc']:.4f}", f"{limit['invariant_ceiling']:.4f}", *cells]


def overtaking(found: Mapping[str, Any]) -> str:
    """Say from which fraction of the data set on the general network is ahead."""
    if found["always"]:
        return "The general network is ahead of the hybrid at every fraction of the data set (Fig. 6)."
    if found["fraction"] is None:
        return "The general network does not overtake the hybrid within the data set (Fig. 6)."
    span = (
        ""
        if found["low"] is None
        else f" (68% of the resamplings of the members: {found['low']:.2f} to {found['high']:.2f})"
    )
    return (
        f"The general network overtakes the hybrid at {found['fraction']:.2f} of the data set{span}; "
        f"{100 * found['within']:.0f}% of the resamplings have such a point within the data set (Fig. 6)."
    )


def write_claims(summary: Mapping[str, Any], path: Path) -> None:
    """Write the page, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(render_claims(summary), encoding="utf-8")
