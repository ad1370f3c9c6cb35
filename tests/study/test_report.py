from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from zmumu_hybrid.study.pages import number, render

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5"
    "f645400000000049454e44ae426082"
)
"""The smallest PNG."""


def entry(mean: float) -> dict[str, Any]:
    reached = {"mean": mean, "std": 0.001, "members": [mean, mean], "uncertainty": 0.0009, "headroom": 0.5}
    return {**reached, "by_slice": {"below30": reached}}


LIMIT = {"auc": 0.8, "uncertainty": 0.001, "invariant_ceiling": 0.7, "invariant_ceiling_uncertainty": 0.002}


@pytest.fixture
def summary(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "figure-1.png").write_bytes(PIXEL)
    models = {model: entry(0.79) for model in ("hybrid", "pfn", "invariant")}
    return {
        "created": "2026-01-01 00:00 UTC",
        "scale": {"name": "quick", "members": 2, "epochs": 3},
        "seeds": {"study": 1},
        "versions": {"zmumu-hybrid": "0.1.0"},
        "git_revision": None,
        "machine": {"processor": "<fast>", "cores": 2},
        "inputs": [
            {
                "path": "events/a.lhe.gz",
                "sha256": "ab" * 32,
                "events": 1000,
                "cross_section_pb": 700.0,
                "cross_section_error_pb": 1.0,
            }
        ],
        "limit": {
            "auc": 0.8126,
            "uncertainty": 0.001,
            "invariant_ceiling": 0.778,
            "invariant_ceiling_uncertainty": 0.001,
            "by_slice": {"below30": {"auc": 0.9, "uncertainty": 0.001, "invariant_ceiling": 0.88}},
        },
        "auc": {"small": models, "large": models},
        "held_out": {"small": models, "large": models},
        "mass": {"peak": 91.2, "width": {"below30": {"true": 2.0, "smeared": 4.0}}},
        "claims": [
            {
                "text": "A < B & C",
                "source": "Fig. 4",
                "value": 0.01,
                "uncertainty": None,
                "data_sets": [0.01],
                "spread": None,
                "options": {},
                "verdict": "undecided",
                "caveat": "",
            }
        ],
        "conditions": {},
        "poolings": ["weighted-sum"],
        "overtaking": {"fraction": 0.7, "always": False, "low": 0.6, "high": 0.8, "within": 0.9, "lead": {}},
        "figures": {"1": {"title": "Spectra", "png": "figure-1.png", "pdf": "figure-1.pdf"}},
        "approaches": {
            "headroom": {
                "paper": {"pfn": {"80000": {"mean": 0.4, "std": 0.021}, "16000": {"mean": -0.262, "std": None}}},
                "tuned fresh": {"hybrid": {"80000": {"mean": 0.952, "std": 0.003}}},
            },
            "ablation": {"+ balanced pair": {"16000": {"mean": 0.805, "std": 0.013}}},
            "figures": {"headrooms": {"title": "Which to take", "png": "figure-1.png", "pdf": "headrooms.pdf"}},
        },
        "worth": {
            "widths": {"paper": {"hybrid": {"0": {"mean": 0.01, "std": 0.02}, "0.3": {"mean": 0.777, "std": 0.011}}}},
            "limits": {width: {**LIMIT, "auc": auc} for width, auc in (("0", 0.882), ("0.3", 0.7069))},
            "symmetry": {size: {"rank_correlation": {"mean": 0.88, "std": 0.03}} for size in ("small", "large")},
            "figures": {"widths": {"title": "At widths", "png": "figure-1.png", "pdf": "widths.pdf"}},
        },
        "seconds": {"generate": 3.14},
    }


class Reader(HTMLParser):
    """Collects what a page refers to, and whether its tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_refers_to_nothing_outside_itself(summary: dict[str, Any], tmp_path: Path) -> None:
    page = render("report.html", summary, tmp_path)
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    assert reader.references
    assert all(reference.startswith(("data:", "#")) for reference in reader.references)
    anchors = {reference[1:] for reference in reader.references if reference.startswith("#")}
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))


def test_what_was_measured_is_shown_and_escaped(summary: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(render("report.html", summary, tmp_path), encoding="utf-8")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in ("0.7900 ± 0.0010", "0.8126 ± 0.0010", "A &lt; B &amp; C", "&lt;fast&gt;", "ab" * 32, "50%", "1,000"):
        assert text in page


def test_ways_of_training_are_listed_by_their_events(summary: dict[str, Any], tmp_path: Path) -> None:
    page = render("report.html", summary, tmp_path)
    assert page.index("-26.2%") < page.index("40.0 ± 2.1%") < page.index("95.2 ± 0.3%") < page.index("80.5 ± 1.3%")
    assert "Which to take" in page
    summary["approaches"] = {"figures": {}}
    assert "+ balanced pair" not in render("report.html", summary, tmp_path)


def test_rivals_are_ranked_where_there_are_some(summary: dict[str, Any], tmp_path: Path) -> None:
    assert 'id="rivals"' not in render("report.html", summary, tmp_path)

    def line(text: str, mean: float) -> dict[str, Any]:
        share = {"mean": mean, "std": 0.002}
        cost = {"parameters": 12345, "seconds": 61.25, "events_per_second": 98765}
        return {"text": text, "auc": share, "headroom": share, **cost}

    rules = {"fraction": 0.2, "members": 3, "epochs": 7, "batch_size": 99}
    summary["rivals"] = {"rules": rules, "table": {"a": line("Second <1>", 0.79), "b": line("First", 0.81)}}
    page = render("report.html", summary, tmp_path)
    assert page.index("First") < page.index("Second &lt;1&gt;")
    for text in ("12,345", "61.2", "98,765", "7 epochs", "batches of 99", "20% of the training"):
        assert text in page


def test_what_the_networks_reach_at_each_width_is_shown(summary: dict[str, Any], tmp_path: Path) -> None:
    page = render("report.html", summary, tmp_path)
    for text in (
        "width 0.3",
        "77.7 ± 1.1%",
        "0.7069 ± 0.0010",
        "0.7000 ± 0.0020",
        "small data set: 0.88 ± 0.03",
        "At widths",
    ):
        assert text in page
    summary["worth"] = {"figures": {}}
    assert "one width of the smearing" in render("report.html", summary, tmp_path)


@pytest.mark.parametrize(
    ("value", "uncertainty", "text"),
    [(0.5, 0.25, "0.5000 ± 0.2500"), (0.5, None, "0.5000"), (None, None, "–"), (float("inf"), None, "–")],
)
def test_number(value: float | None, uncertainty: float | None, text: str) -> None:
    assert number(value, uncertainty) == text


def test_a_mixture_of_revisions_is_shown_as_one(summary: dict[str, Any], tmp_path: Path) -> None:
    summary["origins"] = [{"git_revision": "abc", "versions": {"torch": "2.9", "numpy": "2.4"}, "stages": ["limit"]}]
    assert "several revisions" not in render("report.html", summary, tmp_path)
    summary["origins"].append(
        {"git_revision": "def", "versions": {"torch": "2.10", "numpy": "2.4"}, "stages": ["figures", "rivals"]}
    )
    page = render("report.html", summary, tmp_path)
    assert "done by several revisions or versions" in page
    for text in ("<td>abc</td><td>torch 2.9</td><td>limit</td>", "<td>def</td><td>torch 2.10</td><td>figures, rivals"):
        assert text in page
