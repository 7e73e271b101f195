"""Values to the bytes of the wire and back: what the extension does without a network."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import threading
from collections import Counter, OrderedDict, deque, namedtuple
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from values import same, values

import net
from net._net import decode, encode


@given(values)
def test_every_value_comes_back_as_what_it_was(value: Any) -> None:
    assert same(decode(encode(value)), value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(net.BadValue):
        decode(data)


@given(values, st.data())
def test_a_broken_value_is_read_or_refused(value: Any, data: st.DataObject) -> None:
    broken = bytearray(encode(value))
    broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    with suppress(net.BadValue):
        decode(bytes(broken))


@pytest.mark.parametrize(
    "number",
    [0, -1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**400, -(2**63), -(2**63) - 1, -(2**64), -(2**64) - 1, -(10**400)],
)
def test_integers_of_any_size(number: int) -> None:
    assert same(decode(encode(number)), number)


@pytest.mark.parametrize(
    ("value", "hexadecimal"),
    [
        (1, "01"),
        ([1, 2], "820102"),
        ({"a": None}, "a16161f6"),
        (1.5, "fb3ff8000000000000"),
        (2**64, "c249010000000000000000"),
        (-(2**64) - 1, "c349010000000000000000"),
        (Decimal("1.5"), "c482200f"),
        (UUID(int=1), "d8255000000000000000000000000000000001"),
        ((1,), "d99b828101"),
        (datetime.date(2026, 1, 2), "d903ec6a323032362d30312d3032"),
    ],
)
def test_the_bytes_are_those_of_the_protocol(value: Any, hexadecimal: str) -> None:
    assert encode(value).hex() == hexadecimal


class Colour(str, enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    LARGE = 3


class Plain(enum.Enum):
    ONE = 1


Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Basket:
    apples: int = 1


@pytest.mark.parametrize(
    ("value", "arrives_as"),
    [
        (Colour.RED, "red"),
        (Size.LARGE, 3),
        (Point(1, 2), (1, 2)),
        (OrderedDict(a=1), {"a": 1}),
        (Counter("aa"), {"a": 2}),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abcdef")[::2], b"ace"),
    ],
)
def test_a_subclass_arrives_as_its_base(value: Any, arrives_as: Any) -> None:
    assert same(decode(encode(value)), arrives_as)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"x": [1, object()]}, r"value\['x'\]\[1\]: an object cannot be sent; send its fields as a dict"),
        ([Plain.ONE], r"value\[0\]: a test_convert.Plain cannot be sent; send its \.value"),
        (Basket(), r"value: a test_convert.Basket cannot be sent; send dataclasses\.asdict\(\) of it"),
        ((i for i in ()), r"a generator cannot be sent; send what it yields, as list\(\) of it"),
        (print, r"a builtin_function_or_method cannot be sent; connect the function"),
        (deque(), r"a collections\.deque cannot be sent; send list\(\) or dict\(\) of it"),
        ("\ud800", r"value: a str with a lone surrogate cannot be sent"),
        (datetime.time(tzinfo=datetime.timezone.utc), "a time with a time zone cannot be sent"),
        ({object(): 1}, r"value\{…\}: an object cannot be sent"),
    ],
)
def test_what_cannot_travel_is_named_with_its_path(value: Any, text: str) -> None:
    with pytest.raises(net.BadValue, match=text):
        encode(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(net.BadValue, match="nested deeper than 128 levels, or holds itself"):
        encode(loop)


def test_the_deepest_value_that_is_sent_can_be_read() -> None:
    value: list[Any] = []
    for _ in range(127):
        value = [value]
    assert decode(encode(value)) == value
    with pytest.raises(net.BadValue, match="nested deeper"):
        decode(b"\x81" + encode(value))


def test_an_offset_with_seconds_travels_as_the_same_moment() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=53, seconds=28))
    moment = datetime.datetime(1900, 1, 1, tzinfo=zone)
    assert decode(encode(moment)) == moment


def of_text(text: str) -> Any:
    """Read ``text`` as a datetime with an offset: tag 0."""
    return decode(b"\xc0" + encode(text))


@pytest.mark.parametrize(
    ("fraction", "microseconds"), [("", 0), (".5", 500_000), (".000001999", 1), (".123456789", 123456)]
)
def test_a_finer_fraction_than_python_has_is_cut_off(fraction: str, microseconds: int) -> None:
    assert of_text(f"2026-01-02T03:04:05{fraction}Z").microsecond == microseconds


@pytest.mark.parametrize(("offset", "minutes"), [("Z", 0), ("z", 0), ("+00:00", 0), ("-01:30", -90), ("+05:45", 345)])
def test_an_offset_is_minutes_east_of_utc(offset: str, minutes: int) -> None:
    assert of_text(f"2026-01-02 03:04:05{offset}").utcoffset() == datetime.timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-1-02T00:00:00Z",
        "2026-01-02T00:00Z",
        "2026-01-02T00:00:00.Z",
        "2026-01-02T00:00:00+0100",
        "NaT",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(net.BadValue, match=r"is not a (date|datetime|time)\b"):
        of_text(text)


@pytest.mark.parametrize("text", ["2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "2026-01-02T24:00:00Z"])
def test_a_moment_that_python_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(net.BadValue, match=r"there is no (day|time)"):
        of_text(text)


def test_a_dict_that_another_thread_changes_is_sent_or_refused() -> None:
    shared: dict[Any, Any] = {number: UUID(int=number) for number in range(200)}
    stop = threading.Event()

    def change() -> None:
        number = 1000
        while not stop.is_set():
            shared[number] = number
            shared.pop(number)
            number += 1

    thread = threading.Thread(target=change)
    thread.start()
    refused: list[str] = []
    for _ in range(200):
        try:
            decode(encode(shared))
        except net.BadValue as error:
            refused.append(str(error))
    stop.set()
    thread.join()
    assert all("changed while it was being sent" in text for text in refused)
