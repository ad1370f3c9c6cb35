"""How close networks come to the best possible.

`python benchmarks/headroom.py STUDY OUTPUT.json [--large DIR] [--runs FOLDER] [--only PATTERN ...] [--figures FOLDER]`

STUDY is the folder of `zmumu reproduce --scale full`, of which the samples, the limit and the paper's networks are
taken; DIR has the same for 1,000,000 training events (`docs/optimal.md` says how to make it). Every case is trained
once, into FOLDER or the folder `headroom` beside OUTPUT.json, and scored on all events of the evaluation sample: a
stage of a journal there. The same command goes on where it was interrupted; with PATTERNs it does the cases whose names
match one, and adds them to what OUTPUT.json holds.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from zmumu_hybrid.study.comparisons import add_result, plain_networks
from zmumu_hybrid.study.conditions import PAPER
from zmumu_hybrid.study.figures import draw_approaches
from zmumu_hybrid.study.journal import Journal
from zmumu_hybrid.study.results import EnsembleResult
from zmumu_hybrid.study.specs import EVENTS, LARGEST, EnsembleSpec, cases
from zmumu_hybrid.study.trainings import RUN, train_and_score
from zmumu_hybrid.support.files import read_json, write_json

NOTE = "independent events; one draw per muon, pz held, width 0.1; mean and standard deviation over members"


def stored(folder: Path) -> list[EnsembleResult]:
    """Return the results of ensembles that the journal of a folder has."""
    records = Journal(folder).stored().values()
    return [EnsembleResult(**record.result) for record in records if "member_seconds" in record.result]


def train(spec: EnsembleSpec, samples: Path, folder: Path, threads: int | None) -> dict[str, Any]:
    """Train and score a case; return what the journal keeps."""
    return asdict(train_and_score(spec, samples, folder, threads=threads))


def main() -> None:
    """Train, score and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--large", type=Path)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--only", nargs="*", default=["*"])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--figures", type=Path)
    options = parser.parse_args()
    folder = options.runs or options.output.parent / "headroom"
    compared: dict[str, Any] = read_json(options.output) if options.output.exists() else {}
    limits = compared.setdefault("limits", {})
    limit = limits[str(EVENTS[PAPER.name])] = read_json(options.study / "limit.json")
    if options.large:
        limits[str(EVENTS[LARGEST])] = read_json(options.large / "limit.json")
    journal = Journal(folder)
    papers = [
        each for each in plain_networks(stored(options.study)) if each.approach == "paper" and each.sample == PAPER.name
    ]
    for result in papers:
        add_result(compared, result)
    for spec in cases():
        root = options.large if spec.sample == LARGEST else options.study
        if root and any(fnmatch(spec.name, pattern) for pattern in options.only):
            recorded = journal.do(
                spec.name,
                partial(train, spec, root, folder, options.threads),
                settings={"spec": spec.key, "limit": read_json(root / "limit.json")},
                outputs=[f"{spec.run}/{name}" for name in RUN],
                folder=spec.run,
            )
            result = EnsembleResult(**recorded)
            add_result(compared, result)
            write_json(options.output, compared)
            mean = sum(result.headroom) / len(result.headroom)
            print(f"{spec.name:72} {mean:7.3f} {result.seconds:8.0f} s", flush=True)
    write_json(options.output, compared)
    if options.figures:
        draw_approaches([*papers, *stored(folder)], limit, options.figures, NOTE)


if __name__ == "__main__":
    main()
