"""The examples in docstrings: each public name has one, and all that there are run."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import zmumu_hybrid

HERE = Path(zmumu_hybrid.__file__).parent
MODULES = sorted(
    ".".join(("zmumu_hybrid", *path.relative_to(HERE).with_suffix("").parts)).removesuffix(".__init__")
    for path in HERE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


def test_every_public_name_has_an_example() -> None:
    for name in zmumu_hybrid.__all__:
        found = doctest.DocTestFinder().find(getattr(zmumu_hybrid, name), name)
        assert any(each.examples for each in found if each.name == name), name


@pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea.*")
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("torch", "onnxruntime", "onnxscript", "pyhf", "pythia8mc", "lgatr"):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for each in doctest.DocTestFinder().find(importlib.import_module(name), name):
        assert not any(example.options.get(doctest.SKIP) for example in each.examples)
        assert runner.run(each).failed == 0
