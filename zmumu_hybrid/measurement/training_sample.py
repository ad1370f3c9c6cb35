"""The sample that networks were trained on: what it says of the detector, and its training events, which do not count.

Templates made with events that a network was trained on promise a precision that data will not give.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zmumu_hybrid.candidates.training_events import TrainingEvents
from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.physics.smearing import SmearingConfig
from zmumu_hybrid.support.files import sha256
from zmumu_hybrid.support.outputs import require_mark

__all__ = ["Rows", "TrainingSample", "read_training_sample", "require_trained_on"]

Rows = Literal["all", "test"]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSample:
    """A processed sample that networks were trained on.

    Attributes
    ----------
    directory : Path
        Of `zmumu process`.
    table : str
        SHA-256 of its candidate table.
    smearing : SmearingConfig
        How its muons were smeared.
    events : TrainingEvents
        Those that are not held out.
    """

    directory: Path
    table: str
    smearing: SmearingConfig
    events: TrainingEvents


def read_training_sample(directory: str | os.PathLike[str]) -> TrainingSample:
    """Read how a directory of `zmumu process` was made and which of its events are for training.

    Raises
    ------
    MissingInputError, InputError
        If it is not such a directory.
    """
    directory = Path(directory)
    require_mark(directory)
    smearing, events = SmearingConfig.of_sample(directory), TrainingEvents.of_sample(directory)
    return TrainingSample(directory, sha256(directory / "candidates.parquet"), smearing, events)


def require_trained_on(
    models: Mapping[str, str | None],
    sample: TrainingSample | None,
    otherwise: str = "say --independent if none of the events was used in its training",
) -> None:
    """Raise `ConfigurationError` unless every model was trained on the table of the sample, by its checksum.

    The message says to name the directory, or what else may be done.
    """
    for name, table in models.items():
        if sample is None or table != sample.table:
            said = "which is not named" if sample is None else f"not the sample in {sample.directory}"
            raise ConfigurationError(
                f"{name}: was trained on the table {str(table)[:12]}..., {said}: name the directory with --trained-on, "
                f"or {otherwise}"
            )
