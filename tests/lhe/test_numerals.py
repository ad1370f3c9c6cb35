from __future__ import annotations

import math
import re
import struct
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zmumu_hybrid.lhe.decimals import BAD, EXACT, UNDECIDED, parse_decimal, read_decimal, read_integer


def read(token: str, follows: str = " ") -> tuple[float, int, int]:
    return read_decimal(np.frombuffer((token + follows + "\0").encode(), np.uint8), 0)


def bits(value: float) -> bytes:
    return struct.pack("d", value)


def halfway(value: float) -> str:
    """Return the exact decimal in the middle between `value` and the next float."""
    with localcontext() as context:
        context.prec = 1200
        return format((Decimal(value) + Decimal(math.nextafter(value, math.inf))) / 2, "e")


DECIMALS = st.one_of(
    st.from_regex(r"[+-]?([0-9]{1,25}(\.[0-9]{0,25})?|\.[0-9]{1,25})([eEdD][+-]?[0-9]{1,3})?", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 22)).map(lambda x: f"{x[0]:.{x[1]}e}"),
    st.floats(1e-300, 1e300).map(halfway),
)


@given(DECIMALS)
@example("9007199254740993")
@example("0.1e23")
@example("8.988465674311580536566680e307")
@example("2.2250738585072011e-308")
@example("1.7976931348623159e308")
@example("-0.0")
@example("0" * 40 + "1" + "0" * 40 + "." + "0" * 40)
@example("0." + "0" * 40 + "1e40")
def test_decimals_are_rounded_as_float_does(token: str) -> None:
    expected = float(re.sub("[dD]", "e", token))
    value, end, status = read(token)
    assert end == len(token)
    assert bits(parse_decimal(token.encode())) == bits(expected)
    if status == EXACT:
        assert bits(value) == bits(expected)
    elif status == BAD:
        assert math.isinf(expected)


@given(st.floats(1e-290, 1e300), st.integers(1, 30))
def test_what_generators_write_is_decided_at_once(value: float, digits: int) -> None:
    for token in (repr(value), f"{value:.{digits}E}"):
        result, _, status = read(token)
        assert status == EXACT
        assert bits(result) == bits(float(token))


def test_a_tie_beyond_nineteen_digits_is_left_to_python() -> None:
    assert read(halfway(1.2345))[2] == UNDECIDED


@pytest.mark.parametrize(
    ("token", "value"), [("1.5D+03", 1500.0), ("1.5d3", 1500.0), ("1.5-104", 1.5e-104), ("-.5+2", -50.0), ("5.", 5.0)]
)
def test_fortran_forms(token: str, value: float) -> None:
    assert read(token) == (value, len(token), EXACT)
    assert parse_decimal(token.encode()) == value


@pytest.mark.parametrize("token", ["", "-", ".", "+.", "nan", "inf", "e5", "1e", "1e+", "1d-", "1+", "1e400", "-2e308"])
def test_what_is_no_finite_number(token: str) -> None:
    assert read(token)[2] == BAD


@pytest.mark.parametrize("token", ["1..2", "1e5-3", "0x1p3", "1_0", "1,5", "1e2e3", "1\u0660"])
def test_a_number_ends_where_it_stops_being_one(token: str) -> None:
    _, end, status = read(token)
    assert status != BAD
    assert end < len(token)
    with pytest.raises(ValueError):  # noqa: PT011  (the message is made where file and line are known)
        parse_decimal(token.encode())


def test_a_huge_exponent_is_left_to_python() -> None:
    token = "0." + "0" * 20 + "e123456"
    assert read(token)[2] == UNDECIDED
    assert parse_decimal(token.encode()) == 0.0


@given(st.integers(-(10**18) + 1, 10**18 - 1), st.sampled_from(["", "+", "00"]))
def test_integers(value: int, before: str) -> None:
    token = f"{before}{value}" if value >= 0 else str(value)
    good = len(token.lstrip("+-")) <= 18
    result, end, status = read_integer(np.frombuffer(f"{token} \0".encode(), np.uint8), 0)
    assert status == good
    if good:
        assert (result, end) == (value, len(token))


@pytest.mark.parametrize("token", ["", "-", "+", "x", "1234567890123456789"])
def test_what_is_no_integer(token: str) -> None:
    assert not read_integer(np.frombuffer(f"{token} \0".encode(), np.uint8), 0)[2]
