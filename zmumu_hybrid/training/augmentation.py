"""Data augmentation, the rival of a built-in symmetry: Lorentz-boosted copies of the training events.

The class of a pair does not depend on the frame that it is seen from, but what is measured of it does: the smearing
happens in the laboratory. So copies have to be boosted before they are measured, which needs the truth and, in an
experiment, another simulation of the detector. The naive form boosts what was measured, and makes events that no
detector would give. Both are here to be compared with.

In every epoch each event is replaced by a copy with probability 1/2. The boost has a uniform direction and a rapidity
uniform between 0 and `RAPIDITY`; it and the smearing of the copy are keyed by seed, event and epoch. A copy has the
weight of its event.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from zmumu_hybrid.candidates.truth import Sample, resmear
from zmumu_hybrid.draws import keys
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.training.data import TrainingTable, as_table
from zmumu_hybrid.training.resmearing import read_truth

__all__ = ["RAPIDITY", "BoostedCopies", "boost"]

RAPIDITY = 0.5
"""The largest boost: a velocity of 0.46."""

_MUON = ("energy", "px", "py", "pz")


def boost(momentum: Floats, direction: Floats, rapidity: Floats) -> Floats:
    """Return four-momenta (E, px, py, pz), shape (n, 4), as seen after a boost along unit vectors (n, 3)."""
    energy, p = momentum[:, 0], momentum[:, 1:]
    along = (p * direction).sum(1)
    cosh, sinh = np.cosh(rapidity), np.sinh(rapidity)
    moved = p + direction * ((cosh - 1) * along + sinh * energy)[:, None]
    return np.concatenate([(cosh * energy + sinh * along)[:, None], moved], 1)


class BoostedCopies:
    """The training events of a processed sample, in each epoch with other boosted copies among them.

    Parameters
    ----------
    data : path
        Directory of `zmumu process`.
    kind : str
        "boosted-truth" boosts the true muons and measures them then, "boosted-measurement" boosts measured ones.
    fraction : float
        Part of the training rows, as in `zmumu_hybrid.training.data.load`.
    seed : int
        Of that part and of the draws.

    Raises
    ------
    InputError, MissingInputError
        See `zmumu_hybrid.training.resmearing.FreshSmearing`.
    """

    def __init__(self, data: str | os.PathLike[str], kind: str, fraction: float = 1.0, seed: int = 0) -> None:
        self.sample, smearing, _ = read_truth(data, fraction, seed)
        self.smearing = replace(smearing, seed=seed)
        self.prefix = "true_" if kind == "boosted-truth" else ""

    def epoch(self, number: int) -> TrainingTable:
        """Return the training events of an epoch."""
        sample = self.sample
        identity = keys.shared_identity(*sample.identity.values())
        chance, height, cosine, azimuth = (
            keys.uniform(self.smearing.seed, f"boost {number}", *identity, slot) for slot in range(4)
        )
        z, phi = 2 * cosine - 1, 2 * np.pi * azimuth
        direction = np.stack([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z], 1)
        columns = dict(sample.columns)
        for slot in (0, 1):
            momentum = np.stack([columns[f"{self.prefix}{name}_{slot}"] for name in _MUON], 1)
            moved = boost(momentum, direction, RAPIDITY * height)
            columns |= {f"{self.prefix}{name}_{slot}": moved[:, k] for k, name in enumerate(_MUON)}
        copies = Sample(columns, sample.muon_mass)
        if self.prefix:
            copies = resmear(copies, self.smearing, None, f"epoch {number}")
        chosen, copied = as_table(sample.columns), as_table(copies.columns)
        p4 = np.where((chance < 0.5)[:, None, None], copied.p4, chosen.p4)
        return TrainingTable({"p4": p4}, chosen.label, chosen.weight)
