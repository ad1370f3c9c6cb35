"""The events that a network was trained on: known by their identity, they count nowhere, in whatever file they come.

A network does better on the events that it was trained on than on others. So each run keeps a 64-bit hash of the
identity (run, luminosityBlock, event) of every row on the training side of its sample's split: 8 bytes an event, in
`training_events.parquet` in its folder, and beside an exported model. The label, the data set, the smearing and the
seed of a later split play no part: a re-smeared copy is the same event, and so are all events of an event group. So is
an event of another production that was given the same number; it is left out though nothing was learned from it, which
costs events and never honesty.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.draws import keys
from zmumu_hybrid.errors import LeakError, ModelError
from zmumu_hybrid.events.muon_pairs import IDENTITY
from zmumu_hybrid.support.files import atomic_path
from zmumu_hybrid.support.handles import create_parquet, open_parquet

__all__ = ["TrainingEvents", "events_path"]

_NAME = "training_events.parquet"


def events_path(model: str | os.PathLike[str]) -> Path:
    """Return where the training events of a run are, or of a model file: in its folder, or beside it."""
    model = Path(model)
    return model / _NAME if model.is_dir() else model.with_suffix(f".{_NAME}")


@dataclass(frozen=True, slots=True, eq=False)
class TrainingEvents:
    """The events that something was trained on.

    Attributes
    ----------
    hashes : numpy.ndarray of uint64, shape (n,)
        Of their identities, rising.
    of : str
        What was trained on them, or the sample that they are of, for messages.
    """

    hashes: NDArray[np.uint64]
    source: str

    @classmethod
    def made_of(cls, identity: Mapping[str, NDArray[Any]], source: str = "") -> TrainingEvents:
        """Return the events with these identities: run, luminosityBlock and event by name, each of shape (n,)."""
        return cls(np.unique(_hashes(identity)), source)

    @classmethod
    def of_sample(cls, data: str | os.PathLike[str]) -> TrainingEvents:
        """Return the training side of the split of a directory of `zmumu process`, or of a candidate table.

        Raises
        ------
        MissingInputError, InputError
            If there is no usable table.
        """
        path = Path(data) / "candidates.parquet" if Path(data).is_dir() else Path(data)
        columns = candidates.read(path, [*IDENTITY, "is_test"])
        training = ~columns.pop("is_test")
        return cls.made_of({name: values[training] for name, values in columns.items()}, str(data))

    @classmethod
    def of_model(cls, model: str | os.PathLike[str], noted: Mapping[str, Any] | None = None) -> TrainingEvents | None:
        """Return what `write` left for a run or model file; None if there is nothing.

        Parameters
        ----------
        model : path
            Folder of `zmumu train`, or file of `zmumu export`.
        noted : mapping, optional
            What `summary` gave when they were written, to compare with.

        Raises
        ------
        ModelError
            If the file is damaged, or is not what was noted.
        """
        import pyarrow as pa

        path = events_path(model)
        if not path.exists():
            return None
        try:
            with open_parquet(path, page_checksum_verification=True) as file:
                hashes = file.read(["hash"])["hash"].to_numpy()
        except (OSError, KeyError, pa.ArrowException) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"{path}: not whole: {reason}; copy it again, or train again") from error
        found = cls(hashes, str(model))
        if hashes.dtype != np.uint64 or np.any(hashes[1:] <= hashes[:-1]):
            raise ModelError(f"{path}: does not hold training events: copy it again, or train again")
        if noted is not None and found.summary() != dict(noted):
            raise ModelError(f"{path}: is not of this model: copy the one that belongs to it, or export again")
        return found

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.hashes)

    def write(self, model: str | os.PathLike[str]) -> None:
        """Write the events into the folder of a run, or beside a model file, whole or not at all."""
        import pyarrow as pa

        table, options = pa.table({"hash": self.hashes}), {"compression": "NONE", "use_dictionary": False}
        with (
            atomic_path(events_path(model)) as temporary,
            create_parquet(temporary, table.schema, write_page_checksum=True, **options) as writer,
        ):
            writer.write_table(table)

    def summary(self) -> dict[str, Any]:
        """Return what is to be noted of the events elsewhere: how many there are, and the checksum of their hashes."""
        return {"events": len(self), "sha256": hashlib.sha256(self.hashes.astype("<u8").tobytes()).hexdigest()}

    def include(self, identity: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Return which rows with these identities, as in `made_of`, are training events: shape (n,)."""
        hashes = _hashes(identity)
        places = np.minimum(np.searchsorted(self.hashes, hashes), max(len(self) - 1, 0))
        return self.hashes[places] == hashes if len(self) else np.zeros(len(hashes), bool)

    def refuse(self, identity: Mapping[str, NDArray[Any]], where: str) -> None:
        """Raise `LeakError`, naming the first, if any of the rows is a training event."""
        used = self.include(identity)
        if used.any():
            raise LeakError(
                f"{where}: {np.count_nonzero(used)} of {len(used)} events are training events of {self.source}, "
                f"the first of them {candidates.name_event(identity, int(np.argmax(used)))}: take held-out rows alone "
                "(--rows test), or other events"
            )


def _hashes(identity: Mapping[str, NDArray[Any]]) -> NDArray[np.uint64]:
    return keys.hash_key(*keys.shared_identity(*(identity[name] for name in IDENTITY)))
