"""The errors of the package: one small tree, each mixed with the builtin that fits.

A message names the file, the event or entry, the field, the value and the remedy, as far as they apply: it is
what a user of the command line sees, on one line. Errors take one argument, the message, so that they survive
the way through a worker process unchanged.
"""

from __future__ import annotations

import textwrap

__all__ = [
    "ConfigurationError",
    "IncompleteRunError",
    "InputError",
    "LHEError",
    "LeakError",
    "MissingDependencyError",
    "MissingInputError",
    "ModelError",
    "OutputError",
    "RepeatedEventError",
    "ZmumuError",
    "brief",
]


class ZmumuError(Exception):
    """Base of every error that the package raises on purpose.

    Examples
    --------
    >>> import zmumu_hybrid as zh
    >>> try:
    ...     zh.SmearingConfig(width=-1)
    ... except zh.ZmumuError as error:
    ...     print(error)
    width of the smearing must be a finite number at least 0, not -1
    """


class ConfigurationError(ZmumuError, ValueError):
    """An option or a setting that cannot be used."""


class InputError(ZmumuError, ValueError):
    """Input that can be read but is not what it should be."""


class RepeatedEventError(InputError):
    """An event that is in the input twice.

    Attributes
    ----------
    identity : tuple of int
        Its run, luminosityBlock and event.
    """

    identity: tuple[int, ...] = ()


class LHEError(InputError):
    """Text that is not a valid Les Houches Event file."""


class MissingInputError(ZmumuError, FileNotFoundError):
    """An input file that does not exist or cannot be opened."""


class ModelError(InputError):
    """A model or checkpoint that is corrupt, foreign or of another version."""


class OutputError(ZmumuError, OSError):
    """Output that cannot be written."""


class IncompleteRunError(ZmumuError, RuntimeError):
    """A run that processed fewer entries than it was asked to."""


class LeakError(ZmumuError, RuntimeError):
    """A network that does better than is possible: it has seen the events that it is tested on."""


class MissingDependencyError(ZmumuError, ImportError):
    """An optional library that is needed and not installed."""


def brief(error: BaseException) -> str:
    """Return the type and the beginning of the message of another library's error, on one line."""
    return textwrap.shorten(f"{type(error).__name__}: {error}", 200, placeholder=" ...")
