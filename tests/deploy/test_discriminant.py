from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.models import HYBRID, blind_model, ensemble_of, muon_model, muon_pairs, set_model
from laws import examples
from toys import toy_events, toy_pairs
from zmumu_hybrid.deploy import Discriminant, ExtrapolationWarning
from zmumu_hybrid.deploy.onnx_export import to_model
from zmumu_hybrid.errors import ConfigurationError, InputError, MissingDependencyError
from zmumu_hybrid.events.muon_pairs import PairSelection, select_pairs
from zmumu_hybrid.events.schema import EventSchema
from zmumu_hybrid.nets.presets import preset

NANO = Path(__file__).parents[1] / "data" / "nano_dy.root"


def discriminant() -> Discriminant:
    return Discriminant(muon_model(), out_of_range="ignore")


def close(found: ak.Array, expected: ak.Array) -> None:
    """Assert that two arrays of scores are the same to the rounding of products of other sizes."""
    for name in ("score", "score_std", "general_weight"):
        a, b = (ak.to_numpy(ak.fill_none(x[name], -1.0)) for x in (found, expected))
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6, err_msg=name)


def test_an_entry_for_each_event() -> None:
    muons = toy_events(300, 3).Muon
    found = discriminant()(muons)
    assert len(found) == 300
    assert str(found.type) == "300 * ?{score: float64, score_std: float64, general_weight: float64}"
    expected = ensemble_of(HYBRID).scores(p4=muon_pairs(300, 3))
    np.testing.assert_allclose(ak.to_numpy(found.score), expected.mean(0), atol=1e-5)
    assert ak.all(found.score_std > 0)


def test_events_without_a_pair_have_none() -> None:
    muons = toy_events(6).Muon
    lonely = ak.concatenate(
        [muons[:2], muons[2:3, :1], muons[3:4, :0], ak.zip({**_fields(muons[4:5], same_sign=True)})]
    )
    found = discriminant()(lonely)
    assert ak.is_none(found).tolist() == [False, False, True, True, True]
    close(found[:2], discriminant()(muons[:2]))


def _fields(muons: ak.Array, *, same_sign: bool = False) -> dict[str, ak.Array]:
    columns = {name: muons[name] for name in muons.fields}
    if same_sign:
        columns["charge"] = ak.ones_like(columns["charge"])
    return columns


def test_an_empty_chunk_has_no_scores() -> None:
    muons = toy_events(3).Muon
    assert len(discriminant()(muons[:0])) == 0
    nothing = discriminant()(muons[:, :0])
    assert ak.is_none(nothing).tolist() == [True] * 3
    assert set(nothing.fields) == {"score", "score_std", "general_weight"}
    assert len(discriminant().pairs(toy_pairs(0)).score) == 0


@given(st.integers(0, 1000))
@examples(25)
def test_masked_and_indexed_arrays_stay_aligned(seed: int) -> None:
    """Whatever an awkward array is wrapped in, each event has its own score."""
    rng = np.random.default_rng(seed)
    muons = toy_events(30, 3).Muon
    plain = discriminant()(muons)
    order = rng.integers(0, 30, 20)
    close(discriminant()(muons[order]), plain[order])
    there = rng.random(30) < 0.7
    masked = discriminant()(ak.mask(muons, there))
    close(masked, ak.mask(plain, there))
    assert (ak.to_numpy(ak.is_none(masked)) == ~there).all()
    indexed = ak.Array(
        ak.contents.IndexedOptionArray(ak.index.Index64(np.where(there, np.arange(30), -1)), muons.layout)
    )
    close(discriminant()(indexed), ak.mask(plain, there))
    of_each = ak.mask(muons, muons.pt > rng.uniform(5, 40))
    kept = muons[muons.pt > 0][ak.fill_none(~ak.is_none(of_each, axis=1), False)]
    close(discriminant()(of_each), discriminant()(kept))
    close(discriminant()(ak.mask(of_each, there)), ak.mask(discriminant()(kept), there))
    shuffled = muons[ak.argsort(muons.pt, axis=1)]
    close(discriminant()(shuffled), plain)


def test_the_selection_of_the_pair_is_an_option() -> None:
    muons = ak.concatenate([toy_events(50, 1).Muon, toy_events(50, 2).Muon], axis=1)
    one, other = (discriminant().with_options(selection=PairSelection(order)) for order in ("leading", "closest-to-z"))
    assert not np.allclose(one(muons).score, other(muons).score)


def test_real_nanoaod() -> None:
    from coffea.nanoevents import NanoEventsFactory

    events = NanoEventsFactory.from_root({str(NANO): "Events"}, schemaclass=EventSchema, mode="virtual").events()
    found = discriminant()(events.Muon)
    pairs = select_pairs(events)
    assert len(found) == len(events)
    assert ak.count(found.score, axis=0) == len(pairs) > 0
    np.testing.assert_allclose(ak.drop_none(found.score), discriminant().pairs(pairs).score, atol=1e-6)


def test_a_worker_needs_no_torch(tmp_path: Path) -> None:
    """It is unpickled and run in a process that has none."""
    muons = toy_events(20).Muon
    (tmp_path / "discriminant.pickle").write_bytes(pickle.dumps(discriminant()))
    ak.to_parquet(ak.zip({name: muons[name] for name in muons.fields}), tmp_path / "muons.parquet")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import pickle, awkward as ak\n"
        "found = pickle.load(open('discriminant.pickle', 'rb'))(ak.from_parquet('muons.parquet'))\n"
        "print(found.score.tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        [float(x) for x in done.stdout.strip("[]\n").split(",")], discriminant()(muons).score, atol=1e-6
    )


def test_what_lies_outside_the_training_is_said_with_numbers() -> None:
    muons = toy_events(200, 5).Muon
    loud = Discriminant(muon_model())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loud(toy_events(200, 1).Muon)
    high = ak.with_field(muons, muons.pt * 50, "pt")
    with pytest.warns(ExtrapolationWarning) as caught:
        loud(high)
    said = {str(each.message).split(":")[0]: str(each.message) for each in caught}
    assert {"m2(all)", "pt(0)", "pt", "energy"} <= set(said)
    assert "are outside the range of the training, " in said["pt(0)"]
    assert "of 200 values" in said["pt(0)"]
    assert caught[0].filename == __file__
    with pytest.raises(InputError, match=r"pt\(0\): \d+ of 200 values"):
        loud.with_options(out_of_range="raise")(high)
    counts = loud.with_options(out_of_range="ignore").pairs(toy_pairs(50)).counts
    assert counts["pt(0)"]["values"] == 50
    assert Discriminant(blind_model()).pairs(toy_pairs(5)).counts == {}


def test_a_single_network_has_no_spread() -> None:
    scores = paper().pairs(toy_pairs(5))
    assert np.isnan(scores.score_std).all()
    assert np.isfinite(scores.score).all()


@lru_cache
def paper() -> Discriminant:
    return Discriminant(to_model(ensemble_of(preset("hybrid"), 1)))


@pytest.mark.parametrize("model", [discriminant, paper])
def test_a_score_does_not_depend_on_its_company(model: Callable[[], Discriminant]) -> None:
    """Nor on the number of cores, bit for bit: executors and chunk sizes cannot matter."""
    alone = model()
    p4 = muon_pairs(5000)
    whole = alone.evaluate(p4)
    np.testing.assert_array_equal(alone.with_options(threads=2).evaluate(p4).score, whole.score)
    for size in (1, 2, 3, 5, 16, 17, 100, 1000):
        part = alone.evaluate(p4[4321 - size : 4321])
        np.testing.assert_array_equal(part.score, whole.score[4321 - size : 4321])
        np.testing.assert_array_equal(part.general_weight, whole.general_weight[4321 - size : 4321])


def jets(counts: list[int]) -> ak.Array:
    rng = np.random.default_rng(1)
    total = sum(counts)
    flat = {
        "pt": rng.uniform(20, 200, total),
        "eta": rng.uniform(-2, 2, total),
        "phi": rng.uniform(-3, 3, total),
        "mass": rng.uniform(0, 20, total),
        "charge": rng.integers(-1, 2, total),
    }
    return ak.zip({name: ak.unflatten(values, counts) for name, values in flat.items()})


def test_a_model_of_particles_takes_any_number_of_them() -> None:
    found = Discriminant(set_model())(jets([3, 0, 5, 1, 7]))
    assert str(found.type.content.content.contents[0]) == "3 * float64"
    assert ak.is_none(found).tolist() == [False, True, False, False, False]
    np.testing.assert_allclose(ak.sum(ak.drop_none(found.score), axis=1), 1.0, atol=1e-6)
    alone = Discriminant(set_model())(jets([3, 0, 5, 1, 7])[2:3])
    np.testing.assert_allclose(alone.score, found.score[2:3], atol=1e-6)
    first = Discriminant(set_model())(jets([3, 0, 5, 1, 7])[:, :5])
    np.testing.assert_allclose(ak.drop_none(first.score), ak.drop_none(found.score), atol=1e-6)


def test_a_collection_without_what_is_needed_is_refused() -> None:
    muons = toy_events(3).Muon
    for name in ("charge", "mass"):
        rest = ak.zip({field: muons[field] for field in muons.fields if field != name})
        with pytest.raises(InputError, match=f"Muon has no field '{name}'; the fields are: pt, eta, phi"):
            discriminant()(rest)
        collection = jets([2])
        rest = ak.zip({field: collection[field] for field in collection.fields if field != name})
        with pytest.raises(InputError, match=f"the particles have no field '{name}'; the fields are: pt, eta"):
            Discriminant(set_model())(rest)
    with pytest.raises(InputError, match="Muon_pt is nan"):
        discriminant()(ak.with_field(muons, muons.pt * np.nan, "pt"))
    broken = jets([2, 3])
    with pytest.raises(InputError, match="entry 0, particle 0: mass is not a finite number"):
        Discriminant(set_model())(ak.with_field(broken, broken.mass * np.inf, "mass"))
    with pytest.raises(InputError, match="field 'pt' has 1 axes"):
        Discriminant(set_model())(ak.zip({field: np.ones(3) for field in broken.fields}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"p4": np.zeros((4, 3, 4))}, "p4 must have the shape"),
        ({"mask": None}, "the model needs mask of shape"),
        ({"context": np.zeros((4, 1))}, "the model takes no context; it takes: p4, mask, scalars"),
        ({"scalars": np.zeros((4, 5, 2))}, "scalars must have the shape"),
        ({"scalars": np.zeros((3, 5, 1))}, "scalars must have the shape"),
        ({"scalars": np.full((4, 5, 1), "muon")}, "scalars must be of the type float64"),
        ({"p4": np.full((4, 5, 4), np.nan)}, r"p4 of row 0 is not finite: nan at \[0, 0\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    usual = {"p4": np.ones((4, 5, 4)), "mask": np.ones((4, 5), bool), "scalars": np.ones((4, 5, 1))}
    given = {name: values for name, values in (usual | changes).items() if values is not None}
    with pytest.raises(InputError, match=message):
        Discriminant(set_model()).evaluate(**given)  # type: ignore[arg-type]


def test_options_that_cannot_be_used() -> None:
    with pytest.raises(ConfigurationError, match="out_of_range must be one of warn, ignore, raise: 'shout'"):
        Discriminant(muon_model(), out_of_range="shout")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="threads must be at least 1"):
        Discriminant(muon_model(), threads=0)
    with pytest.raises(InputError, match="takes particles, not muon pairs"):
        Discriminant(set_model()).pairs(toy_pairs(2))
    assert repr(discriminant()) == "<Discriminant hybrid, 2 members, of a muon pair>"
    with pytest.raises(InputError, match="takes p4, 2 arrays are given"):
        discriminant().evaluate(np.ones((1, 2, 4)), np.ones(1))


def test_without_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    from zmumu_hybrid.deploy.session import _session

    _session.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'zmumu-hybrid\[apply\]'"):
        discriminant()(toy_events(2).Muon)
