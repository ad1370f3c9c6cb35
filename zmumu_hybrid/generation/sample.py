"""Generation: exactly so many muon pairs of a process, by Pythia 8 at leading order, as an LHE file.

The job is cut into blocks of 10,000 accepted events, each with a seed of its own. Workers make blocks, this process
writes them in their order: the file does not depend on the number of workers, and a larger sample of the same
seed begins with the events of a smaller one.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from zmumu_hybrid.errors import IncompleteRunError, ZmumuError
from zmumu_hybrid.execution.workers import Workers, worker_pool
from zmumu_hybrid.generation.pythia import (
    LAST_SEED,
    LHAPDF_SET,
    PROCESSES,
    Block,
    Collisions,
    Cuts,
    PythiaGenerator,
    block_seed,
    generator_of,
)
from zmumu_hybrid.lhe.header import LHEInit, LHEProcess
from zmumu_hybrid.lhe.writer import LHEWriter, format_header, is_compressed
from zmumu_hybrid.support import files
from zmumu_hybrid.support.outputs import output_file
from zmumu_hybrid.support.progress import progress
from zmumu_hybrid.support.values import require_count, require_seed

__all__ = ["EVENTS_PER_BLOCK", "PROCESSES", "Cuts", "GenerationSummary", "generate"]

EVENTS_PER_BLOCK = 10_000
"""About a third of a second's work. Part of what a seed means: with another number its events are others."""

_SEEDS = 2**63
_PROTON = 2212
_AHEAD = 2
"""Blocks per worker that may be under way or wait for their turn."""


@dataclass(frozen=True, slots=True)
class GenerationSummary:
    """What was generated.

    Attributes
    ----------
    process : str
    path : Path
    events : int
        Events in the file, all of them inside the cuts.
    generated : int
        Events that Pythia made for them.
    cross_section_pb, cross_section_error_pb : float
        Inside the cuts, in pb.
    seconds : float
        Wall time, start of Pythia and of the workers included.
    sha256 : str
        Of the file.
    """

    process: str
    path: Path
    events: int
    generated: int
    cross_section_pb: float
    cross_section_error_pb: float
    seconds: float
    sha256: str

    @property
    def events_per_second(self) -> float:
        """Events written per second."""
        return self.events / self.seconds


@dataclass(frozen=True, slots=True)
class _Job:
    """One block to make; what a worker gets."""

    collisions: Collisions
    seed: int
    index: int
    n_events: int
    compressed: bool

    def __str__(self) -> str:
        first = self.index * EVENTS_PER_BLOCK
        return f"block {self.index} (events {first + 1:,} to {first + self.n_events:,})"

    def run(self, generator: PythiaGenerator) -> Block:
        seed = block_seed(self.seed, self.collisions.process, self.index)
        return generator.block(seed, self.n_events, self.compressed)


def generate(
    process: str,
    n_events: int,
    seed: int,
    output: str | os.PathLike[str],
    *,
    cuts: Cuts | None = None,
    workers: int = 1,
    ecm: float = 13000.0,
    show_progress: bool = False,
) -> GenerationSummary:
    """Generate muon pairs and write them as an LHE file.

    Parameters
    ----------
    process : {"signal", "background"}
        p p > Z > mu+ mu- or p p > gamma* > mu+ mu-, without interference.
    n_events : int
        Events that pass the cuts.
    seed : int
        0 to 2^63 - 1. The same seed gives the same events, whatever the number of workers. Samples of the two processes
        are independent, also with the same seed.
    output : path
        Name of the file, ending in .lhe, or in .lhe.gz to compress it.
    cuts : Cuts, optional
        On the true muons; by default pT > 10 GeV, abs(eta) < 2.5 and a pair above 70 GeV.
    workers : int
        Processes that generate.
    ecm : float
        Proton-proton collision energy in GeV.
    show_progress : bool
        Whether to show a bar on a terminal.

    Returns
    -------
    GenerationSummary

    Raises
    ------
    ConfigurationError
        If an option cannot be used, or no event can pass the cuts.
    MissingDependencyError
        If pythia8mc is not installed.
    OutputError
        If the file cannot be written.
    IncompleteRunError
        If a block fails; the message names it.

    Examples
    --------
    >>> summary = generate("signal", 100, 1, "signal.lhe")
    >>> summary.events, round(summary.cross_section_pb)
    (100, 572)
    """
    start = time.perf_counter()
    require_count("events", n_events, 1, 10**10)
    require_seed(seed)
    require_count("workers", workers, 1, 1024)
    collisions = Collisions(process, cuts or Cuts(), ecm)
    compressed = is_compressed(output)
    jobs = [
        _Job(collisions, seed, index, min(EVENTS_PER_BLOCK, n_events - first), compressed)
        for index, first in enumerate(range(0, n_events, EVENTS_PER_BLOCK))
    ]
    with output_file(output, "generate"):
        generator = PythiaGenerator(collisions)
        versions = {"zmumu-hybrid": metadata.version("zmumu-hybrid"), "Pythia": metadata.version("pythia8mc")}
        init = _init(collisions, _header(collisions, n_events, seed, versions))
        statistics: list[Block] = []
        with (
            LHEWriter.open(output, init, versions) as writer,
            progress(f"Generating {process}", n_events, unit="events", enabled=show_progress) as advance,
        ):
            for block in _blocks(jobs, generator, workers):
                writer.write_encoded(block.data)
                statistics.append(replace(block, data=b""))
                advance(block.accepted)
            cross_section, error = _cross_section(statistics)
            writer.init = _init(collisions, init.header, cross_section, error)
        return GenerationSummary(
            process=process,
            path=Path(output),
            events=n_events,
            generated=sum(block.generated for block in statistics),
            cross_section_pb=cross_section,
            cross_section_error_pb=error,
            sha256=files.sha256(output),
            seconds=time.perf_counter() - start,
        )


def _init(collisions: Collisions, header: str, cross_section: float = 0.0, error: float = 0.0) -> LHEInit:
    """Return what stands before the events: unweighted events (strategy 3), unit weights."""
    return LHEInit(
        version="3.0",
        beams=(_PROTON, _PROTON),
        beam_energies=(collisions.ecm / 2.0, collisions.ecm / 2.0),
        pdf_groups=(0, 0),
        pdf_sets=(LHAPDF_SET, LHAPDF_SET),
        weighting_strategy=3,
        processes=(LHEProcess(PROCESSES[collisions.process].lhe_id, cross_section, error, 1.0),),
        weights=(),
        header=header,
    )


def _header(collisions: Collisions, n_events: int, seed: int, versions: Mapping[str, str]) -> str:
    """Return the header: what was asked for, and all that Pythia was told."""
    process, cuts = PROCESSES[collisions.process], collisions.cuts
    settings = {
        **{f"version of {name}": version for name, version in versions.items()},
        "process": f"{process.name}: {process.formula} at leading order, no interference",
        "events": n_events,
        "seed": seed,
        "ecm": f"{collisions.ecm!r} GeV",
        "cut on each muon": f"pT > {cuts.min_pt!r} GeV and abs(eta) < {cuts.max_abs_eta!r}",
        "cut on the pair": f"mass > {cuts.min_mass!r} GeV",
        "blocks": f"{EVENTS_PER_BLOCK} events each",
        "random seed of block i": f"{block_seed(seed, process.name, 0)} + i; {LAST_SEED} is followed by 1",
    }
    return format_header(
        {
            "zmumu-hybrid": "\n".join(f"{name} = {value}" for name, value in settings.items()),
            "pythia": "\n".join(collisions.settings()),
        }
    )


def _cross_section(blocks: Sequence[Block]) -> tuple[float, float]:
    """Return the cross section inside the cuts and its standard error, in pb.

    Pythia's cross section is the mean over the points of the phase space that were tried, so blocks are averaged with
    their number of tries. It is multiplied by the fraction of the events inside the cuts, with its binomial error.
    """
    tries = sum(block.tries for block in blocks)
    total = math.fsum(block.tries * block.cross_section for block in blocks) / tries
    error = math.hypot(*(block.tries * block.cross_section_error for block in blocks)) / tries
    accepted, generated = sum(block.accepted for block in blocks), sum(block.generated for block in blocks)
    acceptance = accepted / generated
    return acceptance * total, acceptance * total * math.hypot(error / total, math.sqrt((1 - acceptance) / accepted))


def _blocks(jobs: Sequence[_Job], generator: PythiaGenerator, workers: int) -> Iterator[Block]:
    """Yield the blocks in their order, made here or by several workers."""
    workers = min(workers, len(jobs))
    with worker_pool(Workers("futures" if workers > 1 else "iterative", workers)) as pool:
        if pool is None:
            for job in jobs:
                yield _named(job, lambda job=job: job.run(generator))  # type: ignore[misc]
            return
        waiting: deque[tuple[_Job, Future[Block]]] = deque()
        for job in jobs:
            if len(waiting) == _AHEAD * workers:
                yield _result(waiting)
            waiting.append((job, pool.submit(_work, job)))
        while waiting:
            yield _result(waiting)


def _result(waiting: deque[tuple[_Job, Future[Block]]]) -> Block:
    job, future = waiting.popleft()
    return _named(job, future.result)


def _named(job: _Job, make: Callable[[], Block]) -> Block:
    """Return what `make` does; name the block in its errors."""
    try:
        return make()
    except BrokenProcessPool as error:
        raise IncompleteRunError(
            f"{job}: a worker process was killed, perhaps for want of memory: run again, with fewer workers"
        ) from error
    except ZmumuError as error:
        raise type(error)(f"{job}: {error}") from error
    except Exception as error:
        raise IncompleteRunError(f"{job}: {type(error).__name__}: {error}") from error


def _work(job: _Job) -> Block:
    return job.run(generator_of(job.collisions))
