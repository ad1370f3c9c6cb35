"""The report: one HTML file with figures and tables inside, which opens anywhere and needs no network."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from zmumu_hybrid.study.claims_page import overtaking
from zmumu_hybrid.support.files import atomic_path

__all__ = ["render", "write_report"]

SLICES = {"below30": "pT &lt; 30 GeV", "30to40": "30–40 GeV", "above40": "pT &gt; 40 GeV"}
MODELS = {"hybrid": "Hybrid", "pfn": "PFN", "invariant": "Invariant", "enlarged": "Enlarged hybrid"}

STYLE = """
:root { color-scheme: light; --ink: #1d2733; --soft: #5b6875; --line: #d9dfe5; --paper: #ffffff; --shade: #f5f7f9; }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: var(--ink); margin: 0;
  background: var(--shade); }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.5rem 4rem; background: var(--paper); }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
p { max-width: 46rem; }
.soft, figcaption, caption { color: var(--soft); font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0 1rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .82rem; word-break: break-all; }
.holds { color: #14692f; font-weight: 600; }
.fails { color: #9b1c1c; font-weight: 600; }
.undecided { color: #7a5200; font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; }
figure img { width: 100%; height: auto; border: 1px solid var(--line); background: #fff; }
nav a { margin-right: 1rem; }
"""


def number(value: float | None, uncertainty: float | None = None, digits: int = 4) -> str:
    """Return `value ± uncertainty` with the digits that mean something; a dash where there is no value."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text if uncertainty is None else f"{text} ± {uncertainty:.{digits}f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str, *, numbers: Sequence[int] = ()) -> str:
    """Return an HTML table; cells are taken as HTML, the columns in `numbers` are set to the right."""

    def cell(tag: str, column: int, text: str) -> str:
        return f"<{tag}{' class=number' if column in numbers else ''}>{text}</{tag}>"

    head = "".join(cell("th", i, text) for i, text in enumerate(header))
    body = "".join("<tr>" + "".join(cell("td", i, text) for i, text in enumerate(row)) + "</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def performance(summary: Mapping[str, Any]) -> str:
    """Return the table of AUCs: per data set and model, on independent events and on the held-out part."""
    rows = []
    for dataset, models in summary["auc"].items():
        for model, entry in models.items():
            held_out = summary["held_out"][dataset][model]
            headroom = entry["headroom"]
            rows.append(
                [
                    escape(dataset),
                    MODELS.get(model, escape(model)),
                    number(entry["mean"], entry["std"]),
                    number(entry["uncertainty"]),
                    percent(headroom),
                    number(held_out["mean"], held_out["std"]),
                    str(len(entry["members"])),
                ]
            )
    limit = summary["limit"]
    rows.append(["any", "Best possible", number(limit["auc"], limit["uncertainty"]), "", "100%", "", ""])
    rows.append(
        [
            "any",
            "Best invariant",
            number(limit["invariant_ceiling"], limit["invariant_ceiling_uncertainty"]),
            "",
            "0%",
            "",
            "",
        ]
    )
    header = ["Data set", "Model", "AUC ± spread", "Statistical", "Headroom", "AUC, held out ± spread", "Members"]
    caption = (
        "AUC on independent evaluation events: mean and standard deviation over the members, and the statistical "
        "uncertainty of one member's AUC from the evaluation sample. Headroom is the share reached of the way from the "
        "best function of Lorentz invariants to the best possible classifier."
    )
    return table(header, rows, caption, numbers=[2, 3, 4, 5, 6])


def claims(summary: Mapping[str, Any]) -> str:
    """Return the table of the paper's claims and what was measured."""
    style = {"holds": "holds", "does not hold": "fails", "undecided": "undecided"}
    rows = [
        [
            escape(claim["text"]),
            escape(claim["source"]),
            number(claim["value"], claim["uncertainty"]),
            number(claim["spread"]),
            f'<span class="{style[claim["verdict"]]}">{escape(claim["verdict"])}</span>',
            escape(claim["caveat"]),
        ]
        for claim in summary["claims"]
    ]
    caption = (
        "Each claim as a difference that the paper says is positive (or zero): its value and standard deviation "
        "over the members, and the standard deviation over data sets where there are several. A difference within two "
        "standard deviations of zero, both in quadrature, is undecided."
    )
    header = ["Claim", "Paper", "Measured", "Over data sets", "Verdict", "Caveat"]
    order = f"<p>Order of the poolings, best first: {escape(', '.join(summary['poolings']))}. "
    return (
        table(header, rows, caption, numbers=[2, 3])
        + order
        + f"{escape(overtaking(summary['overtaking']))}</p>"
        + options(summary)
    )


def options(summary: Mapping[str, Any]) -> str:
    """Return the table of the AUCs on other data sets and under other readings of the paper, if there are any."""
    conditions = summary["conditions"]
    if not conditions:
        return ""
    rows = [
        [
            escape(found["text"]),
            escape(dataset),
            *(reached(models.get(model)) for model in ("hybrid", "pfn", "invariant")),
            number(found["limit"]["auc"], found["limit"]["uncertainty"]),
            number(found["limit"]["invariant_ceiling"]),
        ]
        for found in conditions.values()
        for dataset, models in found["auc"].items()
    ]
    caption = "AUC on independent events and headroom, on other data sets and under other readings of the paper."
    header = ["Conditions", "Data set", "Hybrid", "PFN", "Invariant", "Best possible", "Best invariant"]
    return table(header, rows, caption, numbers=[2, 3, 4, 5, 6])


def reached(entry: Mapping[str, Any] | None) -> str:
    """Return an AUC and its headroom."""
    return "–" if entry is None else f"{number(entry['mean'], entry['std'])} ({percent(entry['headroom'])})"


def percent(share: float | None) -> str:
    """Return a headroom in per cent; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.0f}%"


def slices(summary: Mapping[str, Any]) -> str:
    """Return the table of the AUC and the headroom in slices of pT."""
    limits = summary["limit"]["by_slice"]
    rows = [
        [escape(dataset), MODELS.get(model, escape(model)), *(reached(entry["by_slice"][name]) for name in limits)]
        for dataset, models in summary["auc"].items()
        for model, entry in models.items()
    ]
    for label, key in (("Best possible", "auc"), ("Best invariant", "invariant_ceiling")):
        rows.append(["any", label, *(number(limit[key], limit["uncertainty"]) for limit in limits.values())])
    caption = "AUC on independent events and headroom in slices of the smeared pT of the μ+."
    header = ["Data set", "Model", *(SLICES[name] for name in limits)]
    return table(header, rows, caption, numbers=range(2, 2 + len(limits)))


def chain(summary: Mapping[str, Any]) -> str:
    """Return the table of what smearing does to the Z peak."""
    mass = summary["mass"]
    rows = [
        [SLICES[key], number(entry["true"], digits=2), number(entry["smeared"], digits=2)]
        for key, entry in mass["width"].items()
    ]
    caption = (
        f"Width of the Z peak (interquartile range / 1.349, GeV) for signal, by the smeared pT of the μ+. "
        f"The true mass peaks at {mass['peak']:.2f} GeV."
    )
    return table(["Slice", "True mass", "Smeared mass"], rows, caption, numbers=[1, 2])


def provenance(summary: Mapping[str, Any]) -> str:
    """Return what was run, from what, with which seeds and versions, and what each stage took."""
    scale = summary["scale"]
    facts = [
        ["Scale", escape(", ".join(f"{key} {value}" for key, value in scale.items()))],
        ["Seed", escape(str(summary["seeds"]["study"]))],
        ["Git revision", escape(summary["git_revision"] or "not in a git checkout")],
        ["Machine", escape(", ".join(f"{key} {value}" for key, value in summary["machine"].items()))],
        ["Versions", escape(", ".join(f"{key} {value}" for key, value in summary["versions"].items()))],
    ]
    inputs = [
        [
            escape(entry["path"]),
            f"{entry['events']:,}",
            f"{entry['cross_section_pb']:.4g} ± {entry['cross_section_error_pb']:.2g}",
            f'<span title="SHA-256">{escape(entry["sha256"])}</span>',
        ]
        for entry in summary["inputs"]
    ]
    seconds = [[escape(name), f"{value:.1f}"] for name, value in summary["seconds"].items()]
    return (
        table(["", ""], facts, "What was run")
        + table(["File", "Events", "σ after cuts (pb)", "SHA-256"], inputs, "The events", numbers=[1, 2]).replace(
            "<td><span", "<td class=code><span"
        )
        + table(["Stage", "Seconds"], seconds, "Wall time", numbers=[1])
    )


def figures(entries: Mapping[str, Any], root: Path) -> str:
    """Return figures, each with its PNG inside the page and the name of its PDF below; the paper's have numbers."""
    parts = []
    for name, entry in entries.items():
        image = base64.b64encode((root / entry["png"]).read_bytes()).decode()
        title = escape(entry["title"])
        label = f"Figure {name}" if name.isdigit() else "Figure"
        parts.append(
            f'<figure id="figure-{escape(name)}"><img alt="{label}: {title}" src="data:image/png;base64,{image}">'
            f"<figcaption><b>{label}.</b> {title}. "
            f"Also as {escape(entry['pdf'])}.</figcaption></figure>"
        )
    return '<div class="figures">' + "".join(parts) + "</div>"


def approaches(summary: Mapping[str, Any], root: Path) -> str:
    """Return how close each way of training comes to the best possible: tables of the headroom, and the figures."""
    found = summary["approaches"]
    rows = [
        [escape(approach.capitalize()), MODELS.get(model, escape(model)), f"{int(events):,}", spread(share)]
        for approach, models in found.get("headroom", {}).items()
        for model, shares in models.items()
        for events, share in sorted(shares.items(), key=lambda item: int(item[0]))
    ]
    caption = (
        "Headroom on independent events by way of training, network and training events: mean and standard deviation "
        "over the members. “Paper” are the networks of this study; “fresh” measures the same truth anew in every epoch."
    )
    text = table(["Way of training", "Network", "Training events", "Headroom"], rows, caption, numbers=[2, 3])
    steps = found.get("ablation", {})
    sizes = sorted({events for shares in steps.values() for events in shares}, key=int)
    if steps:
        text += table(
            ["Hybrid", *(f"{int(events):,} events" for events in sizes)],
            ([escape(step), *(spread(shares.get(events)) for events in sizes)] for step, shares in steps.items()),
            "Headroom step by step: each “+” adds to the line before it, each other line takes one thing away.",
            numbers=range(1, 1 + len(sizes)),
        )
    return text + figures(found["figures"], root)


def worth(summary: Mapping[str, Any], root: Path) -> str:
    """Return when the hybrid is worth it: headroom at other widths of the smearing, and its symmetry factor."""
    found = summary["worth"]
    if "widths" not in found:
        return "<p>This study has one width of the smearing.</p>"
    limits = found["limits"]
    rows = [
        [escape(way.capitalize()), MODELS.get(model, escape(model)), *(spread(shares.get(width)) for width in limits)]
        for way, models in found["widths"].items()
        for model, shares in models.items()
    ]
    for label, key in (("Best possible", "auc"), ("Best invariant", "invariant_ceiling")):
        rows.append(
            [
                "AUC",
                label,
                *(
                    number(each[key], each[f"{'' if key == 'auc' else f'{key}_'}uncertainty"])
                    for each in limits.values()
                ),
            ]
        )
    caption = (
        "Headroom on independent events by the relative width of the smearing, small data set: mean and standard "
        "deviation over the members; below, the two limits at each width."
    )
    text = table(
        ["Training", "Network", *(f"width {width}" for width in limits)],
        rows,
        caption,
        numbers=range(2, 2 + len(limits)),
    )
    correlations = "; ".join(
        f"{dataset} data set: {number(each['mean'], each['std'], 2)}"
        for dataset in ("small", "large")
        for each in [found["symmetry"][dataset]["rank_correlation"]]
    )
    return (
        text
        + "<p>At the optimum the general subnet is needed where much of the score is beyond the mass. Rank correlation "
        "over pT of its learned weight with that share, mean and standard deviation over the members: "
        f"{escape(correlations)}.</p>" + figures(found["figures"], root)
    )


def rivals(summary: Mapping[str, Any]) -> str:
    """Return the table of the rivals and this package's networks, the best first."""
    found = summary["rivals"]
    rules = found["rules"]
    rows = [
        [
            escape(entry["text"]),
            number(entry["auc"]["mean"], entry["auc"]["std"]),
            spread(entry["headroom"]),
            f"{entry['parameters']:,}",
            number(entry["seconds"], digits=1),
            f"{entry['events_per_second']:,.0f}",
        ]
        for entry in sorted(found["table"].values(), key=lambda entry: -entry["auc"]["mean"])
    ]
    caption = (
        f"Rivals on the same table: {100 * rules['fraction']:.0f}% of the training events, {rules['members']} members, "
        f"{rules['epochs']} epochs in batches of {rules['batch_size']} (this package's networks: as in their preset). "
        "Independent events; mean and standard deviation over the members. Seconds of training and events scored a "
        "second are of one member on this machine; parameters of the trees are their leaves."
    )
    header = ["Classifier", "AUC ± spread", "Headroom", "Parameters", "Training (s)", "Events/s"]
    return table(header, rows, caption, numbers=range(1, 6))


def spread(share: Mapping[str, float | None] | None) -> str:
    """Return the mean and standard deviation of a headroom in per cent; a dash where there is none."""
    if share is None or share["mean"] is None:
        return "–"
    return f"{100 * share['mean']:.1f}" + (f" ± {100 * share['std']:.1f}%" if share["std"] is not None else "%")


def headline(summary: Mapping[str, Any]) -> str:
    """Return the outcome in three sentences."""
    limit = summary["limit"]
    large = {model: number(entry["mean"], entry["std"]) for model, entry in summary["auc"]["large"].items()}
    holding = sum(claim["verdict"] == "holds" for claim in summary["claims"])
    return (
        f"<p>On independent events the hybrid reaches an AUC of {large['hybrid']}, the PFN {large['pfn']} and the "
        f"invariant network {large['invariant']}, after {summary['scale']['epochs']} epochs on the large data set. "
        f"No classifier can do better than {number(limit['auc'], limit['uncertainty'])}, and no function of Lorentz "
        f"invariants better than {number(limit['invariant_ceiling'])}. Of {len(summary['claims'])} claims of the "
        f"paper, {holding} hold here.</p>"
    )


def render(summary: Mapping[str, Any], root: Path) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    summary : mapping
        What `summary.json` holds.
    root : Path
        The folder that the paths of the figures are relative to.
    """
    quick = summary["scale"]["name"] != "full"
    note = (
        "<p><b>Quick scale:</b> fewer members and epochs than the paper's. The numbers show the shape of the "
        "study, not its end: <code>make full</code> runs the paper's size.</p>"
        if quick
        else ""
    )
    sections = [
        ("outcome", "Outcome", headline(summary) + note + performance(summary) + slices(summary)),
        ("claims", "The paper's claims", claims(summary)),
        ("figures", "Figures", figures(summary["figures"], root)),
        ("approaches", "How close to the best possible", approaches(summary, root)),
        ("worth", "When is the hybrid worth it?", worth(summary, root)),
        *([("rivals", "Rivals", rivals(summary))] if "rivals" in summary else []),
        ("events", "The events", chain(summary)),
        ("provenance", "What was run", provenance(summary)),
    ]
    links = "".join(f'<a href="#{key}">{escape(title)}</a>' for key, title, _ in sections)
    body = "".join(f'<h2 id="{key}">{escape(title)}</h2>{content}' for key, title, content in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>Learning broken symmetries: {escape(summary['scale']['name'])} scale</title>"
        f"<style>{STYLE}</style></head><body><main><h1>Learning broken symmetries with approximate invariance</h1>"
        f'<p class="soft">zmumu-hybrid {escape(summary["versions"]["zmumu-hybrid"])}, '
        f"{escape(summary['created'])}. The method is that of Phys. Rev. D 111, 072002.</p>"
        f"<nav>{links}</nav>{body}</main></body></html>\n"
    )


def write_report(summary: Mapping[str, Any], root: Path, path: Path) -> None:
    """Write the report of `summary` to `path`, whole or not at all."""
    text = render(summary, root)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
