"""Les Houches Event files to awkward arrays: columns, in one pass, in bounded memory, strictly."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from zmumu_hybrid.lhe.event_stream import LHEStream, Weights
from zmumu_hybrid.lhe.header import LHEInit
from zmumu_hybrid.support.progress import progress

__all__ = ["iterate_lhe", "read_init", "read_lhe"]


def iterate_lhe(
    path: str | os.PathLike[str],
    *,
    events_per_chunk: int = 50_000,
    weights: Weights = "strict",
    show_progress: bool = False,
) -> Iterator[Any]:
    """Read a Les Houches Event file chunk by chunk, in memory that does not grow with the file.

    Parameters
    ----------
    path : path-like
        Plain or gz; `-` is standard input.
    events_per_chunk : int
        How many events an array has; the last one has the rest. Events with many particles or weights come in
        smaller arrays: at most 400,000 particles, and 3,000,000 weights.
    weights : {"strict", "fill", "skip"}
        As in `read_lhe`. With "fill", a weight that no event had before is a field from its array on.
    show_progress : bool
        Whether to show a progress bar on a terminal.

    Yields
    ------
    awkward.Array
        As `read_lhe` returns it, of the next events.

    Raises
    ------
    LHEError, MissingInputError
        As `read_lhe` does; events before the damage have been yielded by then.

    Examples
    --------
    >>> import zmumu_hybrid as zh
    >>> _ = zh.generate("signal", 100, 1, "signal.lhe.gz")
    >>> [len(chunk) for chunk in zh.iterate_lhe("signal.lhe.gz", events_per_chunk=40)]
    [40, 40, 20]
    """
    with (
        LHEStream(path, weights=weights) as stream,
        progress("reading", stream.source.size, unit="bytes", enabled=show_progress) as go,
    ):
        done = 0
        for chunk in stream.chunks(events_per_chunk):
            go(stream.source.consumed - done)
            done = stream.source.consumed
            yield chunk


def read_lhe(path: str | os.PathLike[str], *, weights: Weights = "strict") -> Any:
    """Read a whole Les Houches Event file (versions 1 to 3).

    Read strictly: what is malformed, truncated or not finite is an error, never left out. Comments, the attributes of
    <event>, and elements other than <rwgt> and <weights> are not kept.

    Parameters
    ----------
    path : path-like
        Plain or gz, by the first bytes; `-` is standard input; also an address (``https://``, ``root://``).
    weights : {"strict", "fill", "skip"}
        The named weights: "strict" refuses an event that has others than the first one, "fill" has NaN for a weight
        that an event has not, "skip" reads none of them.

    Returns
    -------
    awkward.Array
        One record per event, in the file's order:

        run, luminosityBlock, event : uint32, uint32, uint64
            The event's identity: a hash of its particles (`zmumu_hybrid.lhe.event_id`). The events of an <eventgroup>
            have the last two of its first one, and runs of their own.
        eventinfo : record
            nparticles, pid (int32), weight, scale (GeV), aqed, aqcd (float64).
        weights : record
            A float64 field for each named weight, none if the events have no <rwgt> or <weights>. What <weights> holds
            is called by the ids that <initrwgt> declares, in their order, or by its place ("1", ...), also where
            <rwgt> gives a weight of that id in the same event.
        particles : list of Momentum4D records
            px, py, pz, energy, genMass (GeV), lifetime (mm), spin (float64), pdgId, status, mother1, mother2, color1,
            color2 (int32). `genMass` is the mass in the file; `mass` is worked out from the momentum.

    Raises
    ------
    LHEError
        Naming file, event (counted from 1), line, field, value and remedy, if the file is empty, truncated, damaged or
        no Les Houches Event file, if a number is NaN or infinite, or if events have different weights.
    MissingInputError
        If it does not exist or cannot be opened.
    ConfigurationError
        If `weights` is none of these.

    Examples
    --------
    >>> import zmumu_hybrid as zh
    >>> _ = zh.generate("signal", 100, 1, "signal.lhe.gz")
    >>> events = zh.read_lhe("signal.lhe.gz")
    >>> muons = events.particles[abs(events.particles.pdgId) == 13]
    >>> mass = (muons[:, 0] + muons[:, 1]).mass
    >>> len(mass), round(float(min(mass))) >= 70
    (100, True)
    >>> len(zh.select_pairs(events))
    100
    """
    with LHEStream(path, weights=weights) as stream:
        return next(stream.chunks())


def read_init(path: str | os.PathLike[str]) -> LHEInit:
    """Read what a Les Houches Event file says before its events: version, beams, cross sections, declared weights.

    Raises
    ------
    LHEError, MissingInputError
        As `read_lhe` does.
    """
    with LHEStream(path, piece_bytes=1 << 16) as stream:
        return stream.init
