"""Draws, and what smears and weighs muons, are the same bits on every machine: these, whatever its C library."""

from __future__ import annotations

import numpy as np
import pytest

from zmumu_hybrid.draws import keys
from zmumu_hybrid.draws.normal import quantiles
from zmumu_hybrid.physics import kinematics
from zmumu_hybrid.physics.smearing import smear_components

MUON = 0.1056583745


def bits(*columns: np.ndarray) -> list[str]:
    return [float(value).hex() for column in columns for value in column]


def test_uniform_draws() -> None:
    draws = keys.uniform(7, "smear", "signal", np.array([1, 2]), np.array([3, 4]), np.array([5, 6]), 0)
    assert bits(draws) == ["0x1.3a772b70f7dfap-1", "0x1.ef5d4019e1b22p-3"]


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (0.5, "0x0.0p+0"),
        (0.3, "-0x1.0c7e39582c5fap-1"),
        (0.05, "-0x1.a515209676abdp+0"),
        (1e-3, "-0x1.8b8cbb7204470p+1"),
        (1e-12, "-0x1.c234fba57a32ap+2"),
        (1 - 2.0**-53, "0x1.06b48528cea51p+3"),
    ],
)
def test_normal_numbers(probability: float, expected: str) -> None:
    assert bits(quantiles(np.array([probability]))) == [expected]


@pytest.mark.parametrize(
    ("pt", "eta", "phi", "expected"),
    [
        (45.5, -2.4, 3.1, ["-0x1.6baf68eb79a1ep+5", "0x1.e454e0db03701p+0"]),
        (1e-3, 0.0, -0.7, ["0x1.90ff6172a9d43p-11", "-0x1.51c16f2f7e92fp-11"]),
        (250.0, 5.75, 1e4, ["-0x1.dc13e31b6ba71p+7", "-0x1.319d48971611ap+6"]),
    ],
)
def test_transverse_momenta(pt: float, eta: float, phi: float, expected: list[str]) -> None:
    px, py, _ = kinematics.cartesian(*(np.array([each]) for each in (pt, eta, phi)))
    assert bits(px, py) == expected


def test_masses() -> None:
    plus, minus = (30.0, 5.0, -7.0, MUON), (-28.0, 9.0, 60.0, MUON)
    mass = kinematics.pair_mass(*(np.array([each]) for each in (*plus, *minus)))
    assert bits(mass) == ["0x1.44fb91ecc9f1cp+6"]


@pytest.mark.parametrize(
    ("hold", "expected"),
    [
        ("eta", ["0x1.0e00000000000p+5", "0x1.6800000000000p+2", "-0x1.f800000000000p+2", "0x1.18e1ccaed9a6ep+5"]),
        ("pz", ["0x1.0e00000000000p+5", "0x1.6800000000000p+2", "-0x1.c000000000000p+2", "0x1.17653021728c5p+5"]),
    ],
)
def test_smeared_muons(hold: str, expected: list[str]) -> None:
    muon = (np.array([each]) for each in (30.0, 5.0, -7.0, MUON, 1.25))
    assert bits(*smear_components(*muon, 0.1, hold)) == expected  # type: ignore[arg-type]
