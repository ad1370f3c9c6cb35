"""The histograms: masses in slices of pT (Fig. 2) and pT before and after reweighting (Fig. 1), from the table.

- ``mass_true``, ``mass_smeared``: axes dataset, pt_slice and mass, weighted by `gen_weight`.
- ``pt_before``, ``pt_after``: axes dataset and pt, the smeared pT of the mu+, weighted by `gen_weight` and by `weight`.

Slices are of the smeared pT of the mu+ in both mass histograms, so that a slice holds the same events in both. With
the muons smeared independently and pz held, the interquartile range of the smeared mass / 1.349 is then 4.0 GeV below
30 GeV, 6.4 GeV from 30 to 40 GeV and 6.6 GeV above; in slices of the true pT it would be 3.6, 6.2 and 7.2 GeV.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.candidates.table import DATA, LABELS, name_event
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.support.files import atomic_path, read_json
from zmumu_hybrid.support.handles import recreate_root
from zmumu_hybrid.support.values import MAX_BINS, require_count, require_form

if TYPE_CHECKING:
    from hist import Hist

__all__ = [
    "COLUMNS",
    "DATASETS",
    "NAMES",
    "SLICES",
    "Histograms",
    "fill",
    "make",
    "read",
    "write_json",
    "write_root",
]

Histograms = dict[str, "Hist[Any]"]

DATASETS = tuple(LABELS)
_NUMBERS = {**LABELS, "data": DATA}
SLICES = {"below30": (0.0, 30.0), "30to40": (30.0, 40.0), "above40": (40.0, np.inf)}
"""Slices of the smeared pT of the mu+ (GeV) by name, each with its lower edge and without its upper one."""

_EDGES = np.array([lower for lower, _ in list(SLICES.values())[1:]])

_BINS = {"mass": (200, 200.0), "pt": (500, 250.0)}
"""Number and upper edge (GeV) of the bins of each quantity; they begin at 0."""

NAMES = {
    "mass_true": ("true_mass", "gen_weight"),
    "mass_smeared": ("mass", "gen_weight"),
    "pt_before": ("pt_0", "gen_weight"),
    "pt_after": ("pt_0", "weight"),
}
"""The columns of the candidate table that each histogram is filled with: the value and the weight."""

COLUMNS = ("label", "weight", "gen_weight", "pt_0", "mass", "true_mass")
"""The columns of the candidate table that `fill` reads."""


def make(datasets: Iterable[str] = DATASETS) -> Histograms:
    """Return all histograms, empty, with their categories declared: `hist.Hist` with weighted storage, by name.

    Parameters
    ----------
    datasets : iterable of str
        The categories of the axis "dataset": "signal" and "background", or "data", for which there is no histogram of
        the truth, and `mass_smeared` is the mass as measured.
    """
    import hist

    datasets = tuple(datasets)
    dataset = hist.axis.StrCategory(datasets, name="dataset", label="Data set", overflow=False)
    pt_slice = hist.axis.StrCategory(SLICES, name="pt_slice", label="pT slice", overflow=False)
    mass = hist.axis.Regular(_BINS["mass"][0], 0, _BINS["mass"][1], name="mass", label="Dimuon mass [GeV]")
    pt = hist.axis.Regular(_BINS["pt"][0], 0, _BINS["pt"][1], name="pt", label="Muon pT [GeV]")
    axes = {"mass": (dataset, pt_slice, mass), "pt": (dataset, pt)}
    return {
        name: hist.Hist(*axes[name.split("_")[0]], storage=hist.storage.Weight(), name=name)
        for name, (value, _) in NAMES.items()
        if not ("data" in datasets and value.startswith("true_"))
    }


def fill(histograms: Histograms, table: Mapping[str, NDArray[Any]]) -> None:
    """Add the rows of a candidate table to the histograms of `make`.

    `pt_after` is the reweighted one if the `weight` of the table is final.

    Parameters
    ----------
    histograms : dict of str to hist.Hist
        Those of `make`; changed in place.
    table : mapping of str to numpy.ndarray
        Columns label, gen_weight, weight, pt_0, mass and, but for data, true_mass (GeV), of one length.

    Raises
    ------
    InputError
        If a number is not finite, which would count as overflow in silence, or a label is not that of one of
        their data sets.
    """
    numbers = {name: _NUMBERS[name] for name in next(iter(histograms.values())).axes["dataset"]}
    columns = {name: np.asarray(table[name]) for filled in histograms for name in NAMES[filled]}
    for name, column in columns.items():
        if not (finite := np.isfinite(column)).all():
            row = int(np.argmin(finite))
            raise InputError(f"{name_event(table, row)}: {name} is {column[row]}, not a finite number")
    label = np.asarray(table["label"])
    if not (known := np.isin(label, list(numbers.values()))).all():
        row = int(np.argmin(known))
        wanted = " or ".join(f"{number} for {name}" for name, number in numbers.items())
        raise InputError(f"{name_event(table, row)}: label is {label[row]}, not {wanted}")
    for dataset, number in numbers.items():
        of = label == number
        chosen = {name: column[of] for name, column in columns.items()}
        slices = np.digitize(chosen["pt_0"], _EDGES)
        for name, histogram in histograms.items():
            value, weight = (chosen[column] for column in NAMES[name])
            if "pt_slice" not in histogram.axes.name:
                histogram.fill(dataset, value, weight=weight)
                continue
            for place, pt_slice in enumerate(SLICES):
                rows = slices == place
                histogram.fill(dataset, pt_slice, value[rows], weight=weight[rows])


def write_json(histograms: Histograms, path: str | os.PathLike[str]) -> None:
    """Write histograms as one JSON object, name to uhi serialisation; `read` gets them back exactly.

    Raises
    ------
    InputError
        If a sum of weights, or of their squares, is too large for a number.
    OutputError
        If the file cannot be written.
    """
    import uhi.io.json

    for name, histogram in histograms.items():
        contents: Any = histogram.view(flow=True)
        if not all(np.isfinite(contents[part]).all() for part in ("value", "variance")):
            raise InputError(
                f"{name}: the weights in a bin, or their squares, sum to no finite number: scale them down"
            )
    text = json.dumps(histograms, default=uhi.io.json.default)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read(path: str | os.PathLike[str]) -> Histograms:
    """Read what `write_json` wrote.

    Raises
    ------
    MissingInputError, InputError
        If the file does not exist or does not hold histograms.
    """
    import hist
    import uhi.io.json

    def arrays(value: Any) -> Any:
        if isinstance(value, dict):
            return uhi.io.json.object_hook({key: arrays(each) for key, each in value.items()})
        return [arrays(each) for each in value] if isinstance(value, list) else value

    try:
        content = require_form(read_json(path), {...: {"axes": [dict]}}, "its content")
        for name, value in content.items():
            bins = [require_count(f"bins of {name}", each.get("bins", 1), 1, MAX_BINS) for each in value["axes"]]
            require_count(f"bins of {name}", math.prod(bins))
        return {name: hist.Hist(arrays(value)) for name, value in content.items()}
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        said = str(error).removeprefix(f"{path}: ").partition("\n")[0]
        raise InputError(f"{path}: does not hold histograms: {said}; make it with `zmumu process`") from error


def write_root(histograms: Histograms, path: str | os.PathLike[str]) -> None:
    """Write histograms as ROOT TH1D with their sums of squared weights, one for each data set and slice.

    ROOT has no named categories in uproot's histograms: the name of each joins them, as in
    ``mass_smeared_signal_below30``.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_path(path) as temporary, recreate_root(temporary) as file:
        for name, histogram in histograms.items():
            for key, piece in _pieces(name, histogram):
                file[key] = piece


def _pieces(name: str, histogram: Hist[Any]) -> Iterator[tuple[str, Hist[Any]]]:
    """Yield the one-dimensional histograms of every combination of categories, with a name of each."""
    if len(histogram.axes) == 1:
        piece = histogram.copy()
        piece.name, piece.label = name, name
        yield name, piece
        return
    for index, category in enumerate(histogram.axes[0]):
        yield from _pieces(f"{name}_{category}", histogram[{0: index}])
