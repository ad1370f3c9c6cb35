"""What stands before the events of a Les Houches Event file: version, header, beams, cross sections, weight names.

No XML parser sees the text: tags are found by name outside comments and CDATA, only the predefined entities and
character references are resolved, those that a file defines are not, and nothing is ever fetched.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from zmumu_hybrid.errors import LHEError
from zmumu_hybrid.lhe.decimals import parse_decimal

__all__ = ["LHEInit", "LHEProcess", "LHEWeight", "UnfinishedError", "decode", "excerpt", "line_at", "parse_preamble"]


@dataclass(frozen=True, slots=True)
class LHEProcess:
    """One process of the <init> block.

    Attributes
    ----------
    process_id : int
        LPRUP, which the events repeat as `pid`.
    cross_section, cross_section_error : float
        XSECUP and XERRUP in pb.
    maximum_weight : float
        XMAXUP.
    """

    process_id: int
    cross_section: float
    cross_section_error: float
    maximum_weight: float


@dataclass(frozen=True, slots=True)
class LHEWeight:
    """One weight that the header's <initrwgt> declares: its id, its text, and the name of its group ("" if none)."""

    id: str
    text: str
    group: str


@dataclass(frozen=True, slots=True)
class LHEInit:
    """What a Les Houches Event file says before its events.

    Attributes
    ----------
    version : str
        The version of the format ("1.0", "2.0", "3.0"); "" if the file does not say.
    beams : tuple of int
        PDG codes of the two beams.
    beam_energies : tuple of float
        In GeV.
    pdf_groups, pdf_sets : tuple of int
        PDFGUP and PDFSUP of the two beams.
    weighting_strategy : int
        IDWTUP.
    processes : tuple of LHEProcess
    weights : tuple of LHEWeight
        As declared in <initrwgt>, in the header or in <init>; the weights that the events have are the fields of their
        `weights`.
    header : str
        The text between the opening tag of the file and <init>, settings of the generator in it.
    """

    version: str
    beams: tuple[int, int]
    beam_energies: tuple[float, float]
    pdf_groups: tuple[int, int]
    pdf_sets: tuple[int, int]
    weighting_strategy: int
    processes: tuple[LHEProcess, ...]
    weights: tuple[LHEWeight, ...]
    header: str

    @property
    def cross_section(self) -> float:
        """The sum of the processes' cross sections, in pb."""
        return math.fsum(process.cross_section for process in self.processes)

    @property
    def cross_section_error(self) -> float:
        """The processes' cross section errors in quadrature, in pb."""
        return math.hypot(*(process.cross_section_error for process in self.processes))


class UnfinishedError(Exception):
    """The text ends inside `what`, which begins at byte `position`; more of it is needed to go on."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(what, position)
        self.what = what
        self.position = position


_SPACE = re.compile(rb"[ \t\r\n]*")
_LINE_COMMENT = re.compile(rb"#(?:[^\n<]|<(?![A-Za-z/!?]))*")
_ATTRIBUTES = rb"""(?:[ \t\r\n/](?:[^<>"']|"[^"<]*"|'[^'<]*')*)?"""
_TAG = re.compile(rb"<(/?)([A-Za-z_][A-Za-z0-9_.:-]*)(" + _ATTRIBUTES + rb")>")
_ATTRIBUTE = re.compile(rb"""([^ \t\r\n=/]{1,100}+)[ \t\r\n]*+=[ \t\r\n]*+(?:"([^"]*)"|'([^']*)')""")
_HIDDEN = re.compile(rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>", re.DOTALL)
_DOCTYPE = re.compile(rb"""<!DOCTYPE(?:[^\[\]<>"']|"[^"]*"|'[^']*')*(?:\[(?:[^\]"']|"[^"]*"|'[^']*')*\])?[ \t\r\n]*>""")
_ROOT = b"LesHouchesEvents"
_BEAM_FIELDS = (
    *("IDBMUP(1)", "IDBMUP(2)", "EBMUP(1)", "EBMUP(2)", "PDFGUP(1)", "PDFGUP(2)", "PDFSUP(1)", "PDFSUP(2)"),
    *("IDWTUP", "NPRUP"),
)
_PROCESS_FIELDS = ("XSECUP", "XERRUP", "XMAXUP", "LPRUP")


def decode(text: bytes) -> str:
    """Decode UTF-8, or Latin-1 if it is not."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def line_at(text: bytes, position: int) -> int:
    """Return the number, counted from 1, of the line of `text` that `position` is in."""
    return text.count(b"\n", 0, position) + 1


def excerpt(text: bytes, position: int) -> str:
    """Return the beginning of what stands at `position`, on one line and in quotes."""
    return repr(decode(text[position : position + 40].partition(b"\n")[0].rstrip()))


def _attributes(tag: bytes) -> dict[str, str]:
    """Return the attributes of a tag, the first of each name; in their values predefined entities are resolved."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(tag):
        found.setdefault(decode(match[1]), html.unescape(decode(match[2] if match[2] is not None else match[3])))
    return found


def _skip(text: bytes, position: int, begin: bytes, end: bytes, what: str) -> int:
    """Return the position after the first `end` behind the `begin` that stands at `position`."""
    found = text.find(end, position + len(begin))
    if found < 0:
        raise UnfinishedError(what, position)
    return found + len(end)


def _skip_filler(text: bytes, position: int) -> int:
    """Return the position of the next byte that is neither blank nor in a comment."""
    while True:
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]
        if text.startswith(b"<!--", position):
            position = _skip(text, position, b"<!--", b"-->", "a comment")
        elif text.startswith(b"#", position):
            position = _LINE_COMMENT.match(text, position).end()  # type: ignore[union-attr]
        elif position == len(text) or b"<!--".startswith(text[position : position + 4]):
            raise UnfinishedError("what stands before the events", position)
        else:
            return position


def _skip_prolog(text: bytes, name: str) -> tuple[int, str]:
    """Return the position after the tag <LesHouchesEvents> and the version in it."""
    position = 3 if text.startswith(b"\xef\xbb\xbf") else 0
    while True:
        position = _skip_filler(text, position)
        if text.startswith(b"<?", position):
            position = _skip(text, position, b"<?", b"?>", "an XML declaration")
        elif text.startswith(b"<!DOCTYPE", position):
            match = _DOCTYPE.match(text, position)
            if match is None:
                raise UnfinishedError("a document type", position)
            position = match.end()
        else:
            break
    tag = _TAG.match(text, position)
    if tag is not None and tag[2] == _ROOT and not tag[1]:
        return tag.end(), _attributes(tag[3]).get("version", "").strip()
    start = b"<" + _ROOT
    if tag is None and (text.startswith(start, position) or start.startswith(text[position:])):
        raise UnfinishedError("the tag <LesHouchesEvents>", position)
    raise LHEError(
        f"{name}: line {line_at(text, position)}: this is not a Les Houches Event file: "
        f"{excerpt(text, position)} stands where <LesHouchesEvents> should; give a file that an event "
        "generator wrote as LHE"
    )


def _skip_block(text: bytes, start: re.Match[bytes]) -> int:
    """Return the position after the end of the block whose first tag is `start`, comments and CDATA jumped over."""
    if start[3].endswith(b"/"):
        return start.end()
    position = start.end()
    ends = re.compile(rb"<!--|<!\[CDATA\[|</" + re.escape(start[2]) + rb"[ \t\r\n]*>")
    while True:
        match = ends.search(text, position)
        if match is None:
            raise UnfinishedError(f"the block <{decode(start[2])}>", start.start())
        if match[0] == b"<!--":
            position = _skip(text, match.start(), match[0], b"-->", "a comment")
        elif match[0].startswith(b"<!"):
            position = _skip(text, match.start(), match[0], b"]]>", "CDATA")
        else:
            return match.end()


def _declared_weights(header: bytes, name: str) -> tuple[LHEWeight, ...]:
    """Return the weights that <initrwgt> declares, in the header or in <init>."""
    weights: list[LHEWeight] = []
    visible = _HIDDEN.sub(b"", header)
    begin = visible.find(b"<initrwgt")
    while begin >= 0:
        end = visible.find(b"</initrwgt", begin)
        if end < 0:
            break
        weights += _weights_of_block(visible[begin:end], name)
        begin = visible.find(b"<initrwgt", end)
    return tuple(weights)


def _weights_of_block(block: bytes, name: str) -> Iterator[LHEWeight]:
    """Yield the weights of one <initrwgt> block."""
    group = ""
    tags = list(_TAG.finditer(block))
    for tag, following in zip_longest(tags, tags[1:]):
        attributes = _attributes(tag[3])
        if tag[2] == b"weightgroup":
            group = "" if tag[1] else attributes.get("name", attributes.get("type", ""))
        elif tag[2] == b"weight" and not tag[1]:
            if "id" not in attributes:
                raise LHEError(f"{name}: header: {excerpt(tag[0], 0)} in <initrwgt> has no id: give each weight one")
            text = b"" if tag[3].endswith(b"/") else block[tag.end() : following.start() if following else None]
            yield LHEWeight(attributes["id"], html.unescape(decode(text)).strip(), group)


def _parse_number(column: bytes, integer: bool) -> int | float:
    """Return the finite number that `column` is; `ValueError` if it is not."""
    if integer and not re.fullmatch(rb"[+-]?[0-9]+", column):
        raise ValueError(column)
    value = int(column) if integer else parse_decimal(column)
    if not math.isfinite(value):
        raise ValueError(column)
    return value


def _parse_row(columns: list[bytes], fields: tuple[str, ...], where: str) -> list[int | float]:
    """Return the numbers of one line of <init>, which must be `fields`."""
    if len(columns) != len(fields):
        raise LHEError(
            f"{where}: this line of <init> has {len(columns)} columns, not the {len(fields)} of {' '.join(fields)}: "
            "the file is damaged"
        )
    values: list[int | float] = []
    for field, column in zip(fields, columns, strict=True):
        integer = not field.startswith(("EBMUP", "X"))
        try:
            values.append(_parse_number(column, integer))
        except ValueError:
            kind = "an integer" if integer else "a finite number"
            raise LHEError(
                f"{where}: {field} in <init> is {decode(column)!r}, not {kind}: the file is damaged"
            ) from None
    return values


def _parse_init(block: bytes, name: str, line: int) -> tuple[list[int | float], list[list[int | float]]]:
    """Return the numbers of the <init> block, which begins on `line`: the beams' line, and a line per process."""
    text = _HIDDEN.sub(lambda match: b"\n" * match[0].count(b"\n"), block).partition(b"<")[0]
    rows = [(line + offset, row.partition(b"#")[0].split()) for offset, row in enumerate(text.split(b"\n"))]
    rows = [row for row in rows if row[1]]
    if not rows:
        raise LHEError(f"{name}: line {line}: <init> has no numbers: the file is damaged")
    beams = _parse_row(rows[0][1], _BEAM_FIELDS, f"{name}: line {rows[0][0]}")
    if len(rows) - 1 != beams[9]:
        raise LHEError(
            f"{name}: line {rows[0][0]}: NPRUP in <init> is {beams[9]}, but {len(rows) - 1} process lines follow: "
            "the file is damaged"
        )
    return beams, [_parse_row(columns, _PROCESS_FIELDS, f"{name}: line {number}") for number, columns in rows[1:]]


def parse_preamble(text: bytes, name: str) -> tuple[LHEInit, int]:
    """Read all that stands before the events.

    Parameters
    ----------
    text : bytes
        The file from its beginning, as much of it as there is.
    name : str
        What errors call the file.

    Returns
    -------
    init : LHEInit
    position : int
        Where `text` goes on after </init>.

    Raises
    ------
    UnfinishedError
        If more of the file is needed.
    LHEError
        If this is not the beginning of a Les Houches Event file.
    """
    root, version = _skip_prolog(text, name)
    position = root
    while True:
        position = _skip_filler(text, position)
        tag = _TAG.match(text, position)
        if tag is None and text.startswith(b"<", position) and text.find(b"<", position + 1) < 0:
            raise UnfinishedError("a tag", position)
        if tag is None or tag[1] or tag[2] == b"event":
            if tag is not None and tag[0].startswith((b"<event", b"</" + _ROOT)):
                problem = "there is no <init> block before the events"
            else:
                problem = f"{excerpt(text, position)} stands where <header> or <init> should"
            raise LHEError(
                f"{name}: line {line_at(text, position)}: {problem}: the file is damaged, copy or generate it again"
            )
        end = _skip_block(text, tag)
        if tag[2] == b"init":
            break
        position = end
    body = text[tag.end() : text.rindex(b"</", tag.start(), end)] if not tag[3].endswith(b"/") else b""
    beams, processes = _parse_init(body, name, line_at(text, tag.end()))
    header = text[root : tag.start()]
    init = LHEInit(
        version,
        beams=(int(beams[0]), int(beams[1])),
        beam_energies=(beams[2], beams[3]),
        pdf_groups=(int(beams[4]), int(beams[5])),
        pdf_sets=(int(beams[6]), int(beams[7])),
        weighting_strategy=int(beams[8]),
        processes=tuple(LHEProcess(int(row[3]), row[0], row[1], row[2]) for row in processes),
        weights=_declared_weights(header + body, name),
        header=decode(header).strip(),
    )
    return init, end
