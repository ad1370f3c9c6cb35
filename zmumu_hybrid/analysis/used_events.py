"""Which events a network was trained on: they must not enter what its output is compared with.

A network does better on the events that it was trained on than on others, so that templates made with them promise a
precision that data will not give. Two locks: a file that the training sample was made from is refused unless only
held-out events are taken of it, and each event is looked up by its identity in the training rows of the sample.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid import candidates, keys
from zmumu_hybrid.errors import ConfigurationError, InputError, LeakError
from zmumu_hybrid.files import read_json, sha256
from zmumu_hybrid.pairs import IDENTITY
from zmumu_hybrid.smearing import SmearingConfig
from zmumu_hybrid.sources import Source
from zmumu_hybrid.splitting import SplitConfig, is_test

__all__ = ["Rows", "UsedEvents", "read_used_events", "require_trained_on", "require_unused"]

Rows = Literal["all", "test"]


@dataclass(frozen=True, slots=True, eq=False)
class UsedEvents:
    """The events of a processed sample that networks were trained on.

    Attributes
    ----------
    directory : Path
        Of `zmumu process`.
    table : str
        SHA-256 of its candidate table.
    files : frozenset of str
        SHA-256 of the event files that it was made from.
    split : SplitConfig
        Which of its events are held out.
    smearing : SmearingConfig
        How its muons were smeared.
    hashes : ndarray of uint64
        Of the identities of the events that are not, sorted.
    """

    directory: Path
    table: str
    files: frozenset[str]
    split: SplitConfig
    smearing: SmearingConfig
    hashes: NDArray[np.uint64]

    def held_out(self, identity: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Return which events the sample holds out, or would hold out."""
        run, luminosity_block, event = (identity[name] for name in IDENTITY)
        return is_test(run, luminosity_block, event, self.split)

    def require_none_of(self, identity: Mapping[str, NDArray[Any]], where: str) -> None:
        """Raise `LeakError`, naming the first, if any of the events was used."""
        hashes = keys.hash_key(*(identity[name] for name in IDENTITY))
        places = np.minimum(np.searchsorted(self.hashes, hashes), max(len(self.hashes) - 1, 0))
        used = self.hashes[places] == hashes if len(self.hashes) else np.zeros(len(hashes), bool)
        if used.any():
            raise LeakError(
                f"{where}: {np.count_nonzero(used)} of {len(used)} events are training events of {self.directory}, "
                f"the first of them {candidates.name_event(identity, int(np.argmax(used)))}: take held-out rows alone, "
                "or other events"
            )


def read_used_events(directory: str | os.PathLike[str]) -> UsedEvents:
    """Read what a directory of `zmumu process` was made from and which of its events are for training.

    Raises
    ------
    MissingInputError, InputError
        If it is not such a directory.
    """
    directory = Path(directory)
    record = read_json(directory / "process.json")
    try:
        files = frozenset(str(each["sha256"]) for each in record["inputs"])
        options = record["options"]
        seed = int(options["seed"])
        split = SplitConfig(float(options["test_fraction"]), seed)
        smearing = SmearingConfig(options["smearing"], options["hold"], float(options["width"]), seed)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{directory / 'process.json'}: does not say what was processed ({error}): run `zmumu process` again"
        ) from error
    path = directory / "candidates.parquet"
    columns = candidates.read(path, [*IDENTITY, "is_test"])
    training = ~columns["is_test"]
    hashes = keys.hash_key(*(columns[name][training] for name in IDENTITY))
    return UsedEvents(directory, sha256(path), files, split, smearing, np.unique(hashes))


def require_trained_on(models: Mapping[str, str | None], used: Sequence[UsedEvents]) -> None:
    """Raise `ConfigurationError` unless the table of every model, by its checksum, is one of those known."""
    known = {each.table for each in used}
    for name, table in models.items():
        if table not in known:
            places = ", ".join(str(each.directory) for each in used)
            said = f"not the sample in {places}" if used else "which is not named"
            raise ConfigurationError(
                f"{name}: was trained on the table {str(table)[:12]}..., {said}: name the directory with --trained-on, "
                "or say --independent if none of the events was used in its training"
            )


def require_unused(sources: Sequence[Source], used: Sequence[UsedEvents], rows: Rows) -> None:
    """Raise `ConfigurationError` for a file of a training sample, if all of its rows are to be taken."""
    if rows == "test":
        return
    for source in sources:
        for each in used:
            if source.sha256 in each.files:
                raise ConfigurationError(
                    f"{source.path}: the training sample {each.directory} was made from this file: "
                    "take its held-out events alone with --rows test, or give other events"
                )
