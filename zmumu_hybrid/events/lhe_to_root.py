"""Les Houches Event files to ROOT or Parquet, once, streaming, in columns named as in NanoAOD.

The tree is `zmumu_hybrid.events.schema.TREE`, with the columns of that module; beside it the string `provenance` (in
Parquet among the metadata of the file) says in JSON what was converted: for each file its name, SHA-256, numbers of
events and muons, beams and cross section.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.support.files import atomic_path, checksum_note, require_file, sha256, write_checksum
from zmumu_hybrid.support.handles import create_parquet, recreate_root
from zmumu_hybrid.support.outputs import output_file, staged
from zmumu_hybrid.support.progress import progress

if TYPE_CHECKING:
    from zmumu_hybrid.lhe.event_stream import LHEStream

__all__ = [
    "Content",
    "ConversionSummary",
    "Kind",
    "convert",
    "convert_known",
    "extend_tree",
    "kind_of",
    "make_tree",
]

Kind = Literal["lhe", "root", "parquet"]

VERSION = 2
"""To be raised whenever the same input gives another file, so that what is in caches is made again."""

_EVENTS_PER_BASKET = 50_000
_MOST_CHUNKS = 64
_HEAD_BYTES = 1 << 16
_FOREIGN = (
    (b"\x89HDF", "an HDF5 file"),
    (b"\xfd7zXZ", "an xz file: decompress it"),
    (b"BZh", "a bz2 file: decompress it"),
    (b"\x28\xb5\x2f\xfd", "a zstd file: decompress it"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"%PDF", "a PDF document"),
    (b"{", "JSON"),
    (b"<", "XML or HTML that is not LHE"),
)


@dataclass(frozen=True, slots=True)
class Content:
    """What a file held when it was read, so that it need not be read again to know.

    Attributes
    ----------
    sha256 : str
        Of its bytes, 64 hexadecimal digits.
    stamp : tuple of int
        Device, inode, size and times of the last change: other ones once it is written to or replaced.
    """

    sha256: str
    stamp: tuple[int, ...]

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Content:
        """Read a file; `InputError` if it changes meanwhile, `MissingInputError` if it cannot be read."""
        before = _stamp(require_file(path))
        content = cls(sha256(path), before)
        content.require_unchanged(path)
        return content

    def require_unchanged(self, path: str | os.PathLike[str]) -> None:
        """Refuse, with `InputError`, a file that has been written to since."""
        if _stamp(path) != self.stamp:
            raise InputError(f"{path}: changed while it was read: wait until it is complete and try again")


def _stamp(path: str | os.PathLike[str]) -> tuple[int, ...]:
    status = Path(path).stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass(frozen=True, slots=True)
class ConversionSummary:
    """What a conversion did.

    Attributes
    ----------
    output : Path
    files, events, muons : int
        How many were read; `muons` are final-state ones.
    sources : tuple of dict
        What the provenance in the output says of each file.
    seconds : float
    """

    output: Path
    files: int
    events: int
    muons: int
    sources: tuple[dict[str, Any], ...]
    seconds: float

    @property
    def events_per_second(self) -> float:
        """Events read per second of the whole conversion."""
        return self.events / self.seconds if self.seconds > 0 else 0.0


def kind_of(path: str | os.PathLike[str]) -> Kind:
    """Say by its first bytes what an input file is.

    Returns
    -------
    "lhe" (plain or gz), "root" or "parquet"

    Raises
    ------
    MissingInputError
        If the file does not exist or cannot be opened.
    InputError
        If it is empty, damaged gz or anything else; the message says what it looks like.
    """
    from zmumu_hybrid.lhe.byte_stream import ByteSource

    path = require_file(path)
    with ByteSource(path, piece_bytes=_HEAD_BYTES) as source:
        head = source.read()[:_HEAD_BYTES]
    if head.startswith(b"root"):
        return "root"
    if head.startswith(b"PAR1"):
        return "parquet"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<") and b"<LesHouchesEvents" in text:
        return "lhe"
    if source.damage:
        raise InputError(f"{path}: {source.damage[0]}: {source.damage[1]}")
    looks = next((what for magic, what in _FOREIGN if text.startswith(magic)), None)
    if looks is None:
        looks = "binary data" if b"\0" in text else f"text that begins with {text[:30].decode('latin-1')!r}"
    raise InputError(f"{path}: not an LHE, ROOT or Parquet file; it looks like {looks}")


def convert(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    note: bool = False,
    show_progress: bool = False,
) -> ConversionSummary:
    """Convert Les Houches Event files to one ROOT or Parquet file, in memory that does not grow with them.

    Parameters
    ----------
    inputs : sequence of path-like
        LHE files, plain or gz; `-` is standard input. Their events follow one another in this order.
    output : path-like
        The file to write, whole or not at all: Parquet if it ends in .parquet, or .root. Four-momenta come back from
        `Muon_pt`, `Muon_eta`, `Muon_phi` and `Muon_genEnergy` to 1e-12 of the momentum.
    note : bool
        Whether to write its checksum beside it, as ``NAME.sha256``; one that is there is removed if not.
    show_progress : bool
        Whether to show a progress bar on a terminal.

    Raises
    ------
    ConfigurationError
        If there is no input, or the output is one of the inputs or has another ending.
    InputError
        If a file is not LHE (LHEError with file, event and line if it is damaged), or is given twice, under whatever
        name.
    MissingInputError
        If a file does not exist.
    OutputError
        If the output cannot be written, or is another file than of a conversion.

    Examples
    --------
    >>> import zmumu_hybrid as zh
    >>> _ = zh.generate("signal", 100, 1, "signal.lhe.gz")
    >>> summary = zh.convert(["signal.lhe.gz"], "signal.root")
    >>> summary.events, summary.muons
    (100, 200)
    """
    with output_file(output, "convert", inputs, [checksum_note(output)]) as place:
        beside = checksum_note(place).name
        with staged(place.parent, beside if note else place.name, [beside]) as staging:
            summary = convert_known(inputs, staging / place.name, None, show_progress)
            if note:
                write_checksum(staging / place.name)
    return replace(summary, output=Path(output))


def convert_known(
    inputs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    known: Sequence[Content] | None,
    show_progress: bool,
) -> ConversionSummary:
    """Do what `convert` does; with the content of the inputs known, their checksums are not worked out again."""
    from zmumu_hybrid.events import schema  # noqa: F401
    from zmumu_hybrid.lhe.event_stream import LHEStream

    paths = [os.fspath(path) for path in inputs]
    _check_paths(paths)
    sizes = [Path(path).stat().st_size for path in paths if Path(path).is_file()]
    total = sum(sizes) if len(sizes) == len(paths) else None
    start = time.perf_counter()
    notes: dict[str, dict[str, Any]] = {}
    with (
        atomic_path(output) as temporary,
        progress("converting", total, unit="bytes", enabled=show_progress) as advance,
        (_parquet if temporary.suffix == ".parquet" else _root)(temporary) as (extend, describe),
    ):
        basket = _Basket(extend)
        for index, path in enumerate(paths):
            with LHEStream(path, weights="skip", checksum=known is None) as stream:
                note = _convert_stream(stream, basket, advance)
            if known is not None:
                known[index].require_unchanged(path)
                note["sha256"] = known[index].sha256
            if (former := notes.setdefault(note["sha256"], note)) is not note:
                raise InputError(f"{note['name']}: has the same content as {former['name']}: give each file once")
        basket.empty()
        describe(json.dumps({"converter": VERSION, "sources": list(notes.values())}))
    return ConversionSummary(
        output=Path(output),
        files=len(notes),
        events=sum(note["events"] for note in notes.values()),
        muons=sum(note["muons"] for note in notes.values()),
        sources=tuple(notes.values()),
        seconds=time.perf_counter() - start,
    )


def _check_paths(paths: Sequence[str]) -> None:
    """Refuse what cannot be converted, before any work."""
    if not paths:
        raise ConfigurationError("no file to convert: give at least one LHE file")
    seen: dict[Any, str] = {}
    for path in paths:
        if path == "-":
            key: Any = path
        elif Path(path).is_file():
            kind = kind_of(path)
            if kind != "lhe":
                raise InputError(f"{path}: is a {kind} file, not LHE: use it as it is, it needs no conversion")
            status = Path(path).stat()
            key = status.st_dev, status.st_ino
        else:
            key = os.path.realpath(path)
        if key in seen:
            same = "" if seen[key] == path else f" (it is the same file as {seen[key]})"
            raise InputError(f"{path}: is given twice{same}: give each file once")
        seen[key] = path


def make_tree(file: Any) -> Any:
    """Return a new, empty tree for events in an open ROOT file."""
    from awkward.types import ListType, NumpyType, RecordType

    from zmumu_hybrid.events.schema import EVENT_COLUMNS, MUON_COLUMNS, TREE

    muon = RecordType([NumpyType(str(dtype)) for dtype in MUON_COLUMNS.values()], list(MUON_COLUMNS))
    return file.mktree(TREE, {**EVENT_COLUMNS, "Muon": ListType(muon)}, title="events converted from LHE")


def extend_tree(tree: Any, events: Any) -> None:
    """Add events, with the columns of `zmumu_hybrid.events.schema`, to a tree of `make_tree`."""
    import awkward as ak
    import numpy as np

    from zmumu_hybrid.events.schema import EVENT_COLUMNS, MUON_COLUMNS

    collection = events["Muon"]
    tree.extend(
        {name: np.asarray(events[name]) for name in EVENT_COLUMNS}
        | {"Muon": ak.zip({name: collection[name] for name in MUON_COLUMNS})}
    )


_Sink = tuple[Callable[[Any], None], Callable[[str], None]]
"""What adds events to a file, and what puts the provenance beside them."""


@contextmanager
def _root(path: Path) -> Iterator[_Sink]:
    import uproot

    with recreate_root(path, compression=uproot.LZ4(1)) as file:
        tree = make_tree(file)
        yield lambda events: extend_tree(tree, events), lambda text: file.update({"provenance": text})


@contextmanager
def _parquet(path: Path) -> Iterator[_Sink]:
    import awkward as ak
    import numpy as np
    import pyarrow as pa

    from zmumu_hybrid.events.schema import EVENT_COLUMNS, MUON_COLUMNS

    def field(name: str, kind: Any) -> Any:
        return pa.field(name, kind, nullable=False)

    plain = {**EVENT_COLUMNS, "nMuon": np.dtype(np.int32)}
    lists = {name: pa.list_(field("item", pa.from_numpy_dtype(dtype))) for name, dtype in MUON_COLUMNS.items()}
    schema = pa.schema(
        [field(name, pa.from_numpy_dtype(dtype)) for name, dtype in plain.items()]
        + [field(f"Muon_{name}", kind) for name, kind in lists.items()]
    )
    with create_parquet(path, schema, compression="zstd") as writer:

        def extend(events: Any) -> None:
            muons = events["Muon"]
            counts = ak.to_numpy(ak.num(muons["pt"], axis=1))
            offsets = pa.array(np.cumsum([0, *counts], dtype=np.int32))
            arrays = [pa.array(ak.to_numpy(events[name])) for name in EVENT_COLUMNS]
            arrays.append(pa.array(counts.astype(np.int32)))
            for name, kind in lists.items():
                values = pa.array(ak.to_numpy(ak.flatten(muons[name], axis=1)))
                arrays.append(pa.ListArray.from_arrays(offsets, values, type=kind))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

        yield extend, lambda text: writer.add_key_value_metadata({"provenance": text})


class _Basket:
    """Events on their way into a file: written so many at a time, whether they are of one file or of many.

    Parameters
    ----------
    extend : callable
        Adds events to the file.
    """

    def __init__(self, extend: Callable[[Any], None]) -> None:
        self._extend = extend
        self._chunks: list[Any] = []
        self._notes: list[tuple[dict[str, Any], int]] = []

    def add(self, chunk: Any, note: dict[str, Any]) -> None:
        """Add events as `read_lhe` gives them; their number, and that of their muons, is added to a note."""
        import awkward as ak

        if sum(map(len, self._chunks)) + len(chunk) > _EVENTS_PER_BASKET:
            self.empty()
        self._chunks.append(chunk)
        self._notes.append((note, len(chunk)))
        if len(self._chunks) == _MOST_CHUNKS:
            self._chunks = [ak.concatenate(self._chunks)]

    def empty(self) -> None:
        """Write what is held."""
        import awkward as ak
        import numpy as np

        from zmumu_hybrid.events.schema import events_from_lhe

        if not self._chunks:
            return
        events = events_from_lhe(self._chunks[0] if len(self._chunks) == 1 else ak.concatenate(self._chunks))
        self._extend(events)
        muons = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(events["Muon"]["pt"], axis=1)))])
        start = 0
        for note, count in self._notes:
            note["events"] += count
            note["muons"] += int(muons[start + count] - muons[start])
            start += count
        self._chunks, self._notes = [], []


def _convert_stream(stream: LHEStream, basket: _Basket, advance: Callable[[float], None]) -> dict[str, Any]:
    """Put the events of one file into the basket; return its entry in the provenance."""
    done = 0
    note: dict[str, Any] = {"name": stream.source.name, "sha256": "", "events": 0, "muons": 0}
    for chunk in stream.chunks(_EVENTS_PER_BASKET):
        basket.add(chunk, note)
        advance(stream.source.consumed - done)
        done = stream.source.consumed
    advance(stream.source.consumed - done)
    note |= {
        "sha256": stream.source.sha256,
        "version": stream.init.version,
        "beams": stream.init.beams,
        "beam_energies": stream.init.beam_energies,
        "cross_section": stream.init.cross_section,
        "cross_section_error": stream.init.cross_section_error,
    }
    return note
