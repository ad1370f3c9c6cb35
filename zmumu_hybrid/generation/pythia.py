"""Pythia 8 at leading order: blocks of muon pairs through a Z boson or a virtual photon, as LHE text.

There is no parton shower and no hadronisation: an event is two partons, the boson and its muons. One instance of Pythia
makes any number of blocks. Its random generator starts anew at each, from a seed that belongs to the block, and
nothing else in it changes from event to event, so a block does not depend on what the instance has made before.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from zmumu_hybrid.draws import keys
from zmumu_hybrid.errors import ConfigurationError, IncompleteRunError
from zmumu_hybrid.lhe.writer import Particle, encode, format_event
from zmumu_hybrid.support.extras import require

__all__ = [
    "LAST_SEED",
    "LHAPDF_SET",
    "PROCESSES",
    "Block",
    "Collisions",
    "Cuts",
    "Process",
    "PythiaGenerator",
    "block_seed",
]

LAST_SEED = 900_000_000
"""The largest seed of Pythia's random generator."""

LHAPDF_SET = 247000
"""LHAPDF's number of NNPDF2.3 LO with alpha_s(mZ) = 0.130, which PDF:pSet = 13 takes (arXiv:1308.0598)."""

_PDF_SET = 13
_MB_IN_PB = 1e9
_LEAST_MASS = 4.0
_MOST_FAILURES = 1_000
_PATIENCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Process:
    """A process that can be generated.

    Attributes
    ----------
    name : str
    formula : str
        As MadGraph writes it.
    lhe_id : int
        LPRUP of its events.
    gmz_mode : int
        Pythia's WeakZ0:gmZmode: 1 keeps the photon's amplitude alone, 2 the Z boson's, both without interference.
    boson_id : int
        PDG code of the boson between the partons and the muons. Pythia's record says 23 in either mode; with mode 1
        there is only a photon in the amplitude, so the file says 22.
    """

    name: str
    formula: str
    lhe_id: int
    gmz_mode: int
    boson_id: int


PROCESSES = {
    "signal": Process("signal", "p p > Z > mu+ mu-", 1, 2, 23),
    "background": Process("background", "p p > a > mu+ mu-", 2, 1, 22),
}


@dataclass(frozen=True, slots=True)
class Cuts:
    """What both true muons and their pair must pass.

    Attributes
    ----------
    min_pt : float
        Transverse momentum of each muon above this, in GeV.
    max_abs_eta : float
        Absolute pseudorapidity of each muon below this.
    min_mass : float
        Mass of the pair above this, in GeV; 4 GeV or more, below which the parton densities are not to be trusted.
    """

    min_pt: float = 10.0
    max_abs_eta: float = 2.5
    min_mass: float = 70.0

    def __post_init__(self) -> None:
        """Refuse cuts that are not numbers or that no event can pass."""
        if not 0.0 <= self.min_pt < math.inf:
            raise ConfigurationError(f"min_pt must be a number of GeV from 0 on, not {self.min_pt}")
        if not 0.0 < self.max_abs_eta < math.inf:
            raise ConfigurationError(f"max_abs_eta must be a positive number, not {self.max_abs_eta}")
        if not _LEAST_MASS <= self.min_mass < math.inf:
            raise ConfigurationError(f"min_mass must be a number of GeV from {_LEAST_MASS:g} on, not {self.min_mass}")


@dataclass(frozen=True, slots=True)
class Collisions:
    """What is generated: the process, the cuts, and the proton-proton collision energy `ecm` in GeV."""

    process: str
    cuts: Cuts = Cuts()
    ecm: float = 13000.0

    def __post_init__(self) -> None:
        """Refuse an unknown process and cuts that ask for more energy than there is."""
        if self.process not in PROCESSES:
            raise ConfigurationError(f"process must be one of {', '.join(PROCESSES)}, not {self.process!r}")
        if not 0.0 < self.ecm < math.inf:
            raise ConfigurationError(f"ecm must be a positive number of GeV, not {self.ecm}")
        if self.least_mass >= self.ecm:
            raise ConfigurationError(
                f"min_mass = {self.cuts.min_mass:g} GeV and min_pt = {self.cuts.min_pt:g} GeV need pairs heavier than "
                f"{self.least_mass:g} GeV, but ecm is {self.ecm:g} GeV: no event can pass"
            )

    @property
    def least_mass(self) -> float:
        """Mass in GeV below which no pair passes: the boson has no pT, so a muon's pT is less than half the mass."""
        return max(self.cuts.min_mass, 2.0 * self.cuts.min_pt)

    def settings(self) -> tuple[str, ...]:
        """Return Pythia's settings for these collisions; with its version and a block's seed they fix the events."""
        return (
            f"Beams:eCM = {self.ecm!r}",
            f"PDF:pSet = {_PDF_SET}",
            "WeakSingleBoson:ffbar2gmZ = on",
            f"WeakZ0:gmZmode = {PROCESSES[self.process].gmz_mode}",
            "23:onMode = off",
            "23:onIfAny = 13",
            f"23:mMin = {self.least_mass!r}",
            f"PhaseSpace:mHatMin = {self.least_mass!r}",
            "PhaseSpace:increaseMaximum = off",
            "PartonLevel:all = off",
            "Random:setSeed = on",
            "Random:seed = 1",
        )


_SILENCE = (
    "Print:quiet = on",
    "Stat:showProcessLevel = off",
    "Stat:showPartonLevel = off",
    "Stat:showErrors = off",
    "Stat:reset = on",
)


def block_seed(seed: int, process: str, index: int) -> int:
    """Return the seed, 1 to 900,000,000, that Pythia's random generator starts from at block `index` of a sample.

    The samples of two seeds or processes start at places that have nothing to do with each other. Inside a sample
    the blocks follow one another, so that no two of them are ever the same.
    """
    return 1 + (keys.seed_from(seed, process, "block") + index) % LAST_SEED


@dataclass(frozen=True, slots=True)
class Block:
    """Some accepted events and how they came about.

    Attributes
    ----------
    data : bytes
        The events as they stand in the file.
    accepted, generated : int
        Events that pass the cuts, and all that Pythia made up to the last of them.
    tries : int
        Points of the phase space that Pythia tried for them.
    cross_section, cross_section_error : float
        Before the cuts, in pb.
    """

    data: bytes
    accepted: int
    generated: int
    tries: int
    cross_section: float
    cross_section_error: float


class PythiaGenerator:
    """One instance of Pythia, ready to make blocks of events of `collisions`.

    Raises
    ------
    MissingDependencyError
        If pythia8mc is not installed.
    ConfigurationError
        If Pythia refuses the settings.
    """

    def __init__(self, collisions: Collisions) -> None:
        require("pythia8mc")
        import pythia8mc

        self._collisions = collisions
        self._pythia: Any = pythia8mc.Pythia("", False)
        for setting in (*_SILENCE, *collisions.settings()):
            if not self._pythia.readString(setting):
                raise ConfigurationError(
                    f"Pythia refuses the setting {setting!r}: its data files are missing or of another version "
                    f"(PYTHIA8DATA is {os.environ.get('PYTHIA8DATA', 'not set')})"
                )
        if not self._pythia.init():
            raise ConfigurationError(f"Pythia cannot start with {', '.join(collisions.settings())}: change the options")

    def block(self, seed: int, n_events: int, compressed: bool) -> Block:
        """Make events from the seed of a block until `n_events` have passed the cuts.

        Raises
        ------
        ConfigurationError
            If no event passes the cuts in two million.
        IncompleteRunError
            If Pythia fails again and again.
        """
        pythia = self._pythia
        pythia.rndm.init(seed)
        pythia.stat()
        min_pt = self._collisions.cuts.min_pt
        max_slope = math.sinh(self._collisions.cuts.max_abs_eta)
        events: list[str] = []
        generated = failures = 0
        next_event, record = pythia.next, pythia.process
        while len(events) < n_events:
            if not next_event():
                failures += 1
                if failures > _MOST_FAILURES:
                    raise IncompleteRunError(f"Pythia failed to make an event {failures:,} times")
                continue
            generated += 1
            first, second = record[6], record[7]
            pt_first, pt_second = first.pT(), second.pT()
            if (
                pt_first > min_pt
                and pt_second > min_pt
                and abs(first.pz()) < max_slope * pt_first
                and abs(second.pz()) < max_slope * pt_second
            ):
                events.append(self._format(first, second))
            elif generated >= _PATIENCE and not events:
                raise ConfigurationError(
                    f"none of {generated:,} events passes {self._collisions.cuts}: loosen the cuts"
                )
        info = pythia.infoPython()
        return Block(
            encode("".join(events), compressed),
            accepted=n_events,
            generated=generated,
            tries=info.nTried(),
            cross_section=info.sigmaGen() * _MB_IN_PB,
            cross_section_error=info.sigmaErr() * _MB_IN_PB,
        )

    def _format(self, first: Any, second: Any) -> str:
        """Return the text of the event in Pythia's record, whose last two particles are the muons given."""
        record = self._pythia.process
        a, b, boson = record[3], record[4], record[5]
        plus, minus = (first, second) if first.id() < 0 else (second, first)
        info = self._pythia.infoPython()
        process = PROCESSES[self._collisions.process]
        particles = [
            Particle(a.id(), -1, 0, 0, a.col(), a.acol(), a.px(), a.py(), a.pz(), a.e(), a.m()),
            Particle(b.id(), -1, 0, 0, b.col(), b.acol(), b.px(), b.py(), b.pz(), b.e(), b.m()),
            Particle(process.boson_id, 2, 1, 2, 0, 0, boson.px(), boson.py(), boson.pz(), boson.e(), boson.m()),
            Particle(-13, 1, 3, 3, 0, 0, plus.px(), plus.py(), plus.pz(), plus.e(), plus.m()),
            Particle(13, 1, 3, 3, 0, 0, minus.px(), minus.py(), minus.pz(), minus.e(), minus.m()),
        ]
        return format_event(process.lhe_id, info.weight(), info.QFac(), info.alphaEM(), info.alphaS(), particles)


@lru_cache(maxsize=1)
def generator_of(collisions: Collisions) -> PythiaGenerator:
    """Return this process's instance for `collisions`; only for processes of one thread, such as workers."""
    return PythiaGenerator(collisions)
