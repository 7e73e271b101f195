"""Hypothesis strategies for every value that travels, and the comparison that a trip must pass."""

from __future__ import annotations

import array
import datetime
import math
import struct
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import strategies as st

zones = st.builds(
    datetime.timezone,
    st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: datetime.timedelta(minutes=minutes)),
)

#: Without lone surrogates, which have no UTF-8; with the zero, and with what lies beyond 16 bits.
text = st.text(st.characters(exclude_categories=["Cs"]))

#: Of any sign, up to ten thousand digits.
integers = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.builds(
        lambda bits, off, sign: sign * ((1 << bits) + off),
        st.integers(0, 400),
        st.integers(-1, 1),
        st.sampled_from([-1, 1]),
    ),
    st.builds(lambda bits, off: (7 << bits) + off, st.integers(30_000, 33_000), st.integers(-300, 300)),
)


def float_of(bits: int) -> float:
    """The float that has these 64 bits."""
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


#: Every pattern of bits: subnormals, zeros of both signs, infinities, NaN with any payload.
floats = st.one_of(
    st.floats(allow_nan=False),
    st.integers(0, 2**64 - 1).map(float_of),
    st.integers(0, 2**53 - 1).map(lambda bits: float_of(bits | 0x7FF << 52)),
    st.sampled_from([0.0, -0.0, math.inf, -math.inf, 5e-324]),
)

decimals = st.one_of(
    st.decimals(allow_nan=False),
    st.builds(
        lambda n, exponent: Decimal(f"{n}E{exponent}"), st.integers(-(10**60), 10**60), st.integers(-(10**6), 10**6)
    ),
    st.sampled_from(
        [Decimal("1E+999999999999999999"), Decimal("-1E-1999999999999999997"), Decimal("-0.00"), Decimal("9" * 100)]
    ),
)

hashable_scalars = st.one_of(
    st.none(),
    st.booleans(),
    integers,
    floats.filter(lambda number: number == number),
    text,
    st.binary(),
    st.complex_numbers(allow_nan=False),
    decimals,
    st.uuids(),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.datetimes(),
    st.datetimes(timezones=zones),
    st.sampled_from(
        [
            datetime.datetime.min,
            datetime.datetime.max,
            datetime.datetime.min.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=23, minutes=59))),
            datetime.datetime.max.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=-23, minutes=-59))),
            datetime.time.max,
            datetime.timedelta.min,
            datetime.timedelta.max,
            datetime.timedelta.resolution,
        ]
    ),
)

#: Equal to nothing, so no key and no member of a set.
nans = st.one_of(
    floats,
    st.builds(complex, floats, floats),
    st.sampled_from([Decimal("NaN"), Decimal("sNaN"), Decimal("-NaN123"), Decimal("sNaN7")]),
)

#: Of the codes that are as wide everywhere, and of any bits.
arrays = st.builds(
    lambda code, data: array.array(code, data[: len(data) // array.array(code).itemsize * array.array(code).itemsize]),
    st.sampled_from("bBhHiIqQfd"),
    st.binary(max_size=40),
)


def ndarray_of(dtype: str, shape: list[int], data: bytes) -> Any:
    """Return the array of that shape which begins with ``data``."""
    filled = np.zeros(shape, dtype)
    size = min(len(data) // filled.itemsize, filled.size)
    filled.ravel()[:size] = np.frombuffer(data, dtype, size)
    return filled


#: Of each type that travels, and up to four dimensions, which may be empty.
ndarrays = st.builds(
    ndarray_of,
    st.sampled_from(["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]),
    st.lists(st.integers(0, 4), max_size=4),
    st.binary(max_size=60),
)

hashable = st.recursive(
    hashable_scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4).map(tuple), st.frozensets(inner, max_size=4)),
    max_leaves=8,
)

values = st.recursive(
    st.one_of(hashable_scalars, nans, arrays, ndarrays),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(hashable, inner, max_size=5),
        st.sets(hashable, max_size=5),
        st.frozensets(hashable, max_size=5),
    ),
    max_leaves=20,
)


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same in type, value and order, at every depth, to the last bit of a float."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    if isinstance(one, complex):
        return same(one.real, other.real) and same(one.imag, other.imag)
    if isinstance(one, Decimal):
        return one.as_tuple() == other.as_tuple()
    if isinstance(one, datetime.datetime):
        return one.replace(tzinfo=None) == other.replace(tzinfo=None) and one.utcoffset() == other.utcoffset()
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(map(same, one.items(), other.items()))
    if isinstance(one, (set, frozenset)):
        # 1, 1.0 and True are equal, and no two of them are in one set.
        return len(one) == len(other) and all(any(same(member, found) for found in other) for member in one)
    if isinstance(one, array.array):
        return one.typecode == other.typecode and one.tobytes() == other.tobytes()
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return bool(one == other)
