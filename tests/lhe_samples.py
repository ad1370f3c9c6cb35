"""Event files to test with: the real ones of tests/data, and one written here that has everything."""

from __future__ import annotations

import gzip
from pathlib import Path

DATA = Path(__file__).parent / "data"
REAL = tuple(
    DATA / name
    for name in (
        "madgraph-Zll-ckkwl.lhe.gz",
        "powheg-Zee.lhe",
        "pythia-signal.lhe.gz",
        "pythia-weakbosons.lhe",
    )
)

HEAD = """<LesHouchesEvents version="3.0">
<!-- a card with pt < 20 and <tags> in it -->
<header>
<card><![CDATA[ if (a < b && c > d) </header> <init> ]]></card>
<note>caf\xe9 &amp; more</note>
<initrwgt>
<weightgroup name="scale &lt; variation" combine="envelope">
<weight id="1001" MUR="1.0"> muR=1 muF=1 </weight>
<weight id='1002'> muR=2 muF=1 </weight>
</weightgroup>
<weight id="pdf &amp; 3">central</weight>
</initrwgt>
</header>
<init>
 2212 2212 6.5E+03 6.5D+03 0 0 247000 247000 -4 2
 1.5E+00 1.D-02 1.0 1
 2.5 0.1 1.0 2
<generator name="toy" version="1">please cite</generator>
</init>
"""
PLAIN_EVENT = """<event>
 4 1 1.0D+00 91.2 7.5e-03 1.2E-01
 2 -1 0 0 501 0 0. 0. 50.0 50.0 0. 0. 9.
 -2 -1 0 0 0 501 0. 0. -50.0 50.0 0. 0. 9.
 -13 1 1 2 0 0 30.0 .5 -4.E+01 50.00024999 0. 0. 1.
 13 1 1 2 0 0 -30.0 -0.50 4d1 50.00024999 0.10566 0. -1.
</event>
"""
RICH_EVENT = """<event npLO=" 1 " npNLO='-1'>
# before the numbers
 4   2 -1.234567890123456789012E+00 91.2 7.5e-03 1.2E-01  # after them
 2 -1 0 0 501 0 0. 0. 50.0 50.0 0. 0. 9.
<!-- between <event> and </event> -->

 -2 -1 0 0 0 501 0. 0. -50.0 50.0 0. 0. 9.
 -13 1 1 2 0 0 +30.0 .5 -40.000000000000001 50.00024999 1.5-104 0. 1.
 13 1 1 2 0 0 -30.0 -0.50 4d1 50.00024999 0.10566 0. -1.
#aMCatNLO 1 5 3 3 1 0.3
# pt < 20
<mgrwt>
<rscale> 2 0.91E+02</rscale>
<![CDATA[ </event> ]]>
</mgrwt>
<rwgt>
<wgt id="1001"> +1.1E+00 </wgt>
<wgt note='x' id='1002'>1.2D+00</wgt>
<wgt id="pdf &amp; 3">
 1.3
</wgt>
</rwgt>
<scales muf="91.2" mur="91.2"/>
</event>
"""
FOOT = """</LesHouchesEvents>
 # random number generator left at 42 < 43
<!-- the end -->
"""


def document(*events: str, head: str = HEAD, foot: str = FOOT) -> bytes:
    """Return a file of these events, in Latin-1."""
    return (head + "".join(events) + foot).encode("latin-1")


def with_weights(event: str, weights: str) -> str:
    """Return the event with something before its end."""
    return event.replace("</event>", weights + "</event>")


def rich_document(events: int = 6) -> bytes:
    """Return a file with comments, elements, and three named weights in every event."""
    return document(*[RICH_EVENT] * events)


def listed_document(events: int = 6) -> bytes:
    """Return a file with three weights in every event that only the header names."""
    return document(*[with_weights(PLAIN_EVENT, "<weights> 1.1 1.2D+00\n1.3 </weights>\n")] * events)


def dialects() -> list[bytes]:
    """Return files with groups of events, with both kinds of weights, declared in <init>, and with some missing."""
    one, two = (with_weights(PLAIN_EVENT.replace("1.0D+00", w), f"<weights>{w} 2</weights>\n") for w in ("10", "-7"))
    both = with_weights(one, "<rwgt><wgt id='1001'>1</wgt><wgt id='2'>2</wgt></rwgt>")
    turned = with_weights(PLAIN_EVENT, "<rwgt><wgt id='pdf &amp; 3'>1</wgt></rwgt><weights>3 4 5 6</weights>")
    initrwgt = HEAD[HEAD.index("<initrwgt>") : HEAD.index("</header>")]
    late = HEAD.replace(initrwgt, "").replace("</init>", initrwgt + "</init>")
    named = with_weights(PLAIN_EVENT, "<rwgt><wgt id='1001'>1</wgt></rwgt>")
    return [
        document("<eventgroup nreal='1' ncounter='2'>\n", one, two, one, "</eventgroup>\n", two),
        document("<eventgroup>\n", PLAIN_EVENT, "</eventgroup>\n<eventgroup/>", PLAIN_EVENT, PLAIN_EVENT),
        document(both, both, head=late),
        document(turned, turned),
        document(named, PLAIN_EVENT, both, named),
        document(PLAIN_EVENT, one, named, head=late),
    ]


def real_text(path: Path) -> bytes:
    """Return the text of a sample, decompressed."""
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
