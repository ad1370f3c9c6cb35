from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhe_samples import HEAD
from zmumu_hybrid.errors import LHEError
from zmumu_hybrid.lhe.header import LHEProcess, LHEWeight, UnfinishedError, parse_preamble

START = b'<LesHouchesEvents version="1.0">\n'
INIT = b"<init>\n 2212 2212 6500. 6500. 0 0 1 1 3 1\n 1. .1 1. 7\n</init>\n"


def parse(text: bytes) -> object:
    return parse_preamble(text, "f.lhe")[0]


def test_everything_is_found() -> None:
    text = HEAD.encode("latin-1")
    init, position = parse_preamble(text + b"<event>", "f.lhe")
    assert text[position:] == b"\n"
    assert init.version == "3.0"
    assert init.beams == (2212, 2212)
    assert init.beam_energies == (6500.0, 6500.0)
    assert init.pdf_groups == (0, 0)
    assert init.pdf_sets == (247000, 247000)
    assert init.weighting_strategy == -4
    assert init.processes == (LHEProcess(1, 1.5, 0.01, 1.0), LHEProcess(2, 2.5, 0.1, 1.0))
    assert init.cross_section == 4.0
    assert init.cross_section_error == pytest.approx((0.01**2 + 0.1**2) ** 0.5)
    assert init.weights == (
        LHEWeight("1001", "muR=1 muF=1", "scale < variation"),
        LHEWeight("1002", "muR=2 muF=1", "scale < variation"),
        LHEWeight("pdf & 3", "central", ""),
    )
    assert "café" in init.header
    assert "<generator" not in init.header


@given(st.integers(0, len(HEAD) - 9))
def test_with_less_text_it_asks_for_more(end: int) -> None:
    with pytest.raises(UnfinishedError):
        parse(HEAD.encode("latin-1")[:end])


@pytest.mark.parametrize(
    "prolog",
    [
        b"\xef\xbb\xbf",
        b'<?xml version="1.0" encoding="ISO-8859-1"?>\n',
        b"<!-- <LesHouchesEvents> --> \r\n",
        b"# shell-like\n",
        b'<!DOCTYPE LesHouchesEvents SYSTEM "file:///etc/passwd">',
    ],
)
def test_what_may_stand_before_it(prolog: bytes) -> None:
    assert parse(prolog + START + INIT).version == "1.0"


def test_entity_bombs_and_external_entities_do_nothing() -> None:
    levels = b"".join(b'<!ENTITY l%d "%s">' % (k, b"&l%d;" % (k - 1) * 10) for k in range(1, 20))
    bomb = b'<!DOCTYPE lolz [<!ENTITY l0 "lol"><!ENTITY x SYSTEM "file:///etc/passwd">' + levels + b"]>\n"
    weight = b'<initrwgt><weight id="&l19;">&x; &l19;</weight></initrwgt>'
    init = parse(bomb + START + b"<header>&x;" + weight + b"</header>" + INIT)
    assert init.weights == (LHEWeight("&l19;", "&x; &l19;", ""),)
    assert len(init.header) < 200


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"<header/>",
        b"<header>\n a < b\n</header>",
        b"<header><!-- </header> <init> --></header>",
        b"<header><![CDATA[ </header> ]]></header ><!-- x --><slha>\n</slha>\n# text\n",
        b"<!-- without any header -->",
    ],
)
def test_headers(header: bytes) -> None:
    assert parse(START + header + INIT).processes[0].process_id == 7


@pytest.mark.parametrize(
    ("block", "weights"),
    [
        (b"<initrwgt/>", []),
        (b"<initrwgt><weight id='1'/><weight id=\"2\">b</initrwgt>", [("1", "", ""), ("2", "b", "")]),
        (b"<initrwgt><weightgroup type='old'><weight id='1'>a</weight></weightgroup></initrwgt>", [("1", "a", "old")]),
        (b"<initrwgt><!-- <weight id='0'>x</weight> --><weight id = '1' >a</weight></initrwgt>", [("1", "a", "")]),
        (b"<initrwgt><weight id='1'>a</weight></initrwgt><initrwgt><weight id='2'>b</weight></initrwgt>",
         [("1", "a", ""), ("2", "b", "")]),
        (b"<initrwgt><weight id='1'>never closed", []),
    ],
)  # fmt: skip
def test_declared_weights(block: bytes, weights: list[tuple[str, str, str]]) -> None:
    init = parse(START + b"<header>" + block + b"</header>" + INIT)
    assert init.weights == tuple(LHEWeight(*weight) for weight in weights)


@pytest.mark.parametrize(
    "init",
    [
        INIT.replace(b"\n", b"\r\n"),
        INIT.replace(b"</init>", b"<generator>x</generator>\n<xsecinfo neve='1'/></init>"),
        INIT.replace(b"<init>\n", b"<init>\n# beams\n\n"),
        INIT.replace(b"7\n", b"7 # the process\n"),
        INIT.replace(b"<init>", b'<init note="<!--">').replace(b"<!--", b"x"),
    ],
)
def test_init_blocks(init: bytes) -> None:
    assert parse(START + init).processes == (LHEProcess(7, 1.0, 0.1, 1.0),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"run event\n", "line 1: this is not a Les Houches Event file: 'run event' stands where"),
        (b"\n\n<html><body>", "line 3: this is not a Les Houches Event file"),
        (b"<!-- x -->\n<LesHouches>", "line 2: this is not a Les Houches Event file"),
        (b"</LesHouchesEvents>\n", "line 1: this is not a Les Houches Event file"),
        (START + b"<event>", "line 2: there is no <init> block before the events"),
        (START + b"</LesHouchesEvents>", "line 2: there is no <init> block"),
        (START + b"header", "line 2: 'header' stands where <header> or <init> should"),
        (START + b"</header>", "line 2: '</header>' stands where"),
        (START + b"<init/>", "line 2: <init> has no numbers"),
        (START + b"<init>\n\n</init>", "line 2: <init> has no numbers"),
        (START + INIT.replace(b" 3 1", b" 3"), r"line 3: this line of <init> has 9 columns, not the 10 of IDBMUP\(1\)"),
        (START + INIT.replace(b". 7", b"."), "line 4: this line of <init> has 3 columns, not the 4 of XSECUP"),
        (START + INIT.replace(b" 3 1", b" 3 2"), "line 3: NPRUP in <init> is 2, but 1 process lines follow"),
        (START + INIT.replace(b" .1", b" nan"), "line 4: XERRUP in <init> is 'nan', not a finite number"),
        (START + INIT.replace(b" .1", b" 1e999"), "line 4: XERRUP in <init> is '1e999', not a finite number"),
        (START + INIT.replace(b"2212 6", b"p+ 6"), r"line 3: IDBMUP\(2\) in <init> is 'p\+', not an integer"),
        (START + INIT.replace(b"2212 6", b"2_2 6"), r"line 3: IDBMUP\(2\) in <init> is '2_2', not an integer"),
        (START + b"<header><initrwgt><weight>x</weight></initrwgt></header>" + INIT, "header: '<weight>' .* has no id"),
    ],
)
def test_what_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(LHEError, match=rf"^f\.lhe: {message}"):
        parse(text + b"\n")
