"""Input files: what each is, whether it can be used, and how it becomes something that coffea's `Runner` reads.

ROOT (TTree, RNTuple, NanoAOD) and Parquet are read as they are, with a declaration where their branches are named
otherwise; Les Houches Event files and trees of pairs are converted to ROOT behind the scenes, once per content. Every
file is opened here, before any work starts, so that what cannot be used is found early and named.
"""

from __future__ import annotations

import logging
import os
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zmumu_hybrid.errors import ConfigurationError, InputError, ZmumuError, brief
from zmumu_hybrid.events import lhe_to_root as convert
from zmumu_hybrid.events.branch_map import NANOAOD, Branches, require_columns
from zmumu_hybrid.events.converted_files import Converted, cached
from zmumu_hybrid.events.pair_ntuples import cached_events
from zmumu_hybrid.events.reader import EventFile, Format, forget, keep_open
from zmumu_hybrid.support.cache import default_cache_directory
from zmumu_hybrid.support.files import compare_checksum
from zmumu_hybrid.support.handles import open_root
from zmumu_hybrid.support.locations import Location, find
from zmumu_hybrid.support.scratch import sweep

__all__ = ["NEEDED_COLUMNS", "Source", "named_files", "open_sources"]

_log = logging.getLogger(__name__)

NEEDED_COLUMNS = (
    *(branch for name, branch in NANOAOD.event if name != "genWeight"),
    *(str(branch) for _, (branch,) in NANOAOD.muons),
)
"""The columns of files whose branches are not declared; genWeight may be missing."""

_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")


@dataclass(frozen=True, slots=True)
class Source:
    """One input file of a data set.

    Attributes
    ----------
    path : Path or str
        The file as it was given; the address of one that is elsewhere.
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
    branches : Branches
        What the branches of `readable` are.
    rows : dict of str to int
        For a tree of pairs, the numbers of its "rows" and of the "selected rows"; else empty.
    counters : tuple of (str, str)
        Columns that say how long the lists of another one are, each with that one.
    edges : tuple of int
        The entries at which what is compressed together begins, and the number of entries.
    lhe : Path, optional
        The Les Houches Event file that `readable` was converted from.
    start : int
        Where its events begin in `readable`, which holds those of other files too where small ones were converted.
    """

    path: Path | str
    dataset: str
    readable: Path
    format: Format
    tree: str
    entries: int
    sha256: str
    branches: Branches = NANOAOD
    rows: Mapping[str, int] = field(default_factory=dict)
    counters: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    edges: tuple[int, ...] = field(default=(), compare=False, repr=False)
    lhe: Path | None = None
    start: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(dict.fromkeys([*self.branches.columns, *(counter for counter, _ in self.counters)]))


def named_files(sources: Iterable[Source], dataset: str) -> str:
    """Return the names of the files of a data set, for messages: of many, the first."""
    names = [str(source.path) for source in sources if source.dataset == dataset]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more files" if len(names) > 3 else "")


def open_sources(
    inputs: Mapping[str, Sequence[str | os.PathLike[str]]],
    cache: Path | None = None,
    *,
    branches: Branches | None = None,
    tree: str = "",
    weights: bool = True,
    show_progress: bool = True,
) -> list[Source]:
    """Check every input file, convert what needs it, and say how each is to be read.

    Parameters
    ----------
    inputs : mapping of str to sequence of path
        The files of each data set, as `zmumu_hybrid.support.locations.find` takes them.
    cache : Path, optional
        Directory for converted files; see `zmumu_hybrid.support.cache`.
    branches : Branches, optional
        What the branches of ROOT and Parquet files are; by default they have NanoAOD's names, and the muons are `Muon`.
    tree : str
        The tree of ROOT files with several; that of a file named as ``FILE:TREE`` comes first, that of `branches` last.
    weights : bool
        False leaves the weights of the generator unread: each is 1.
    show_progress : bool
        False silences the bars.

    Raises
    ------
    MissingInputError
        If a file does not exist or cannot be opened.
    InputError
        If a file is empty, corrupt, of an unknown kind, without a needed column, given twice, or not what a note of its
        checksum beside it says; if some files of a data set have weights and others have none.
    ConfigurationError
        If a tree is named and no file has trees.
    MissingDependencyError, OutputError
        As `zmumu_hybrid.support.locations.find`.
    """
    sweep(cache or default_cache_directory())
    given = [
        (dataset, find(name, cache, show_progress=show_progress)) for dataset, names in inputs.items() for name in names
    ]
    contents = _refuse_duplicates(given)
    converted = _converted(given, contents, cache, show_progress)
    opened: dict[Path, Source] = {}
    sources = []
    for (dataset, location), content in zip(given, contents, strict=True):
        with location.named():
            if (part := converted.get(location.path)) is None:
                source = _open(location, dataset, content, cache, branches, tree, weights, show_progress)
            else:
                if part.readable not in opened:
                    opened[part.readable] = _read(location, dataset, content, part.readable, "root", "", None, weights)
                source = _part_of(opened[part.readable], location, content, part)
            sources.append(source)
            _log.info("read from %s: %d events of %s", source.path, source.entries, dataset)
    if tree and not any(source.format == "root" and source.lhe is None for source in sources):
        raise ConfigurationError(f"--tree {tree}: none of the files is a ROOT file")
    _refuse_some_weights(sources)
    return sources


def _refuse_some_weights(sources: Iterable[Source]) -> None:
    """Raise `InputError` if only some files of a data set have weights; without them in a declaration they are 1."""
    first: dict[str, Source] = {}
    for source in sources:
        if source.branches not in (NANOAOD, NANOAOD.without_weight()):
            continue
        other = first.setdefault(source.dataset, source)
        has, had = ("genWeight" in dict(each.branches.event) for each in (source, other))
        if has != had:
            with_, without = (source, other) if has else (other, source)
            raise InputError(
                f"{without.path}: has no genWeight, and {with_.path} has ({source.dataset}): its events would weigh 1 "
                "beside those with the weights of a generator; give files of one kind"
            )


def _refuse_duplicates(given: Iterable[tuple[str, Location]]) -> list[convert.Content]:
    """Return the checksums of the files; `InputError` if two are the same tree of one file, or of the same content."""
    seen: dict[tuple[str, str], tuple[str, Location]] = {}
    contents = []
    for dataset, location in given:
        with location.named():
            content = convert.Content.of(location.path)
            compare_checksum(location.path, content.sha256)
        former_dataset, former = seen.setdefault((content.sha256, location.tree), (dataset, location))
        if former is not location:
            name = f"{location.name} ({dataset})"
            again = former.path == location.path
            how = "is given twice" if again else f"is the same file as {former.name} ({former_dataset})"
            raise InputError(f"{name}: {how}: each event may be used once")
        contents.append(content)
    return contents


def _converted(
    given: Sequence[tuple[str, Location]], contents: Sequence[convert.Content], cache: Path | None, show_progress: bool
) -> dict[Path, Converted]:
    """Convert the Les Houches Event files, those of each data set for themselves; say where the events of each are."""
    found: dict[Path, Converted] = {}
    for dataset in dict.fromkeys(name for name, _ in given):
        chosen: dict[Path, convert.Content] = {}
        with ExitStack() as names:
            for (name, location), content in zip(given, contents, strict=True):
                if name == dataset:
                    names.enter_context(location.named())
                    if _kind_of(location) == "lhe":
                        chosen[location.path] = content
            made = cached(list(chosen), cache, known=list(chosen.values()), show_progress=show_progress)
        found |= dict(zip(chosen, made, strict=True))
    return found


def _kind_of(location: Location) -> convert.Kind:
    kind = convert.kind_of(location.path)
    if location.tree and kind != "root":
        raise InputError(
            f"{location.path}: has no tree {location.tree!r}: it is a file of the kind {kind}, which has none"
        )
    return kind


def _part_of(whole: Source, location: Location, content: convert.Content, part: Converted) -> Source:
    """Return the source of a file whose events are, with those of others, in one that was converted."""
    return replace(
        whole,
        path=_shown(location),
        sha256=content.sha256,
        entries=part.events,
        edges=whole.edges if whole.entries == part.events else (),
        lhe=location.path,
        start=part.start,
    )


def _shown(location: Location) -> Path | str:
    return location.path if location.name == str(location.path) else location.name


def _open(
    location: Location,
    dataset: str,
    content: convert.Content,
    cache: Path | None,
    branches: Branches | None,
    tree: str,
    weights: bool,
    show_progress: bool,
) -> Source:
    """Return the source of a ROOT or Parquet file; the events of a tree of pairs are in the cache."""
    path = location.path
    tree = location.tree or tree or (branches.tree if branches else "")
    format_: Format = "parquet" if _kind_of(location) == "parquet" else "root"
    if branches is None or branches.kind != "pair":
        return _read(location, dataset, content, path, format_, tree, branches, weights)
    with _opened(path, format_, tree) as (name, file):
        require_columns(branches, file.names(branches.columns), _where(path, name))
    readable, rows = cached_events(path, branches, format_, name, cache, show_progress=show_progress)
    return replace(_read(location, dataset, content, readable, "root", "", None, weights), rows=rows)


def _read(
    location: Location,
    dataset: str,
    content: convert.Content,
    readable: Path,
    format_: Format,
    tree: str,
    branches: Branches | None,
    weights: bool,
) -> Source:
    """Return the source of a file that holds events: the one that was given, or what it was converted to."""
    path = location.path
    with _opened(readable, format_, tree) as (name, file):
        names = file.names(branches.columns if branches else ())
        if branches is not None:
            require_columns(branches, names, _where(path, name))
        elif missing := [column for column in NEEDED_COLUMNS if column not in names]:
            raise InputError(
                f"{_where(path, name)}has no column {', '.join(missing)}: needed are {', '.join(NEEDED_COLUMNS)}; "
                "if it has them by other names, declare these with --branches"
            )
        declared = branches or (NANOAOD if "genWeight" in names else NANOAOD.without_weight())
        declared = declared if weights else declared.without_weight()
        return Source(
            _shown(location),
            dataset,
            readable,
            format_,
            name,
            file.entries,
            content.sha256,
            declared,
            counters=file.counters(column for _, (column,) in declared.muons if isinstance(column, str)),
            edges=file.edges(declared.columns),
        )


def _where(path: Path, tree: str) -> str:
    return f"{path}: tree {tree!r} " if tree else f"{path}: "


@contextmanager
def _opened(path: Path, format_: Format, tree: str) -> Iterator[tuple[str, EventFile]]:
    """Open a file of events, and give the name of its tree too, empty for Parquet; `InputError` if it is damaged."""
    try:
        name = "" if format_ == "parquet" else _root_tree(path, tree)
        yield name, keep_open(path, format_, name)
    except ZmumuError:
        forget()
        raise
    except Exception as error:  # uproot raises whatever the bytes lead it to
        forget()
        said = "ROOT" if format_ == "root" else "Parquet"
        raise InputError(f"{path}: not a readable {said} file: {brief(error)}") from error


def _root_tree(path: Path, tree: str) -> str:
    """Return the name of the event tree of a ROOT file, after checking that the file is whole."""
    with open_root(path) as file:
        size, end = path.stat().st_size, file.file.fEND
        if size < end:
            raise InputError(f"{path}: cut short: {size} of its {end} bytes are there; copy it again")
        return _tree_name(path, file, tree)


def _tree_name(path: Path, file: Any, declared: str) -> str:
    """Return the declared name, else "Events" if the file has it, else the name of its only tree."""
    names = sorted({name for name, kind in file.classnames(cycle=False).items() if kind in _TREES})
    wanted = declared.strip("/") or "Events"
    if wanted in names:
        return wanted
    if len(names) != 1 or declared:
        there = textwrap.shorten(", ".join(names), 400, placeholder=" ...")
        held = f"has {len(names)} tree{'s' * (len(names) > 1)} ({there})" if names else "has no tree"
        remedy = ": say which with --tree, or as FILE:TREE" if names else ""
        raise InputError(f"{path}: {held}: one named {wanted!r} is needed{remedy}")
    return names[0]
