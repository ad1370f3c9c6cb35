"""The pages of a study, from templates: `report.html`, which needs no network, and `claims.md`."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from zmumu_hybrid.support.files import atomic_path

__all__ = ["number", "render", "write_pages"]

SLICES = {"below30": "pT < 30 GeV", "30to40": "30–40 GeV", "above40": "pT > 40 GeV"}
MODELS = {"hybrid": "Hybrid", "pfn": "PFN", "invariant": "Invariant", "enlarged": "Enlarged hybrid"}
MARKS = {"holds": "**holds**", "does not hold": "**does not hold**", "undecided": "undecided"}
PAGES = ("claims.md", "report.html")

Entry = Mapping[str, Any]


def number(value: float | None, uncertainty: float | None = None, digits: int = 4, sign: str = "") -> str:
    """Return `value ± uncertainty`, the latter if it is known; a dash where there is no value.

    Examples
    --------
    >>> number(0.81264, 0.001), number(0.0102, math.inf, sign="+"), number(None)
    ('0.8126 ± 0.0010', '+0.0102', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    known = uncertainty is not None and math.isfinite(uncertainty)
    return f"{value:{sign}.{digits}f}" + (f" ± {uncertainty:.{digits}f}" if known else "")


def mean(entry: Entry, digits: int = 4) -> str:
    """Return mean and standard deviation of a value."""
    return number(entry["mean"], entry["std"], digits)


def percent(share: float | None) -> str:
    """Return a headroom in per cent; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.0f}%"


def spread(share: Entry | None) -> str:
    """Return the mean and standard deviation of a headroom in per cent; a dash where there is none."""
    if share is None or share["mean"] is None:
        return "–"
    return f"{100 * share['mean']:.1f}" + (f" ± {100 * share['std']:.1f}%" if share["std"] is not None else "%")


def auc_and_headroom(entry: Entry | None) -> str:
    """Return an AUC and its headroom."""
    return "–" if entry is None else f"{mean(entry)} ({percent(entry['headroom'])})"


def overtaking(found: Entry) -> str:
    """Say from which fraction of the data set on the general network is ahead."""
    if found["always"]:
        return "The general network is ahead of the hybrid at every fraction of the data set (Fig. 6)."
    if found["fraction"] is None:
        return "The general network does not overtake the hybrid within the data set (Fig. 6)."
    span = f" (68% of the resamplings of the members: {found['low'] or 0:.2f} to {found['high'] or 0:.2f})"
    return (
        f"The general network overtakes the hybrid at {found['fraction']:.2f} of the data set"
        f"{'' if found['low'] is None else span}; "
        f"{100 * found['within']:.0f}% of the resamplings have such a point within the data set (Fig. 6)."
    )


def limits(limit: Entry, key: str) -> str:
    """Return a limit of the AUC and its uncertainty."""
    return number(limit[key], limit["uncertainty" if key == "auc" else f"{key}_uncertainty"])


def models_of(aucs: Entry) -> list[tuple[str, str, Entry]]:
    """Return data set, model and entry of what is given by data set and model."""
    return [(dataset, model, entry) for dataset, models in aucs.items() for model, entry in models.items()]


def origins(entries: list[Entry]) -> list[list[str]]:
    """Return the revision, the versions that are not the same for all, and the stages of each origin."""
    names = {name for each in entries for name in each["versions"]}
    differing = sorted(name for name in names if len({each["versions"].get(name) for each in entries}) > 1)
    return [
        [
            each["git_revision"] or "unknown",
            ", ".join(f"{name} {each['versions'].get(name, 'unknown')}" for name in differing),
            ", ".join(each["stages"]),
        ]
        for each in entries
    ]


def tabulate(summary: Entry) -> dict[str, Any]:
    """Return the rows of the report's tables, as text."""
    limit, by_slice, ways = summary["limit"], summary["limit"]["by_slice"], summary["approaches"]
    steps, worth = ways.get("ablation", {}), summary["worth"]
    sizes = sorted({events for shares in steps.values() for events in shares}, key=int)
    widths = worth.get("limits", {})
    both = (("Best possible", "auc"), ("Best invariant", "invariant_ceiling"))

    def pairs(name: str) -> str:
        return ", ".join(f"{key} {value}" for key, value in summary[name].items())

    return {
        "performance": [
            [
                *(dataset, MODELS.get(model, model), mean(each), number(each["uncertainty"])),
                *(percent(each["headroom"]), mean(summary["held_out"][dataset][model]), str(len(each["members"]))),
            ]
            for dataset, model, each in models_of(summary["auc"])
        ]
        + [
            ["any", name, limits(limit, key), "", share, "", ""]
            for (name, key), share in zip(both, ("100%", "0%"), strict=True)
        ],
        "slice_names": [SLICES[name] for name in by_slice],
        "slices": [
            [dataset, MODELS.get(model, model), *(auc_and_headroom(each["by_slice"][name]) for name in by_slice)]
            for dataset, model, each in models_of(summary["auc"])
        ]
        + [
            ["any", name, *(number(each[key], each["uncertainty"]) for each in by_slice.values())] for name, key in both
        ],
        "conditions": [
            [
                *(each["text"], dataset, *(auc_and_headroom(models.get(name)) for name in list(MODELS)[:3])),
                *(limits(each["limit"], "auc"), number(each["limit"]["invariant_ceiling"])),
            ]
            for each in summary["conditions"].values()
            for dataset, models in each["auc"].items()
        ],
        "approaches": [
            [approach.capitalize(), MODELS.get(model, model), f"{int(events):,}", spread(share)]
            for approach, model, shares in models_of(ways.get("headroom", {}))
            for events, share in sorted(shares.items(), key=lambda item: int(item[0]))
        ],
        "ablation_events": [f"{int(events):,} events" for events in sizes],
        "ablation": [[step, *(spread(shares.get(each)) for each in sizes)] for step, shares in steps.items()],
        "width_names": [f"width {width}" for width in widths],
        "widths": [
            [way.capitalize(), MODELS.get(model, model), *(spread(shares.get(width)) for width in widths)]
            for way, model, shares in models_of(worth.get("widths", {}))
        ]
        + [["AUC", name, *(limits(each, key) for each in widths.values())] for name, key in both],
        "rivals": [
            [
                *(each["text"], mean(each["auc"]), spread(each["headroom"]), f"{each['parameters']:,}"),
                *(number(each["seconds"], digits=1), f"{each['events_per_second']:,.0f}"),
            ]
            for each in sorted(
                summary.get("rivals", {"table": {}})["table"].values(), key=lambda each: -each["auc"]["mean"]
            )
        ],
        "mass": [
            [SLICES[name], number(each["true"], digits=2), number(each["smeared"], digits=2)]
            for name, each in summary["mass"]["width"].items()
        ],
        "facts": [
            ["Scale", pairs("scale")],
            ["Seed", summary["seeds"]["study"]],
            ["Git revision", summary["git_revision"] or "not in a git checkout"],
            ["Machine", pairs("machine")],
            ["Versions", pairs("versions")],
        ],
        "origins": origins(summary.get("origins", [])),
        "seconds": [[name, f"{value:.1f}"] for name, value in summary["seconds"].items()],
    }


def tabulate_claims(summary: Entry, readings: list[str]) -> dict[str, Any]:
    """Return the rows of the tables of the claims in Markdown."""
    claims = summary["claims"]

    def option(value: float, uncertainty: float | None, verdict: str) -> str:
        return f"{number(value, uncertainty, sign='+')}, {verdict}"

    return {
        "claims": [
            [
                *(each["text"], each["source"], number(each["value"], each["uncertainty"], sign="+")),
                *(number(each["spread"]), MARKS[each["verdict"]], each["caveat"]),
            ]
            for each in claims
        ],
        "headrooms": [
            [
                *(dataset, model, mean(each), percent(each["headroom"])),
                *(percent(each["by_slice"][name]["headroom"]) for name in summary["limit"]["by_slice"]),
            ]
            for dataset, model, each in models_of(summary["auc"])
        ],
        "options": [
            [each["text"], *(option(*each["options"][name]) for name in readings)] for each in claims if each["options"]
        ],
        "readings": [
            [
                *(name, number(each["limit"]["auc"]), number(each["limit"]["invariant_ceiling"])),
                *(
                    f"{number(models[model]['mean'])} ({percent(models[model]['headroom'])})"
                    for models in each["auc"].values()
                    for model in ("hybrid", "pfn")
                ),
            ]
            for name, each in summary["conditions"].items()
        ],
    }


def render(name: str, summary: Entry, root: Path) -> str:
    """Return a page.

    Parameters
    ----------
    name : str
        "report.html" or "claims.md".
    summary : mapping
        What `summary.json` holds.
    root : Path
        The folder that the paths of the figures are relative to; each PNG is put into the report.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "image": lambda png: base64.b64encode((root / png).read_bytes()).decode(),
        "mean": mean,
        "number": number,
        "overtaking": overtaking,
    }
    claims = summary["claims"]
    readings = [each for each in summary["conditions"] if any(each in claim["options"] for claim in claims)]
    make = tabulate if name == "report.html" else partial(tabulate_claims, readings=readings)
    return environment.get_template(name).render(
        {"rivals": None, **summary},
        summary=summary,
        tables=make(summary),
        mixture=len(summary.get("origins", [])) > 1,
        readings=readings,
        replicas=max((len(claim["data_sets"]) for claim in claims), default=1),
    )


def write_pages(summary: Entry, root: Path) -> None:
    """Write the pages into `root`, each whole or not at all."""
    for name in PAGES:
        with atomic_path(root / name) as temporary:
            temporary.write_text(render(name, summary, root), encoding="utf-8")
