"""From histograms to a pyhf workspace: one channel, signal and background, and their uncertainties.

The templates are scaled to the expected numbers of selected pairs, the nominal ones; a variation keeps its change in
acceptance, but for those of which only the shape counts.
HistFactory: CERN-OPEN-2012-016; pyhf: doi:10.21105/joss.02823.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.errors import InputError
from zmumu_hybrid.measurement.systematics import NOMINAL, require_known
from zmumu_hybrid.support.values import require_number

if TYPE_CHECKING:
    from hist import Hist

__all__ = ["Templates", "Yields", "make_workspace", "merged_bins", "template"]

Floats = NDArray[np.float64]

SAMPLES = ("signal", "background")

LEAST_KNOWN = 0.3
LEAST_EXPECTED = 5.0
"""Bins are merged until they are expected to hold as many pairs, known to this relative uncertainty from simulation."""


@dataclass(frozen=True, slots=True)
class Yields:
    """What is expected, and how well it is known.

    Parameters
    ----------
    signal, background : float
        Expected numbers of selected pairs.
    luminosity, background_uncertainty : float
        Relative uncertainties of the normalisation of both samples together, and of the background alone; 0 for none.

    Raises
    ------
    ConfigurationError
        If a number is not above 0 (and at most 1e15), or an uncertainty not from 0 to below 1.
    """

    signal: float = 1000.0
    background: float = 10_000.0
    luminosity: float = 0.02
    background_uncertainty: float = 0.05

    def __post_init__(self) -> None:
        for name in SAMPLES:
            require_number(f"expected {name}", getattr(self, name), above=0, maximum=1e15)
        for name in ("luminosity", "background_uncertainty"):
            require_number(f"{name.replace('_', ' ')}, relative,", getattr(self, name), 0, below=1)

    @property
    def normalisations(self) -> dict[str, tuple[tuple[str, ...], float]]:
        """The samples and the relative size of each uncertainty of a normalisation."""
        both = {"luminosity": (SAMPLES, self.luminosity), "background": (("background",), self.background_uncertainty)}
        return {name: (samples, size) for name, (samples, size) in both.items() if size > 0}


def template(histogram: Hist[Any], dataset: str, systematic: str = NOMINAL) -> tuple[Floats, Floats, float]:
    """Return the contents of the bins, their variances, and the sum with what lies beyond the bins.

    Raises
    ------
    ConfigurationError
        If the histogram has no such data set or systematic; the message says which it has.
    """
    require_known([dataset], histogram.axes["dataset"], "data set")
    require_known([systematic], histogram.axes["systematic"], "systematic")
    piece = histogram[{"dataset": dataset, "systematic": systematic}]
    contents: Any = piece.view()
    whole: Any = piece.view(flow=True)
    return contents["value"].copy(), contents["variance"].copy(), float(whole["value"].sum())


def merged_bins(samples: list[tuple[Floats, Floats]]) -> NDArray[np.int64]:
    """Return the first bins of the groups into which bins are merged, neighbours with neighbours, from the left.

    Parameters
    ----------
    samples : list of (ndarray, ndarray)
        Expected contents of each sample and their variances, shape (n,).
    """
    starts, start = [0], 0
    bins = len(samples[0][0])
    for end in range(1, bins + 1):
        values = [float(value[start:end].sum()) for value, _ in samples]
        variance = sum(float(squares[start:end].sum()) for _, squares in samples)
        if min(values) >= 0 and sum(values) >= LEAST_EXPECTED and variance <= (LEAST_KNOWN * sum(values)) ** 2:
            starts.append(end)
            start = end
    kept = starts[:-1] if len(starts) > 1 else starts
    return np.array(kept, np.int64)  # what is left at the end goes with the last group


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """The expected contents of the merged bins of one observable.

    Attributes
    ----------
    edges : ndarray, shape (k + 1,)
        Of the merged bins.
    nominal, variance : dict of str to ndarray, shape (k,)
        By sample.
    varied : dict of str to dict of str to ndarray
        By category of the systematic and sample, all but the nominal one.
    observed : ndarray or None
        Of data, if there are any.
    """

    edges: Floats
    nominal: dict[str, Floats]
    variance: dict[str, Floats]
    varied: dict[str, dict[str, Floats]]
    observed: Floats | None

    @classmethod
    def of(cls, histogram: Hist[Any], yields: Yields, shapes: Iterable[str] = ()) -> Templates:
        """Scale the histogram of an observable to the yields and merge its bins.

        Parameters
        ----------
        histogram : hist.Hist
            With the axes dataset, systematic and value.
        yields : Yields
        shapes : iterable of str
            Categories of systematics that keep the number of selected pairs: only their shape counts.

        Raises
        ------
        InputError
            If a sample has no selected events in any bin.
        """
        scales = _scales(histogram, yields)
        raw = []
        for sample, scale in scales.items():
            values, variance, _ = template(histogram, sample)
            raw.append((scale * values, scale**2 * variance))
        return cls._merged(histogram, yields, shapes, merged_bins(raw))

    def again(self, histogram: Hist[Any], yields: Yields, shapes: Iterable[str] = ()) -> Templates:
        """Do what `of` does with another histogram of the same axes, with these bins."""
        edges = np.asarray(histogram.axes["value"].edges, np.float64)
        return self._merged(histogram, yields, shapes, np.searchsorted(edges, self.edges[:-1]))

    @classmethod
    def _merged(
        cls, histogram: Hist[Any], yields: Yields, shapes: Iterable[str], starts: NDArray[np.int64]
    ) -> Templates:
        scales, shapes = _scales(histogram, yields), set(shapes)

        def merge(values: Floats) -> Floats:
            return np.asarray(np.add.reduceat(values, starts))

        def vary(name: str, sample: str) -> Floats:
            values, _, total = template(histogram, sample, name)
            scale = getattr(yields, sample) / total if name in shapes and total > 0 else scales[sample]
            return merge(scale * values)

        nominal = {sample: template(histogram, sample) for sample in SAMPLES}
        systematics = [name for name in histogram.axes["systematic"] if name != NOMINAL]
        observed, _, total = template(histogram, "data")
        edges = np.asarray(histogram.axes["value"].edges, np.float64)
        return cls(
            np.append(edges[starts], edges[-1]),
            {sample: merge(scales[sample] * values) for sample, (values, _, _) in nominal.items()},
            {sample: merge(scales[sample] ** 2 * variance) for sample, (_, variance, _) in nominal.items()},
            {name: {sample: vary(name, sample) for sample in SAMPLES} for name in systematics},
            merge(observed) if total > 0 else None,
        )

    def expected(self, systematic: str = NOMINAL) -> Floats:
        """Return what is expected of signal and background together."""
        chosen = self.nominal if systematic == NOMINAL else self.varied[systematic]
        return np.asarray(sum(chosen.values()))


def _scales(histogram: Hist[Any], yields: Yields) -> dict[str, float]:
    """Return the factor from simulated to expected pairs of each sample."""
    scales = {}
    for sample in SAMPLES:
        values, squares, total = template(histogram, sample)
        if not (total > 0 and values.sum() > 0):
            if squares.any():
                sums = f"{values.sum():.6g}, and to {total:.6g} with what lies beyond the bins"
                raise InputError(
                    f"{histogram.name}: the weights of the {sample} events in it sum to {sums}: give others"
                )
            raise InputError(f"{histogram.name}: no selected {sample} events: loosen the cuts, or give more events")
        scales[sample] = getattr(yields, sample) / total
    return scales


def make_workspace(
    name: str,
    templates: Templates,
    two_sided: dict[str, tuple[str, str]],
    yields: Yields,
    *,
    unblind: bool = False,
) -> dict[str, Any]:
    """Return a pyhf workspace with the signal strength mu, ready for `json.dumps`.

    Parameters
    ----------
    name : str
        Of the channel.
    templates : Templates
    two_sided : dict of str to (str, str)
        The categories up and down of each systematic; see `zmumu_hybrid.measurement.systematics.Systematics`.
    yields : Yields
    unblind : bool
        Observe the data, and not what is expected at mu = 1.

    Returns
    -------
    dict
        It can be written as JSON.

    Raises
    ------
    InputError
        If no data were selected, and they are to be observed.
    """
    samples = []
    for sample in SAMPLES:
        modifiers: list[dict[str, Any]] = []
        if sample == "signal":
            modifiers.append({"name": "mu", "type": "normfactor", "data": None})
        for systematic, (up, down) in two_sided.items():
            high, low = (templates.varied[category][sample] for category in (up, down))
            if not (np.array_equal(high, templates.nominal[sample]) and np.array_equal(high, low)):
                data = {"hi_data": high.tolist(), "lo_data": low.tolist()}
                modifiers.append({"name": systematic, "type": "histosys", "data": data})
        for normalisation, (affected, size) in yields.normalisations.items():
            if sample in affected:
                data = {"hi": 1 + size, "lo": 1 - size}
                modifiers.append({"name": normalisation, "type": "normsys", "data": data})
        errors = np.sqrt(templates.variance[sample])
        modifiers.append({"name": f"simulation_{name}", "type": "staterror", "data": errors.tolist()})
        samples.append({"name": sample, "data": templates.nominal[sample].tolist(), "modifiers": modifiers})
    if unblind and templates.observed is None:
        raise InputError(f"{name}: no events of data were selected: loosen the cuts, or give more events")
    observed = templates.observed if unblind and templates.observed is not None else templates.expected()
    poi = {"name": "mu", "inits": [1.0], "bounds": [[0.0, 20.0]]}
    return {
        "channels": [{"name": name, "samples": samples}],
        "observations": [{"name": name, "data": observed.tolist()}],
        "measurements": [{"name": "signal strength", "config": {"poi": "mu", "parameters": [poi]}}],
        "version": "1.0.0",
    }
