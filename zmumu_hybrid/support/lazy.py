"""Names of a package that are loaded when they are first used, so that importing it costs nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from zmumu_hybrid.support.extras import explained

__all__ = ["lazily"]


def lazily(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package.

    Parameters
    ----------
    package : str
        Its name.
    homes : mapping of str to str
        The module that defines each public name; an empty string for a name that is a package of its own.

    Examples
    --------
    >>> get, names = lazily("zmumu_hybrid", {"smear": "zmumu_hybrid.physics.smearing"})
    >>> names()
    ['smear']
    >>> get("smear").__name__
    'smear'
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(homes[name] or f"{package}.{name}")
        except ModuleNotFoundError as error:
            raise explained(error) from error
        return getattr(module, name) if homes[name] else module

    return get, lambda: sorted(homes)
