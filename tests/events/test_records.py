from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from toys import toy_events, toy_momenta
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.events.branch_map import MUON_MASS, PRESETS, Branches
from zmumu_hybrid.events.muon_pairs import select_pairs
from zmumu_hybrid.events.ntuples import events_by_branches, merge_rows

PAIR: dict[str, Any] = {
    "kind": "pair",
    "event": {"run": "Run", "event": "Event"},
    "muons": {
        "px": ["px1", "px2"],
        "py": ["py1", "py2"],
        "pz": ["pz1", "pz2"],
        "energy": ["E1", "E2"],
        "charge": ["Q1", "Q2"],
    },
}


def rows(events: int, seed: int = 0) -> dict[str, Any]:
    """Return the columns of a tree of pairs: mu+ first."""
    columns: dict[str, Any] = {"Run": np.full(events, 7), "Event": np.arange(events) + 100}
    for slot, (charge, p) in enumerate(zip((1, -1), toy_momenta(events, seed), strict=True), start=1):
        columns |= {f"p{axis}{slot}": p[:, i] for i, axis in enumerate("xyz")}
        columns |= {f"E{slot}": np.sqrt((p**2).sum(axis=1)), f"Q{slot}": np.full(events, charge)}
    return columns


def exchanged(columns: dict[str, Any]) -> dict[str, Any]:
    """Return the same pairs with the other muon first."""
    other = str.maketrans("12", "21")
    return {name: columns[name.translate(other)] for name in columns}


def both_orders(columns: dict[str, Any]) -> dict[str, Any]:
    """Return each row and, after it, the same in the other order."""
    other = exchanged(columns)
    return {name: np.stack([columns[name], other[name]], axis=1).ravel() for name in columns}


def read(columns: dict[str, Any], **declared: Any) -> ak.Array:
    return events_by_branches(ak.Array(columns), Branches.from_mapping(PAIR | declared, "mine"))


def assert_same(one: ak.Array, other: ak.Array) -> None:
    assert ak.to_list(one) == ak.to_list(other)


def test_a_row_of_a_pair_is_an_event_of_two_muons() -> None:
    columns = rows(50)
    events = read(columns)
    assert ak.to_list(ak.num(events.Muon)) == [2] * 50
    assert ak.to_list(events.run) == [7] * 50
    assert ak.to_list(events.luminosityBlock) == [1] * 50
    assert ak.to_list(events.genWeight) == [1.0] * 50
    np.testing.assert_allclose(events.Muon.px[:, 0], columns["px1"], rtol=1e-12)
    np.testing.assert_allclose(events.Muon.pz[:, 1], columns["pz2"], rtol=1e-12)
    np.testing.assert_allclose(ak.flatten(events.Muon.mass), 0.10566, atol=1e-6)
    assert ak.to_list(events.Muon.pdgId[0]) == [-13, 13]


def test_mev_is_the_same_as_gev() -> None:
    columns = rows(20)
    scaled = {name: values * (1000.0 if name[0] in "pE" and name != "Event" else 1) for name, values in columns.items()}
    gev, mev = read(columns), read(scaled, unit="MeV")
    for name in ("pt", "eta", "phi", "charge"):
        np.testing.assert_allclose(ak.flatten(mev.Muon[name]), ak.flatten(gev.Muon[name]), rtol=1e-12)


def test_a_number_holds_for_all_muons() -> None:
    muons = {name: value for name, value in PAIR["muons"].items() if name != "energy"} | {"mass": [0.2, 0.3]}
    assert ak.to_list(read(rows(3), muons=muons | {"charge": [1, -1]}).Muon.mass) == [[0.2, 0.3]] * 3


def test_polar_components_and_pdg_ids() -> None:
    expected = toy_events(30)
    lists = {f"l_{name}": expected.Muon[name] for name in ("pt", "eta", "phi", "mass")}
    lists["l_id"] = -13 * expected.Muon.charge
    muons = {name.removeprefix("l_"): name for name in lists if name != "l_id"} | {"pdgId": "l_id"}
    declared = {"kind": "collection", "muons": muons, "event": {name: name for name in ("event", "luminosityBlock")}}
    columns = ak.zip({**lists, "event": expected.event, "luminosityBlock": expected.luminosityBlock}, depth_limit=1)
    found = events_by_branches(columns, Branches.from_mapping(declared))
    for name in ("pt", "eta", "phi", "mass", "charge"):
        assert_same(found.Muon[name], expected.Muon[name])
    assert_same(select_pairs(found).plus, select_pairs(expected).plus)


def nanoaod() -> ak.Array:
    """Return three events: two muons and more in the first, an electron in the second, nothing in the third."""
    return ak.Array(
        {
            "run": [1, 1, 1],
            "luminosityBlock": [2, 2, 2],
            "event": [3, 4, 5],
            "genWeight": [1.0, -1.0, 1.0],
            "GenPart_pt": [[30.0, 30.0, 25.0, 10.0, 5.0], [40.0], []],
            "GenPart_eta": [[0.1, 0.1, -0.2, 1.0, 2.0], [0.0], []],
            "GenPart_phi": [[0.0, 0.0, 3.0, 1.0, 1.0], [0.0], []],
            "GenPart_pdgId": [[13, 13, -13, 13, 11], [11], []],
            "GenPart_status": [[23, 1, 1, 1, 1], [1], []],
            "GenPart_statusFlags": [[1, 1 << 13, 1 << 13 | 1, 1, 1 << 13], [1 << 13], []],
        }
    )


def test_the_generators_final_muons_are_taken_once_with_their_mass() -> None:
    events = events_by_branches(nanoaod(), PRESETS["GenPart"])
    assert ak.to_list(events.Muon.pt) == [[30.0, 25.0], [], []]
    assert ak.to_list(events.Muon.charge) == [[-1, 1], [], []]
    assert ak.to_list(events.Muon.mass[0]) == [MUON_MASS] * 2
    assert ak.to_list(events.genWeight) == [1.0, -1.0, 1.0]


def test_conditions_on_text_numbers_and_events() -> None:
    columns = rows(6) | {"Type": ["GG", "GT", "TT"] * 2, "n": np.arange(6)}
    assert ak.to_list(read(columns, where={"Type": "GG"}).event) == [100, 103]
    assert ak.to_list(read(columns, where={"Type": ["GG", "TT"], "n": [2, 3, 4]}).event) == [102, 103]
    assert ak.to_list(read(columns, bits={"n": 1}).event) == [102, 103]
    assert len(read(columns, where={"Type": "none"})) == 0
    gaps = columns | {"Type": ["GG", None, "GG", None, None, "TT"]}
    assert ak.to_list(read(gaps, where={"Type": "GG"}).event) == [100, 102]
    for declared, message in (
        ({"where": {"Type": 1}}, r"\[where\] Type = \[1\]: the branch holds text"),
        ({"where": {"n": "a"}}, r"\[where\] n = \['a'\]: the branch holds numbers"),
        ({"bits": {"px1": 1}}, r"\[bits\] px1: the branch does not hold integers"),
    ):
        with pytest.raises(InputError, match=message):
            read(columns, **declared)


def collection(columns: ak.Array, **declared: Any) -> ak.Array:
    muons = {name: f"GenPart_{name}" for name in ("pt", "eta", "phi", "pdgId")} | {"mass": MUON_MASS}
    return events_by_branches(columns, Branches.from_mapping({"kind": "collection", "muons": muons} | declared, "mine"))


def test_an_event_that_does_not_meet_a_condition_has_no_muons() -> None:
    found = collection(nanoaod(), event={"event": "event"}, where={"event": [4, 5], "GenPart_status": 1})
    assert ak.to_list(ak.num(found.Muon.pt)) == [0, 0, 0]
    found = collection(nanoaod(), event={"event": "event"}, where={"event": 3, "GenPart_status": 1})
    assert ak.to_list(ak.num(found.Muon.pt)) == [3, 0, 0]


def test_columns_of_the_wrong_shape_or_type_are_named() -> None:
    columns = rows(4)
    whole = "not a whole number from 0 to"
    for change, message in (
        ({"px1": np.array([[1.0]] * 4)}, r"px1 holds 1 \* float64: one number for each event"),
        ({"px1": ["a"] * 4}, r"row 0: px1 is 'a' \(string\): a number is needed"),
        ({"px1": [1.0, None, 2.0, 3.0]}, "row 1: px1 has a gap"),
        ({"Event": np.linspace(0, 1, 4)}, f"row 1: Event is 0.333.*, {whole} 18446744073709551615"),
        ({"Event": np.array([0, -1, 0, 1])}, f"row 1: Event is -1, {whole}"),
        ({"Event": np.array([0.0, 1.0, np.nan, 2.0])}, f"row 2: Event is nan, {whole}"),
        ({"Event": np.array([1.0, 2.0**53, 2.0, 3.0])}, "row 1: Event is 9007199254740992.0 in float64, which rounds"),
        ({"Event": np.array([1, 2, 2**24, 3], np.float32)}, "row 2: Event is 16777216.0 in float32, which rounds"),
        ({"Event": np.array([True] * 4)}, r"row 0: Event is True \(bool\): a number is needed"),
        ({"Run": np.full(4, 1 << 40)}, f"row 0: Run is 1099511627776, {whole} 4294967295"),
        ({"Q1": np.array([1.0, 1.0, 0.5, 1.0])}, "row 2: Q1 is 0.5, not a whole number"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            read(columns | change)
        assert str(caught.value).startswith("mine")
    selected = read(columns | {"n": np.arange(4), "Event": [-1, 5, 6, 7]}, where={"n": [1, 2, 3]})
    assert ak.to_list(selected.event) == [5, 6, 7]
    with pytest.raises(InputError, match="row 3: Event is -7"):  # of the file, not of what is selected
        read(columns | {"n": np.arange(4), "Event": [4, 5, 6, -7]}, where={"n": [2, 3]})


def test_lists_of_the_wrong_shape_or_length_are_named() -> None:
    nano = nanoaod()
    muons = {"pt": "genWeight", "eta": "GenPart_eta", "phi": "GenPart_phi", "mass": 0.1, "pdgId": "GenPart_pdgId"}
    with pytest.raises(InputError, match=r"genWeight holds float64: a list of numbers .*; is it a tree of pairs"):
        collection(nano, muons=muons)
    missing = ak.with_field(nano, ak.Array([[1.0] * 5, [1.0], None]), "GenPart_phi")
    with pytest.raises(InputError, match="entry 2: GenPart_phi has no list, not even an empty one"):
        collection(missing)
    gap = ak.with_field(nano, ak.Array([[1.0] * 5, [None], []]), "GenPart_phi")
    with pytest.raises(InputError, match="entry 1: GenPart_phi has a gap"):
        collection(gap)
    nested = ak.with_field(nano, ak.Array([[[1.0]] * 5, [[1.0]], []]), "GenPart_phi")
    with pytest.raises(InputError, match=r"GenPart_phi holds var \* var \* float64: a list of numbers"):
        collection(nested)
    nano["other"] = ak.Array([[1] * 5, [1, 1], [1]])
    with pytest.raises(InputError, match=r"entry 1: its lists differ in length .*GenPart_pdgId 1, other 2"):
        collection(nano, where={"other": 1})
    with pytest.raises(InputError, match=r"other holds var .*: it cannot be a condition on a pair"):
        read(rows(3) | {"other": ak.Array([[1], [1], [1]])}, where={"other": 1})
    muons |= {"pt": "GenPart_pt", "phi": "other"}
    with pytest.raises(InputError, match=r"entry 1: its lists differ in length .*GenPart_pt 1, GenPart_eta 1, other 2"):
        collection(nano, muons=muons)


@given(seed=st.integers(0, 1000), order=st.permutations(range(5)))
@examples(20)
def test_a_number_by_content_is_that_of_the_event(seed: int, order: list[int]) -> None:
    columns = {name: values for name, values in rows(5, seed).items() if name not in ("Run", "Event")}
    declared = {"event": {}}
    whole = read(columns, **declared)
    moved = read({name: values[order] for name, values in columns.items()}, **declared)
    turned = read(exchanged(columns), **declared)
    for name in ("run", "luminosityBlock", "event"):
        np.testing.assert_array_equal(moved[name], whole[name][order])
        np.testing.assert_array_equal(turned[name], whole[name])
    assert len(set(ak.to_list(whole.event))) == 5
    changed = read(columns | {"px1": columns["px1"] * (1 + 1e-15)}, **declared)
    assert not np.any(ak.to_numpy(changed.event) == ak.to_numpy(whole.event))


@pytest.mark.parametrize("declared", [{}, {"event": {}}], ids=["numbered", "by content"])
def test_a_pair_in_both_orders_is_one_event(declared: dict[str, Any]) -> None:
    columns = rows(40)
    once, merged = read(columns, **declared), merge_rows(read(both_orders(columns), **declared))
    assert ak.to_list(ak.num(merged.Muon.pt)) == [2] * 40
    assert_same(select_pairs(merged), select_pairs(once))


def test_the_pairs_of_three_muons_are_an_event_of_three() -> None:
    columns = rows(2)
    three = {name: np.repeat(values[:1], 3) for name, values in columns.items()}
    for name in ("px", "py", "pz", "E", "Q"):  # ab, ac, bc
        a, b, c = columns[f"{name}1"][0], columns[f"{name}2"][0], columns[f"{name}1"][1]
        three[f"{name}1"], three[f"{name}2"] = np.array([a, a, b]), np.array([b, c, c])
    merged = merge_rows(read(three))
    assert len(merged) == 1
    assert ak.num(merged.Muon.pt)[0] == 3
    assert sorted(ak.to_list(merged.Muon.charge[0])) == [-1, 1, 1]


def test_nothing_is_merged_from_nothing() -> None:
    assert len(merge_rows(read(rows(3))[:0])) == 0
