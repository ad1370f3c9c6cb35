"""A journal of stages: what is done is skipped, what changed is done again, and every stage's cost is known.

A stage is named, has settings (plain JSON) and may need other stages. Its fingerprint is a hash of its settings and of
the fingerprints of what it needs; a stage whose record has the same fingerprint, and whose outputs still have the
checksums that were recorded, is not run again. A record is written only after a stage has ended, so a run that was
killed goes on with the stage that it was in.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zmumu_hybrid.errors import InputError, OutputError
from zmumu_hybrid.files import make_directory, read_json, sha256, write_json
from zmumu_hybrid.tasks import Crew, Task, wait_for_file

__all__ = ["Journal", "Record", "Stage"]


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
    """

    name: str
    action: Callable[[], Mapping[str, Any]]
    settings: Mapping[str, Any]
    outputs: Sequence[str]
    needs: Sequence[str] = ()


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
    """

    fingerprint: str
    seconds: float
    outputs: dict[str, str]
    result: dict[str, Any]


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
        self._announce = announce or (lambda _name, _state, _seconds: None)

    def do(
        self,
        name: str,
        action: Callable[[], Mapping[str, Any]],
        *,
        settings: Mapping[str, Any],
        outputs: Sequence[str],
        needs: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Run `action` unless the stage is done already, and return its result; see `Stage` for the arguments.

        Raises
        ------
        OutputError
            If the action ended without having written one of the outputs.
        """
        stage = Stage(name, action, settings, outputs, needs)
        if not self._done_before(stage):
            self._announce(name, "start", 0.0)
            started = time.perf_counter()
            result = action()
            self._record(stage, result, time.perf_counter() - started)
        return self.records[name].result

    def do_all(self, stages: Sequence[Stage], crew: Crew) -> None:
        """Do stages that need nothing of each other, those that are not done yet as tasks of a crew.

        Their actions must be picklable and name files by absolute paths. Records are written here, each when its
        stage has ended, so that a stage that fails costs none of those before it.

        Raises
        ------
        OutputError
            If an action ended without having written one of its outputs.
        ZmumuError
            See `zmumu_hybrid.tasks.Crew.run`; the message begins with the name of the stage.
        """
        if not crew.elsewhere:
            for stage in stages:
                self.do(stage.name, stage.action, settings=stage.settings, outputs=stage.outputs, needs=stage.needs)
            return
        waiting = [stage for stage in stages if not self._done_before(stage)]
        tasks = [Task(stage.name, stage.action) for stage in waiting]
        for done in crew.run(tasks) if tasks else ():
            stage = waiting[done.index]
            for output in stage.outputs:
                wait_for_file(self.root / output)
            self._record(stage, done.result, done.seconds)

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
        record = Record(fingerprint, round(seconds, 3), checksums, dict(result))
        write_json(self._path(stage.name), asdict(record))
        self.records[stage.name] = record
        self._announce(stage.name, "done", seconds)

    def _fingerprint(self, settings: Mapping[str, Any], needs: Sequence[str]) -> str:
        known = {need: self.records[need].fingerprint for need in needs}
        text = json.dumps({"settings": settings, "needs": known}, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.json"

    def _read(self, name: str) -> Record | None:
        """Return the record of a stage, or None where there is none that can be read."""
        try:
            return Record(**read_json(self._path(name)))
        except (FileNotFoundError, InputError, TypeError):
            return None

    def _intact(self, record: Record, outputs: Sequence[str]) -> bool:
        return set(record.outputs) == set(outputs) and all(
            (self.root / output).is_file() and sha256(self.root / output) == checksum
            for output, checksum in record.outputs.items()
        )
