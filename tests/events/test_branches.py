from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from zmumu_hybrid.errors import ConfigurationError, InputError, MissingInputError
from zmumu_hybrid.events.branch_map import MUON_MASS, PRESETS, Branches, require_columns

ROOT = Path(__file__).parents[2]
PAIR = """
kind = "pair"
[event]
run = "Run"
event = "Event"
[muons]
px = ["px1", "px2"]
py = ["py1", "py2"]
pz = ["pz1", "pz2"]
mass = 0.105
charge = ["Q1", "Q2"]
[where]
Type = ["GG", "GT"]
"""


def read(tmp_path: Path, text: str) -> Branches:
    (tmp_path / "mine.toml").write_text(text)
    return Branches.read(tmp_path / "mine.toml")


def test_a_declaration_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"mine.toml: \[muons\] mass = \[0.105\]: a pair needs two"):
        read(tmp_path, PAIR)
    branches = read(tmp_path, PAIR.replace("0.105", "[0.105, 0.106]"))
    assert branches.columns == ("Event", "Q1", "Q2", "Run", "Type", "px1", "px2", "py1", "py2", "pz1", "pz2")
    assert branches.name == str(tmp_path / "mine.toml")
    assert dict(branches.where) == {"Type": ("GG", "GT")}
    assert pickle.loads(pickle.dumps(branches)) == branches
    assert hash(branches) == hash(read(tmp_path, PAIR.replace("0.105", "[0.105, 0.106]")))


COLLECTION: dict[str, Any] = {
    "kind": "collection",
    "muons": {"pt": "l_pt", "eta": "l_eta", "phi": "l_phi", "mass": MUON_MASS, "pdgId": "l_id"},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "list"}, "kind 'list': use one of collection, pair"),
        ({"unit": "TeV"}, "unit 'TeV': use one of GeV, MeV"),
        ({"trees": "a"}, "unknown key trees; there are kind, unit"),
        ({"tree": 5}, "tree = 5: must be a string"),
        ({"muons": {}}, "has none of these: give either pt, eta, phi or px, py, pz"),
        ({"muons": "Muon"}, r"muons must be a table, \[muons\]"),
        ({"muons": {"Pt": "a"}}, "unknown key Pt"),
        ({"muons": COLLECTION["muons"] | {"px": "a"}}, "has pt, eta, phi, px: give either"),
        ({"muons": COLLECTION["muons"] | {"energy": "a"}}, "has mass, energy: give either mass or energy"),
        ({"muons": COLLECTION["muons"] | {"pt": ["a", "b"]}}, "a collection needs one branch"),
        ({"muons": COLLECTION["muons"] | {"pt": 5}}, r"pt = \[5\]: must be the name of a branch"),
        ({"muons": COLLECTION["muons"] | {"pt": {}}}, r"pt = \{\}: cannot be used here"),
        ({"muons": {k: v for k, v in COLLECTION["muons"].items() if k != "pdgId"}}, "neither charge nor pdgId"),
        ({"event": {"run": "r"}}, "has run and no event"),
        ({"event": {"event": 4}}, "event = 4: must be a string"),
        ({"event": {"weight": "w"}}, "unknown key weight; there are run, luminosityBlock, event, genWeight"),
        ({"where": {"a": []}}, r"\[where\] a = \[\]: cannot be used"),
        ({"bits": {"a": 64}}, r"\[bits\] a = 64: must be the number of a bit"),
    ],
)
def test_what_cannot_be_used_is_named(change: dict[str, Any], message: str) -> None:
    Branches.from_mapping(COLLECTION, "mine")
    with pytest.raises(ConfigurationError, match=message) as caught:
        Branches.from_mapping(COLLECTION | change, "mine")
    assert str(caught.value).startswith("mine: ")


def test_files_that_are_not_declarations(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        Branches.read(tmp_path / "none.toml")
    with pytest.raises(InputError, match=r"mine.toml: not valid TOML: .*line 1"):
        read(tmp_path, "kind: pair")


def test_a_missing_branch_is_named_with_what_there_is() -> None:
    branches = Branches.from_mapping(COLLECTION, "mine.toml")
    require_columns(branches, [*branches.columns, "other"], "a.root: ")
    message = "^a.root: has no branch l_eta, l_id, which mine.toml declares; it has: l_phi, l_pt, other$"
    with pytest.raises(InputError, match=message):
        require_columns(branches, ["other", "l_pt", "l_phi"], "a.root: ")


def test_presets_are_nanoaods() -> None:
    assert "GenPart_statusFlags" in PRESETS["GenPart"].columns
    assert "LHEPart_pdgId" in PRESETS["LHEPart"].columns
    assert {preset.tree for preset in PRESETS.values()} == {"Events"}


def test_what_the_page_and_the_examples_show_can_be_read() -> None:
    import tomllib

    page = (ROOT / "docs" / "inputs.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 3
    for block in blocks:
        Branches.from_mapping(tomllib.loads(block), "docs/inputs.md")
    example = Branches.read(ROOT / "examples" / "branches" / "cms-dimuon.toml")
    assert tomllib.loads(blocks[0]) == tomllib.loads(Path(example.name).read_text())
