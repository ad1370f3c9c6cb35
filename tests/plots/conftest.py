from __future__ import annotations

import hist
import numpy as np
import pytest

from toys import breit_wigner

SLICES = ("below30", "30to40", "above40")


def toy_table(shape, x="epoch", points=range(1, 13), members=3, seed=1):
    """A tidy table whose rows stand in no order, as one written by several trainings may."""
    rng = np.random.default_rng(seed)
    at = np.asarray(points, dtype=float)
    auc = shape(at) + rng.normal(0, 0.002, (members, 1)) + rng.normal(0, 0.0005, (members, at.size))
    order = rng.permutation(auc.size)
    return {
        "member": np.repeat(np.arange(members), at.size)[order],
        x: np.tile(at, members)[order],
        "auc": auc.ravel()[order],
    }


@pytest.fixture(scope="session")
def models():
    return {
        "hybrid": toy_table(lambda e: 0.803 - 0.008 * np.exp(-e / 5), seed=1),
        "pfn": toy_table(lambda e: 0.799 - 0.13 * np.exp(-e / 5), seed=2),
        "invariant": toy_table(lambda e: 0.778 + 0 * e, seed=3),
    }


@pytest.fixture(scope="session")
def fractions():
    points = (0.1, 0.2, 0.5, 1.0)
    return {
        "hybrid": toy_table(lambda f: 0.79 + 0.012 * f, x="fraction", points=points, seed=1),
        "pfn": toy_table(lambda f: 0.73 + 0.065 * f, x="fraction", points=points, seed=2),
    }


@pytest.fixture(scope="session")
def histograms():
    """`pt_before`, `pt_after`, `mass_true` and `mass_smeared` of toy events, as `zmumu process` names them."""
    rng = np.random.default_rng(4)
    dataset = hist.axis.StrCategory(["signal", "background"], name="dataset")
    pt = hist.axis.Regular(500, 0, 250, name="pt")
    pt_slice = hist.axis.StrCategory(SLICES, name="pt_slice")
    mass = hist.axis.Regular(200, 0, 200, name="mass")
    made = {name: hist.Hist(dataset, pt, storage=hist.storage.Weight()) for name in ("pt_before", "pt_after")}
    made |= {
        name: hist.Hist(dataset, pt_slice, mass, storage=hist.storage.Weight())
        for name in ("mass_true", "mass_smeared")
    }
    for name, centre in (("signal", 40.0), ("background", 36.0)):
        values = rng.normal(centre, 9.0, 20_000)
        weights = np.exp(-((values - 40.0) ** 2 - (values - centre) ** 2) / (2 * 9.0**2))
        made["pt_before"].fill(name, values)
        made["pt_after"].fill(name, values, weight=weights)
        slices = np.array(SLICES)[np.digitize(values, [30.0, 40.0])]
        true = breit_wigner(rng.random(values.size), 72, 110)
        made["mass_true"].fill(name, slices, true, weight=weights)
        made["mass_smeared"].fill(name, slices, true * (1 + rng.normal(0, 0.07, true.size)), weight=weights)
    return made
