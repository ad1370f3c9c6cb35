"""The example of every public name, as its docstring has it."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import zmumu_hybrid


@pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea.*")
@pytest.mark.parametrize("name", zmumu_hybrid.__all__)
def test_the_example_of_a_public_name_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("torch", "onnxruntime", "onnxscript", "pyhf", "pythia8mc"):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    found = [each for each in doctest.DocTestFinder().find(getattr(zmumu_hybrid, name), name) if each.examples]
    assert [each.name for each in found][:1] == [name]
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for each in found:
        assert not any(example.options.get(doctest.SKIP) for example in each.examples)
        assert runner.run(each).failed == 0
