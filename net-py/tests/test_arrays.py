"""Arrays of numbers: ``array.array``, numpy's and memoryviews, here and on their way through other processes."""

from __future__ import annotations

import array
import ctypes
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import served
from harness import RustPeer, Served
from hypothesis import given
from hypothesis import strategies as st
from values import arrays, ndarrays, same

import net
from net._net import decode, encode

#: By code, its width in bytes where it has one width everywhere, and the tag of RFC 8746.
CODES = {"b": 72, "B": 64, "h": 77, "H": 69, "i": 78, "I": 70, "q": 79, "Q": 71, "f": 85, "d": 86}


def head(tag: int, length: int) -> bytes:
    return bytes([0xD8, tag, 0x40 + length])


@pytest.mark.parametrize("code", CODES)
def test_an_array_is_a_typed_array_and_comes_back(code: str) -> None:
    value = array.array(code, [1, 2])
    data = encode(value)
    assert data == head(CODES[code], 2 * value.itemsize) + value.tobytes()
    assert same(decode(data), value)
    assert same(decode(encode([{"x": (value,)}])), [{"x": (value,)}])
    assert same(decode(encode(value[:0])), value[:0])
    # The other order.
    value.byteswap()
    big = data[:3] + value.tobytes()
    value.byteswap()
    if value.itemsize > 1:
        big = bytes([0xD8, CODES[code] - 4]) + big[2:]
    assert same(decode(big), value)


def test_an_array_arrives_with_the_code_of_its_width() -> None:
    for code in "lL":
        value = array.array(code, [1])
        back = decode(encode(value))
        assert back == value
        assert back.itemsize == value.itemsize


def test_a_subclass_is_sent_as_what_the_base_says() -> None:
    class Lying(array.array):  # type: ignore[type-arg]
        typecode = "B"  # type: ignore[assignment]
        itemsize = 100  # type: ignore[assignment]

        def buffer_info(self) -> tuple[int, int]:
            return (1, 1 << 40)

    assert same(decode(encode(Lying("d", [1.5]))), array.array("d", [1.5]))


def test_what_arrives_is_an_array_of_its_own() -> None:
    value = array.array("d", [1.0])
    back = decode(encode(value))
    back.append(2.0)
    back[0] = 3.0
    assert value[0] == 1.0
    rows = decode(encode(np.zeros((2, 2))))
    rows[0, 0] = 1
    assert rows.flags.writeable
    assert rows.flags.aligned


NDARRAYS = [
    np.arange(6, dtype="f8").reshape(2, 3),
    np.array(1.5),
    np.zeros((0, 3), "i4"),
    np.zeros(0, "u1"),
    np.array([1.5, -2], "f2"),
    np.arange(3, dtype="u1"),
    np.arange(24, dtype="i2").reshape(2, 3, 4),
    np.zeros((1,) * 32),
]


@pytest.mark.parametrize("value", NDARRAYS)
def test_an_ndarray_comes_back_with_its_dimensions(value: Any) -> None:
    assert same(decode(encode(value)), value)
    assert same(decode(encode({"x": [value]})), {"x": [value]})


def test_the_bytes_of_an_ndarray() -> None:
    assert encode(np.array([[1, 2]], "u2")).hex() == "d82882820102d8454401000200"


@pytest.mark.parametrize(
    "value",
    [
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(12).reshape(3, 4)[::2, ::-1],
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.arange(6, dtype=">f8")[::2],
        np.broadcast_to(np.float32(1.5), (2, 3)),
        np.arange(6)[np.newaxis].T,
    ],
)
def test_however_it_lies_it_is_sent_row_by_row(value: Any) -> None:
    back = decode(encode(value))
    assert same(back, np.ascontiguousarray(value, value.dtype.newbyteorder("=")))
    assert np.array_equal(back, value)


def test_a_subclass_of_ndarray_arrives_as_one() -> None:
    assert same(decode(encode(np.arange(2).view(np.recarray))), np.arange(2))

    class Lying(np.ndarray):  # type: ignore[type-arg]
        shape = (1 << 40,)  # type: ignore[assignment]
        nbytes = 1 << 40  # type: ignore[assignment]
        __array_interface__ = None

    assert same(decode(encode(np.arange(3.0).view(Lying))), np.arange(3.0))


@pytest.mark.parametrize(
    ("value", "arrives_as"),
    [
        (np.int64(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float64(1.5), 1.5),
        (np.float32(1.5), 1.5),
        (np.float16(1.5), 1.5),
        (np.bool_(True), True),
        (np.complex64(1 + 2j), 1 + 2j),
        (np.complex128(1 + 2j), 1 + 2j),
        (np.str_("x"), "x"),
        (np.bytes_(b"x"), b"x"),
    ],
)
def test_a_scalar_arrives_as_pythons(value: Any, arrives_as: Any) -> None:
    assert same(decode(encode([value])), [arrives_as])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (array.array("u", "ab"), r"an array\.array of characters cannot be sent; send its tounicode\(\)"),
        (np.array([True]), r"an ndarray of bool cannot be sent; send astype\('uint8'\) of it"),
        (np.array([None]), r"an ndarray of object cannot be sent; send tolist\(\) of it"),
        (np.array(["2024-01-02"], "M8[D]"), r"an ndarray of datetime64\[D\] cannot be sent; send astype\('int64'\)"),
        (np.zeros(1, [("a", "i4")]), r"an ndarray of void32 cannot be sent; send its fields, each as an array"),
        (np.zeros(1, "c8"), "an ndarray of complex64 cannot be sent; send its real and imag"),
        (np.array(["a"]), r"an ndarray of str32 cannot be sent; send tolist\(\) of it"),
        (np.ma.array([1], mask=[True]), r"a numpy\.ma\.MaskedArray cannot be sent; send its filled\(\)"),
        (np.datetime64("2024-01-02"), r"a numpy\.datetime64 cannot be sent; send astype\('int64'\) of it"),
        (np.timedelta64(5, "s"), r"a numpy\.timedelta64 cannot be sent"),
        (np.void(b"abc"), r"a numpy\.void cannot be sent"),
    ],
)
def test_what_is_no_array_of_numbers_is_named_with_its_path(value: Any, text: str) -> None:
    with pytest.raises(net.BadValue, match=rf"^value\['x'\]\[0\]: {text}"):
        encode({"x": [value]})


@pytest.mark.skipif(np.dtype("longdouble").itemsize == 8, reason="a longdouble is a float here")
def test_what_is_wider_than_a_float_is_refused() -> None:
    for value in (np.zeros(1, "longdouble"), np.longdouble(1)):
        with pytest.raises(net.BadValue, match=r"cannot be sent; send astype\('float64'\) of it"):
            encode(value)


@pytest.mark.parametrize(
    ("view", "arrives_as"),
    [
        (memoryview(b"abcdef")[::2], b"ace"),
        (memoryview(b"ab").cast("c"), b"ab"),
        (memoryview(b"\1\0").cast("?"), b"\1\0"),
        (memoryview(b"ab").cast("b"), np.array([97, 98], "i1")),
        (memoryview(array.array("H", [1, 2, 3]))[::2], np.array([1, 3], "u2")),
        (memoryview(bytes(6)).cast("B", (2, 3)), np.zeros((2, 3), "u1")),
        (memoryview((ctypes.c_double * 2)(1.5, 2.5)), np.array([1.5, 2.5])),
        (memoryview(np.array([1.5, 2.5], ">f4")), np.array([1.5, 2.5], "f4")),
        (memoryview(array.array("d", [1.5])).cast("B").cast("d", ()), np.array(1.5)),
        (memoryview(np.asfortranarray(np.arange(6).reshape(2, 3))), np.arange(6).reshape(2, 3)),
    ],
)
def test_a_view_of_numbers_is_sent_with_its_dimensions(view: memoryview, arrives_as: Any) -> None:
    assert same(decode(encode(view)), arrives_as)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("d85647 00000000000000", "an array of f64 must be a multiple of 8 bytes, not 7"),
        ("d85680", "tag 86 must be on a byte string"),
        ("d84c4100", "an array under tag 76 is of numbers that have no type here"),
        ("d85750 00000000000000000000000000000000", "an array under tag 87 is of numbers that have no type here"),
        ("d828 82 82 02 03 d840 45 0000000000", r"an array of shape \(2, 3\) cannot have 5 elements"),
        ("d828 82 82 1b4000000000000000 04 d840 40", r"an array of shape \(\d+, 4\) cannot have 0 elements"),
        ("d828 82 81 1bffffffffffffffff d840 40", r"an array of shape \(\d+,\) cannot have 0 elements"),
        ("d828 82 81 02 82 01 02", "tag 40 must be on an array of two: the dimensions, and a typed array"),
        ("d828 82 9841" + 65 * "01" + "d840 41 00", "an array has 64 dimensions at most, not 65"),
        # As many as no machine has: of nothing, but numpy says no.
        ("d828 82 82 1b4000000000000000 00 d856 40", "ValueError"),
        ("d8565a ffffffff 00", "the value is cut short"),
    ],
)
def test_what_is_no_array_is_refused(data: str, text: str) -> None:
    data_bytes = bytes.fromhex(data)
    with pytest.raises(net.BadValue, match=text):
        decode(b"\x81" + data_bytes)


def test_an_array_counts_as_the_levels_it_has() -> None:
    for value, levels in ((array.array("B", [1]), 1), (np.zeros((2, 2)), 3)):
        data = encode(value)
        decode(b"\x81" * (128 - levels) + data)
        with pytest.raises(net.BadValue, match="nested deeper than 128"):
            decode(b"\x81" * (129 - levels) + data)
        nested: Any = value
        for _ in range(129 - levels):
            nested = [nested]
        encode(nested[0])
        with pytest.raises(net.BadValue, match="nested deeper than 128"):
            encode(nested)


@given(st.one_of(arrays, ndarrays))
def test_any_array_comes_back(value: Any) -> None:
    assert same(decode(encode([value])), [value])


def test_an_array_larger_than_a_chunk_goes_both_ways(rust: RustPeer, there: Served) -> None:
    values = (array.array("d", range(100_000)), np.arange(120_000, dtype="i8").reshape(300, 400))
    for value in values:
        assert same(served.identity(value, peer=there.id), value)
        assert same(rust.call("identity", value), value)
        assert same(net.pass_through(value, peer=rust.id), value)


def test_what_a_function_in_rust_asks_for(rust: RustPeer) -> None:
    floats = [1.0, 2.5]
    for value in (floats, array.array("d", floats), np.array(floats), np.array(floats, ">f4"), (1.0, 2.5)):
        assert rust.call("total", value) == 3.5
    assert rust.call("total", np.array([1, 2])) == 3.0
    assert rust.call("total", np.array([[1.0, 2.5]])[0]) == 3.5
    for value in (floats, array.array("d", floats), np.array(floats)):
        assert same(rust.call("doubled", value), array.array("d", [2.0, 5.0]))
    rows = np.arange(6.0).reshape(2, 3)
    for value in (rows, rows.tolist(), memoryview(rows), list(rows)):
        assert same(rust.call("transposed", value), rows.T.copy())
    assert same(rust.call("transposed", np.zeros((0, 3))), np.zeros((3, 0)))
    with pytest.raises(TypeError, match=r"argument 'values': .*an array of f64 in one row, .* of shape \(2, 3\)"):
        rust.call("doubled", rows)
    with pytest.raises(TypeError, match=r"argument 'values'\[0\]: .*expected f64"):
        rust.call("total", rows)


WITHOUT_NUMPY = """
import sys, array
sys.modules["numpy"] = None
import net
from net._net import decode, encode
data = bytes.fromhex
rows = decode(data("d82882820203d8454c020004000800040010000001"))
assert type(rows) is memoryview and rows.shape == (2, 3) and rows.format == "H", rows
assert rows.tolist() == [[2, 4, 8], [4, 16, 256]] and not rows.readonly
assert encode(rows).hex() == "d82882820203d8454c020004000800040010000001"
number = decode(data("d8288280d85648000000000000f83f"))
assert number.shape == () and number.tolist() == 1.5
empty = decode(data("d828828100d85640"))
assert empty.shape == (0,) and empty.format == "d"
try:
    decode(data("d82882820003d85640"))
except net.BadValue as error:
    assert "an array of f64 of the shape (0, 3) needs numpy, which cannot be imported here" in str(error), error
else:
    raise AssertionError
try:
    halves = decode(data("d854423e00"))
    assert sys.version_info >= (3, 12) and halves.format == "e"
except net.BadValue as error:
    assert sys.version_info < (3, 12) and "needs numpy" in str(error), error
assert decode(encode(array.array("d", [1.5]))) == array.array("d", [1.5])
"""

NOT_IMPORTED = """
import sys
import net
from net._net import encode, decode
assert "numpy" not in sys.modules, "import net alone"
import datetime
encode(datetime.date.today())
try:
    encode(object())
except net.BadValue:
    pass
assert "numpy" not in sys.modules, "sending has no need of it"
assert type(decode(bytes.fromhex("d828828100d85640"))).__module__ == "numpy"
"""


@pytest.mark.parametrize("program", [WITHOUT_NUMPY, NOT_IMPORTED], ids=["without", "not imported"])
def test_numpy_is_not_needed(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
