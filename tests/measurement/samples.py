"""Toy samples and what is made of them, for the tests of the analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hist
import numpy as np

from toyfiles import write_root
from toys import toy_events
from zmumu_hybrid.jobs.process import ProcessOptions, process

DATASETS = ("signal", "background", "data")


def event_files(folder: Path, count: int = 1500, seed: int = 10) -> dict[str, list[Path]]:
    """Write a file of each sample."""
    return {
        name: [write_root(folder / f"{name}-{seed}.root", toy_events(count, seed + label, resonance=bool(label)))]
        for name, label in (("signal", 1), ("background", 0))
    }


def training_sample(folder: Path, count: int = 1500) -> tuple[dict[str, list[Path]], Path]:
    """Write files of both samples and process them; return the files and the directory."""
    files = event_files(folder, count, seed=1)
    directory = folder / "processed"
    options = ProcessOptions(reweighting_bins=10, seed=3)
    process(files["signal"], files["background"], directory, options, show_progress=False)
    return files, directory


def toy_histogram(count: int = 4000, data: int = 0) -> hist.Hist[Any]:
    """Return a histogram of a discriminant, 0 to 1, with a systematic that moves it up and down."""
    generator = np.random.default_rng(1)
    systematics = ("nominal", "widthUp", "widthDown", "off")
    made = hist.Hist(
        hist.axis.StrCategory(DATASETS, name="dataset", overflow=False),
        hist.axis.StrCategory(systematics, name="systematic", overflow=False),
        hist.axis.Regular(10, 0, 1, name="value", label="Discriminant"),
        storage=hist.storage.Weight(),
        name="toy",
    )
    samples = {"signal": generator.beta(4, 2, count), "background": generator.beta(2, 3, count)}
    for sample, values in samples.items():
        for systematic, shift in zip(systematics, (0.0, 0.02, -0.02, 0.1), strict=True):
            made.fill(sample, systematic, np.clip(values + shift, 0, 0.999))
    if data:
        made.fill("data", "nominal", generator.beta(2, 3, data))
    return made
