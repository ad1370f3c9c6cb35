"""Columns that contradict each other or hold what they should not: refused, whatever the file, the path, the chunks."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from coffea.processor import IterativeExecutor, Runner

from toyfiles import columns as columns_of
from toys import toy_events
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.errors import InputError
from zmumu_hybrid.jobs.analyse import analyse
from zmumu_hybrid.jobs.process import ProcessOptions, process
from zmumu_hybrid.measurement import AnalysisOptions
from zmumu_hybrid.processors.dimuon import DimuonProcessor

EVENTS = 20
MUON = ("pt", "eta", "phi", "mass", "charge")
DECLARED = """
kind = "collection"
[event]
run = "run"
luminosityBlock = "luminosityBlock"
event = "event"
genWeight = "genWeight"
[muons]
pt = "Muon_pt"
eta = "Muon_eta"
phi = "Muon_phi"
mass = "Muon_mass"
charge = "Muon_charge"
"""
KINDS = ("TTree", "RNTuple", "Parquet")
Columns = dict[str, Any]


def sound() -> Columns:
    """Return the columns of toy events, numbered from 100 on."""
    return columns_of(toy_events(EVENTS)) | {"event": np.arange(EVENTS, dtype=np.uint64) + 100}


def write(folder: Path, kind: str, columns: Columns) -> Path:
    """Write columns, each with lengths of its own, to a file of a kind."""
    if kind == "Parquet":
        path = folder / "events.parquet"
        made = {name: each if isinstance(each, pa.Array) else ak.to_arrow(ak.Array(each), extensionarray=False)
                for name, each in columns.items()}  # fmt: skip
        pq.write_table(pa.table(made), path, row_group_size=7)
        return path
    path = folder / "events.root"
    arrays = {name: ak.Array(each) for name, each in columns.items()}
    with uproot.recreate(path) as file:
        if kind == "RNTuple":
            file.mkrntuple("Events", ak.zip(arrays, depth_limit=1))
        else:
            file.mktree("Events", {name: each.type.content for name, each in arrays.items()})
            file["Events"].extend(arrays)
    return path


def changed(name: str, entry: int, value: Any, dtype: Any = None) -> Columns:
    """Return sound columns with one number changed."""
    column = np.array(sound()[name], dtype)
    column[entry] = value
    return sound() | {name: column}


def unequal() -> Columns:
    """Return columns of which one has a number too many in one event and one too few in a later one."""
    eta = sound()["Muon_eta"].to_list()
    eta[3].append(0.5)
    eta[7].pop()
    return sound() | {"Muon_eta": ak.Array(eta)}


def stale() -> Columns:
    """Return columns with a counter that counts other muons in one event."""
    return sound() | {"nMuon": np.where(np.arange(EVENTS) == 5, 1, 2).astype(np.uint32)}


def integers(bits: str = "") -> str:
    return f"not a whole number from 0 to {bits}"


CONTRADICTIONS: dict[str, tuple[Callable[[], Columns], str]] = {
    "unequal lists": (unequal, r" 3: its lists differ in length \(Muon_pt 2, Muon_eta 3, Muon_phi 2, "),
    "stale counter": (stale, " 5: nMuon is 1, but the list of Muon_pt has length 2"),
    "negative run": (lambda: changed("run", 4, -1, np.int32), f" 4: run is -1, {integers('4294967295')}"),
    "negative int16": (lambda: changed("run", 4, -1, np.int16), f" 4: run is -1, {integers()}"),
    "wide run": (lambda: changed("run", 4, 2**32 + 7, np.int64), f" 4: run is 4294967303, {integers()}"),
    "wide block": (lambda: changed("luminosityBlock", 19, 2**32, np.uint64), " 19: luminosityBlock is 42949672"),
    "NaN": (lambda: changed("event", 8, np.nan, np.float64), f" 8: event is nan, {integers('18446744073709551615')}"),
    "infinity": (lambda: changed("event", 8, np.inf, np.float32), f" 8: event is inf, {integers()}"),
    "fraction": (lambda: changed("event", 8, 0.5, np.float64), f" 8: event is 0.5, {integers()}"),
    "negative float": (lambda: changed("event", 8, -3, np.float64), f" 8: event is -3.0, {integers()}"),
    "rounded float64": (
        lambda: changed("event", 8, 2.0**53, np.float64),
        " 8: event is 9007199254740992.0 in float64, which rounds numbers of 9007199254740992 and more",
    ),
    "rounded float32": (
        lambda: changed("event", 8, 2.0**24, np.float32),
        " 8: event is 16777216.0 in float32, which rounds numbers of 16777216 and more",
    ),
    "bool": (lambda: sound() | {"event": np.ones(EVENTS, bool)}, r" 0: event is True \(bool\): a number is needed"),
    "fractional charge": (
        lambda: sound() | {"Muon_charge": ak.values_astype(sound()["Muon_charge"], np.float32) * 0.5},
        " 0: Muon_charge is 0.5, not a whole number",
    ),
    "flat muons": (
        lambda: sound() | {"Muon_eta": np.zeros(EVENTS)},
        r": Muon_eta holds float64: a list of numbers .* is it a tree of pairs\?",
    ),
    "lists of numbers": (
        lambda: sound() | {"event": sound()["Muon_pt"]},
        r": event holds var \* float64: one number for each event is needed",
    ),
    "infinite weight": (lambda: changed("genWeight", 2, np.inf), " 102: genWeight is inf, not a weight that can be"),
    "missing weight": (lambda: changed("genWeight", 2, np.nan), " 102: genWeight is nan, not a weight that can be"),
    "huge weight": (lambda: changed("genWeight", 2, -1e300), r" 102: genWeight is -1e\+300, not a weight that can be"),
    "bool weight": (lambda: sound() | {"genWeight": np.ones(EVENTS, bool)}, r" 0: genWeight is True \(bool\)"),
}  # fmt: skip


def arrow(name: str, type_: pa.DataType, **changes: Any) -> Columns:
    """Return sound columns, one of them of an Arrow type, with entries changed by number."""
    values = ak.to_list(sound()[name])
    for entry, value in changes.items():
        values[int(entry[1:])] = value
    return sound() | {name: pa.array(values, type_)}


LISTS = pa.list_(pa.float32())
OF_PARQUET: dict[str, tuple[Callable[[], Columns], str]] = {
    "null": (
        lambda: arrow("event", pa.uint64(), _9=None),
        "row 9: event has a gap, a number is missing: fill it in, or leave out the event",
    ),
    "null of floats": (lambda: arrow("event", pa.float64(), _9=None), "row 9: event has a gap"),
    "null weight": (lambda: arrow("genWeight", pa.float32(), _9=None), "row 9: genWeight has a gap"),
    "null list": (lambda: arrow("Muon_eta", LISTS, _9=None), "row 9: Muon_eta has no list, not even an empty one"),
    "null in a list": (lambda: arrow("Muon_eta", LISTS, _9=[0.5, None]), "row 9: Muon_eta has a gap"),
    "null for all": (lambda: arrow("event", pa.null(), **{f"_{i}": None for i in range(EVENTS)}), "row 0: event has a"),
    "text": (
        lambda: sound() | {"event": pa.array([str(i) for i in range(EVENTS)])},
        r"row 0: event is '0' \(string\): a number is needed",
    ),
    "text as lists": (
        lambda: sound() | {"Muon_eta": pa.array(["ab"] * EVENTS)},
        "Muon_eta holds string: a list of numbers for each event is needed",
    ),
    "list views": (
        lambda: arrow("Muon_eta", pa.list_view(pa.float64())),
        r"row 0: Muon_eta is .*: a number, or a list of numbers, is needed",
    ),
    "words": (
        lambda: sound() | {"event": pa.array(["a"] * EVENTS).dictionary_encode()},
        r"row 0: event is 'a' \(categorical\[type=string\]\): a number is needed",
    ),
    "decimal": (
        lambda: sound() | {"event": pa.array([Decimal(i) for i in range(EVENTS)], pa.decimal128(20, 0))},
        r"row 0: event is 0 \(decimal128\(20, 0\)\): a number, or a list of numbers, is needed",
    ),
    "time": (
        lambda: sound() | {"event": pa.array(np.arange(EVENTS), pa.timestamp("s"))},
        r"row 0: event is .* \(datetime64\[m?s\]\): a number is needed",
    ),
    "lists of lists": (
        lambda: sound() | {"Muon_eta": pa.array([[[0.5]] * 2] * EVENTS)},
        r"Muon_eta holds .*: a list of numbers for each event is needed",
    ),
}

CASES = [(kind, name, *case) for kind in KINDS for name, case in CONTRADICTIONS.items()]
CASES += [("Parquet", name, *case) for name, case in OF_PARQUET.items()]


@pytest.mark.parametrize(("kind", "name", "made", "message"), CASES, ids=[f"{kind}-{name}" for kind, name, *_ in CASES])
def test_it_is_refused_and_named_on_every_path(
    tmp_path: Path, kind: str, name: str, made: Callable[[], Columns], message: str
) -> None:
    path, declared = write(tmp_path, kind, made()), tmp_path / "mine.toml"
    declared.write_text(DECLARED)
    said = set()
    for branches in (None, declared):
        for chunksize in (1000, 4):
            options = ProcessOptions(chunksize=chunksize, branches=branches)
            with pytest.raises(InputError, match=message) as caught:
                process([path], [], tmp_path / "out", options, show_progress=False)
            said.add(str(caught.value).replace(f", {'row' if kind == 'Parquet' else 'entry'} ", ", # "))
    assert all(str(path) in each and "\n" not in each for each in said)
    if "genWeight is" not in message:  # which names the event, after the entries of the chunk
        assert len(said) == 1
    assert not (tmp_path / "out").exists()


def test_an_optional_number_that_is_missing_is_refused(tmp_path: Path) -> None:
    event = ak.Array([None if entry == 9 else entry for entry in range(EVENTS)])
    path = write(tmp_path, "RNTuple", sound() | {"event": event})
    with pytest.raises(
        InputError, match=f"{path}, entry 9: event has a gap, a number is missing: fill it in, or leave out the event"
    ):
        process([path], [], tmp_path / "out", show_progress=False)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pq.read_table(write(tmp_path, "Parquet", sound()))
    pq.write_table(table.append_column("event", table["event"]), path)
    with pytest.raises(InputError, match=f"{path}: has more than one column event: rename or drop the others"):
        process([path], [], tmp_path / "out", show_progress=False)


def test_branches_that_end_before_their_tree_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "TTree", sound())
    monkeypatch.setattr(uproot.behaviors.TTree.TTree, "num_entries", EVENTS + 1)
    with pytest.raises(InputError, match=rf"{path}: \w+ has 20 entries, and its tree 21"):
        process([path], [], tmp_path / "out", show_progress=False)


LIKE: dict[str, tuple[str, Callable[[], Columns]]] = {
    "float64 below 2**53": ("TTree", lambda: sound() | {"event": np.arange(EVENTS) + 100.0}),
    "float32 below 2**24": ("RNTuple", lambda: sound() | {"event": np.arange(EVENTS, dtype=np.float32) + 100}),
    "uint32, int16 and int64": (
        "TTree",
        lambda: (
            sound()
            | {
                "event": np.arange(EVENTS, dtype=np.uint32) + 100,
                "run": np.ones(EVENTS, np.int16),
                "luminosityBlock": np.asarray(sound()["luminosityBlock"]).astype(np.int64),
            }
        ),
    ),
    "a right counter": ("Parquet", lambda: sound() | {"nMuon": np.full(EVENTS, 2, np.int8)}),
    "integer weights": ("RNTuple", lambda: sound() | {"genWeight": np.ones(EVENTS, np.int32)}),
    "float32 weights": ("TTree", lambda: sound() | {"genWeight": np.ones(EVENTS, np.float32)}),
    "charges as floats": ("TTree", lambda: sound() | {"Muon_charge": ak.values_astype(sound()["Muon_charge"], float)}),
    "dictionary": (
        "Parquet",
        lambda: sound() | {"run": pa.array([1] * EVENTS, pa.uint32()).dictionary_encode()},
    ),
    "large lists": ("Parquet", lambda: arrow("Muon_eta", pa.large_list(pa.float64()))),
    "lists of fixed size": ("Parquet", lambda: arrow("Muon_eta", pa.list_(pa.float64(), 2))),
    "nullable without nulls": ("Parquet", lambda: arrow("event", pa.uint64())),
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> candidates.Table:
    folder = tmp_path_factory.mktemp("sound")
    process([write(folder, "TTree", sound())], [], folder / "out", show_progress=False)
    return candidates.read(folder / "out" / "candidates.parquet")


@pytest.mark.parametrize("name", LIKE)
def test_what_holds_the_same_numbers_gives_the_same_table(
    tmp_path: Path, name: str, expected: candidates.Table
) -> None:
    kind, made = LIKE[name]
    process([write(tmp_path, kind, made())], [], tmp_path / "out", ProcessOptions(chunksize=6), show_progress=False)
    found = candidates.read(tmp_path / "out" / "candidates.parquet")
    for column, values in expected.items():
        np.testing.assert_array_equal(found[column], values, err_msg=column)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["unequal lists", "stale counter", "fraction"])
def test_analyse_refuses_it_too(tmp_path: Path, kind: str, name: str) -> None:
    made, message = CONTRADICTIONS[name]
    with pytest.raises(InputError, match=message):
        analyse({"data": [write(tmp_path, kind, made())]}, tmp_path / "out", {}, AnalysisOptions(), show_progress=False)


@pytest.mark.filterwarnings("ignore:.*(cross-reference|already exists|event_ids).*:RuntimeWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*CONTRADICTIONS, "null", "null list"])
def test_a_users_own_runner_refuses_it_too(tmp_path: Path, kind: str, name: str) -> None:
    """coffea takes the lengths of one column for all, and casts numbers: the file is asked."""
    made, message = CONTRADICTIONS.get(name) or OF_PARQUET[name]
    if (name in OF_PARQUET and kind != "Parquet") or (kind == "Parquet" and name == "lists of numbers"):
        pytest.skip("no such column in a file of this kind")
    events = events_of(write(tmp_path, kind, made()), kind)
    with pytest.raises(InputError, match=message):
        DimuonProcessor().process(events)


def events_of(path: Path, kind: str) -> Any:
    """Return events as coffea's `Runner` gives them."""
    options = {"schemaclass": NanoAODSchema, "metadata": {"dataset": "signal", "filename": str(path)}}
    if kind == "Parquet":
        return NanoEventsFactory.from_parquet(str(path), **options).events()
    return NanoEventsFactory.from_root({str(path): "Events"}, **options).events()


@pytest.mark.filterwarnings("ignore:.*cross-reference.*:RuntimeWarning")
def test_coffeas_runner_ends_with_the_message(tmp_path: Path) -> None:
    path = write(tmp_path, "TTree", unequal())
    runner = Runner(IterativeExecutor(status=False, retries=0), schema=NanoAODSchema, metadata_cache={})
    with pytest.raises(Exception, match=f"{path}, entry 3: its lists differ in length") as caught:
        runner({"signal": {"files": {str(path): "Events"}}}, DimuonProcessor())
    assert isinstance(caught.value.__cause__, InputError)
