"""Trees of muon pairs to events: once per content and declaration, streaming, into the cache of converted files.

The rows of an event follow one another in such a tree, and may be cut apart by a chunk; that is why it is not read by
chunks as it is, but converted as Les Houches Event files are. An event is all rows of one identity, and its muons are
the distinct muons of these rows: `zmumu_hybrid.events.muon_pairs` chooses among them, and no event is used twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from zmumu_hybrid.events import lhe_to_root as convert
from zmumu_hybrid.events.branch_map import Branches
from zmumu_hybrid.events.column_checks import Place
from zmumu_hybrid.events.ntuples import events_by_branches, merge_rows
from zmumu_hybrid.events.reader import Format, chunks, open_file, records
from zmumu_hybrid.support.cache import cache_entry
from zmumu_hybrid.support.files import sha256
from zmumu_hybrid.support.handles import recreate_root
from zmumu_hybrid.support.progress import progress

__all__ = ["ROW_STEPS", "cached_events"]

ROW_STEPS = ("rows", "selected rows")
"""What is counted: the rows of the tree, and those that meet the conditions."""

_VERSION = 1
"""To be raised whenever the same input gives another file, so that what is in caches is made again."""

_ROWS = 100_000


def cached_events(
    path: Path,
    branches: Branches,
    format_: Format,
    tree: str,
    cache: Path | None = None,
    *,
    rows: int = _ROWS,
    show_progress: bool = False,
) -> tuple[Path, dict[str, int]]:
    """Return a ROOT file with the events of a tree of pairs, converted now or before, and how many rows it has.

    Parameters
    ----------
    path : Path
        ROOT (TTree or RNTuple) or Parquet.
    branches : Branches
        Of the kind "pair".
    format_, tree
        What `path` is and the name of its tree.
    cache : Path, optional
        Directory of the cache; see `zmumu_hybrid.support.cache`.
    rows : int
        How many are read at a time.
    show_progress : bool
        Whether to show a bar on a terminal.

    Returns
    -------
    Path
        The ROOT file.
    dict
        The numbers of `ROW_STEPS`.

    Raises
    ------
    InputError
        If a column is not as declared.
    OutputError
        If the cache cannot be written to.
    """

    def make(output: Path) -> dict[str, Any]:
        total = dict.fromkeys(ROW_STEPS, 0)
        with progress("converting", unit="rows", enabled=show_progress) as advance, recreate_root(output) as file:
            made = convert.make_tree(file)
            for events in _whole_events(_selected(path, branches, format_, tree, rows, total, advance)):
                convert.extend_tree(made, events)
            file["provenance"] = json.dumps({"rows": _VERSION, "name": path.name, "sha256": checksum, **total})
        return total

    checksum = sha256(path)
    declared = asdict(branches)
    declared.pop("name")
    key = hashlib.sha256(json.dumps([declared, tree], sort_keys=True).encode()).hexdigest()[:16]
    return cache_entry(cache, f"{checksum}-rows{_VERSION}-{key}", make)


def _selected(
    path: Path,
    branches: Branches,
    format_: Format,
    tree: str,
    rows: int,
    total: dict[str, int],
    advance: Callable[[float], None],
) -> Iterator[ak.Array]:
    """Yield the rows that meet the conditions as events, counting in `total`."""
    file = open_file(path, format_, tree)
    try:
        for start, stop in chunks((0, file.entries), rows):
            chunk = records(file.read(branches.columns, start, stop))
            events = events_by_branches(chunk, branches, Place(str(path), start, "row"))
            total["rows"] += len(chunk)
            total["selected rows"] += len(events)
            advance(len(chunk))
            yield events
    finally:
        file.close()


def _whole_events(chunks: Iterator[ak.Array]) -> Iterator[ak.Array]:
    """Yield merged events, holding back what the next chunk may go on with."""
    pending: ak.Array | None = None
    for chunk in chunks:
        if not len(chunk):
            continue
        held = chunk if pending is None else ak.concatenate([pending, chunk])
        last = np.ones(len(held), bool)
        for name in ("run", "luminosityBlock", "event"):
            values = ak.to_numpy(held[name])
            last &= values == values[-1]
        start = len(held) - int(np.argmin(last[::-1])) if not last.all() else 0
        if start:
            yield merge_rows(held[:start])
        pending = held[start:]
    if pending is not None:
        yield merge_rows(pending)
