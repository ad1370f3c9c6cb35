"""Which branches of a file are what: a short declaration that turns the columns of any file into events.

Two kinds of files are described. A "collection" has one entry an event and its muons in lists, as NanoAOD has; a
"pair" has one row a muon pair and a branch for each muon, as flat n-tuples have. `Branches.read` reads a declaration
from TOML; `NANOAOD` is that of NanoAOD's `Muon`, which holds where none is given, and `PRESETS` has those of its
generator collections. `zmumu_hybrid.events.ntuples` makes events by them.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from zmumu_hybrid.errors import ConfigurationError, InputError
from zmumu_hybrid.support.files import read_toml

__all__ = ["MUON_MASS", "NANOAOD", "PRESETS", "Branches", "MuonsFrom", "require_columns"]

MuonsFrom = Literal["Muon", "GenPart", "LHEPart"]
Value = str | int | float | bool

MUON_MASS = 0.1056583755
"""Mass of the muon in GeV (Review of Particle Physics 2024)."""

_SLOTS = {"collection": 1, "pair": 2}
_UNITS = ("GeV", "MeV")
_EVENT = ("run", "luminosityBlock", "event", "genWeight")
_MOMENTA = (("pt", "eta", "phi"), ("px", "py", "pz"))
_MASSES = (("mass",), ("energy",))
_COMPONENTS = ("px", "py", "pz", "pt", "eta", "phi", "mass", "energy", "charge", "pdgId")
_CONSTANTS = ("mass", "charge")
_KEYS = ("kind", "unit", "tree", "event", "muons", "where", "bits")


@dataclass(frozen=True, slots=True)
class Branches:
    """The branches of one kind of file.

    Parameters
    ----------
    kind : "collection" or "pair"
        One entry an event with lists of muons, or one row a pair with a branch for each of its two muons.
    muons : tuple of (component, names)
        For each component the branch, for a pair two: of "pt", "eta", "phi" or "px", "py", "pz"; "mass" or "energy";
        "charge" or "pdgId". A number in place of a branch holds for all muons ("mass", "charge"). With "pdgId", what
        is not a muon is left out.
    event : tuple of (column, branch)
        Branches of "run", "luminosityBlock", "event" and "genWeight". A file without "event" gets all three numbers
        from the content of each event; one without run or luminosityBlock gets 1, without genWeight 1.
    where : tuple of (branch, values)
        Keep what has one of these values: rows of a pair; of a collection muons, if the branch has lists, or else the
        muons of the events that do.
    bits : tuple of (branch, bit)
        Keep what has this bit set, as `where`.
    tree : str
        Name of the tree, for files with several.
    unit : "GeV" or "MeV"
        Of momenta, masses and energies in the file.
    name : str
        What the declaration is called in messages.

    Raises
    ------
    ConfigurationError
        If the declaration is incomplete or contradicts itself.
    """

    kind: Literal["collection", "pair"]
    muons: tuple[tuple[str, tuple[str | float, ...]], ...]
    event: tuple[tuple[str, str], ...] = ()
    where: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    bits: tuple[tuple[str, int], ...] = ()
    tree: str = ""
    unit: Literal["GeV", "MeV"] = "GeV"
    name: str = "branches"

    def __post_init__(self) -> None:
        if self.kind not in _SLOTS:
            raise ConfigurationError(f"{self.name}: kind {self.kind!r}: use one of {', '.join(_SLOTS)}")
        if self.unit not in _UNITS:
            raise ConfigurationError(f"{self.name}: unit {self.unit!r}: use one of {', '.join(_UNITS)}")
        self._check_event()
        self._check_muons()

    def _check_event(self) -> None:
        event = dict(self.event)
        _refuse_unknown(event, _EVENT, f"{self.name}: [event]")
        if "event" not in event and (numbers := [name for name in ("run", "luminosityBlock") if name in event]):
            raise ConfigurationError(
                f"{self.name}: [event] has {', '.join(numbers)} and no event: give the branch of the event number, "
                "or none of them to number the events by their content"
            )

    def _check_muons(self) -> None:
        muons, where = dict(self.muons), f"{self.name}: [muons]"
        _refuse_unknown(muons, _COMPONENTS, where)
        for name, values in muons.items():
            if len(values) != _SLOTS[self.kind]:
                wanted = "one branch" if self.kind == "collection" else "two, one for each muon"
                raise ConfigurationError(f"{where} {name} = {list(values)}: a {self.kind} needs {wanted}")
            if name not in _CONSTANTS and not all(isinstance(value, str) for value in values):
                raise ConfigurationError(f"{where} {name} = {list(values)}: must be the name of a branch")
        for choices in (_MOMENTA, _MASSES):
            given = tuple(name for choice in choices for name in choice if name in muons)
            if given not in choices:
                said = " or ".join(", ".join(choice) for choice in choices)
                raise ConfigurationError(f"{where} has {', '.join(given) or 'none of these'}: give either {said}")
        if "charge" not in muons and "pdgId" not in muons:
            raise ConfigurationError(f"{where} has neither charge nor pdgId: one is needed")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Branches:
        """Read a declaration from a TOML file.

        Raises
        ------
        MissingInputError, InputError
            If there is no such file or it is not TOML.
        ConfigurationError
            If a key is unknown, a value is of the wrong type, or the declaration cannot be used.
        """
        return cls.from_mapping(read_toml(path), str(path))

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], name: str = "branches") -> Branches:
        """Make a declaration from what a TOML file holds; `name` is what messages call it."""
        _refuse_unknown(content, _KEYS, name)
        tables: dict[str, dict[str, Any]] = {}
        for key in ("event", "muons", "where", "bits"):
            tables[key] = content.get(key, {})
            if not isinstance(tables[key], dict):
                raise ConfigurationError(f"{name}: {key} must be a table, [{key}]")
        texts = {key: content.get(key, default) for key, default in (("kind", ""), ("unit", "GeV"), ("tree", ""))}
        for key, value in (*texts.items(), *tables["event"].items()):
            if not isinstance(value, str):
                raise ConfigurationError(f"{name}: {key} = {value!r}: must be a string")
        for key, value in tables["bits"].items():
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 64:
                raise ConfigurationError(f"{name}: [bits] {key} = {value!r}: must be the number of a bit, 0 to 63")
        return cls(
            kind=texts["kind"],
            muons=tuple((key, _several(value, (str, int, float), f"{name}: [muons] {key}"))
                        for key, value in tables["muons"].items()),
            event=tuple(tables["event"].items()),
            where=tuple((key, _several(value, (str, int, float, bool), f"{name}: [where] {key}"))
                        for key, value in tables["where"].items()),
            bits=tuple(tables["bits"].items()),
            tree=texts["tree"],
            unit=texts["unit"],
            name=name,
        )  # fmt: skip

    @property
    def columns(self) -> tuple[str, ...]:
        """The branches that are read, sorted."""
        muons = [value for _, values in self.muons for value in values if isinstance(value, str)]
        names = [*muons, *(name for _, name in self.event), *(name for name, _ in (*self.where, *self.bits))]
        return tuple(sorted(set(names)))

    def without_weight(self) -> Branches:
        """Return the same without genWeight: every weight is then 1."""
        return replace(self, event=tuple((name, branch) for name, branch in self.event if name != "genWeight"))


def require_columns(branches: Branches, held: Collection[str], where: str) -> None:
    """Check that a file holds all that is declared.

    Raises
    ------
    InputError
        Names the file and tree (`where`), what is missing, and what there is.
    """
    missing = [name for name in branches.columns if name not in held]
    if missing:
        there = textwrap.shorten(", ".join(sorted(held)), 400, placeholder=" ...")
        raise InputError(f"{where}has no branch {', '.join(missing)}, which {branches.name} declares; it has: {there}")


def _several(value: Any, types: tuple[type, ...], where: str) -> tuple[Any, ...]:
    """Return a value, or a list of them, as a tuple."""
    values = tuple(value) if isinstance(value, list) else (value,)
    if not values or not all(isinstance(each, types) for each in values):
        raise ConfigurationError(f"{where} = {value!r}: cannot be used here")
    return values


def _refuse_unknown(given: Collection[str], known: Collection[str], where: str) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ConfigurationError(f"{where}: unknown key {', '.join(unknown)}; there are {', '.join(known)}")


def _nanoaod(collection: str, where: Mapping[str, int], bits: Mapping[str, int]) -> Branches:
    """Return the declaration of a collection of NanoAOD that has pdgId and no charge."""
    muons: dict[str, str | float] = {name: f"{collection}_{name}" for name in ("pt", "eta", "phi", "pdgId")}
    return Branches(
        kind="collection",
        muons=tuple((name, (value,)) for name, value in {**muons, "mass": MUON_MASS}.items()),
        event=tuple((name, name) for name in _EVENT),
        where=tuple((f"{collection}_{name}", (value,)) for name, value in where.items()),
        bits=tuple((f"{collection}_{name}", bit) for name, bit in bits.items()),
        tree="Events",
        name=f"--muons {collection}",
    )


NANOAOD = Branches(
    kind="collection",
    muons=tuple((name, (f"Muon_{name}",)) for name in ("pt", "eta", "phi", "mass", "charge")),
    event=tuple((name, name) for name in _EVENT),
    name="NanoAOD",
)
"""NanoAOD's reconstructed muons, and what `zmumu convert` writes; genWeight may be missing."""

_LAST_COPY = 13
PRESETS = {
    "GenPart": _nanoaod("GenPart", {"status": 1}, {"statusFlags": _LAST_COPY}),
    "LHEPart": _nanoaod("LHEPart", {}, {}),
}
"""NanoAOD's generator collections: final-state muons, the last copy of each, and those of the hard process.

Their masses are the muon's own: NanoAOD stores 0 for it in `GenPart`, and rounding in `LHEPart`.
"""
