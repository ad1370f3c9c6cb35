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

from zmumu_hybrid.study.approaches import LARGE, LARGEST, cases, draw, enter, of_the_paper, reach
from zmumu_hybrid.study.journal import Journal
from zmumu_hybrid.study.trainings import RUN
from zmumu_hybrid.support.files import read_json, write_json

NOTE = "independent events; one draw per muon, pz held, width 0.1; mean and standard deviation over members"


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
    results: dict[str, Any] = read_json(options.output) if options.output.exists() else {}
    results.setdefault("limits", {})[str(LARGE)] = read_json(options.study / "limit.json")
    if options.large:
        results["limits"][str(LARGEST)] = read_json(options.large / "limit.json")
    journal = Journal(folder)
    for model, events, found in of_the_paper(Journal(options.study).stored(), results["limits"][str(LARGE)]):
        enter(results, "paper", model, events, found)
    for case in cases():
        if any(fnmatch(case.name, pattern) for pattern in options.only) and (case.events != LARGEST or options.large):
            root = options.large if case.events == LARGEST else options.study
            found = journal.do(
                case.name,
                partial(reach, case, root, folder, threads=options.threads),
                settings={**asdict(case), "limit": read_json(root / "limit.json")},
                outputs=[f"{case.name}/{name}" for name in RUN],
                folder=case.name,
            )
            enter(results, case.approach, case.model, case.events, found)
            write_json(options.output, results)
            mean = sum(found["headroom"]) / len(found["headroom"])
            print(f"{case.name:72} {mean:7.3f} {found['seconds']:8.0f} s", flush=True)
    write_json(options.output, results)
    if options.figures:
        draw(results, results["limits"][str(LARGE)], options.figures, NOTE)


if __name__ == "__main__":
    main()
