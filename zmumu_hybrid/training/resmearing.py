"""Fresh smearing: the true training pairs measured anew in every epoch.

The smearing is known, so that one true pair stands for all its measurements; a network that never sees the same one
twice cannot learn them by heart. The draws are keyed (`zmumu_hybrid.draws.keys`): the same seed, event and epoch give
the same numbers, whatever came before, in whatever order.

The weight goes with the measurement. The background's factor is a function of the measured transverse momentum of the
mu+, fitted once on the training events as `zmumu process` smeared them. It is part of what the two densities are that
are to be told apart, and stays as it is; each new measurement is given the factor of its own bin. So the mean over all
measurements of a pair is what its density asks for, and what is learned is the ratio for the same held-out events.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.candidates.truth import Sample, read_settings, resmear
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.physics.smearing import SmearingConfig
from zmumu_hybrid.training.data import MOMENTA, TrainingTable, as_table, read_rows, table_path

__all__ = ["FreshSmearing", "read_truth"]


class FreshSmearing:
    """The training events of a processed sample, each epoch with new draws.

    Parameters
    ----------
    data : path
        Directory of `zmumu process`: its table with the truth, `process.json` with the smearing and `reweighting.json`.
    fraction : float
        Part of the training rows, as in `zmumu_hybrid.training.data.load`.
    seed : int
        Of that part and of the draws.

    Raises
    ------
    InputError, MissingInputError
        If a file is missing or says something else, or the table is of smeared muons alone.
    """

    def __init__(self, data: str | os.PathLike[str], fraction: float = 1.0, seed: int = 0) -> None:
        self.sample, smearing, self.reweighting = read_truth(data, fraction, seed)
        self.smearing = replace(smearing, seed=seed)

    def epoch(self, number: int) -> TrainingTable:
        """Return the training events as they are measured in an epoch."""
        return as_table(resmear(self.sample, self.smearing, self.reweighting, f"epoch {number}").columns)


def read_truth(
    data: str | os.PathLike[str], fraction: float = 1.0, seed: int = 0
) -> tuple[Sample, SmearingConfig, Reweighting | None]:
    """Return the training events of a directory of `zmumu process` with their truth, and how they were measured.

    Raises
    ------
    InputError, MissingInputError
        See `FreshSmearing`.
    """
    folder = Path(data)
    if not folder.is_dir():
        raise InputError(f"{folder}: to smear anew, name the directory of `zmumu process`, not the table alone")
    path = table_path(folder)
    truth = tuple(f"true_{name}" for name in MOMENTA)
    columns = read_rows(path, (*MOMENTA, *truth, "gen_weight", "mass"), "train", fraction, seed)
    for name in truth:
        if not np.isfinite(columns[name]).all():
            raise InputError(f"{path}: {name} is not finite everywhere: the truth is needed to smear anew")
    squares = [columns["true_energy_0"] ** 2] + [-(columns[f"true_{name}_0"] ** 2) for name in ("px", "py", "pz")]
    sample = Sample(columns, float(np.sqrt(max(np.median(sum(squares)), 0.0))))
    smearing, reweighting = read_settings(folder, sample)
    return sample, smearing, reweighting
