from __future__ import annotations

import gzip
import io
import pickle
import random
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import awkward as ak
import numpy as np
import pylhe
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from lhe_mutations import assert_same, bases, compare, mutant, read_compiled
from lhe_reference import read_reference
from lhe_samples import (
    FOOT,
    HEAD,
    PLAIN_EVENT,
    REAL,
    RICH_EVENT,
    document,
    listed_document,
    real_text,
    rich_document,
    with_weights,
)
from zmumu_hybrid import lhe
from zmumu_hybrid.errors import ConfigurationError, LHEError, MissingInputError
from zmumu_hybrid.lhe import iterate_lhe, read_init, read_lhe

WRITTEN = {"plain": document(PLAIN_EVENT), "rich": rich_document(), "listed": listed_document()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.lhe"


def read(path: Path, data: bytes | str) -> ak.Array:
    path.write_bytes(data.encode("latin-1") if isinstance(data, str) else data)
    return read_lhe(path)


@pytest.mark.parametrize("sample", REAL, ids=lambda sample: sample.name)
def test_real_files_agree_with_the_reference(sample: Path) -> None:
    assert_same([read_lhe(sample)], read_reference(sample.read_bytes()))


@pytest.mark.parametrize("name", WRITTEN)
def test_written_files_agree_with_the_reference(path: Path, name: str) -> None:
    assert_same([read(path, WRITTEN[name])], read_reference(WRITTEN[name]))


@pytest.mark.parametrize("sample", REAL, ids=lambda sample: sample.name)
def test_real_files_agree_with_pylhe(sample: Path) -> None:
    file = pylhe.LHEFile.fromfile(sample)
    theirs = pylhe.to_awkward(file)
    mine = read_lhe(sample)
    assert len(mine) == len(theirs)
    for name in theirs.eventinfo.fields:
        assert mine.eventinfo[name].tolist() == theirs.eventinfo[name].tolist()
    names = {"id": "pdgId", "m": "genMass"}
    for name in set(theirs.particles.fields) - {"vector"}:
        assert mine.particles[names.get(name, name)].tolist() == theirs.particles[name].tolist()
    for my_name, their_name in {"px": "px", "py": "py", "pz": "pz", "energy": "e"}.items():
        assert mine.particles[my_name].tolist() == theirs.particles.vector[their_name].tolist()
    init = read_init(sample)
    assert init.version == file.version
    assert init.beams == (file.init.initInfo.beamA, file.init.initInfo.beamB)
    assert [process.cross_section for process in init.processes] == [info.xSection for info in file.init.procInfo]


def test_weights_agree_with_pylhe(path: Path) -> None:
    rich = "\n".join(line for line in RICH_EVENT.split("\n") if not line.startswith(("#", "<!--", "<![CDATA")) and line)
    plain_rich = rich.replace("# after them", "").replace("1.5-104", "1.5e-104").replace("4d1", "4e1")
    header = HEAD.replace("1.D-02", "1.E-02").replace("6.5D+03", "6.5E+03").replace("caf\xe9", "cafe")
    header = header.replace("1001", "1001").replace("d1", "e1")
    listed = with_weights(PLAIN_EVENT, "<weights> 1.1 1.2\n1.3 </weights>\n").replace("D+00", "").replace("4d1", "40")
    for event in (plain_rich.replace("D+00", ""), listed):
        path.write_text(header + event * 3 + "</LesHouchesEvents>\n")
        theirs = list(pylhe.LHEFile.fromfile(path).events)
        mine = read_lhe(path)
        assert mine.weights.tolist() == [event.weights for event in theirs]
        assert mine.weights[0].tolist() == {"1001": 1.1, "1002": 1.2, "pdf & 3": 1.3}


def test_the_record(path: Path) -> None:
    events = read(path, rich_document(2))
    assert events.fields == ["run", "luminosityBlock", "event", "eventinfo", "weights", "particles"]
    assert str(events.type.content.contents[:3][2]) == "uint64"
    assert events.run.tolist() == [1, 1]
    assert events.event[0] == events.event[1]
    particles = events.particles
    pair = particles[:, 2] + particles[:, 3]
    assert pair.mass.tolist() == pytest.approx([2 * 50.00024999] * 2)
    assert particles.pt[0, 2] == pytest.approx(np.hypot(30, 0.5))
    assert particles.genMass[0, 3] == 0.10566
    assert pickle.loads(pickle.dumps(events)).particles.eta[0].tolist() == particles.eta[0].tolist()


def test_no_weights_is_a_record_without_fields(path: Path) -> None:
    assert read(path, document(PLAIN_EVENT)).weights.fields == []


def test_a_file_without_events(path: Path) -> None:
    events = read(path, document())
    assert len(events) == 0
    assert events.particles.px.tolist() == []
    assert list(iterate_lhe(path)) == []


@given(piece=st.integers(1, 5000), chunk=st.one_of(st.none(), st.integers(1, 200)), sample=st.sampled_from(bases()))
@examples(60)
def test_pieces_and_chunks_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, piece: int, chunk: int | None, sample: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "pieces.lhe"
    assert compare(sample, path, max(piece, len(sample) // 200), chunk, "fill") == "read"


def test_chunks_have_the_size_asked_for() -> None:
    sizes = [len(chunk) for chunk in iterate_lhe(REAL[0], events_per_chunk=40)]
    assert sizes == [40, 40, 40, 30]
    assert ak.array_equal(ak.concatenate(list(iterate_lhe(REAL[0], events_per_chunk=40))), read_lhe(REAL[0]))


def test_many_weights_make_chunks_smaller(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lhe.event_stream, "_WEIGHTS_IN_CHUNK", 10)
    path.write_bytes(rich_document(10))
    assert [len(chunk) for chunk in iterate_lhe(path)] == [4, 4, 2]


def test_many_particles_make_chunks_smaller(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lhe.event_stream, "_PARTICLES_IN_CHUNK", 10)
    monkeypatch.setattr(lhe.event_stream, "_ROOM", 1)
    crowd = PLAIN_EVENT.replace("4 1 1", "24 1 1").replace(
        "</event>", " 21 1 0 0 0 0 0 0 1 1 0 0 9\n" * 20 + "</event>"
    )
    data = document(*[PLAIN_EVENT] * 5, crowd, *[PLAIN_EVENT] * 7)
    path.write_bytes(data)
    chunks = list(iterate_lhe(path, events_per_chunk=100))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1, 5, 3]
    assert_same(chunks, read_reference(data))
    assert len(read_lhe(path)) == 13


def test_room_grows_with_the_events(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lhe.event_stream, "_ROOM", 1)
    data = document(*[PLAIN_EVENT, PLAIN_EVENT.replace("4 1", "0 1").split(" 2 -1")[0] + "</event>\n"] * 40)
    crowd = PLAIN_EVENT.replace("4 1 1", "40 1 1").replace("</event>\n", "") + " 21 1 0 0 0 0 0 0 1 1 0 0 9\n" * 36
    data = data.replace(b"</LesHouchesEvents>", crowd.encode() + b"</event>\n</LesHouchesEvents>")
    assert_same([read(path, data)], read_reference(data))


def test_numbers_left_undecided_are_read_by_python(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them in one event than there is room for at first, in each kind of column."""
    tie = "1.00000000000000011102230246251565404236316680908203125"
    rows = (f" 21 1 0 0 0 0 {tie} -{tie} {tie} {tie}D0 {tie} 4.9e-324 {tie}\n") * 300
    weights = f"<rwgt><wgt id='a'>{tie}</wgt></rwgt><weights>-{tie}</weights>"
    data = document(f"<event>\n300 1 {tie} {tie} {tie} 5e-324\n{rows}{weights}</event>\n" * 2)
    assert_same([read(path, data)], read_reference(data))


def test_identity_knows_the_content_and_nothing_else(path: Path, tmp_path: Path) -> None:
    whole = read_lhe(REAL[0])
    body = real_text(REAL[0])
    head, _, rest = body.partition(b"<event>")
    events = [b"<event>" + event for event in rest.split(b"</LesHouchesEvents>")[0].split(b"<event>")]
    turned = read(path, head + b"".join(reversed(events)) + b"</LesHouchesEvents>\n")
    for name in ("run", "luminosityBlock", "event"):
        assert turned[name].tolist() == whole[name].tolist()[::-1]
    assert len(set(whole.event.tolist())) == len(whole)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(REAL[0].read_bytes())))
    assert len(read_lhe("-")) == 150


def test_the_beginning_alone_is_read_for_init(path: Path) -> None:
    path.write_bytes(HEAD.encode("latin-1") + b"<event>\n and then nothing")
    assert read_init(path).version == "3.0"


def test_event_groups_and_declared_files_with_nothing_declared(path: Path) -> None:
    listed = with_weights(PLAIN_EVENT, "<weights>1 2</weights>")
    head = HEAD.replace("<initrwgt>", "<initrwgt/><old>").replace("</initrwgt>", "</old>")
    data = document("<eventgroup nreal='2'>\n", listed, listed, "</eventgroup>\n", head=head)
    events = read(path, data)
    assert events.weights.fields == ["1", "2"]
    assert_same([events], read_reference(data))


def replace(old: str, new: str, event: str = PLAIN_EVENT) -> str:
    assert old in event
    return event.replace(old, new, 1)


LINE = HEAD.count("\n") + 1 + PLAIN_EVENT.count("\n")
"""Number of the line of the second event's tag."""

BROKEN_EVENTS = {
    "NaN momentum": (replace("30.0", "NaN"), 4, r"px of particle 3 is 'NaN', not a finite number"),
    "infinite energy": (replace("50.0 50.0", "50.0 inf"), 2, "energy of particle 1 is 'inf', not a finite number"),
    "too large": (replace("30.0", "1e999"), 4, "px of particle 3 is '1e999', not a finite number"),
    "too large to decide": (replace("30.0", "9" * 309 + ".5e0"), 4, "px of particle 3 is '9{40}', not a finite number"),
    "NaN mass": (replace("0.10566", "nan"), 5, "genMass of particle 4 is 'nan', not a finite number"),
    "NaN weight": (replace("1.0D+00", "nan"), 1, "weight is 'nan', not a finite number"),
    "infinite scale": (replace("91.2", "1e400"), 1, "scale is '1e400', not a finite number"),
    "text for a number": (replace("30.0", "thirty"), 4, "px of particle 3 is 'thirty', not a number"),
    "Fortran overflow": (replace("30.0", "*****"), 4, r"px of particle 3 is '\*+', not a number"),
    "underscore": (replace("30.0", "3_0"), 4, "px of particle 3 is '3_0', not a number"),
    "text for an integer": (replace("-13 1", "mu+ 1"), 4, r"pdgId of particle 3 is 'mu\+', not an integer"),
    "float for an integer": (replace("-13 1", "-13.0 1"), 4, "pdgId of particle 3 is '-13.0', not an integer"),
    "large integer": (replace("-13 1", "9999999999 1"), 4, "pdgId of particle 3 is '9{10}', not an integer of the"),
    "negative NUP": (replace("4 1 1.0", "-4 1 1.0"), 1, "nparticles is '-4', not an integer of the allowed range"),
    "huge NUP": (replace("4 1 1.0", "2000000000 1 1.0"), 6, "NUP is 2000000000, but only 4 particle lines"),
    "NUP too large": (replace("4 1 1.0", "5 1 1.0"), 6, "NUP is 5, but only 4 particle lines come before '</event>'"),
    "NUP too small": (replace("4 1 1.0", "3 1 1.0"), 5, "'13' stands after the last of the NUP = 3 particle lines"),
    "a column missing": (replace(" 0. -1.", " 0."), 5, "the line ends before spin of particle 4"),
    "an integer missing": (replace(" -13 1 1 2 0 0 30.0 .5 -4.E+01 50.00024999 0. 0. 1.", "-13"), 4, "before status"),
    "a column too many": (replace("0. -1.", "0. -1. 7"), 5, "'7' stands after the last column of the line"),
    "an empty event": ("<event>\n</event>\n", 1, "the line ends before nparticles"),
    "a closed tag": ("<event/>\n", 0, "'/>' is not a valid tag here"),
    "text": (replace("</event>", "hello </event>"), 6, "'hello' stands after the last of the NUP = 4"),
    "NUL": (replace("30.0", "3\0"), 4, r"px of particle 3 is '3\\x00', not a number"),
    "no end": (replace("</event>\n", ""), 6, "there is no </event> before '<event>'"),
    "open element": (replace("</event>", "<rscale> 1 </event>"), 6, "the element '<rscale>' is not closed before"),
    "stray closing tag": (replace("</event>", "</rwgt></event>"), 6, "'</rwgt>' is not a valid tag here"),
    "tag in a tag": (replace("</event>", "<scales a='1' <b></event>"), 6, "'<b>' is not a valid tag here"),
    "weight twice": (
        with_weights(PLAIN_EVENT, "<rwgt><wgt id='a'>1</wgt>\n<wgt id='a'>2</wgt></rwgt>"),
        6,
        "the weight 'a' is not among those of the first event",
    ),
    "text in weights": (with_weights(PLAIN_EVENT, "<rwgt>\n1.0</rwgt>"), 7, "'1.0' stands where a weight, or the end"),
    "tag in weights": (with_weights(PLAIN_EVENT, "<weights><wgt></weights>"), 6, "'<wgt>' stands where a weight"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_EVENTS)
def test_a_broken_event_is_named(path: Path, name: str) -> None:
    event, line, message = BROKEN_EVENTS[name]
    data = document(PLAIN_EVENT, event, PLAIN_EVENT)
    expected = rf"some\.lhe: event 2, line {LINE + line}: .*{message}.*: "
    with pytest.raises(LHEError, match=expected):
        read(path, data)
    path.write_bytes(gzip.compress(data, mtime=0))
    with pytest.raises(LHEError, match=expected):
        read_lhe(path)
    assert compare(data, path, 64, 1) == "refused"


WEIGHTED = with_weights(PLAIN_EVENT, "<rwgt>\n<wgt id='a'>1</wgt>\n<wgt id='b'>2</wgt>\n</rwgt>\n")
BROKEN_WEIGHTS = {
    "NaN": (replace(">2<", ">nan<", WEIGHTED), "event 2, .*the weight 'b' is 'nan', not a finite number"),
    "too large": (replace(">2<", ">" + "9" * 309 + "<", WEIGHTED), "event 2, .*the weight 'b' is '9{40}', not a fin"),
    "no number": (replace(">2<", "><", WEIGHTED), "event 2, .*the weight 'b' is '</wgt>', not a number"),
    "twice": (replace("'b'", "'a'", WEIGHTED), "event 2, .*the weight 'a' is given twice"),
    "missing": (PLAIN_EVENT, "event 2, .*the weight 'a' of the first event is missing: .*weights='fill' for NaN"),
    "new": (replace("'b'", "'c'", WEIGHTED), "event 2, .*the weight 'c' is not among those of the first event"),
    "listed": (
        with_weights(PLAIN_EVENT, "<weights>1 2</weights>"),
        "event 2, .*the weight in place 1 is not among those",
    ),
    "no id": (replace(" id='b'", "", WEIGHTED), "event 2, .*'<wgt>' is not a valid tag here"),
    "unquoted id": (replace("id='b'", "id=b", WEIGHTED), "event 2, .*'<wgt' is not a valid tag here"),
    "not closed": (replace(">2</wgt>", ">2", WEIGHTED), "event 2, .*'</rwgt>' stands where a weight"),
    "closed tag": (replace("'b'>", "'b'/>", WEIGHTED), "event 2, .*'<wgt' is not a valid tag here"),
    "rwgt not closed": (replace("</rwgt>", "", WEIGHTED), "event 2, .*'</event>' stands where a weight"),
}


@pytest.mark.parametrize("name", BROKEN_WEIGHTS)
def test_broken_weights_are_named(path: Path, name: str) -> None:
    event, message = BROKEN_WEIGHTS[name]
    with pytest.raises(LHEError, match=message):
        read(path, document(WEIGHTED, event, WEIGHTED))
    assert compare(document(WEIGHTED, event), path) == "refused"


def test_the_weights_of_the_first_event_need_names_of_their_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = WEIGHTED.replace("'a'", "'&lt;'").replace("'b'", "'&#60;'")
    with pytest.raises(LHEError, match=r"event 1, line .*: two weights have the same name: .* each with its own"):
        read(path, document(twice))
    monkeypatch.setattr(lhe.event_stream, "_MOST_WEIGHTS", 1)
    with pytest.raises(LHEError, match=r"event 1, .*: 2 weights: give an event at most 1 weights"):
        read(path, document(WEIGHTED))


TEXT = document(PLAIN_EVENT, PLAIN_EVENT)
LINES = TEXT.count(b"\n")
BROKEN_FILES = {
    "empty": (b"", ": the file is empty"),
    "cut in the header": (TEXT[:300], ": line 3: the file ends inside the block <header>, on"),
    "cut in an event": (TEXT[: -len(FOOT) - 40], "line .*: the file ends inside event 2, before its </event>"),
    "cut between events": (TEXT[: -len(FOOT)], "line .*: the file ends after event 2, without </LesHouchesEvents>"),
    "cut in the last tag": (TEXT[: -len(FOOT) + 10], "the file ends after event 2, without </LesHouchesEvents>"),
    "cut in the tag of an event": (TEXT[: TEXT.rindex(b"<event>") + 4], f"line {LINE}: the file ends after event 1,"),
    "cut in a number": (TEXT[: TEXT.rindex(b"30.0") + 2], "line .*: the file ends inside event 2, before its </event>"),
    "cut in <rwgt>": (rich_document(2)[:-400], "line .*: the file ends inside event 2, before its </event>"),
    "text between": (document(PLAIN_EVENT, "so\n", PLAIN_EVENT), f"line {LINE}: 'so' stands after event 1, outside"),
    "garbage after": (TEXT + b"\nmore\n", f"line {LINES + 2}: 'more' follows </LesHouchesEvents>: nothing but comm"),
    "joined": (TEXT + TEXT, f"line {LINES + 1}: '<LesHouchesEvents .*' follows </LesHouchesEvents>: .* one by"),
    "open comment after": (TEXT + b"<!-- ", "'<!--' follows </LesHouchesEvents>"),
    "open comment between": (document(PLAIN_EVENT, "<!-- ", PLAIN_EVENT, foot=""), "the file ends after event 1"),
    "no init": (document(PLAIN_EVENT, head="<LesHouchesEvents>\n"), "line 2: there is no <init> block before"),
    "not LHE": (b"hello\n", "line 1: this is not a Les Houches Event file: 'hello' stands"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_FILES)
@pytest.mark.parametrize("piece", [50, 1 << 20])
def test_a_broken_file_is_named(path: Path, name: str, piece: int) -> None:
    data, message = BROKEN_FILES[name]
    path.write_bytes(data)
    with pytest.raises(LHEError, match=rf"some\.lhe: .*{message}" if message[0] != ":" else rf"some\.lhe{message}"):
        read_compiled(path, piece, None)
    assert compare(data, path, piece) == "refused"


@pytest.mark.parametrize("piece", [50, 1 << 20])
def test_a_truncated_gz_is_named_though_its_events_are_whole(path: Path, piece: int) -> None:
    path.write_bytes(gzip.compress(TEXT, mtime=0)[:-2])
    message = rf"some\.lhe: line {LINES + 1}: the gz data end too early, after event 2: the file is truncated, copy it"
    with pytest.raises(LHEError, match=message):
        read_compiled(path, piece, None)


def _stored(data: bytes, *, whole: bool = True) -> bytes:
    """Return gz that is not compressed: what its first bytes hold can be got from the first bytes of it."""
    compressor = zlib.compressobj(0, wbits=31)
    return compressor.compress(data) + compressor.flush(zlib.Z_FINISH if whole else zlib.Z_SYNC_FLUSH)


CUTS = {
    "in a number": (TEXT.rindex(b"30.0") + 2, ", inside event 2, before its </event>: the file is truncated"),
    "in a tag": (TEXT.rindex(b"<event>") + 4, ", after event 1: the file is truncated"),
    "between events": (TEXT.rindex(b"<event>"), ", after event 1: the file is truncated"),
    "in the last tag": (len(TEXT) - len(FOOT) + 4, ", after event 2: the file is truncated"),
    "in the trailer": (len(TEXT) - 5, ", after event 2: the file is truncated"),
    "in the header": (300, " inside the block <header>, on this line or later: the file is truncated"),
}


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("piece", [50, 1 << 20])
def test_a_truncated_gz_says_how_far_it_goes(path: Path, name: str, piece: int) -> None:
    cut, where = CUTS[name]
    path.write_bytes(_stored(TEXT[:cut], whole=False))
    line = TEXT.count(b"\n", 0, cut) + 1 if name != "in the header" else 3
    with pytest.raises(LHEError, match=rf"some\.lhe: line {line}: the gz data end too early{where}, copy it again$"):
        read_compiled(path, piece, 1)


def test_other_damage_to_gz_says_how_far_it_goes(path: Path) -> None:
    data = _stored(document(*[PLAIN_EVENT] * 2000))
    path.write_bytes(data + b"more")
    with pytest.raises(LHEError, match=r"line \d+: something that is not gz follows the gz data, after event 2000: c"):
        read_lhe(path)
    path.write_bytes(data[:-8] + b"\0\0\0\0" + data[-4:])
    for piece in (10_000, 1 << 20):
        with pytest.raises(
            LHEError, match=r"line \d+: the gz data are damaged \(.*data check\), after event 2000: copy"
        ):
            read_compiled(path, piece, None)
    start = data.index(PLAIN_EVENT.encode(), 3 * len(data) // 4)
    path.write_bytes(data[:start] + PLAIN_EVENT.replace("30.0", "30.1").encode() + data[start + len(PLAIN_EVENT) :])
    with pytest.raises(LHEError, match=r"the gz data are damaged \(.*incorrect data check\), after event 2000: copy"):
        read_lhe(path)
    data = gzip.compress(rich_document(300), 1, mtime=0)
    path.write_bytes(data[: len(data) // 2] + b"\xff" * 40 + data[len(data) // 2 + 40 :])
    with pytest.raises(LHEError, match=r"some\.lhe: (?:event \d+, )?line \d+: .*: copy"):
        read_lhe(path)
    path.write_bytes(_stored(b"", whole=False))
    with pytest.raises(LHEError, match=r"some\.lhe: the gz data end too early: the file is truncated, copy it again$"):
        read_lhe(path)


def test_chunks_before_the_damage_are_given(path: Path) -> None:
    path.write_bytes(document(*[PLAIN_EVENT] * 5, "<event>"))
    chunks = iterate_lhe(path, events_per_chunk=2)
    assert [len(next(chunks)), len(next(chunks))] == [2, 2]
    with pytest.raises(LHEError, match="event 6"):
        next(chunks)


def test_nothing_may_be_longer_than_the_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lhe.event_stream, "_LONGEST_EVENT", 4 << 10)
    path.write_bytes(document(PLAIN_EVENT, replace("</event>", "#" * 9000 + "\n</event>")))
    with pytest.raises(LHEError, match=r"line \d+: no event ends within 0 MiB from here"):
        read_compiled(path, 500, None)
    path.write_bytes(document(head=HEAD.replace("<note>", "<note>" + "x" * 9000)))
    with pytest.raises(
        LHEError, match=r"the file ends inside the block <header>.*nothing before the events may be longer"
    ):
        read_compiled(path, 500, None)


HOSTILE = {
    "digits": document(PLAIN_EVENT.replace("30.0", "1" * 300_000 + "x")),
    "digits of the exponent": document(PLAIN_EVENT.replace("30.0", "1e" + "1" * 300_000 + "x")),
    "comments": document("<!-- " * 60_000),
    "elements": document(PLAIN_EVENT.replace("</event>", "<a>" * 100_000)),
    "quotes": document(PLAIN_EVENT.replace("</event>", "<a b='\"" * 50_000)),
    "brackets": document("<" * 300_000),
    "an attribute": document(head=HEAD.replace("<weight id='1002'>", "<weight " + "a" * 300_000 + ">")),
    "many attributes": document(head=HEAD.replace("<weight id='1002'>", "<weight " + "a " * 150_000 + ">")),
    "blocks": document(head=HEAD.replace("<initrwgt>", "<initrwgt>" * 30_000 + "<weight>")),
    "a document type": b"<!DOCTYPE a [" + b"<!ENTITY b 'c\"" * 30_000 + document(PLAIN_EVENT),
    "open comments": b"<!-- <!-- -" * 30_000,
    "weights": document(with_weights(PLAIN_EVENT, "<rwgt>" + "<wgt id='a'>1</wgt>" * 30_000 + "</rwgt>")),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_costs_no_more_than_its_length(path: Path, name: str) -> None:
    read(path, WRITTEN["rich"])  # all that is compiled or loaded at first use
    begin = time.process_time()  # of this process alone, whatever the load
    with pytest.raises(LHEError) as caught:
        read(path, HOSTILE[name])
    assert time.process_time() - begin < 5  # it takes less than 0.3; by each pair of characters it would be minutes
    assert len(str(caught.value)) < 500


def test_missing_file_and_wrong_chunks(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="none: no such file"):
        read_lhe(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="events_per_chunk is 0, it must be at least 1"):
        list(iterate_lhe(REAL[0], events_per_chunk=0))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_read_as_the_reference_reads_them(path: Path, seed: int) -> None:
    """`python tests/fuzz_lhe.py` does the same on as many as wanted."""
    rng = random.Random(seed)
    starts = bases()
    outcomes = [
        compare(mutant(rng, starts), path, piece, rng.choice((None, 1, 2)), rng.choice(("strict", "fill", "skip")))
        for piece in rng.choices((100, 500, 4096, 1 << 20), k=100)
    ]
    assert {"read", "refused"} == set(outcomes)


def test_of_two_attributes_of_one_name_the_first_counts(tmp_path: Path) -> None:
    """Found by `fuzz_lhe.py`: the header took the last, events the first."""
    for data in bases():
        if b'<weight id="1001"' in data:
            twice = data.replace(b'<weight id="1001"', b"<weight id='1001' eight id='other'")
            assert compare(twice, tmp_path / "twice.lhe") == "read"
            assert "1001" in read_lhe(tmp_path / "twice.lhe").weights.fields
            return
    raise AssertionError("no base has named weights")


def test_reserved_flags_of_gz_are_refused(tmp_path: Path) -> None:
    """Found by `fuzz_lhe.py`: Python's gzip, and so the reference, read over them."""
    data = bytearray(gzip.compress(bases()[0], mtime=0))
    data[3] |= 0x20
    assert compare(bytes(data), tmp_path / "flags.lhe.gz") == "refused"
