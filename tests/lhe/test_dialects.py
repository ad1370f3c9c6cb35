"""What generators write beyond a plain list of events: groups, weights of both kinds, weights that some events lack."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from lhe_mutations import compare
from lhe_samples import HEAD, PLAIN_EVENT, dialects, document, with_weights
from zmumu_hybrid.draws import keys
from zmumu_hybrid.draws import split as splitting
from zmumu_hybrid.errors import ConfigurationError, LHEError
from zmumu_hybrid.lhe import LHEStream, iterate_lhe, read_init, read_lhe
from zmumu_hybrid.physics.pair_arrays import IDENTITY
from zmumu_hybrid.physics.smearing import SmearingConfig, draws


def event(weight: float, px: float = 30.0) -> str:
    """Return an event of this weight, and of a momentum that tells it from others."""
    return PLAIN_EVENT.replace("1.0D+00", str(weight)).replace("30.0", str(px))


GROUPS = document(
    *("<eventgroup nreal='1' ncounter='2'>\n", event(10), event(-7), event(-2), "</eventgroup>\n"),
    event(1, 31.0),
    *("<eventgroup>\n", event(9, 32.0), event(-8, 33.0), "</eventgroup>\n"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.lhe"


@pytest.mark.parametrize("chunk", [1, 2, 3, 50])
def test_the_events_of_a_group_are_events_of_their_own_that_stay_together(path: Path, chunk: int) -> None:
    path.write_bytes(GROUPS)
    events = ak.concatenate(list(iterate_lhe(path, events_per_chunk=chunk)))
    assert events.eventinfo.weight.tolist() == [10, -7, -2, 1, 9, -8]
    assert events.particles.px[:, 2].tolist() == [30, 30, 30, 31, 32, 33]
    identity = {name: ak.to_numpy(events[name]) for name in IDENTITY}
    assert len(set(zip(*(values.tolist() for values in identity.values()), strict=True))) == 6
    assert identity["run"].tolist() == [1, keys.GROUPED_RUN + 1, keys.GROUPED_RUN + 2, 1, 1, keys.GROUPED_RUN + 1]
    for name in ("luminosityBlock", "event"):
        assert identity[name][[0, 1, 2, 4, 5]].tolist() == identity[name][[0, 0, 0, 4, 4]].tolist()
    for seed in range(20):
        held = splitting.is_test(*identity.values(), splitting.SplitConfig(0.5, seed))
        assert held[[0, 1, 2, 4, 5]].tolist() == held[[0, 0, 0, 4, 4]].tolist()
    for slot in draws(identity, SmearingConfig(), "signal"):
        assert slot[[0, 1, 2, 4, 5]].tolist() == slot[[0, 0, 0, 4, 4]].tolist()
        assert len(set(slot.tolist())) == 3


def test_outside_a_group_nothing_has_changed(path: Path) -> None:
    """A group of one event is that event."""
    path.write_bytes(document("<eventgroup>\n", event(1), "</eventgroup>\n", event(1, 31.0)))
    grouped = read_lhe(path)
    path.write_bytes(document(event(1), event(1, 31.0)))
    assert ak.array_equal(grouped, read_lhe(path))


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (("<eventgroup>\n", event(1)), "'</LesHouchesEvents>' stands after event 1, inside an <eventgroup>"),
        (("<eventgroup>\n", event(1), "<eventgroup>"), "'<eventgroup>' stands after event 1, inside an <eventgroup>"),
        ((event(1), "</eventgroup>"), "'</eventgroup>' stands after event 1, outside any <eventgroup>"),
    ],
)
def test_groups_that_are_not_closed_or_not_open(path: Path, events: tuple[str, ...], message: str) -> None:
    assert compare(document(*events), path) == "refused"
    with pytest.raises(LHEError, match=message):
        read_lhe(path)


RWGT = "<rwgt><wgt id='1001'> 1.5 </wgt><wgt id='1002'> 2.5 </wgt></rwgt>\n"
WEIGHTS = "<weights> 1.5 2.5 3.5 </weights>\n"
NUMBERED = RWGT.replace("100", "")


@pytest.mark.parametrize(
    ("weights", "names"),
    [
        (RWGT + WEIGHTS, ["1001", "1002", "1", "2", "pdf & 3"]),
        (WEIGHTS + RWGT, ["1", "2", "pdf & 3", "1001", "1002"]),
        (RWGT + NUMBERED + WEIGHTS, ["1001", "1002", "1", "2", "weights[1]", "weights[2]", "pdf & 3"]),
        (WEIGHTS + NUMBERED, ["1001", "1002", "pdf & 3", "1", "2"]),
    ],
    ids=["ids first", "ids last", "numbers taken", "no conflict"],
)
def test_both_kinds_of_weights_in_one_event(path: Path, weights: str, names: list[str]) -> None:
    data = document(*[with_weights(PLAIN_EVENT, weights)] * 3)
    assert compare(data, path, 64, 1) == "read"
    found = read_lhe(path).weights
    assert found.fields == names
    by_kind = {"1001": 1.5, "1002": 2.5, "1": 1.5, "2": 2.5, "pdf & 3": 3.5, "weights[1]": 1.5, "weights[2]": 2.5}
    assert found.tolist() == [{name: by_kind[name] for name in names}] * 3


def test_a_weight_given_twice_is_still_an_error(path: Path) -> None:
    for weights in (RWGT + RWGT, WEIGHTS + RWGT + RWGT, RWGT + WEIGHTS + RWGT):
        assert compare(document(with_weights(PLAIN_EVENT, weights)), path) == "refused"
        with pytest.raises(LHEError, match=r"event 1, line \d+: the weight '1001' is given twice"):
            read_lhe(path)
    assert compare(document(with_weights(PLAIN_EVENT, WEIGHTS + WEIGHTS)), path) == "refused"


def test_weights_declared_in_init(path: Path) -> None:
    block = HEAD[HEAD.index("<initrwgt>") : HEAD.index("</header>")]
    head = HEAD.replace(block, "").replace("</init>", block + "</init>")
    path.write_bytes(document(with_weights(PLAIN_EVENT, WEIGHTS), head=head))
    init = read_init(path)
    assert [(weight.id, weight.group) for weight in init.weights] == [
        ("1001", "scale < variation"),
        ("1002", "scale < variation"),
        ("pdf & 3", ""),
    ]
    assert [process.cross_section for process in init.processes] == [1.5, 2.5]
    assert read_lhe(path).weights.tolist() == [{"1001": 1.5, "1002": 2.5, "pdf & 3": 3.5}]


LACKING = document(*(with_weights(event(1, 30.0 + k), weights) for k, weights in enumerate([RWGT, "", RWGT, WEIGHTS])))


def test_missing_weights_are_refused_filled_or_not_read(path: Path) -> None:
    path.write_bytes(LACKING)
    remedy = "read the file with weights='fill' for NaN in place of what is missing, or weights='skip' for none"
    with pytest.raises(LHEError, match=rf"event 2, line .*: the weight '1001' of the first event is missing: {remedy}"):
        read_lhe(path)
    filled = read_lhe(path, weights="fill")
    nan = np.nan
    expected = {
        "1001": [1.5, nan, 1.5, nan],
        "1002": [2.5, nan, 2.5, nan],
        "1": [nan, nan, nan, 1.5],
        "2": [nan, nan, nan, 2.5],
        "pdf & 3": [nan, nan, nan, 3.5],
    }
    assert filled.weights.fields == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(filled.weights[name], values)
    assert read_lhe(path, weights="skip").weights.fields == []
    assert read_lhe(path, weights="skip").eventinfo.weight.tolist() == [1] * 4
    chunks = list(iterate_lhe(path, events_per_chunk=1, weights="fill"))
    assert [chunk.weights.fields for chunk in chunks] == [["1001", "1002"]] * 3 + [list(expected)]
    with pytest.raises(ConfigurationError, match="weights 'none': use one of strict, fill, skip"):
        read_lhe(path, weights="none")  # type: ignore[arg-type]


@pytest.mark.parametrize("weights", ["strict", "fill", "skip"])
@pytest.mark.parametrize("number", range(len(dialects())))
def test_the_reference_agrees_on_the_dialects(path: Path, number: int, weights: str) -> None:
    outcomes = {compare(dialects()[number], path, piece, 2, weights) for piece in (40, 500)}  # type: ignore[arg-type]
    assert outcomes == {"refused" if weights == "strict" and number >= 4 else "read"}


@pytest.mark.parametrize("piece", [40, 1 << 20])
def test_the_line_of_an_event(path: Path, piece: int) -> None:
    path.write_bytes(GROUPS)
    lines = [number for number, line in enumerate(GROUPS.split(b"\n"), 1) if line.startswith(b"<event>")]
    for number, line in enumerate(lines, 1):
        with LHEStream(path, piece_bytes=piece) as stream:
            assert stream.line_of(number) == line
