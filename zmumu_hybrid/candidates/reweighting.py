"""The background's transverse momentum brought to the signal's, so that no network learns it (paper, section II).

The factor of a bin of pT is the signal's weight in it over the background's. Fitted on the training part alone, the
factors are then those of every event. By default the bins hold equal shares of the signal: equally wide ones over
the background's full range ("equal-width", the paper's) are about 13 GeV wide and leave a shape inside each bin.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.physics.kinematics import Floats
from zmumu_hybrid.support.files import read_json, write_json
from zmumu_hybrid.support.values import MAX_BINS, require_count, require_form

__all__ = ["Binning", "Reweighting", "ReweightingConfig", "final_weights", "fit"]

Binning = Literal["equal-content", "equal-width"]


@dataclass(frozen=True, slots=True)
class ReweightingConfig:
    """How the background is reweighted: the number of bins, and how they are laid out.

    Raises
    ------
    ConfigurationError
        If `bins` is not positive or `binning` is unknown.
    """

    bins: int = 100
    binning: Binning = "equal-content"

    def __post_init__(self) -> None:
        require_count("reweighting bins", self.bins, 1, MAX_BINS)
        if self.binning not in get_args(Binning):
            raise ConfigurationError(f"binning {self.binning!r}: use one of {', '.join(get_args(Binning))}")


@dataclass(frozen=True, slots=True)
class Reweighting:
    """Factors in bins of transverse momentum.

    Parameters
    ----------
    edges : tuple of float
        Bin edges (GeV), rising, one more than factors. A bin holds its lower edge. Beyond the first and the last
        edge the factor of the nearest bin holds.
    factors : tuple of float
        Factor of each bin, 0 or more.

    Raises
    ------
    InputError
        If the numbers are not such.

    Examples
    --------
    >>> reweighting = Reweighting(edges=(0.0, 30.0, 60.0), factors=(0.5, 2.0))
    >>> reweighting.apply([10.0, 40.0, 80.0])
    array([0.5, 2. , 2. ])
    """

    edges: tuple[float, ...]
    factors: tuple[float, ...]

    def __post_init__(self) -> None:
        edges, factors = np.asarray(self.edges), np.asarray(self.factors)
        if len(edges) != len(factors) + 1 or len(factors) < 1:
            raise InputError(f"reweighting: {len(edges)} edges do not fit {len(factors)} factors")
        if not (np.isfinite(edges).all() and np.all(np.diff(edges) > 0)):
            raise InputError("reweighting: the edges must be finite and rise")
        if not (np.isfinite(factors).all() and np.all(factors >= 0)):
            raise InputError("reweighting: the factors must be finite and not negative")

    def apply(self, pt: Floats) -> Floats:
        """Return the factor of each transverse momentum (GeV), float64 of the shape of `pt`."""
        return np.asarray(self.factors)[_bin_of(np.asarray(self.edges), pt)]

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write edges and factors as JSON, exactly; `OutputError` if that cannot be done."""
        write_json(path, {"edges": list(self.edges), "factors": list(self.factors), "unit": "GeV"})

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Reweighting:
        """Read what `write` wrote; `InputError` if the file holds anything else."""
        try:
            content = require_form(read_json(path), {"edges": [float], "factors": [float]}, str(path))
            return cls(tuple(map(float, content["edges"])), tuple(map(float, content["factors"])))
        except InputError as error:
            raise InputError(
                f"{path}: not a reweighting: {str(error).removeprefix(f'{path}: ')}; make it anew"
            ) from error


def fit(
    signal_pt: Floats,
    background_pt: Floats,
    signal_weight: ArrayLike = 1.0,
    background_weight: ArrayLike = 1.0,
    bins: int = 100,
    binning: Binning = "equal-content",
) -> Reweighting:
    """Fit the factors that give the background the signal's weight in each bin, and so its total.

    Parameters
    ----------
    signal_pt, background_pt : numpy.ndarray of float64, shapes (n,) and (m,)
        Transverse momenta (GeV) of the training rows.
    signal_weight, background_weight : array_like, optional
        Weights of the same shapes. Single ones may be negative, their sum in a bin may not; the edges of
        equal-content bins go by their size.
    bins : int
        Number of bins.
    binning : {"equal-content", "equal-width"}
        Equal shares of the signal, the outermost bins reaching to the background's ends; or equal widths from the
        background's smallest to its largest value. Signal beyond the edges counts in the outermost bins.

    Returns
    -------
    Reweighting
        A bin without signal has the factor 0.

    Raises
    ------
    ConfigurationError
        If the options are unusable or the signal has too few different values for so many bins.
    InputError
        If a class has no rows, a number is not finite, a sum of weights is negative, or there is signal in a bin but
        no background to reweight.
    """
    ReweightingConfig(bins=bins, binning=binning)
    signal, signal_weight = _checked(signal_pt, signal_weight, "signal")
    background, background_weight = _checked(background_pt, background_weight, "background")
    if binning == "equal-width":
        edges = np.linspace(background.min(), background.max(), bins + 1)
    else:
        edges = _quantiles(signal, np.abs(signal_weight), bins)
        edges[0], edges[-1] = min(edges[0], background.min()), max(edges[-1], background.max())
    if not np.all(np.diff(edges) > 0):
        raise ConfigurationError(f"{bins} reweighting bins are too many for these transverse momenta: use fewer bins")
    in_signal = _content(edges, signal, signal_weight)
    in_background = _content(edges, background, background_weight)
    for i in range(bins):
        where = f"pT bin {i + 1} of {bins} ({edges[i]:.6g} to {edges[i + 1]:.6g} GeV)"
        if in_signal[i] < 0:
            raise InputError(f"{where}: the signal's weights sum to {in_signal[i]:.6g}: use fewer bins")
        if in_signal[i] > 0 >= in_background[i]:
            raise InputError(
                f"{where}: the signal has weight {in_signal[i]:.6g}, the background {in_background[i]:.6g}: "
                "use fewer bins, equal-content bins, or more background events"
            )
    factors = np.divide(in_signal, in_background, out=np.zeros(bins), where=in_signal > 0)
    return Reweighting(edges=tuple(edges.tolist()), factors=tuple(factors.tolist()))


def final_weights(
    label: NDArray[Any],
    is_test: NDArray[np.bool_],
    pt: Floats,
    gen_weight: Floats,
    reweighting: ReweightingConfig | Reweighting | None = None,
) -> tuple[Floats, Reweighting | None]:
    """Return the final weight of each row: the generator's, for background times the factor of its pT.

    Parameters
    ----------
    label, is_test, pt, gen_weight : numpy.ndarray, shape (n,)
        Columns of the candidate table: 1 for signal and 0 for background; pt (GeV) is the smeared one of the mu+.
    reweighting : ReweightingConfig or Reweighting, optional
        How to fit the factors, on the rows that are not held out; or factors fitted elsewhere. With one class alone
        there is nothing to fit, and the weight is the generator's.

    Returns
    -------
    weight : numpy.ndarray of float64, shape (n,)
    reweighting : Reweighting or None
        What was applied.
    """
    signal, background = label == 1, label == 0
    if isinstance(reweighting, ReweightingConfig):
        if not (signal.any() and background.any()):
            return gen_weight.copy(), None
        fitted: Reweighting | None = fit(
            pt[signal & ~is_test],
            pt[background & ~is_test],
            gen_weight[signal & ~is_test],
            gen_weight[background & ~is_test],
            bins=reweighting.bins,
            binning=reweighting.binning,
        )
    else:
        fitted = reweighting
    if fitted is None:
        return gen_weight.copy(), None
    return np.where(background, gen_weight * fitted.apply(pt), gen_weight), fitted


def _bin_of(edges: Floats, pt: Floats) -> NDArray[np.int64]:
    return np.searchsorted(edges[1:-1], pt, side="right")


def _content(edges: Floats, pt: Floats, weight: Floats) -> Floats:
    return np.bincount(_bin_of(edges, pt), weight, minlength=len(edges) - 1).astype(np.float64)


def _checked(pt: Floats, weight: ArrayLike, name: str) -> tuple[Floats, Floats]:
    """Return both as float64 arrays of one shape, sorted, so that sums do not depend on the order of the rows."""
    pt = np.asarray(pt, np.float64)
    weights = np.broadcast_to(np.asarray(weight, np.float64), pt.shape)
    if pt.size == 0:
        raise InputError(f"reweighting: the {name} has no training rows: more events are needed")
    if not (np.isfinite(pt).all() and np.isfinite(weights).all()):
        raise InputError(f"reweighting: a transverse momentum or weight of the {name} is not finite")
    order = np.lexsort((weights, pt))
    return pt[order], weights[order]


def _quantiles(ordered: Floats, weight: Floats, bins: int) -> Floats:
    """Return edges between neighbours of `ordered` (rising) that share out `weight` equally."""
    cumulative = np.cumsum(weight)
    if cumulative[-1] <= 0:
        raise InputError("reweighting: all weights of the signal are zero")
    shares = cumulative[-1] * np.arange(1, bins) / bins
    last = np.minimum(np.searchsorted(cumulative, shares * (1 - 1e-12), side="left"), len(ordered) - 1)
    following = np.minimum(last + 1, len(ordered) - 1)
    inner = (ordered[last] + ordered[following]) / 2
    return np.concatenate([ordered[:1], inner, ordered[-1:]])
