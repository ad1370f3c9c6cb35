"""Input files: what each is, whether it can be used, and how it becomes something that coffea's `Runner` reads.

ROOT (TTree, RNTuple, NanoAOD) and Parquet are read as they are, with a declaration where their branches are named
otherwise; Les Houches Event files and trees of pairs are converted to ROOT behind the scenes, once per content. Every
file is opened here, before any work starts, so that what cannot be used is found early and named.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zmumu_hybrid import convert
from zmumu_hybrid.branches import Branches, require_columns
from zmumu_hybrid.errors import InputError, ZmumuError, brief
from zmumu_hybrid.files import compare_checksum, require_file
from zmumu_hybrid.rows import cached_events

__all__ = ["NEEDED_COLUMNS", "Source", "open_sources"]

NEEDED_COLUMNS = (
    "run",
    "luminosityBlock",
    "event",
    "Muon_pt",
    "Muon_eta",
    "Muon_phi",
    "Muon_mass",
    "Muon_charge",
)


@dataclass(frozen=True, slots=True)
class Source:
    """One input file of a data set.

    Attributes
    ----------
    path : Path
        The file as it was given.
    dataset : str
        The data set that it belongs to.
    readable : Path
        The file that is read: `path` itself, or what it was converted to.
    format : "root" or "parquet"
        The format of `readable`.
    tree : str
        Name of the TTree or RNTuple in `readable`; empty for Parquet.
    entries : int
        Number of events in it.
    sha256 : str
        Checksum of `path`, 64 hexadecimal digits.
    branches : Branches, optional
        What the branches of `readable` are, where they have not NanoAOD's names.
    rows : dict of str to int
        For a tree of pairs, the numbers of its "rows" and of the "selected rows"; else empty.
    """

    path: Path
    dataset: str
    readable: Path
    format: Literal["root", "parquet"]
    tree: str
    entries: int
    sha256: str
    branches: Branches | None = None
    rows: Mapping[str, int] = field(default_factory=dict)


def open_sources(
    inputs: Mapping[str, Sequence[str | os.PathLike[str]]],
    cache: Path | None = None,
    *,
    branches: Branches | None = None,
    show_progress: bool = True,
) -> list[Source]:
    """Check every input file, convert what needs it, and say how each is to be read.

    Parameters
    ----------
    inputs : mapping of str to sequence of path
        The files of each data set.
    cache : Path, optional
        Directory for converted files; see `zmumu_hybrid.cache`.
    branches : Branches, optional
        What the branches of ROOT and Parquet files are; by default they have NanoAOD's names, and the muons are `Muon`.
    show_progress : bool
        False silences the bars.

    Raises
    ------
    MissingInputError
        If a file does not exist or cannot be opened.
    InputError
        If a file is empty, corrupt, of an unknown kind, without a needed column, given twice, or not what a note of its
        checksum beside it says.
    """
    given = [(dataset, require_file(path)) for dataset, paths in inputs.items() for path in paths]
    contents = _refuse_duplicates(given)
    return [
        _open(path, dataset, content, cache, branches, show_progress)
        for (dataset, path), content in zip(given, contents, strict=True)
    ]


def _refuse_duplicates(given: Iterable[tuple[str, Path]]) -> list[convert.Content]:
    """Return the checksums of the files; `InputError` if two are the same file or have the same content."""
    seen: dict[str, tuple[str, Path]] = {}
    contents = []
    for dataset, path in given:
        content = convert.Content.of(path)
        checksum = content.sha256
        compare_checksum(path, checksum)
        if checksum in seen:
            former_dataset, former = seen[checksum]
            name = f"{path} ({dataset})"
            how = "is given twice" if former == path else f"is the same file as {former} ({former_dataset})"
            raise InputError(f"{name}: {how}: each event may be used once")
        seen[checksum] = dataset, path
        contents.append(content)
    return contents


def _open(
    path: Path,
    dataset: str,
    content: convert.Content,
    cache: Path | None,
    branches: Branches | None,
    show_progress: bool,
) -> Source:
    checksum = content.sha256
    kind = convert.kind_of(path)
    if kind == "lhe":
        readable = convert.cached([path], cache, known=[content], show_progress=show_progress)[0].readable
        tree, entries, _ = _root_content(readable)
        return Source(path, dataset, readable, "root", tree, entries, checksum)
    tree, entries, columns = _parquet_content(path) if kind == "parquet" else _root_content(path, branches)
    where = f"{path}: tree {tree!r} " if tree else f"{path}: "
    if branches is None:
        if missing := [name for name in NEEDED_COLUMNS if name not in columns]:
            raise InputError(
                f"{where}has no column {', '.join(missing)}: needed are {', '.join(NEEDED_COLUMNS)}; "
                "if it has them by other names, declare these with --branches"
            )
        return Source(path, dataset, path, kind, tree, entries, checksum)
    require_columns(branches, columns, where)
    if branches.kind == "collection":
        return Source(path, dataset, path, kind, tree, entries, checksum, branches)
    readable, rows = cached_events(path, branches, kind, tree, cache, show_progress=show_progress)
    tree, entries, _ = _root_content(readable)
    return Source(path, dataset, readable, "root", tree, entries, checksum, rows=rows)


def _parquet_content(path: Path) -> tuple[str, int, set[str]]:
    """Return "", the number of rows and the names of the columns of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return "", file.metadata.num_rows, set(file.schema_arrow.names)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a readable Parquet file: {brief(error)}") from error


def _root_content(path: Path, branches: Branches | None = None) -> tuple[str, int, set[str]]:
    """Return the name of the event tree of a ROOT file, its number of entries and the names of its columns."""
    import uproot

    try:
        with uproot.open(path) as file:
            size, end = path.stat().st_size, file.file.fEND
            if size < end:
                raise InputError(f"{path}: cut short: {size} of its {end} bytes are there; copy it again")  # noqa: TRY301
            name = _tree_name(path, file, branches)
            tree = file[name]
            return name, int(tree.num_entries), set(tree.keys())
    except ZmumuError:
        raise
    except Exception as error:  # uproot raises whatever the bytes lead it to
        raise InputError(f"{path}: not a readable ROOT file: {brief(error)}") from error


def _tree_name(path: Path, file: Any, branches: Branches | None) -> str:
    """Return the declared name, else "Events" if the file has it, else the name of its only TTree or RNTuple."""
    kinds = ("TTree", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
    names = sorted({name for name, kind in file.classnames(cycle=False).items() if kind in kinds})
    wanted = branches.tree if branches is not None and branches.tree else "Events"
    if wanted in names:
        return wanted
    declared = branches is not None and branches.tree
    if len(names) != 1 or declared:
        held = f"has {len(names)} tree{'s' * (len(names) > 1)} ({', '.join(names)})" if names else "has no tree"
        raise InputError(f"{path}: {held}: one named {wanted!r} is needed")
    return names[0]
