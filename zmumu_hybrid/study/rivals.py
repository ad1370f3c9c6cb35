"""The rivals of the hybrid, in one table with it: what each reaches, how large it is, and what it costs."""

from __future__ import annotations

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zmumu_hybrid.jobs.limit import headroom
from zmumu_hybrid.study.approaches import summarise
from zmumu_hybrid.study.leaks import refuse_leaks
from zmumu_hybrid.study.scales import SMALL
from zmumu_hybrid.study.trainings import MODELS, Training
from zmumu_hybrid.support.files import read_json, write_json

if TYPE_CHECKING:
    from zmumu_hybrid.rivals import Rules
    from zmumu_hybrid.study.journal import Journal
    from zmumu_hybrid.study.pipeline import Study
    from zmumu_hybrid.study.scales import Scale

__all__ = ["hold", "rules_of"]

TUNED = "tuned-{model}-16000"
"""The tuned networks that are in the table, where the study has them: those of the small data set."""


def rules_of(scale: Scale, seed: int) -> Rules:
    """Return the rules of the contest: the small data set, where symmetry helps the most, and at most 30 epochs."""
    from zmumu_hybrid.rivals import Rules

    return Rules(
        fraction=SMALL,
        epochs=min(scale.epochs, 30),
        members=min(scale.members, 3),
        batch_size=min(256, scale.events // 10),
        seed=seed,
    )


def own(run: Path, table: Path, seconds: float | None) -> dict[str, Any]:
    """Return size and cost of one of this package's ensembles; scored like the rivals, a member at a time."""
    from zmumu_hybrid.rivals.contest import Member, timed
    from zmumu_hybrid.training.data import load
    from zmumu_hybrid.training.ensemble import load_ensemble

    ensemble = load_ensemble(run)
    member = Member(ensemble)
    rate = timed(member, load(table, split="test").p4)
    each = None if seconds is None else seconds * min(len(ensemble), len(os.sched_getaffinity(0))) / len(ensemble)
    return {"parameters": member.parameters, "seconds": each, "events_per_second": round(rate)}


def hold(study: Study, journal: Journal) -> dict[str, Any]:
    """Train and score every rival, a stage for each, and gather them with this package's networks.

    Returns
    -------
    dict
        "rules", and "table": by name "text", "auc" and "headroom", each with "mean" and "std" over the members,
        "auc_uncertainty", "parameters", "seconds" of training a member, "events_per_second" of scoring with one. Also
        in `rivals.json`, with "runs", the AUC of every member.

    Raises
    ------
    MissingDependencyError
        If the packages are not installed.
    LeakError
        If a rival does better than is possible.
    """
    from zmumu_hybrid.rivals import RIVALS, contest, require_packages

    require_packages()
    root, scale = study.root, study.scale
    rules, limit = rules_of(scale, study.seed), read_json(root / "limit.json")
    needs = ["process-study", "process-evaluation", "limit"]
    runs: dict[str, Any] = {}
    for name in RIVALS:
        action = partial(
            contest,
            name,
            root / "study",
            root / "evaluation",
            root / "rivals",
            rules,
            show_progress=study.show_progress,
        )
        runs[name] = journal.do(
            f"rival-{name}",
            action,
            settings=asdict(rules),
            outputs=[] if name == "trees" else [f"rivals/{name}/members.safetensors"],
            needs=needs,
            folder=f"rivals/{name}",
        )
        refuse_leaks({name: runs[name]}, limit)

    def finish() -> dict[str, Any]:
        table = {name: row(RIVALS[name], found, limit) for name, found in runs.items()}
        for model in MODELS:
            training = Training(model, rules.fraction)
            scored = journal.records[f"score-{training.name}"].result
            seconds = journal.records[f"train-{training.name}"].seconds
            found = {**scored, **own(root / "runs" / training.name, root / "study", seconds)}
            table[f"paper {model}"] = row(f"The paper's {model}", found, limit)
            name = TUNED.format(model=model)
            if f"approach-{name}" in journal.records:
                found = journal.records[f"approach-{name}"].result
                found = {**found, **own(root / "approaches" / name, root / "study", found["seconds"])}
                table[f"tuned {model}"] = row(f"The tuned {model}", found, limit)
        result = {"rules": asdict(rules), "table": table}
        write_json(root / "rivals.json", {**result, "runs": runs})
        return result

    others = [name for name in journal.records if name.startswith(("approach-", "score-", "rival-"))]
    return journal.do(
        "rivals",
        finish,
        settings=asdict(rules),
        outputs=["rivals.json"],
        needs=[*needs, *others],
    )


def row(text: str, found: dict[str, Any], limit: dict[str, Any]) -> dict[str, Any]:
    """Return a line of the table."""
    return {
        "text": text,
        "auc": summarise(found["auc"]),
        "auc_uncertainty": found["auc_uncertainty"],
        "headroom": summarise([headroom(auc, limit) for auc in found["auc"]]),
        **{key: found[key] for key in ("parameters", "seconds", "events_per_second")},
    }
