"""What the figures take, checked: histograms by their axes, and metric tables as one curve a member."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zmumu_hybrid.errors import InputError

if TYPE_CHECKING:
    from hist import Hist

__all__ = ["Binned", "Curves", "Table", "binned", "curves"]

Floats = NDArray[np.float64]
Table = Mapping[str, ArrayLike]
"""Columns of equal length, by name."""


@dataclass(frozen=True, slots=True)
class Binned:
    """A one-dimensional weighted histogram.

    Attributes
    ----------
    edges : numpy.ndarray of float64, shape (n + 1,)
    values, variances : numpy.ndarray of float64, shape (n,)
        Sum of weights and sum of squared weights.
    total : float
        Sum of weights with under- and overflow.
    """

    edges: Floats
    values: Floats
    variances: Floats
    total: float

    def density(self) -> tuple[Floats, Floats]:
        """Return the share of the total per unit of the axis, and its statistical uncertainty."""
        scale = 1.0 / (self.total * np.diff(self.edges))
        return self.values * scale, np.sqrt(self.variances) * scale


@dataclass(frozen=True, slots=True)
class Curves:
    """One quantity against another for every member of an ensemble.

    Attributes
    ----------
    x : numpy.ndarray of float64, shape (K,)
        Ascending.
    values : numpy.ndarray of float64, shape (M, K)
        One row a member; NaN where a member has no value, as after it was stopped.
    """

    x: Floats
    values: Floats

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit, an x that does not ascend, and an x without any value."""
        if self.x.ndim != 1 or self.values.ndim != 2 or self.values.shape[1:] != self.x.shape or not self.values.size:
            raise InputError(
                f"curves: x of shape (K,) and values of shape (M, K) are needed, not {self.x.shape} and "
                f"{self.values.shape}"
            )
        if not (np.isfinite(self.x).all() and (np.diff(self.x) > 0).all()):
            raise InputError("curves: x must be finite and ascend")
        if not np.isfinite(self.values).any(axis=0).all():
            first = self.x[~np.isfinite(self.values).any(axis=0)][0]
            raise InputError(f"curves: no member has a finite value at x = {first:g}")

    @property
    def mean(self) -> Floats:
        """Mean over the members, shape (K,)."""
        return np.asarray(np.nanmean(self._finite, axis=0))

    @property
    def spread(self) -> Floats:
        """Standard deviation over the members, shape (K,); zero where there is only one."""
        count = np.isfinite(self.values).sum(axis=0)
        squares = np.nansum((self._finite - self.mean) ** 2, axis=0)
        return np.asarray(np.sqrt(squares / np.maximum(count - 1, 1)))

    @property
    def _finite(self) -> Floats:
        return np.where(np.isfinite(self.values), self.values, np.nan)


def curves(table: Table, x: str, y: str) -> Curves:
    """Turn a tidy table (one row per member and x) into curves.

    Parameters
    ----------
    table : mapping of str to array, each of shape (n,)
        Has the columns "member", `x` and `y`.
    x, y : str
        The columns to draw against one another.

    Raises
    ------
    InputError
        If a column is missing or of another length, the table is empty, or a member has two values at one x.
    """
    missing = [name for name in ("member", x, y) if name not in table]
    if missing:
        raise InputError(f"metric table: column {missing[0]!r} is missing; it has {', '.join(table) or 'none'}")
    member, at, value = (np.asarray(table[name]) for name in ("member", x, y))
    if member.ndim != 1 or not member.shape == at.shape == value.shape or not member.size:
        raise InputError(
            f"metric table: columns of one length, not empty, are needed; 'member', {x!r}, {y!r} have the "
            f"shapes {member.shape}, {at.shape}, {value.shape}"
        )
    members, row = np.unique(member, return_inverse=True)
    points, column = np.unique(at.astype(np.float64), return_inverse=True)
    places, first = np.unique(np.stack([row, column]), axis=1, return_index=True)
    if places.shape[1] != member.size:
        twice = np.setdiff1d(np.arange(member.size), first)[0]
        raise InputError(f"metric table: member {member[twice]} has two rows at {x} = {at[twice]}")
    values = np.full((members.size, points.size), np.nan)
    values[row, column] = value
    return Curves(points, values)


def binned(histogram: Hist[Any], axis: str, name: str, **categories: str) -> Binned:
    """Take one axis of a histogram, at the given categories of its other axes.

    Parameters
    ----------
    histogram : hist.Hist
        With the regular or variable axis `axis` and the category axes in `categories`.
    axis : str
        Name of the axis to keep.
    name : str
        What the histogram is called in an error message.
    **categories : str
        One category for each of the other axes.

    Raises
    ------
    InputError
        If the axes are others, a category is missing, or nothing was filled.
    """
    found = [each.name for each in histogram.axes]
    if sorted(found) != sorted([axis, *categories]):
        raise InputError(
            f"{name}: a histogram with the axes {', '.join([*categories, axis])} is needed, this one has "
            f"{', '.join(found)}"
        )
    for key, category in categories.items():
        if category not in list(histogram.axes[key]):
            raise InputError(
                f"{name}: no category {category!r} on the axis {key}; there are "
                f"{', '.join(map(str, histogram.axes[key]))}"
            )
    part = histogram[dict(categories)] if categories else histogram
    values = np.asarray(part.values(), np.float64)
    variances = part.variances()
    variances = values if variances is None else np.asarray(variances, np.float64)
    total = float(part.values(flow=True).sum())
    where = f" for {', '.join(categories.values())}" if categories else ""
    if not (np.isfinite(values).all() and np.isfinite(total)):
        raise InputError(f"{name}: a bin{where} is not finite")
    if total <= 0.0 or not values.any():
        raise InputError(f"{name}: there is nothing in it{where}")
    return Binned(np.asarray(part.axes[0].edges, np.float64), values, variances, total)
