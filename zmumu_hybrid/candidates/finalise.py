"""From the parts that chunks wrote to the finished table and the histograms that are filled from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.candidates.reweighting import Reweighting, ReweightingConfig, final_weights, fit
from zmumu_hybrid.candidates.shuffle import merge_parts, read_columns, repeated, write_table, written_parts
from zmumu_hybrid.candidates.table import BACKGROUND, LABELS, SIGNAL, Table
from zmumu_hybrid.errors import IncompleteRunError, InputError
from zmumu_hybrid.events.muon_pairs import IDENTITY

__all__ = ["checked_parts", "fit_parts", "write_results"]


def checked_parts(staging: Path, result: Mapping[str, Any]) -> list[Path]:
    """Return the parts, in the order of their names, after comparing what is on disk with what was reported."""
    parts = written_parts(staging / "parts", result["parts"])
    rows = dict.fromkeys(result["cutflow"], 0)
    for report in result["parts"].values():
        rows[report["dataset"]] += report["rows"]
    for dataset, steps in result["cutflow"].items():
        if rows[dataset] != steps["pairs"]:
            raise IncompleteRunError(
                f"{dataset}: {steps['pairs']} pairs were found, {rows[dataset]} written: run again"
            )
    return parts


def fit_parts(parts: Sequence[Path], config: ReweightingConfig, files: Mapping[str, str]) -> Reweighting | None:
    """Fit the reweighting of the background on training rows; None if there is no background or no signal.

    `files` says what the files of each data set are, for messages.
    """
    labels = {int(label) for part in parts for label in np.unique(read_columns([part], ["label"])["label"])}
    if not {SIGNAL, BACKGROUND} <= labels:
        return None
    columns = ("label", "is_test", "pt_0", "gen_weight")
    pt: dict[int, list[NDArray[np.float64]]] = {SIGNAL: [], BACKGROUND: []}
    gen_weight: dict[int, list[NDArray[np.float64]]] = {SIGNAL: [], BACKGROUND: []}
    for part in parts:
        table = read_columns([part], columns)
        for label in (SIGNAL, BACKGROUND):
            rows = (table["label"] == label) & ~table["is_test"]
            pt[label].append(table["pt_0"][rows])
            gen_weight[label].append(table["gen_weight"][rows])
    for dataset, label in LABELS.items():
        total = sum(float(weights.sum()) for weights in gen_weight[label])
        if total < 0:
            raise InputError(
                f"{files[dataset]}: the weights of the {dataset} pairs for training sum to {total:.6g}, below zero: "
                "such a sample has no spectrum; give one with more events of positive weight"
            )
    return fit(
        np.concatenate(pt[SIGNAL]),
        np.concatenate(pt[BACKGROUND]),
        np.concatenate(gen_weight[SIGNAL]),
        np.concatenate(gen_weight[BACKGROUND]),
        bins=config.bins,
        binning=config.binning,
    )


def write_results(
    parts: Sequence[Path], reweighting: Reweighting | None, staging: Path, datasets: Sequence[str]
) -> None:
    """Write the merged table and the histograms that are filled from it."""
    filled = histograms.make(datasets)
    write_table(_finished(parts, reweighting, filled), staging / "candidates.parquet")
    histograms.write_json(filled, staging / "histograms.json")
    histograms.write_root(filled, staging / "histograms.root")


def _finished(parts: Sequence[Path], reweighting: Reweighting | None, filled: dict[str, Any]) -> Iterator[Table]:
    """Yield the table in order, with its final weights, filling histograms on the way."""
    for table in merge_parts(parts):
        if not any(name.startswith("true_") for name in table):
            _refuse_same_number(table)
        table["weight"], _ = final_weights(
            table["label"], table["is_test"], table["pt_0"], table["gen_weight"], reweighting
        )
        histograms.fill(filled, table)
        yield table


def _refuse_same_number(table: Table) -> None:
    """Raise `InputError` if two neighbours have one number; that of collision data is an event's own."""
    same = np.all([table[name][1:] == table[name][:-1] for name in IDENTITY], axis=0)
    if same.any():
        raise repeated(
            table,
            int(np.argmax(same)),
            "this event is in the data twice: each event may be used once, so give each file once; the rows of an "
            "event in a tree of pairs must follow one another",
        )
