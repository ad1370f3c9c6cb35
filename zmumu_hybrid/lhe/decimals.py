"""Numbers out of bytes: integers, and decimals rounded exactly as Python's `float` does.

A decimal is digits times a power of ten. With at most 53 bits of digits and a power of at most 22 one division or
product is exact (Clinger, PLDI 1990, doi:10.1145/93542.93557). Else the product with a 128-bit power of five decides
(Eisel and Lemire: Lemire, Softw. Pract. Exp. 51, 1700 (2021), arXiv:2101.11408); the few numbers that it cannot
decide, or that are subnormal, are handed back to be read by `float`.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from zmumu_hybrid.support.compiled import byte, compiled

__all__ = ["BAD", "EXACT", "UNDECIDED", "parse_decimal", "read_decimal", "read_integer"]

EXACT, UNDECIDED, BAD = 0, 1, 2

_SMALLEST_POWER, _LARGEST_POWER = -342, 308
_DECIMAL = re.compile(rb"([+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++))(?:[eEdD]([+-]?[0-9]++)|([+-][0-9]++))?")


def _powers_of_five() -> Any:
    """Return the first 128 bits of each power of five from -342 to 308 as uint64 (high, low), shape (651, 2)."""
    words = []
    for q in range(_SMALLEST_POWER, _LARGEST_POWER + 1):
        if q < 0:
            power = 5**-q
            bits = (power - 1).bit_length()
            value = (1 << (bits + 127 if q >= -27 else 2 * bits + 128)) // power + 1
            value >>= max(value.bit_length() - 128, 0)
        else:
            power = 5**q
            shift = power.bit_length() - 128
            value = power >> shift if shift > 0 else power << -shift
        words.append((value >> 64, value & 0xFFFFFFFFFFFFFFFF))
    return np.array(words, np.uint64)


_FIVES = _powers_of_five()
_TENS = np.array([10.0**q for q in range(23)])
_TWOS = np.array([2.0 ** (power - 1075) for power in range(1, 2047)])

_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)


def parse_decimal(token: bytes) -> float:
    """Read one decimal, Fortran's `D` exponents and exponents without a letter (1.5-104) included.

    Raises
    ------
    ValueError
        If `token` is anything else; `nan` and `inf` are, too large a number (inf) is not.
    """
    match = _DECIMAL.fullmatch(token)
    if match is None:
        raise ValueError(token)
    mantissa, exponent, bare = match.groups()
    return float(mantissa + b"e" + (exponent or bare or b"0"))


@compiled
def _product(a: Any, b: Any) -> Any:
    """Return the 128-bit product of two uint64 as (high, low)."""
    a0, a1 = a & _LOW, a >> _32
    b0, b1 = b & _LOW, b >> _32
    low = a0 * b0
    middle = a1 * b0 + (low >> _32)
    cross = a0 * b1 + (middle & _LOW)
    return a1 * b1 + (middle >> _32) + (cross >> _32), a * b


@compiled
def _eisel_lemire(digits: Any, power: int) -> Any:
    """Return (float nearest to digits * 10**power, status) for digits > 0; BAD if it is too large for a float."""
    if power > _LARGEST_POWER:
        return 0.0, BAD
    if power < _SMALLEST_POWER:
        return 0.0, UNDECIDED
    zeros = 0
    for step in (32, 16, 8, 4, 2, 1):
        if digits >> np.uint64(64 - step) == np.uint64(0):
            digits <<= np.uint64(step)
            zeros += step
    row = power - _SMALLEST_POWER
    high, low = _product(digits, _FIVES[row, 0])
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):
        more, _ = _product(digits, _FIVES[row, 1])
        low += more
        if more > low:
            high += _ONE
    if low == _ALL and (power < -27 or power > 55):
        return 0.0, UNDECIDED
    top = high >> np.uint64(63)
    shift = top + np.uint64(9)
    mantissa = high >> shift
    exponent = ((217706 * power) >> 16) + 63 + np.int64(top) - zeros + 1023
    if exponent <= 0:
        return 0.0, UNDECIDED
    # Halfway between two floats: to even.
    if low <= _ONE and -4 <= power <= 23 and mantissa & np.uint64(3) == _ONE and mantissa << shift == high:
        mantissa ^= _ONE
    mantissa = (mantissa + (mantissa & _ONE)) >> _ONE
    if mantissa == np.uint64(1 << 53):
        mantissa >>= _ONE
        exponent += 1
    if exponent >= 2047:
        return 0.0, BAD
    return np.float64(mantissa) * _TWOS[exponent - 1], EXACT


@compiled
def _read_exponent(data: Any, i: int) -> Any:
    """Read what may be an exponent at `i`: (exponent, where it ends, EXACT; UNDECIDED if it is huge; or BAD)."""
    c = byte(data, i)
    lettered = c in (69, 101, 68, 100)
    if not lettered and c not in (43, 45):
        return 0, i, EXACT
    if lettered:
        i += 1
    negative = byte(data, i) == 45
    if negative or byte(data, i) == 43:
        i += 1
    first = i
    exponent: Any = 0
    while 48 <= byte(data, i) <= 57:
        if i - first < 10:
            exponent = exponent * 10 + np.int64(byte(data, i)) - 48
        i += 1
    if i == first:
        return 0, i, BAD
    return (-exponent if negative else exponent), i, UNDECIDED if i - first > 5 else EXACT


@compiled
def _round_long(data: Any, i: int, exponent: int) -> Any:
    """Return (value, status) of the mantissa of any length at `i`, times 10**exponent."""
    digits = np.uint64(0)
    significant = 0
    dropped = False
    fraction = 0
    while byte(data, i) == 46 or 48 <= byte(data, i) <= 57:
        if byte(data, i) == 46:
            fraction = 1
        elif significant < 19:
            digits = digits * np.uint64(10) + np.uint64(byte(data, i)) - np.uint64(48)
            significant += digits != np.uint64(0)
            exponent -= fraction
        else:
            dropped |= byte(data, i) != 48
            exponent += 1 - fraction
        i += 1
    if digits == np.uint64(0):
        return 0.0, EXACT
    value, status = _eisel_lemire(digits, exponent)
    if dropped and status == EXACT:
        above, status = _eisel_lemire(digits + _ONE, exponent)
        if status != EXACT or above != value:
            status = UNDECIDED
    return value, status


@compiled
def read_decimal(data: Any, start: int) -> Any:
    """Read the decimal that begins at `start` of `data`, a uint8 array that ends with a byte which is no digit.

    Returns
    -------
    value : float
    end : int
        Where the number ends.
    status : int
        EXACT; UNDECIDED if `value` is to be read by `parse_decimal`; BAD if there is no finite number.
    """
    i = start
    negative = byte(data, i) == 45
    if negative or byte(data, i) == 43:
        i += 1
    first = i
    digits = np.uint64(0)
    while 48 <= byte(data, i) <= 57:
        digits = digits * np.uint64(10) + np.uint64(byte(data, i)) - np.uint64(48)
        i += 1
    count = i - first
    power = 0
    if byte(data, i) == 46:
        i += 1
        dot = i
        while 48 <= byte(data, i) <= 57:
            digits = digits * np.uint64(10) + np.uint64(byte(data, i)) - np.uint64(48)
            i += 1
        power = dot - i
        count -= power
    if count == 0:
        return 0.0, i, BAD
    exponent, i, status = _read_exponent(data, i)
    power += exponent
    value = 0.0
    if status == EXACT:
        if count > 19:
            value, status = _round_long(data, first, exponent)
        elif digits > np.uint64(1 << 53) or power < -22 or power > 22:
            if digits != np.uint64(0):
                value, status = _eisel_lemire(digits, power)
        elif power < 0:
            value = np.float64(digits) / _TENS[-power]
        else:
            value = np.float64(digits) * _TENS[power]
    return (-value if negative else value), i, status


@compiled
def read_integer(data: Any, start: int) -> Any:
    """Read the integer that begins at `start` of `data`: (value, end, whether it is one of at most 18 digits)."""
    i = start
    negative = byte(data, i) == 45
    if negative or byte(data, i) == 43:
        i += 1
    first = i
    value: Any = 0
    while 48 <= byte(data, i) <= 57:
        value = value * 10 + np.int64(byte(data, i)) - 48
        i += 1
    return (-value if negative else value), i, 0 < i - first <= 18
