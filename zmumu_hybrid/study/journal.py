"""A journal of stages: what is done is skipped, what changed is done again, and every stage's cost is known.

A stage is named, has settings (plain JSON) and may need other stages. Its fingerprint is a hash of its settings and of
the fingerprints of what it needs; a stage whose record has the same fingerprint, and whose outputs still have the
checksums that were recorded, is not run again. Any other stage is begun anew: what it had left is removed, so that it
cannot hand back old results, and nothing but the journal decides what is done. A record is written only after a stage
has ended, so a run that was killed goes on with the stage that it was in, whose files are kept if its fingerprint is
the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zmumu_hybrid.errors import InputError, OutputError
from zmumu_hybrid.execution.tasks import Task, TaskPool, wait_for_file
from zmumu_hybrid.support import provenance
from zmumu_hybrid.support.files import atomic_path, make_directory, read_json, sha256, write_json
from zmumu_hybrid.support.progress import progress
from zmumu_hybrid.support.values import require_form

__all__ = ["STACK", "Journal", "Record", "Stage"]

STACK = (
    "awkward",
    "coffea",
    "hist",
    "matplotlib",
    "mplhep",
    "numpy",
    "pyarrow",
    "pythia8mc",
    "scipy",
    "torch",
    "uproot",
    "vector",
)
"""Packages whose versions are recorded."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a study.

    Attributes
    ----------
    name : str
        Name of the stage, and of its record.
    action : callable
        Does the work and returns a mapping of plain JSON values.
    settings : mapping
        All that the outcome depends on, besides the stages that it needs.
    outputs : sequence of str
        Files that the stage writes, relative to the root.
    needs : sequence of str
        Names of stages that were done before with the same journal.
    folder : str, optional
        A folder for this stage alone, relative to the root: it is removed before the stage is run anew.
    """

    name: str
    action: Callable[[], Mapping[str, Any]]
    settings: Mapping[str, Any]
    outputs: Sequence[str]
    needs: Sequence[str] = ()
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a finished stage.

    Attributes
    ----------
    fingerprint : str
        Hash of the stage's settings and of the fingerprints of the stages that it needs.
    seconds : float
        Wall time of the run that finished it.
    outputs : dict of str to str
        SHA-256 by path, relative to the journal's root.
    result : dict
        What the stage returned, plain JSON.
    versions : dict of str to str
        Of Python and of the packages that did it.
    git_revision : str or None
        Of the source that did it, where that is known.
    """

    fingerprint: str
    seconds: float
    outputs: dict[str, str]
    result: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    git_revision: str | None = None


class Journal:
    """The records of the stages of one study, kept as JSON files in `root/stages`.

    Parameters
    ----------
    root : Path
        The folder of the study; outputs are named relative to it.
    announce : callable, optional
        Is told of each stage: its name and "start", "done" or "skip", and the seconds it took.
    """

    def __init__(self, root: Path, announce: Callable[[str, str, float], None] | None = None) -> None:
        self.root = Path(root)
        self.records: dict[str, Record] = {}
        self._directory = make_directory(self.root / "stages")
        self.versions, self.git_revision = provenance.versions(STACK), provenance.git_revision()
        self._announce = announce or (lambda _name, _state, _seconds: None)

    def do(
        self,
        name: str,
        action: Callable[[], Mapping[str, Any]],
        *,
        settings: Mapping[str, Any],
        outputs: Sequence[str],
        needs: Sequence[str] = (),
        folder: str | None = None,
    ) -> dict[str, Any]:
        """Run `action` unless the stage is done already, and return its result; see `Stage` for the arguments.

        Raises
        ------
        OutputError
            If the action ended without having written one of the outputs.
        """
        return self._do(Stage(name, action, settings, outputs, needs, folder))

    def _do(self, stage: Stage) -> dict[str, Any]:
        if not self._done_before(stage):
            self._announce(stage.name, "start", 0.0)
            self._begin(stage)
            started = time.perf_counter()
            result = stage.action()
            self._record(stage, result, time.perf_counter() - started)
        return self.records[stage.name].result

    def do_all(self, stages: Sequence[Stage], pool: TaskPool, *, show_progress: bool = False) -> list[dict[str, Any]]:
        """Do stages that need nothing of each other, those that are not done yet as tasks of a pool.

        Their actions must be picklable and name files by absolute paths where the pool is elsewhere. Records are
        written here, each when its stage has ended, so that a stage that fails costs none of those before it.

        Returns
        -------
        list of dict
            The result of each stage, in their order.

        Raises
        ------
        OutputError
            If an action ended without having written one of its outputs.
        ZmumuError
            See `zmumu_hybrid.execution.tasks.TaskPool.run`; the message begins with the name of the stage.
        """
        if not pool.elsewhere:
            return [self._do(stage) for stage in stages]
        waiting = [stage for stage in stages if not self._done_before(stage)]
        for stage in waiting:
            self._begin(stage)
        tasks = [Task(stage.name, stage.action) for stage in waiting]
        with progress("stages", len(tasks), unit="stages", enabled=show_progress and bool(tasks)) as advance:
            for done in pool.run(tasks) if tasks else ():
                stage = waiting[done.index]
                for output in stage.outputs:
                    wait_for_file(self.root / output)
                self._record(stage, done.result, done.seconds)
                advance(1)
        return [self.records[stage.name].result for stage in stages]

    def origins(self) -> list[dict[str, Any]]:
        """Return what the stages of this run were done with: revision, versions and the names of the stages, of each.

        More than one entry tells that the results are a mixture.
        """
        found: list[dict[str, Any]] = []
        for name, record in self.records.items():
            known = {"git_revision": record.git_revision, "versions": record.versions}
            entry = next((each for each in found if known.items() <= each.items()), None)
            if entry is None:
                found.append(entry := {**known, "stages": []})
            entry["stages"].append(name)
        return found

    def stored(self) -> dict[str, Record]:
        """Return by name all records that the folder holds, whether this run has asked for their stages or not."""
        found = {path.stem: self._read(path.stem) for path in sorted(self._directory.glob("*.json"))}
        return {name: record for name, record in found.items() if record is not None}

    def _begin(self, stage: Stage) -> None:
        """Remove what is left of a stage, unless it was begun with this fingerprint and not ended."""
        begun, fingerprint = self._begun(stage.name), self._fingerprint(stage.settings, stage.needs)
        if begun.is_file() and begun.read_bytes() == fingerprint.encode():
            return
        for output in stage.outputs:
            (self.root / output).unlink(missing_ok=True)
        if stage.folder:
            shutil.rmtree(self.root / stage.folder, ignore_errors=True)
        with atomic_path(begun) as temporary:
            temporary.write_text(fingerprint)

    def _done_before(self, stage: Stage) -> bool:
        fingerprint = self._fingerprint(stage.settings, stage.needs)
        record = self._read(stage.name)
        if record is None or record.fingerprint != fingerprint or not self._intact(record, stage.outputs):
            return False
        self.records[stage.name] = record
        self._announce(stage.name, "skip", record.seconds)
        return True

    def _record(self, stage: Stage, result: Mapping[str, Any], seconds: float) -> None:
        missing = [output for output in stage.outputs if not (self.root / output).is_file()]
        if missing:
            raise OutputError(
                f"{self.root / missing[0]}: the stage {stage.name} ended without having written this file"
            )
        checksums = {output: sha256(self.root / output) for output in stage.outputs}
        fingerprint = self._fingerprint(stage.settings, stage.needs)
        record = Record(fingerprint, round(seconds, 3), checksums, dict(result), self.versions, self.git_revision)
        write_json(self._path(stage.name), asdict(record))
        self._begun(stage.name).unlink(missing_ok=True)
        self.records[stage.name] = record
        self._announce(stage.name, "done", seconds)

    def _fingerprint(self, settings: Mapping[str, Any], needs: Sequence[str]) -> str:
        known = {need: self.records[need].fingerprint for need in needs}
        text = json.dumps({"settings": settings, "needs": known}, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"

    def _begun(self, name: str) -> Path:
        return self._directory / f"{name}.begun"

    def _read(self, name: str) -> Record | None:
        """Return the record of a stage, or None where there is none that can be read."""
        try:
            form = {
                "fingerprint": str,
                "seconds": float,
                "outputs": {...: str},
                "result": dict,
                "versions": ({...: str}, None),
                "git_revision": (str, None),
            }
            return Record(**require_form(read_json(self._path(name)), form, name))
        except (FileNotFoundError, InputError, TypeError):
            return None

    def _intact(self, record: Record, outputs: Sequence[str]) -> bool:
        return set(record.outputs) == set(outputs) and all(
            (self.root / output).is_file() and sha256(self.root / output) == checksum
            for output, checksum in record.outputs.items()
        )
