"""Values that someone gives, as options, settings or in a file: each of its type, finite and within bounds.

The bounds are such that no sane use meets them; they are checked before anything of the size of a value is made.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import Any

from zmumu_hybrid.errors import ConfigurationError, InputError

__all__ = [
    "MAX_BINS",
    "MAX_EVENTS",
    "MAX_SEED",
    "MAX_WORKERS",
    "require_count",
    "require_finite",
    "require_form",
    "require_number",
    "require_seed",
    "require_text",
]

MAX_SEED = 2**63 - 1
MAX_EVENTS = 10**12
"""Of a file or a chunk."""
MAX_WORKERS = 100_000
MAX_BINS = 100_000
"""Of one axis."""

_DEPTH = 100
_NAMES: dict[Any, str] = {
    int: "an integer",
    float: "a finite number",
    str: "a string",
    bool: "true or false",
    None: "null",
}
_NAMES |= {list: "a list", dict: "a table"}


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return isinstance(value, numbers.Real) and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def _shown(value: Any) -> str:
    """Return a value for a message, shortened."""
    if _is_whole(value) and abs(value) >= 10**40:
        return "an integer of more than 40 digits"
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def require_count(name: str, value: Any, minimum: int = 1, maximum: int = 10**9) -> int:
    """Return a whole number from `minimum` to `maximum`; `ConfigurationError` calls it `name`."""
    if not _is_whole(value) or value < minimum:
        raise ConfigurationError(f"{name} must be an integer of at least {minimum}, not {_shown(value)}")
    if value > maximum:
        raise ConfigurationError(f"{name} must be at most {maximum}, not {_shown(value)}")
    return int(value)


def require_seed(value: Any, name: str = "seed") -> int:
    """Return a seed, which is a whole number from 0 to 2^63 - 1; `ConfigurationError` if it is none."""
    if not _is_whole(value) or not 0 <= value <= MAX_SEED:
        raise ConfigurationError(f"{name} must be an integer from 0 to 2^63 - 1, not {_shown(value)}")
    return int(value)


def require_text(name: str, value: str) -> str:
    """Return a text that UTF-8 can hold, as files of results need it; errors as `require_count`."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"{name} must be text in UTF-8, not {_shown(value)}") from None
    return value


def require_number(
    name: str,
    value: Any,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    *,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Return a finite number from `minimum` to `maximum`, `above` and `below` others; errors as `require_count`."""
    if _is_finite(value) and minimum <= value <= maximum and above < value < below:
        return float(value)
    bounds = {"at least": minimum, "above": above, "at most": maximum, "below": below}
    given = " and ".join(f"{words} {bound:g}" for words, bound in bounds.items() if math.isfinite(bound))
    wanted = f"a finite number {given}".rstrip()
    raise ConfigurationError(f"{name} must be {wanted}, not {_shown(value)}")


def require_finite(value: Any, where: str) -> Any:
    """Return what was read from a document after checking that all its numbers are finite and it is not nested deeply.

    Raises
    ------
    InputError
        If it has a NaN, an infinity, or an integer that is beyond all floating-point numbers; naming `where` and key.
    """
    seen = set()
    waiting: list[tuple[Any, str, int]] = [(value, "", 0)]
    while waiting:
        each, key, depth = waiting.pop()
        if isinstance(each, (dict, list)):
            if depth >= _DEPTH:
                raise InputError(f"{where}: nested more than {_DEPTH} levels deep")
            if id(each) in seen:  # an anchor of YAML that is named again
                continue
            seen.add(id(each))
            pairs = each.items() if isinstance(each, dict) else enumerate(each)
            waiting += [(inner, f"{key}.{name}" if key else str(name), depth + 1) for name, inner in pairs]
        elif isinstance(each, (int, float)) and not isinstance(each, bool) and not _is_finite(each):
            raise InputError(f"{where}: {key}: must be a finite number, not {_shown(each)}")
    return value


def require_form(value: Any, form: Any, where: str) -> Any:
    """Return a value that was read from a document after checking that it has the form that it should have.

    Parameters
    ----------
    value : Any
        Of dicts, lists, strings, numbers, booleans and None.
    form
        `int`, `float` (finite; an integer will do), `str`, `bool`, `list`, `dict`, or None; a tuple of forms, one of
        which it must have; ``[form]``, a list of such; ``{"key": form, ...: form}``, a table with these keys (a key
        may be missing if its form may be None) and, after the Ellipsis, the form of all other keys.
    where : str
        File and key, for messages.

    Raises
    ------
    InputError
        If it has another form; the message names `where`, the key, the value and what is wanted.

    Examples
    --------
    >>> require_form({"stopped": [0, "x"]}, {"stopped": [int]}, "run.json")
    Traceback (most recent call last):
        ...
    zmumu_hybrid.errors.InputError: run.json: stopped: 1: must be an integer, not 'x'
    """
    if isinstance(form, tuple):
        errors = []
        for each in form:
            try:
                return require_form(value, each, where)
            except InputError as error:
                errors.append(error)
        raise errors[0]
    kind = type(form) if isinstance(form, (list, dict)) else form
    checks: dict[Any, Callable[[Any], bool]] = {int: _is_whole, float: _is_finite, None: lambda each: each is None}
    if not (checks[kind](value) if kind in checks else isinstance(value, kind)):
        raise InputError(f"{where}: must be {_NAMES[kind]}, not {_shown(value)}")
    if isinstance(form, list):
        for index, each in enumerate(value):
            require_form(each, form[0], f"{where}: {index}")
    elif isinstance(form, dict):
        for key in form.keys() - {...}:
            require_form(value.get(key), form[key], f"{where}: {key}")
        for key in value.keys() - form.keys() if ... in form else ():
            require_form(value[key], form[...], f"{where}: {key}")
    return value
