"""Les Houches Event files, written: version 3, plain or gzip, whole or not at all.

The text follows J. Alwall et al., hep-ph/0609017, and its version 3 of J. R. Andersen et al., arXiv:1405.1067. Numbers
are printed with the fewest digits that give the same double back, so nothing is lost between writer and reader. A
compressed file is a sequence of gzip members, which every gzip reader takes for one stream: pieces can be compressed
anywhere and in any order, and joined.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from zmumu_hybrid.errors import ConfigurationError
from zmumu_hybrid.lhe.header import LHEInit
from zmumu_hybrid.support.files import atomic_path

__all__ = ["LHEWriter", "Particle", "encode", "format_event", "format_header", "format_init", "is_compressed"]

_LEVEL = 1
_FOOT = "</LesHouchesEvents>\n"
_LINE = (" ".join(["{}"] * 13) + "\n").format


class Particle(NamedTuple):
    """One line of an event: the entries of the common block HEPEUP, in their order; momenta in GeV.

    Mothers are counted from 1, 0 is none. The lifetime is c tau in mm; the spin is the cosine of the angle between
    spin and momentum, 9 if unknown.
    """

    pdg_id: int
    status: int
    mother_1: int
    mother_2: int
    colour: int
    anticolour: int
    px: float
    py: float
    pz: float
    energy: float
    mass: float
    lifetime: float = 0.0
    spin: float = 9.0


def is_compressed(path: str | os.PathLike[str]) -> bool:
    """Say by the name of an LHE file whether it is compressed.

    Raises
    ------
    ConfigurationError
        If the name ends neither in .lhe nor in .lhe.gz.
    """
    name = Path(path).name
    if name.endswith((".lhe", ".lhe.gz")):
        return name.endswith(".gz")
    raise ConfigurationError(f"{path}: the name of an LHE file must end in .lhe, or in .lhe.gz to compress it")


def encode(text: str, compressed: bool) -> bytes:
    """Return the bytes of a piece of an LHE file: UTF-8, or a gzip member of it without a time stamp."""
    return gzip.compress(text.encode(), _LEVEL, mtime=0) if compressed else text.encode()


def format_event(
    process_id: int,
    weight: float,
    scale: float,
    alpha_qed: float,
    alpha_qcd: float,
    particles: Iterable[Particle],
) -> str:
    """Return the text of one event.

    Parameters
    ----------
    process_id : int
        IDPRUP, one of the process ids of the <init> block.
    weight, scale, alpha_qed, alpha_qcd : float
        XWGTUP, SCALUP in GeV, AQEDUP and AQCDUP.
    particles : iterable of Particle
        Any numbers are written as they are, NaN too.

    Examples
    --------
    >>> print(format_event(1, 1.0, 91.2, 0.0078, 0.13, [Particle(22, -1, 0, 0, 0, 0, 0.0, 0.0, 5.0, 5.0, 0.0)]), end="")
    <event>
    1 1 1.0 91.2 0.0078 0.13
    22 -1 0 0 0 0 0.0 0.0 5.0 5.0 0.0 0.0 9.0
    </event>
    """
    lines = [_LINE(*particle) for particle in particles]
    return f"<event>\n{len(lines)} {process_id} {weight} {scale} {alpha_qed} {alpha_qcd}\n{''.join(lines)}</event>\n"


def format_header(blocks: Mapping[str, str]) -> str:
    """Return a <header> with each text under its tag; any character may stand in the texts."""
    parts = [
        f"<{tag}><![CDATA[\n{text.strip().replace(']]>', ']]]]><![CDATA[>')}\n]]></{tag}>\n"
        for tag, text in blocks.items()
    ]
    return f"<header>\n{''.join(parts)}</header>"


def format_init(init: LHEInit, generators: Mapping[str, str] | None = None) -> str:
    """Return all that stands before the events; its length does not depend on cross sections and weights.

    Parameters
    ----------
    init : LHEInit
        As `zmumu_hybrid.lhe.read_init` returns it; the weights come from the text of its header.
    generators : mapping of str to str, optional
        The programs that made the events and their versions.
    """
    beams = (*init.beams, *init.beam_energies, *init.pdf_groups, *init.pdf_sets)
    lines = [
        f'<LesHouchesEvents version="{init.version}">',
        *([init.header] if init.header else []),
        "<init>",
        " ".join(map(str, (*beams, init.weighting_strategy, len(init.processes)))),
        *(
            f"{process.cross_section:24.16e} {process.cross_section_error:24.16e} {process.maximum_weight:24.16e} "
            f"{process.process_id}"
            for process in init.processes
        ),
        *(f'<generator name="{name}" version="{version}"/>' for name, version in (generators or {}).items()),
        "</init>",
    ]
    return "\n".join(lines) + "\n"


class LHEWriter:
    """Writes one LHE file; made by `LHEWriter.open`.

    Attributes
    ----------
    init : LHEInit
        What stands before the events. A cross section that is known only at the end may be set then: the first lines
        are written again when the file is complete.

    Examples
    --------
    >>> from zmumu_hybrid.lhe.reader import read_lhe
    >>> init = LHEInit("3.0", (2212, 2212), (6500.0, 6500.0), (0, 0), (0, 0), 3, (), (), "")
    >>> with LHEWriter.open("events.lhe.gz", init) as writer:
    ...     writer.write("")  # the text of events, see `format_event`
    >>> len(read_lhe("events.lhe.gz"))
    0
    """

    def __init__(self, stream: BinaryIO, init: LHEInit, generators: Mapping[str, str], compressed: bool) -> None:
        self.init = init
        self._stream = stream
        self._generators = generators
        self._compressed = compressed
        self._head = self._encode_head()
        stream.write(self._head)

    @classmethod
    @contextmanager
    def open(
        cls, path: str | os.PathLike[str], init: LHEInit, generators: Mapping[str, str] | None = None
    ) -> Iterator[LHEWriter]:
        """Open `path` for writing; it appears, complete, when the block ends without an error.

        Raises
        ------
        ConfigurationError
            If the name ends neither in .lhe nor in .lhe.gz, or `init` changed by more than numbers of its processes.
        OutputError
            If the file cannot be written.
        """
        compressed = is_compressed(path)
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            writer = cls(stream, init, generators or {}, compressed)
            yield writer
            writer._finish()

    def write(self, text: str) -> None:
        """Write the text of events."""
        self.write_encoded(encode(text, self._compressed))

    def write_encoded(self, data: bytes) -> None:
        """Write events that have been through `encode`."""
        self._stream.write(data)

    def _encode_head(self) -> bytes:
        """Return the first lines, stored in a gzip member of their own so that other numbers take as many bytes."""
        text = format_init(self.init, self._generators).encode()
        return gzip.compress(text, 0, mtime=0) if self._compressed else text

    def _finish(self) -> None:
        self.write(_FOOT)
        head = self._encode_head()
        if len(head) != len(self._head):
            raise ConfigurationError(
                "the text before the events changed its length: only the numbers of the processes may be set at the end"
            )
        self._stream.seek(0)
        self._stream.write(head)
