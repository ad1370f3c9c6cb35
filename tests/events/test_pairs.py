from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyfiles import toy_lhe_events, write_lhe
from toys import toy_events, toy_momenta
from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.events.muon_pairs import PairSelection, count_pairs, select_pairs
from zmumu_hybrid.events.schema import events_from_lhe
from zmumu_hybrid.lhe import read_lhe
from zmumu_hybrid.physics import kinematics

EVENTS = toy_events(100)

muon = st.fixed_dictionaries(
    {
        "pt": st.floats(0.5, 500).map(lambda x: float(np.float32(x))),
        "eta": st.floats(-3, 3).map(lambda x: float(np.float32(x))),
        "phi": st.floats(-3.1, 3.1).map(lambda x: float(np.float32(x))),
        "mass": st.just(0.105658),
        "charge": st.sampled_from([-1, 1]),
    }
)


def make_events(muons: list[list[dict[str, float]]]) -> ak.Array:
    """Events of the given muons; one with three muons goes in front so that every type is known, and comes off."""
    example = {"pt": 1.0, "eta": 0.0, "phi": 0.0, "mass": 0.1, "charge": 1}
    records = [{"run": 1, "luminosityBlock": 2, "event": i, "Muon": m} for i, m in enumerate([[example], *muons])]
    return ak.Array(records)[1:]


def reference(muons: list[dict[str, float]], selection: PairSelection) -> tuple[int, int] | None:
    """The chosen pair of one event, by loops."""
    best, chosen = None, None
    for i, p in enumerate(muons):
        for j, q in enumerate(muons):
            if p["charge"] > 0 > q["charge"]:
                if selection.order == "leading":
                    measure = (-p["pt"], -q["pt"])
                else:
                    x = [np.array([[*kinematics.cartesian(m["pt"], m["eta"], m["phi"]), m["mass"]]]) for m in (p, q)]
                    measure = (abs(kinematics.pair_mass(*x[0].T, *x[1].T)[0] - selection.z_mass), 0)
                if best is None or measure < best:
                    best, chosen = measure, (i, j)
    return chosen


@given(st.lists(st.lists(muon, max_size=5), max_size=8), st.sampled_from(["leading", "closest-to-z"]))
def test_the_chosen_pair_is_that_of_a_plain_loop(muons: list[list[dict[str, float]]], order: str) -> None:
    selection = PairSelection(order=order)
    events = make_events(muons)
    pairs = select_pairs(events, selection)
    expected = [(i, pair) for i, m in enumerate(muons) if (pair := reference(m, selection)) is not None]
    assert (pairs.event - 1).to_list() == [i for i, _ in expected]
    for row, (i, chosen) in zip(pairs, expected, strict=True):
        for side, k in zip(("plus", "minus"), chosen, strict=True):
            assert row[side].pt == pytest.approx(muons[i][k]["pt"], rel=1e-12)
            assert row[side].eta == pytest.approx(muons[i][k]["eta"], rel=1e-12, abs=1e-12)
    assert count_pairs(events) == {
        "events": len(muons),
        "two muons": sum(len(m) >= 2 for m in muons),
        "opposite charge": len(expected),
    }


def test_momenta_come_back_to_twelve_digits() -> None:
    plus, minus = toy_momenta(5000)
    pairs = select_pairs(toy_events(5000))
    for side, p in (("plus", plus), ("minus", minus)):
        for i, field in enumerate(("px", "py", "pz", "mass")):
            np.testing.assert_allclose(pairs[side, field], p[:, i], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose((pairs.plus + pairs.minus).mass, kinematics.pair_mass(*plus.T, *minus.T), rtol=1e-9)


def test_types_and_behaviours_do_not_depend_on_the_input() -> None:
    events = toy_events(20)
    single = ak.values_astype(ak.without_field(events, "genWeight"), np.float32)
    single["run"] = ak.values_astype(events.run, np.int32)
    single["luminosityBlock"] = events.luminosityBlock
    single["event"] = events.event
    masked = ak.with_field(events, ak.mask(events.Muon, events.Muon.pt > 0), "Muon")
    jumbled = events[np.arange(20)[::-1]][np.arange(20)[::-1]]
    absent = events.mask[np.ones(20, bool)]
    expected = select_pairs(events)
    assert expected.plus.pt.typestr == "20 * float64"
    for other in (masked, jumbled, absent):
        pairs = select_pairs(other)
        assert pairs.type == expected.type
        assert ak.all(pairs.plus.px == expected.plus.px)
    pairs = select_pairs(single)
    assert pairs.type == expected.type
    assert ak.all(pairs.gen_weight == 1)
    np.testing.assert_allclose(pairs.plus.pt, expected.plus.pt, rtol=1e-6)


@given(st.lists(st.integers(0, 100), max_size=5), st.sampled_from(["leading", "closest-to-z"]))
def test_values_do_not_depend_on_chunks(cuts: list[int], order: str) -> None:
    selection = PairSelection(order=order)
    whole = select_pairs(EVENTS, selection)
    parts = [select_pairs(EVENTS[a:b], selection) for a, b in pairwise([0, *sorted(cuts), 100])]
    assert ak.array_equal(ak.concatenate(parts), whole)


def test_missing_events_and_muons_are_not_there() -> None:
    events = toy_events(10)
    odd = np.arange(10) % 2 == 1
    pairs = select_pairs(events.mask[odd])
    assert pairs.event.to_list() == events.event[odd].to_list()
    without_minus = ak.with_field(events, ak.mask(events.Muon, (events.Muon.charge > 0) | odd), "Muon")
    assert select_pairs(without_minus).event.to_list() == events.event[odd].to_list()
    assert count_pairs(without_minus) == {"events": 10, "two muons": 5, "opposite charge": 5}


def test_empty_chunks_give_empty_pairs() -> None:
    events = toy_events(4)
    for order in ("leading", "closest-to-z"):
        for nothing in (events[:0], ak.with_field(events, events.Muon[:, :1], "Muon")):
            pairs = select_pairs(nothing, PairSelection(order=order))
            assert len(pairs) == 0
            assert pairs.type.content == select_pairs(events).type.content
    assert count_pairs(events[:0]) == {"events": 0, "two muons": 0, "opposite charge": 0}


def test_a_mass_below_zero_is_rounding() -> None:
    events = toy_events(3)
    events["Muon", "mass"] = events.Muon.mass * 0 - 1e-6
    assert select_pairs(events).plus.mass.to_list() == [0, 0, 0]


@pytest.mark.parametrize("field", ["pt", "eta", "phi", "mass"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_momentum_that_is_not_finite_is_named_with_its_event(field: str, value: float) -> None:
    events = toy_events(5)
    column = ak.flatten(events.Muon[field]).to_numpy().copy()
    column[7] = value
    events["Muon", field] = ak.unflatten(column, 2)
    with pytest.raises(InputError, match=f"run 1, luminosityBlock .*, event {events.event[3]}: Muon_{field} is"):
        select_pairs(events)
    with pytest.raises(InputError, match=f"Muon_{field}"):
        count_pairs(events)


@pytest.mark.parametrize(("field", "value"), [("pt", 1e60), ("eta", 800.0), ("mass", 1e200)])
def test_a_momentum_that_overflows_is_named_with_its_event(field: str, value: float) -> None:
    events = toy_events(5)
    column = ak.flatten(events.Muon[field]).to_numpy().copy()
    column[7] = value
    events["Muon", field] = ak.unflatten(column, 2)
    with pytest.raises(InputError, match=f"event {events.event[3]}: Muon momentum is inf, not a finite number"):
        select_pairs(events)


def test_a_weight_that_is_not_finite_is_named_with_its_event() -> None:
    events = toy_events(2)
    events["genWeight"] = [1.0, np.nan]
    with pytest.raises(InputError, match=f"event {events.event[1]}: genWeight is nan"):
        select_pairs(events)


@pytest.mark.parametrize("field", ["run", "luminosityBlock", "event", "Muon"])
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(InputError, match=f"no field '{field}'; they have: .*genWeight"):
        select_pairs(ak.without_field(toy_events(2), field))


def test_a_missing_muon_field_is_named() -> None:
    with pytest.raises(InputError, match="Muon has no field 'charge'; it has: pt"):
        select_pairs(ak.without_field(toy_events(2), ("Muon", "charge")))


def test_a_field_missing_for_one_muon_is_refused() -> None:
    events = toy_events(2)
    events["Muon", "phi"] = ak.Array([[0.1, 0.2], [0.2, None]])
    with pytest.raises(InputError, match="entry 1: a muon has Muon_pt and no Muon_phi"):
        select_pairs(events)
    events["Muon", "pt"] = ak.Array([[1.0, None], [2.0, 3.0]])  # as many, of other muons
    with pytest.raises(InputError, match="entry 0: a muon has Muon_eta and no Muon_pt"):
        select_pairs(events)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="use one of leading, closest-to-z"):
        PairSelection(order="random")
    with pytest.raises(ConfigurationError, match="must be a positive number"):
        PairSelection(z_mass=-1)


def test_events_of_lhe_files_have_their_pairs(tmp_path: Path) -> None:
    path = write_lhe(tmp_path / "a.lhe", toy_lhe_events(40))
    events = read_lhe(path)
    found, expected = select_pairs(events), select_pairs(events_from_lhe(events))
    assert len(found) == 40
    assert ak.array_equal(found, expected)
