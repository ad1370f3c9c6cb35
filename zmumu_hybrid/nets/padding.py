"""Collections of particles of any number as padded arrays, which networks read. Knows no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.physics import kinematics

__all__ = ["MOMENTUM", "Particles", "jagged", "pad"]

MOMENTUM = ("pt", "eta", "phi", "mass")
"""What a collection of particles has."""


@dataclass(frozen=True, slots=True)
class Particles:
    """The particles of N events, padded to n.

    Attributes
    ----------
    p4 : numpy.ndarray of float64, shape (N, n, 4)
        E, px, py, pz in GeV, zero for padding.
    mask : numpy.ndarray of bool, shape (N, n)
        Which particles are there.
    scalars : numpy.ndarray of float64, shape (N, n, L)
        Particle scalars, the numbers that come with each particle, zero for padding.
    counts : numpy.ndarray of int, shape (N,)
        How many particles each event has, those beyond n included.
    """

    p4: NDArray[np.float64]
    mask: NDArray[np.bool_]
    scalars: NDArray[np.float64]
    counts: NDArray[np.int64]


def pad(particles: ak.Array, count: int, scalars: Sequence[str] = ()) -> Particles:
    """Return the first `count` particles of each event as arrays.

    Parameters
    ----------
    particles : awkward.Array, type N * var * record
        With pt, eta, phi and mass (GeV), as fields or from vector's behaviours, and the fields named by `scalars`.
        Masked and indexed arrays are fine: a missing (None) event has no particles, a missing particle is not there.
    count : int
        n, the length that events are padded or cut to.
    scalars : sequence of str
        Fields that go with each particle.

    Raises
    ------
    InputError
        If a field is missing, is not one number per particle, or is not finite; the message names entry and field.
    """
    columns = {name: jagged(particles, name) for name in (*MOMENTUM, *scalars)}
    counts = ak.to_numpy(ak.num(columns["pt"], axis=1)).astype(np.int64)
    mask = np.arange(count) < counts[:, None]
    taken = {}
    for name, column in columns.items():
        values = ak.to_numpy(ak.flatten(column[:, :count], axis=1)).astype(np.float64)
        finite = np.isfinite(values)
        if not finite.all():
            entry, index = np.argwhere(mask)[int(np.argmin(finite))]
            raise InputError(f"entry {entry}, particle {index}: {name} is not a finite number; leave out this event")
        taken[name] = np.zeros(mask.shape)
        taken[name][mask] = values
    px, py, pz = kinematics.cartesian(taken["pt"], taken["eta"], taken["phi"])
    energy = kinematics.energy(px, py, pz, np.maximum(taken["mass"], 0.0))
    p4 = np.stack([energy, px, py, pz], -1)
    extra = np.stack([taken[name] for name in scalars], -1) if scalars else np.zeros((*mask.shape, 0))
    return Particles(p4, mask, extra, counts)


def jagged(particles: ak.Array, name: str, what: str = "the particles have") -> Any:
    """Return one field of the particles, without those that are missing, as a plain array of lists of numbers.

    Raises
    ------
    InputError
        If there is no such field, or it is something else; the message begins with `what`.
    """
    try:
        column = getattr(particles, name)
    except AttributeError:
        fields = ", ".join(particles.fields) or "none"
        raise InputError(f"{what} no field {name!r}; the fields are: {fields}") from None
    if column.ndim != 2:
        raise InputError(f"field {name!r} has {column.ndim} axes: a list of numbers for each event is needed")
    if column.layout.is_option:
        column = ak.fill_none(column, [], axis=0)
    return ak.drop_none(ak.to_packed(column), axis=1)  # awkward cannot drop from lists with gaps between them
