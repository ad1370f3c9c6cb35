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

from zmumu_hybrid.compiled import compiled

__all__ = ["BAD", "EXACT", "UNDECIDED", "parse_decimal", "read_decimal", "read_integer"]

EXACT, UNDECIDED, BAD = 0, 1, 2

_SMALLEST_POWER, _LARGEST_POWER = -342, 308
_DECIMAL = re.compile(rb"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eEdD]([+-]?[0-9]+)|([+-][0-9]+))?")


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
def _skip_digits(data: Any, i: int) -> int:
    while 48 <= data[i] <= 57:
        i += 1
    return i


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
    c = data[i]
    negative = c == 45
    if negative or c == 43:
        i += 1
    digits = np.uint64(0)
    significant = 0
    dropped = 0
    power = 0
    first = i
    dot = -1
    while True:
        digit = np.int64(data[i]) - 48
        if 0 <= digit <= 9:
            if significant < 19:
                digits = digits * np.uint64(10) + np.uint64(digit)
                if digits != np.uint64(0):
                    significant += 1
                if dot >= 0:
                    power -= 1
            else:
                dropped |= digit
                if dot < 0:
                    power += 1
        elif digit == -2 and dot < 0:
            dot = i
        else:
            break
        i += 1
    if i - first - (dot >= 0) == 0:
        return 0.0, i, BAD
    c = data[i]
    lettered = c in (69, 101, 68, 100)
    if lettered or c in (43, 45):
        if lettered:
            i += 1
        sign = 1
        if data[i] == 45:
            sign = -1
            i += 1
        elif data[i] == 43:
            i += 1
        first = i
        exponent = 0
        while 48 <= data[i] <= 57:
            exponent = exponent * 10 + np.int64(data[i]) - 48
            if exponent > 99999:
                return 0.0, _skip_digits(data, i), UNDECIDED
            i += 1
        if i == first:
            return 0.0, i, BAD
        power += sign * exponent
    status = EXACT
    if digits == np.uint64(0):
        value = 0.0
    elif dropped:
        value, status = _eisel_lemire(digits, power)
        above, status_above = _eisel_lemire(digits + _ONE, power)
        if status == EXACT and (status_above != EXACT or above != value):
            status = UNDECIDED
    elif digits <= np.uint64(1 << 53) and -22 <= power <= 22:
        value = np.float64(digits)
        if power < 0:
            value /= _TENS[-power]
        else:
            value *= _TENS[power]
    else:
        value, status = _eisel_lemire(digits, power)
    return (-value if negative else value), i, status


@compiled
def read_integer(data: Any, start: int) -> Any:
    """Read the integer that begins at `start` of `data`: (value, end, whether it is one of at most 18 digits)."""
    i = start
    c = data[i]
    negative = c == 45
    if negative or c == 43:
        i += 1
    first = i
    value = 0
    while 48 <= data[i] <= 57:
        value = value * 10 + np.int64(data[i]) - 48
        i += 1
        if i - first > 18:
            return 0, i, False
    return (-value if negative else value), i, i > first
