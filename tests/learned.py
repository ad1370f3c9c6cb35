"""Toy candidate tables, and the comparison of trained runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file

from toys import breit_wigner
from zmumu_hybrid.candidates.table import COLUMNS

MUON = 0.1056583745


def toy_class(rng: np.random.Generator, count: int, label: int) -> dict[str, np.ndarray]:
    """Draw pairs with a Z peak (label 1) or a falling spectrum (0), back to back, smeared by 10%."""
    peak = breit_wigner(rng.random(count), 83.3, 99.1)
    mass = peak if label else 70 / np.sqrt(0.2 + 0.8 * rng.random(count))
    cosine, phi = rng.uniform(-0.7, 0.7, count), rng.uniform(0, 2 * np.pi, count)
    table: dict[str, np.ndarray] = {"mass": mass, "true_mass": mass}
    for slot, sign in enumerate((1, -1)):
        pt, pz = mass / 2 * np.sqrt(1 - cosine**2), sign * mass / 2 * cosine
        for prefix, factor in (("true_", np.ones(count)), ("", 1 + 0.1 * rng.normal(size=count))):
            px, py = sign * factor * pt * np.cos(phi), sign * factor * pt * np.sin(phi)
            energy = np.sqrt(px**2 + py**2 + pz**2 + MUON**2)
            columns = {"px": px, "py": py, "pz": pz, "energy": energy, "pt": np.hypot(px, py)}
            table |= {f"{prefix}{name}_{slot}": values for name, values in columns.items()}
    ones = np.ones(count)
    identity = {"run": ones, "luminosityBlock": ones, "event": np.arange(count) + 10**9 * label}
    weights = {"weight": ones, "gen_weight": ones, "label": label * ones}
    return table | identity | weights | {"is_test": rng.random(count) < 0.2}


def toy_columns(count: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Return a candidate table with `count` events a class."""
    rng = np.random.default_rng(seed)
    signal, background = toy_class(rng, count, 1), toy_class(rng, count, 0)
    return {
        column.name: np.concatenate([signal[column.name], background[column.name]]).astype(column.dtype)
        for column in COLUMNS
    }


def write(columns: dict[str, np.ndarray], directory: Path) -> Path:
    """Write a table as `zmumu process` does; return the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), directory / "candidates.parquet")
    (directory / "process.json").write_text("{}")
    return directory


def same_weights(first: Path, second: Path) -> None:
    """Assert that two runs have bitwise the same weights."""
    a, b = (load_file(run / "members.safetensors") for run in (first, second))
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name
