"""What the limit reads of a processed sample: measured and true pairs, weights, and how they were smeared."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.events.muon_pairs import IDENTITY
from zmumu_hybrid.physics import kinematics
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.physics.smearing import SmearingConfig, draws, smear_components

__all__ = ["Sample", "read_sample", "read_settings", "resmear"]

_MUON = ("px", "py", "pz", "energy")
_COLUMNS = (
    *IDENTITY,
    "label",
    "is_test",
    "weight",
    "gen_weight",
    "mass",
    *(f"{prefix}{name}_{slot}" for prefix in ("", "true_") for slot in (0, 1) for name in _MUON),
)
_BACK_TO_BACK = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Leading-order pairs of both classes.

    Attributes
    ----------
    columns : dict of str to ndarray, shape (n,)
        Columns of the candidate table.
    muon_mass : float
        In GeV.
    """

    columns: candidates.Table
    muon_mass: float

    def __len__(self) -> int:
        return len(self.columns["label"])

    def where(self, rows: NDArray[np.bool_]) -> Sample:
        """Return the chosen rows."""
        return Sample({name: values[rows] for name, values in self.columns.items()}, self.muon_mass)

    @property
    def signal(self) -> NDArray[np.bool_]:
        """Which rows are signal."""
        return np.asarray(self.columns["label"] == candidates.SIGNAL)

    @property
    def pt_0(self) -> Floats:
        """Measured transverse momentum of the mu+ in GeV."""
        return np.hypot(self.columns["px_0"], self.columns["py_0"])

    @property
    def identity(self) -> dict[str, NDArray[np.integer]]:
        """Run, luminosityBlock and event."""
        return {name: self.columns[name] for name in IDENTITY}

    def truth(self) -> tuple[Floats, Floats, Floats]:
        """Return mass (GeV), rapidity and cos theta* of the true pairs."""
        (px_0, py_0, pz_0, e_0), (px_1, py_1, pz_1, e_1) = self.true_momenta()
        mass = np.full(len(self), self.muon_mass)
        return (
            kinematics.pair_mass(px_0, py_0, pz_0, mass, px_1, py_1, pz_1, mass),
            kinematics.rapidity(e_0 + e_1, pz_0 + pz_1),
            kinematics.cos_theta_star(px_0, py_0, pz_0, e_0, px_1, py_1, pz_1, e_1),
        )

    def true_momenta(self) -> list[list[Floats]]:
        """Return px, py, pz and energy (GeV) of mu+ and mu- before smearing."""
        return [[self.columns[f"true_{name}_{slot}"] for name in _MUON] for slot in (0, 1)]


def read_sample(data: str | os.PathLike[str]) -> Sample:
    """Read the candidate table of a directory of `zmumu process` and check that it is of leading order.

    Raises
    ------
    MissingInputError, InputError
        If the table cannot be used, a class has no events, or a true pair has transverse momentum.
    """
    path = Path(data) / "candidates.parquet"
    columns = candidates.read(path, _COLUMNS)
    for name, label in candidates.LABELS.items():
        if not np.any(columns["label"] == label):
            raise InputError(f"{path}: holds no {name} events: the best classifier needs signal and background")
    squares = [columns["true_energy_0"] ** 2] + [-(columns[f"true_{name}_0"] ** 2) for name in _MUON[:3]]
    sample = Sample(columns, float(np.sqrt(max(np.median(sum(squares)), 0.0))))
    (px_0, py_0, *_), (px_1, py_1, *_) = sample.true_momenta()
    recoil = np.hypot(px_0 + px_1, py_0 + py_1) / (np.hypot(px_0, py_0) + np.hypot(px_1, py_1))
    if (moving := np.count_nonzero(recoil > _BACK_TO_BACK)) > 0:
        raise InputError(
            f"{path}: {moving} of {len(sample)} true pairs ({100 * moving / len(sample):.3g}%) have muons of unequal "
            "transverse momentum, so that the events are not of leading order: the best classifier is known for "
            "leading-order events alone, as `zmumu generate` makes them"
        )
    return sample


def read_settings(data: str | os.PathLike[str], sample: Sample) -> tuple[SmearingConfig, Reweighting | None]:
    """Return how a directory of `zmumu process` smeared and reweighted its `sample`.

    Raises
    ------
    MissingInputError, InputError
        If `process.json` does not say it, or the weights in the table are not those of `reweighting.json`.
    """
    smearing = SmearingConfig.of_sample(data)
    factors = Path(data) / "reweighting.json"
    reweighting = Reweighting.read(factors) if factors.exists() else None
    expected = sample.columns["gen_weight"].copy()
    if reweighting is not None:
        expected[~sample.signal] *= reweighting.apply(sample.pt_0[~sample.signal])
    if not np.allclose(expected, sample.columns["weight"], rtol=1e-6, atol=0.0):
        raise InputError(f"{factors}: the weights of candidates.parquet are others: run `zmumu process` again")
    return smearing, reweighting


def resmear(sample: Sample, smearing: SmearingConfig, reweighting: Reweighting | None, dataset: str) -> Sample:
    """Return the pairs measured anew: other draws on the same truth, with the weights that belong to them.

    `dataset` is part of the key of the draws.
    """
    z = draws(sample.identity, smearing, dataset)
    mass = np.full(len(sample), sample.muon_mass)
    columns = dict(sample.columns)
    smeared = []
    for slot, (true_px, true_py, true_pz, _) in enumerate(sample.true_momenta()):
        muon = smear_components(true_px, true_py, true_pz, mass, z[slot], smearing.width, smearing.hold)
        columns |= dict(zip((f"{name}_{slot}" for name in _MUON), muon, strict=True))
        smeared += [*muon[:3], mass]
    columns["mass"] = kinematics.pair_mass(*smeared)
    result = Sample(columns, sample.muon_mass)
    weight = columns["gen_weight"].copy()
    if reweighting is not None:
        weight[~sample.signal] *= reweighting.apply(result.pt_0[~sample.signal])
    columns["weight"] = weight
    return result
