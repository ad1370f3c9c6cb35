from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from events.test_records import both_orders, rows
from toyfiles import lhe_event, line_of, toy_lhe_events, write_columns, write_lhe, write_parquet, write_root
from toys import toy_events
from zmumu_hybrid.candidates import histograms
from zmumu_hybrid.candidates import table as candidates
from zmumu_hybrid.candidates.reweighting import Reweighting
from zmumu_hybrid.candidates.table import Table
from zmumu_hybrid.errors import ConfigurationError, IncompleteRunError, InputError, MissingInputError, OutputError
from zmumu_hybrid.jobs import process as processing
from zmumu_hybrid.jobs.process import OUTPUTS, ProcessOptions, ProcessSummary, process
from zmumu_hybrid.support.files import sha256

SIGNAL, BACKGROUND = toy_events(2000, 1), toy_events(1500, 2, resonance=False)

HERE = Path(__file__).parents[1]
CMS = HERE.parent / "examples" / "branches" / "cms-dimuon.toml"

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("inputs")
    return write_root(folder / "signal.root", SIGNAL), write_root(folder / "background.root", BACKGROUND)


@pytest.fixture(scope="module")
def reference(inputs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> ProcessSummary:
    return process(*([path] for path in inputs), tmp_path_factory.mktemp("reference"), options())


def options(**settings: Any) -> ProcessOptions:
    return ProcessOptions(**{"reweighting_bins": 10, "seed": 3, **settings})


def assert_same_table(one: Path, other: Path) -> None:
    """Compare every value of two candidate tables bit for bit."""
    first, second = (candidates.read(folder / "candidates.parquet") for folder in (one, other))
    assert list(first) == list(second)
    for name, values in first.items():
        assert values.tobytes() == second[name].tobytes(), name


def assert_same_histograms(one: Path, other: Path) -> None:
    first, second = (histograms.read(folder / "histograms.json") for folder in (one, other))
    for name, histogram in first.items():
        assert histogram == second[name], name


def test_the_results_fit_together(inputs: tuple[Path, Path], reference: ProcessSummary) -> None:
    folder = reference.output
    assert sorted(path.name for path in folder.iterdir()) == sorted(OUTPUTS)
    table = candidates.read(folder / "candidates.parquet")
    candidates.validate(table)
    assert np.count_nonzero(table["label"] == 1) == 2000
    assert np.count_nonzero(table["label"] == 0) == 1500
    keys = list(zip(*(table[name].tolist() for name in ("run", "luminosityBlock", "event", "label")), strict=True))
    assert keys == sorted(keys)
    np.testing.assert_array_equal(np.sort(table["event"][table["label"] == 1]), np.sort(ak.to_numpy(SIGNAL.event)))
    filled = histograms.make()
    histograms.fill(filled, table)
    for name, histogram in histograms.read(folder / "histograms.json").items():
        assert histogram == filled[name]
    with uproot.open(folder / "histograms.root") as file:
        assert file["mass_true_signal_below30"].values().sum() > 0


def test_the_background_has_the_signals_spectrum_on_training_rows(reference: ProcessSummary) -> None:
    table = candidates.read(reference.output / "candidates.parquet")
    fitted = Reweighting.read(reference.output / "reweighting.json")
    signal, background = (table["label"] == label for label in (1, 0))
    np.testing.assert_array_equal(table["weight"][signal], table["gen_weight"][signal])
    expected = table["gen_weight"][background] * fitted.apply(table["pt_0"][background])
    np.testing.assert_array_equal(table["weight"][background], expected)
    training = ~table["is_test"]
    contents = [
        np.histogram(table["pt_0"][rows & training], fitted.edges, weights=table["weight"][rows & training])[0]
        for rows in (signal, background)
    ]
    np.testing.assert_allclose(*contents)


def test_the_record_says_what_was_done(inputs: tuple[Path, Path], reference: ProcessSummary) -> None:
    record = json.loads((reference.output / "process.json").read_text())
    assert [entry["sha256"] for entry in record["inputs"]] == [sha256(path) for path in inputs]
    assert record["options"]["seed"] == 3
    assert record["pairs"] == reference.pairs == {"signal": 2000, "background": 1500}
    assert record["cutflow"]["signal"] == {"events": 2000, "two muons": 2000, "opposite charge": 2000, "pairs": 2000}
    assert record["negative_pt_muons"] == {"signal": 0, "background": 0}
    assert record["versions"]["zmumu-hybrid"]
    assert "git_revision" in record
    assert set(record["seconds"]) == set(reference.seconds)
    assert reference.events_per_second > 0


def cut(events: ak.Array, pieces: int, write: Make, folder: Path) -> list[Path]:
    """Write events to several files and return these in another order."""
    edges = np.linspace(0, len(events), pieces + 1).astype(int)
    paths = [
        write(folder / f"{len(events)}-{index}", events[start:stop])
        for index, (start, stop) in enumerate(pairwise(edges))
    ]
    return paths[::-1]


@pytest.mark.parametrize("chunksize", [137, 999, 5000])
def test_the_chunk_size_does_not_show(
    inputs: tuple[Path, Path], reference: ProcessSummary, tmp_path: Path, chunksize: int
) -> None:
    process(*([path] for path in inputs), tmp_path, options(chunksize=chunksize))
    assert_same_table(tmp_path, reference.output)
    assert_same_histograms(tmp_path, reference.output)
    assert sha256(tmp_path / "reweighting.json") == sha256(reference.output / "reweighting.json")


@pytest.mark.parametrize(
    "write",
    [
        lambda path, events: write_root(path.with_suffix(".root"), events),
        lambda path, events: write_root(path.with_suffix(".root"), events, kind="RNTuple"),
        lambda path, events: write_parquet(path.with_suffix(".parquet"), events),
    ],
    ids=["TTree", "RNTuple", "Parquet"],
)
def test_the_order_the_number_and_the_format_of_files_do_not_show(
    reference: ProcessSummary, tmp_path: Path, write: Make
) -> None:
    signal, background = cut(SIGNAL, 3, write, tmp_path), cut(BACKGROUND, 2, write, tmp_path)
    process(signal, background, tmp_path / "out", options(chunksize=300))
    assert_same_table(tmp_path / "out", reference.output)
    assert_same_histograms(tmp_path / "out", reference.output)


def test_formats_can_be_mixed(reference: ProcessSummary, tmp_path: Path) -> None:
    signal = [write_parquet(tmp_path / "a.parquet", SIGNAL[:700]), write_root(tmp_path / "b.root", SIGNAL[700:])]
    process(signal, [write_parquet(tmp_path / "c.parquet", BACKGROUND)], tmp_path / "out", options())
    assert_same_table(tmp_path / "out", reference.output)


def test_lhe_files_in_any_order_and_cut_anywhere_give_the_same(tmp_path: Path) -> None:
    texts = toy_lhe_events(60, 4)
    whole = [write_lhe(tmp_path / "whole.lhe", texts)]
    pieces = [write_lhe(tmp_path / "b.lhe.gz", texts[13:]), write_lhe(tmp_path / "a.lhe", texts[:13])]
    for name, files in (("one", whole), ("two", pieces)):
        summary = process(files, [], tmp_path / name, options(cache=tmp_path / "cache"))
        assert summary.pairs == {"signal": 60}
    assert_same_table(tmp_path / "one", tmp_path / "two")


def test_without_background_weights_are_the_generators(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    process([inputs[0]], [inputs[1]], tmp_path, options())
    process([inputs[0]], [], tmp_path, options())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(set(OUTPUTS) - {"reweighting.json"})
    table = candidates.read(tmp_path / "candidates.parquet")
    np.testing.assert_array_equal(table["weight"], table["gen_weight"])


def test_a_known_reweighting_is_applied_as_it_is(
    inputs: tuple[Path, Path], reference: ProcessSummary, tmp_path: Path
) -> None:
    known = Reweighting(edges=(0.0, 40.0, 500.0), factors=(2.0, 5.0))
    known.write(tmp_path / "known.json")
    process([inputs[0]], [inputs[1]], tmp_path / "out", options(reweighting=tmp_path / "known.json"))
    table = candidates.read(tmp_path / "out" / "candidates.parquet")
    background = table["label"] == 0
    np.testing.assert_array_equal(table["weight"][background], np.where(table["pt_0"][background] < 40, 2.0, 5.0))
    assert Reweighting.read(tmp_path / "out" / "reweighting.json") == known


def test_settings_reach_the_table(inputs: tuple[Path, Path], reference: ProcessSummary, tmp_path: Path) -> None:
    def table(name: str, **settings: Any) -> Table:
        process([inputs[0]], [], tmp_path / name, options(**settings))
        return candidates.read(tmp_path / name / "candidates.parquet")

    none = table("none", smearing="none", test_fraction=0.5)
    np.testing.assert_array_equal(none["mass"], none["true_mass"])
    assert 0.4 < none["is_test"].mean() < 0.6
    shared = table("shared", smearing="shared", hold="eta", width=0.02)
    ratios = [shared[f"pt_{slot}"] / shared[f"true_pt_{slot}"] for slot in (0, 1)]
    np.testing.assert_allclose(*ratios)
    assert ratios[0].std() == pytest.approx(0.02, rel=0.1)
    np.testing.assert_allclose(shared["pz_0"] / shared["true_pz_0"], ratios[0])
    assert not np.array_equal(table("seed", seed=4)["px_0"], table("other", seed=5)["px_0"])


def test_a_failed_run_keeps_what_was_there(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    process([inputs[0]], [], tmp_path, options())
    before = {path.name: sha256(path) for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="given twice"):
        process([inputs[0], inputs[0]], [], tmp_path, options())
    assert {path.name: sha256(path) for path in tmp_path.iterdir()} == before


def test_no_pair_in_a_data_set_is_said(tmp_path: Path) -> None:
    electrons = write_lhe(tmp_path / "ee.lhe", [lhe_event((11, 30, 0, 5, 0), (-11, -30, 0, 5, 0))])
    single = write_lhe(tmp_path / "mu.lhe", [lhe_event((13, 30 + i, 0, 5, 0)) for i in range(4)])
    for files, counts in (([electrons], "events 1, two muons 0"), ([electrons, single], "events 5, two muons 0")):
        with pytest.raises(InputError, match=rf"{files[-1]}: no event has a muon pair \(signal: {counts}"):
            process(files, [], tmp_path / "out", options(cache=tmp_path / "cache"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", [".lhe", ".lhe.gz"])
@pytest.mark.parametrize("number", [1, 2, 12])
def test_an_event_in_two_files_is_named(tmp_path: Path, number: int, suffix: str) -> None:
    texts = toy_lhe_events(60)
    pieces = [texts[12 * k : 12 * k + 12] for k in range(4)]  # small ones, converted together in an order of their own
    pieces.append([*texts[48:], pieces[2][number - 1]])
    files = [write_lhe(tmp_path / f"{k}{suffix}", piece) for k, piece in enumerate(pieces)]
    first = f"{files[2]}, event {number}, line {line_of(pieces[2], number)}"
    second = f"{files[4]}, event 13, line {line_of(pieces[4], 13)}"
    said = r"run 1, luminosityBlock \d+, event \d+: this event is in the input twice"
    with pytest.raises(InputError, match=rf"^{first}, and {second}: {said}"):
        process(files, [], tmp_path / "out", options(cache=tmp_path / "cache"))
    with pytest.raises(InputError, match=rf"^{first}, and {second}: {said} \(signal and background\)"):
        process(files[:3], files[3:], tmp_path / "out", options(cache=tmp_path / "cache", reweighting_bins=1))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("again", [1, 2, 5])
def test_an_event_twice_in_one_of_many_files_is_named(tmp_path: Path, again: int) -> None:
    texts = toy_lhe_events(40)
    pieces = [[*texts[:5], texts[again - 1]], texts[5:12], [], texts[12:]]
    files = [write_lhe(tmp_path / f"{k}.lhe", piece) for k, piece in enumerate(pieces)]
    places = [f"{files[0]}, event {number}, line {line_of(pieces[0], number)}" for number in (again, 6)]
    with pytest.raises(InputError, match=f"^{', and '.join(places)}: .*leave one of the two out$"):
        process(files, [], tmp_path / "out", options(cache=tmp_path / "cache"))


def test_output_that_cannot_be_written_is_named(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=str(tmp_path / "file")):
        process([inputs[0]], [], tmp_path / "file", options())


def test_a_part_that_is_not_there_is_an_incomplete_run(
    inputs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = processing._run

    def lose_a_part(*arguments: Any) -> dict[str, Any]:
        result = original(*arguments)
        next((arguments[2] / "parts").iterdir()).unlink()
        return result

    monkeypatch.setattr(processing, "_run", lose_a_part)
    with pytest.raises(IncompleteRunError, match=r"has 0 of 2000 rows of .*signal.root: do all workers see"):
        process([inputs[0]], [], tmp_path, options())


def test_a_part_that_is_not_reported_is_an_incomplete_run(
    inputs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = processing._run

    def forget_a_part(*arguments: Any) -> dict[str, Any]:
        result = original(*arguments)
        result["parts"].popitem()
        return result

    monkeypatch.setattr(processing, "_run", forget_a_part)
    with pytest.raises(IncompleteRunError, match="signal: 2000 pairs were found, 0 written"):
        process([inputs[0]], [], tmp_path, options())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chunksize": 0}, "chunksize must be an integer of at least 1"),
        ({"reweighting_bins": 0}, "reweighting bins must be an integer of at least 1"),
        ({"width": -1.0}, "width of the smearing must be"),
        ({"test_fraction": 1.0}, "test fraction"),
        ({"workers": 0}, "workers must be an integer of at least 1"),
        ({"pair": "any"}, "pair order 'any'"),
        ({"binning": "other"}, "binning 'other'"),
        ({"muons": "Tau"}, "muons 'Tau': use one of Muon, GenPart, LHEPart"),
        ({"muons": "GenPart", "branches": Path("a.toml")}, "give either --branches or --muons GenPart"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ProcessOptions(**settings)


def test_no_signal_and_no_such_reweighting(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no signal file"):
        process([], [inputs[1]], tmp_path)
    with pytest.raises(MissingInputError, match="no-such"):
        process([inputs[0]], [], tmp_path, options(reweighting=tmp_path / "no-such.json"))


def without_truth(events: ak.Array) -> ak.Array:
    """Return events as data have them: without weights."""
    return ak.without_field(events, "genWeight")


def test_data_have_no_truth(tmp_path: Path) -> None:
    source = write_root(tmp_path / "run.root", without_truth(SIGNAL))
    summary = process([], [], tmp_path / "out", options(), data=[source])
    assert summary.pairs == {"data": 2000}
    assert sorted(path.name for path in summary.output.iterdir()) == sorted(set(OUTPUTS) - {"reweighting.json"})
    table = candidates.read(summary.output / "candidates.parquet")
    candidates.validate(table)
    assert list(table) == [column.name for column in candidates.DATA_COLUMNS]
    assert set(table["label"]) == {candidates.DATA}
    assert set(table["weight"]) == set(table["gen_weight"]) == {1.0}
    expected = ak.to_numpy((SIGNAL.Muon[:, 0] + SIGNAL.Muon[:, 1]).mass)
    np.testing.assert_allclose(np.sort(table["mass"]), np.sort(expected), rtol=1e-12)
    filled = histograms.read(summary.output / "histograms.json")
    assert set(filled) == {"mass_smeared", "pt_before", "pt_after"}
    assert list(filled["mass_smeared"].axes["dataset"]) == ["data"]
    assert filled["pt_before"].sum(flow=True).value == 2000
    record = json.loads((summary.output / "process.json").read_text())
    assert record["options"]["smearing"] == "none"
    with pytest.raises(InputError, match="has no column true_mass: these are data, which have no truth"):
        candidates.read(summary.output / "candidates.parquet", ["mass", "true_mass"])


def test_data_are_smeared_when_asked(tmp_path: Path) -> None:
    source = write_root(tmp_path / "run.root", SIGNAL)
    tables = []
    for name, smearing in (("plain", None), ("smeared", "independent")):
        process([], [], tmp_path / name, options(smearing=smearing), data=[source])
        tables.append(candidates.read(tmp_path / name / "candidates.parquet"))
    ratio = tables[1]["pt_0"] / tables[0]["pt_0"]
    assert ratio.std() == pytest.approx(0.1, rel=0.1)
    assert list(tables[0]) == list(tables[1])


@pytest.mark.parametrize("executor", ["iterative", "futures"])
def test_pairs_of_a_flat_tree_are_the_same_however_they_are_cut(tmp_path: Path, executor: Any) -> None:
    whole = process([], [], tmp_path / "whole", flat_options(tmp_path), data=[HERE / "data" / "zmumu-tree.root"])
    assert whole.cutflow["data"]["rows"] == 2304
    assert whole.cutflow["data"]["selected rows"] == 516
    assert whole.pairs == {"data": 500}
    settings = {"executor": executor, "chunksize": 97, "workers": 2}
    process([], [], tmp_path / "cut", flat_options(tmp_path, **settings), data=[HERE / "data" / "zmumu-tree.root"])
    assert_same_table(tmp_path / "cut", whole.output)
    assert_same_histograms(tmp_path / "cut", whole.output)


def flat_options(folder: Path, **settings: Any) -> ProcessOptions:
    return options(**{"branches": CMS, "cache": folder / "cache", **settings})


def test_the_masses_of_a_flat_tree_are_those_of_its_own_branch(tmp_path: Path) -> None:
    process([], [], tmp_path / "out", flat_options(tmp_path), data=[HERE / "data" / "zmumu-tree.root"])
    table = candidates.read(tmp_path / "out" / "candidates.parquet")
    with uproot.open(HERE / "data" / "zmumu-tree.root") as file:
        tree = file["events"].arrays(["Type", "Run", "Event", "Q1", "Q2", "M"])
    tree = tree[(tree.Type == "GG") & (tree.Q1 * tree.Q2 == -1)]
    assert set(zip(table["run"].tolist(), table["event"].tolist(), strict=True)) == set(
        zip(tree.Run.tolist(), tree.Event.tolist(), strict=True)
    )
    for run, event, mass in zip(table["run"], table["event"], table["mass"], strict=True):
        masses = ak.to_numpy(tree.M[(tree.Run == run) & (tree.Event == event)])
        assert np.abs(masses - mass).min() < 1e-6


@pytest.mark.parametrize("muons", ["GenPart", "LHEPart"])
@pytest.mark.parametrize("kind", ["TTree", "RNTuple", "Parquet"])
def test_the_collection_of_nanoaod_is_an_option_in_every_format(tmp_path: Path, muons: Any, kind: str) -> None:
    nano = HERE / "data" / "nano_dy.root"
    process([nano], [], tmp_path / "nano", options(muons=muons))
    names = ("run", "luminosityBlock", "event", "genWeight")
    with uproot.open(nano) as file:
        fields = [f"{muons}_{name}" for name in ("pt", "eta", "phi", "pdgId", "status", "statusFlags")]
        events = file["Events"].arrays([*names, *(name for name in fields if name in file["Events"])])
    copy = tmp_path / ("copy.parquet" if kind == "Parquet" else "copy.root")
    if kind == "Parquet":
        ak.to_parquet(events, copy)
    else:
        with uproot.recreate(copy) as file:
            if kind == "RNTuple":
                file.mkrntuple("Events", events)
            else:
                types = {name: events[name].type.content for name in events.fields}
                file.mktree("Events", types)
                file["Events"].extend({name: events[name] for name in events.fields})
    summary = process([copy], [], tmp_path / "copy", options(muons=muons))
    assert summary.cutflow["signal"]["pairs"] == {"GenPart": 11, "LHEPart": 9}[muons]
    assert_same_table(tmp_path / "copy", tmp_path / "nano")


def test_a_declared_collection_on_workers(tmp_path: Path) -> None:
    nano = HERE / "data" / "nano_dy.root"
    process([nano], [], tmp_path / "one", options(muons="GenPart"))
    process([nano], [], tmp_path / "many", options(muons="GenPart", executor="futures", workers=2, chunksize=7))
    assert_same_table(tmp_path / "many", tmp_path / "one")


def test_columns_that_may_have_gaps_are_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = both_orders(rows(30)) | {"Type": ["GG", "GT"] * 30}
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path)
    summary = process([], [], tmp_path / "out", flat_options(tmp_path), data=[path])
    assert summary.cutflow["data"]["selected rows"] == summary.pairs["data"] == 30


def test_formats_and_declarations_can_be_mixed(tmp_path: Path) -> None:
    signal = [HERE / "data" / "nano_dy.root", write_lhe(tmp_path / "a.lhe", toy_lhe_events(30))]
    summary = process(signal, [], tmp_path / "out", options(muons="GenPart", cache=tmp_path / "cache"))
    assert summary.pairs == {"signal": 11 + 30}
    tree = write_columns(tmp_path / "b.root", both_orders(rows(20)))
    declared = tmp_path / "mine.toml"
    declared.write_text(CMS.read_text().replace('Type = "GG"', "").replace('"events"', '"pairs"'))
    settings = {"branches": declared, "cache": tmp_path / "cache"}
    summary = process([tree, signal[1]], [], tmp_path / "out", options(**settings))
    steps = {"rows": 40 + 30, "selected rows": 40 + 30, "events": 50, "two muons": 50, "opposite charge": 50}
    assert summary.cutflow["signal"] == {**steps, "pairs": 50}


def test_an_event_of_data_that_is_there_twice_is_named(tmp_path: Path) -> None:
    other = write_root(tmp_path / "b.root", with_numbers(toy_events(30, 9), SIGNAL[:30]))
    files = [write_root(tmp_path / "a.root", SIGNAL), other]
    with pytest.raises(InputError, match="this event is in the data twice: each event may be used once"):
        process([], [], tmp_path / "out", options(), data=files)
    declared = tmp_path / "mine.toml"
    declared.write_text(CMS.read_text().replace('Type = "GG"', "").replace('"events"', '"pairs"'))
    columns = {name: np.concatenate([values, values[::-1]]) for name, values in rows(20).items()}
    tree = write_columns(tmp_path / "c.root", columns)
    with pytest.raises(InputError, match="this event is in the input twice"):
        process([], [], tmp_path / "out", options(branches=declared, cache=tmp_path / "cache"), data=[tree])
    assert not (tmp_path / "out").exists()


def with_numbers(events: ak.Array, others: ak.Array) -> ak.Array:
    """Return events with the numbers of other events."""
    for name in ("run", "luminosityBlock", "event"):
        events[name] = others[name]
    return events


def test_nothing_that_meets_the_conditions_is_said(tmp_path: Path) -> None:
    declared = tmp_path / "mine.toml"
    declared.write_text(CMS.read_text().replace('"GG"', '"XX"'))
    settings = options(branches=declared, cache=tmp_path / "cache")
    with pytest.raises(InputError, match=r"no event has a muon pair \(data: rows 2304, selected rows 0, events 0"):
        process([], [], tmp_path / "out", settings, data=[HERE / "data" / "zmumu-tree.root"])


def test_data_are_processed_alone(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="data and signal and background are given: data have no truth"):
        process([inputs[0]], [inputs[1]], tmp_path / "out", data=[inputs[0]])
    with pytest.raises(ConfigurationError, match="a reweighting is given with data"):
        process([], [], tmp_path / "out", options(reweighting=Path("a.json")), data=[inputs[0]])
