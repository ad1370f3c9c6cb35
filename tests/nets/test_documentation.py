"""What the documentation of the networks says to write does what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from zmumu_hybrid import nets

MODULES = ["kinematics", "nets", *(f"nets.{module.name}" for module in pkgutil.iter_modules(nets.__path__))]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module(f"zmumu_hybrid.{name}")
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0
