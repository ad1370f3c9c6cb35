"""The order of the rooms: read from every import, also those inside functions and those for types alone."""

from __future__ import annotations

import ast
import itertools
import pkgutil
import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = [
    *("errors", "support", "draws", "physics", "metrics", "lhe", "events", "execution", "generation", "candidates"),
    *("nets", "training", "deploy", "optimal", "measurement", "processors", "jobs", "scan", "rivals", "plots"),
    *("study", "cli"),
]
"""A package imports only from those before it and from itself."""
OF_USERS = ("plots", "processors")
"""The folders at the top that are installed inside the package."""


def modules() -> dict[str, Path]:
    """Return the file of every module of the package by its dotted name."""
    found = {}
    for folder in ("zmumu_hybrid", *OF_USERS):
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(("zmumu_hybrid", *parts) if folder != "zmumu_hybrid" else parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports_of(path: Path) -> set[str]:
    """Return the modules of the package that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {
                full if (full := f"{node.module}.{alias.name}") in MODULES else node.module for alias in node.names
            }
    return {name for name in names if name in MODULES}


IMPORTS = {name: imports_of(path) - {name} for name, path in MODULES.items()}


def room(name: str) -> str:
    """Return the room of a module; empty for the package itself and for what makes it a command."""
    return name.split(".")[1] if "." in name and not name.endswith("__main__") else ""


def test_every_module_is_in_a_room() -> None:
    assert {room(name) for name in MODULES} == {"", *ROOMS}


def test_a_room_imports_only_from_those_before_it() -> None:
    for name, others in IMPORTS.items():
        later = ROOMS[ROOMS.index(room(name)) + 1 :] if room(name) else []
        assert not {other for other in others if room(other) in later or (room(name) and not room(other))}, name


def test_no_module_imports_itself_by_way_of_others() -> None:
    # a package's own list of names, loaded when they are used, may name modules that import the package
    lists = {name for name, path in MODULES.items() if "= lazily(" in path.read_text(encoding="utf-8")}
    graph = {name: others for name, others in IMPORTS.items() if name not in lists}
    assert [*TopologicalSorter(graph).static_order()]


def test_no_room_is_crowded_and_no_module_long() -> None:
    files = list(MODULES.values())
    crowded = {str(folder.relative_to(ROOT)): n for folder, n in Counter(p.parent for p in files).items() if n > 14}
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert not crowded
    assert not {path: length for path, length in lengths.items() if length > 400}


def test_the_way_of_a_muon_never_climbs_back() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    way = re.findall(r"^\d+\. `([\w.]+)`: ", page, re.MULTILINE)
    assert 20 < len(way) <= 40
    for name in way:
        assert callable(pkgutil.resolve_name(f"zmumu_hybrid.{name}")), name
    rooms = [room for room, _ in itertools.groupby(name.split(".")[0] for name in way)]
    assert len(rooms) == len(set(rooms))


def test_every_name_that_is_referred_to_exists() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(ROOT / "examples").glob("*.*"), *MODULES.values()]
    names = {
        name for page in pages for name in re.findall(r"`(zmumu_hybrid(?:\.\w+)+)`", page.read_text(encoding="utf-8"))
    }
    assert len(names) > 50
    for name in names:
        assert pkgutil.resolve_name(name) is not None, name
