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

__all__ = ["Journal", "Record"]


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
        """Run `action` unless the stage is done already, and return its result.

        Parameters
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
            Names of stages that were done before with this journal.

        Raises
        ------
        OutputError
            If the action ended without having written one of the outputs.
        """
        fingerprint = self._fingerprint(settings, needs)
        record = self._read(name)
        if record is not None and record.fingerprint == fingerprint and self._intact(record, outputs):
            self.records[name] = record
            self._announce(name, "skip", record.seconds)
            return record.result
        self._announce(name, "start", 0.0)
        started = time.perf_counter()
        result = dict(action())
        seconds = time.perf_counter() - started
        missing = [output for output in outputs if not (self.root / output).is_file()]
        if missing:
            raise OutputError(f"{self.root / missing[0]}: the stage {name} ended without having written this file")
        checksums = {output: sha256(self.root / output) for output in outputs}
        record = Record(fingerprint, round(seconds, 3), checksums, result)
        write_json(self._path(name), asdict(record))
        self.records[name] = record
        self._announce(name, "done", seconds)
        return result

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
