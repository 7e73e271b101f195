"""What a value arrives as whose class is not exactly one of those that travel; edges of dates, times and numbers."""

from __future__ import annotations

import datetime
import decimal
import enum
import sys
import threading
import zoneinfo
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from values import same

import net
from net._net import decode, encode


class Text(str):
    def __str__(self) -> str:
        return "another"

    def encode(self, *_: Any) -> bytes:  # type: ignore[override]
        return b"another"


class Number(int):
    """An int whose methods say something else."""

    def __lt__(self, other: object) -> bool:
        return True

    def __invert__(self) -> int:
        return 0

    def bit_length(self) -> int:
        return 1

    def to_bytes(self, *_: Any, **__: Any) -> bytes:
        return b"\xff"

    def __index__(self) -> int:
        return 7


class Permission(enum.IntFlag):
    READ = 1
    ALL = 2**70


class Level(enum.IntEnum):
    HIGH = 2**64


class Numbers(list):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Any]:
        return iter([1, 2, 3])


class Members(set):  # type: ignore[type-arg]
    """A set that shows more than it counts."""

    def __iter__(self) -> Iterator[Any]:
        return iter([1, 2, 3])


class Point(NamedTuple):
    x: int
    y: int


class Money(Decimal):
    def __str__(self) -> str:
        return f"{Decimal.__str__(self)} EUR"


class Stamp(datetime.datetime):
    pass


def moved() -> OrderedDict[str, int]:
    ordered = OrderedDict(a=1, b=2, c=3)
    ordered.move_to_end("a")
    ordered.move_to_end("c", last=False)
    return ordered


@pytest.mark.parametrize(
    ("value", "arrives_as"),
    [
        (Text("text"), "text"),
        (Number(2**70), 2**70),
        (Number(-(2**70)), -(2**70)),
        (Number(5), 5),
        (Permission.ALL | Permission.READ, 2**70 + 1),
        (Level.HIGH, 2**64),
        (type("F", (float,), {"__float__": lambda self: 1.0})(-0.0), -0.0),
        (Numbers([5]), [5]),
        (Point(1, 2), (1, 2)),
        (Members([5]), {1, 2, 3}),
        (type("B", (bytes,), {})(b"ab"), b"ab"),
        (type("C", (complex,), {})(1, -0.0), complex(1, -0.0)),
        (Money("1.50"), Decimal("1.50")),
        (Stamp(2026, 1, 2, 3), datetime.datetime(2026, 1, 2, 3)),
        (moved(), {"c": 3, "b": 2, "a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (bytearray(b"\0\xff"), b"\0\xff"),
        (memoryview(b"abcdef")[::2], b"ace"),
    ],
)
def test_a_subclass_arrives_as_its_base(value: Any, arrives_as: Any) -> None:
    assert same(decode(encode(value)), arrives_as)
    assert same(decode(encode([{"k": value}])), [{"k": arrives_as}])
    if isinstance(arrives_as, dict):
        assert list(decode(encode(value))) == list(arrives_as)


def test_an_ordered_dict_keeps_its_own_order() -> None:
    assert list(decode(encode(moved()))) == ["c", "b", "a"]


@pytest.mark.parametrize("value", [deque([1]), range(3), {}.keys(), {}.items(), zip()])
def test_what_only_looks_like_a_list_is_refused(value: Any) -> None:
    with pytest.raises(net.BadValue, match=r"^value: an? .* cannot be sent; send "):
        encode(value)


def test_a_set_that_another_thread_changes_is_sent_whole() -> None:
    shared = {Money(number) for number in range(200)}
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            shared.add(Decimal(-1))
            shared.discard(Decimal(-1))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(200):
            assert len(decode(encode(shared))) in (200, 201)
    finally:
        stop.set()
        thread.join()


# --- dates and times ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "hexadecimal"),
    [
        # As PROTOCOL has it: `Z` for no offset, and no microseconds where there are none.
        (datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), "c074" + b"2024-01-02T03:04:05Z".hex()),
        (datetime.timedelta(seconds=5), "d903eaa10105"),
        (datetime.timedelta(microseconds=-250_000), "d903eaa20120251a000b71b0"),
    ],
)
def test_the_bytes_are_those_that_rust_writes(value: Any, hexadecimal: str) -> None:
    assert encode(value).hex() == hexadecimal


@pytest.mark.skipif("Europe/Berlin" not in zoneinfo.available_timezones(), reason="no time zones here")
def test_a_zone_arrives_as_its_offset_at_that_moment() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    first = datetime.datetime(2024, 10, 27, 2, 30, tzinfo=berlin)
    second = first.replace(fold=1)
    for moment, hours in ((first, 2), (second, 1)):
        back = decode(encode(moment))
        assert back.timestamp() == moment.timestamp()
        assert back.utcoffset() == datetime.timedelta(hours=hours)
        assert type(back.tzinfo) is datetime.timezone
        assert back.fold == 0


def test_without_a_zone_the_fold_does_not_travel() -> None:
    assert decode(encode(datetime.datetime(2024, 10, 27, 2, 30, fold=1))).fold == 0
    assert decode(encode(datetime.time(2, 30, fold=1))).fold == 0


def test_a_zone_that_knows_no_offset_is_none() -> None:
    class Unknown(datetime.tzinfo):
        def utcoffset(self, _: Any) -> None:
            return None

    moment = datetime.datetime(2024, 1, 2)
    assert decode(encode(moment.replace(tzinfo=Unknown()))) == moment


@pytest.mark.parametrize("seconds", [53 * 60 + 28, 1, -1])
def test_an_offset_with_seconds_arrives_as_the_same_moment_in_utc(seconds: int) -> None:
    zone = datetime.timezone(datetime.timedelta(seconds=seconds, microseconds=5))
    moment = datetime.datetime(1890, 1, 1, 12, tzinfo=zone)
    back = decode(encode(moment))
    assert back == moment
    assert back.tzinfo is datetime.timezone.utc


def test_a_moment_that_utc_does_not_have_is_refused() -> None:
    zone = datetime.timezone(datetime.timedelta(seconds=1))
    with pytest.raises(net.BadValue, match=r"^value\[0\]: OverflowError"):
        encode([datetime.datetime.min.replace(tzinfo=zone)])


@pytest.mark.parametrize("text", ["2026-01-02T00:00:00+24:00", "2026-01-02T00:00:00+01:60", "2026-01-02T00:00:60Z"])
def test_both_languages_refuse_the_same_moments(text: str) -> None:
    with pytest.raises(net.BadValue):
        decode(b"\xc0" + encode(text))


# --- numbers ------------------------------------------------------------------------------------------


def test_integers_of_ten_thousand_digits() -> None:
    limit = sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else 0
    assert limit < 10_000
    for number in (10**10_000, -(10**10_000), 10**10_000 + 1):
        assert decode(encode({number: [number]})) == {number: [number]}


def test_a_decimal_has_4300_digits_whatever_the_program_allows_an_int() -> None:
    longest = Decimal("-" + "9" * 4300 + "E-5")
    if hasattr(sys, "set_int_max_str_digits"):
        before = sys.get_int_max_str_digits()
        sys.set_int_max_str_digits(640)
    try:
        assert same(decode(encode(longest)), longest)
    finally:
        if hasattr(sys, "set_int_max_str_digits"):
            sys.set_int_max_str_digits(before)
    with pytest.raises(net.BadValue, match=r"^value\['x'\]: a decimal has more than 4300 digits; send it as text"):
        encode({"x": Decimal("9" * 4301)})


def test_a_decimal_is_exact_whatever_the_context() -> None:
    exact = [Decimal("1.23456789E+99"), Decimal("sNaN5"), Decimal("-0E-7")]
    with decimal.localcontext() as context:
        context.prec = 2
        context.capitals = 0
        context.Emax = 5
        context.traps[decimal.Inexact] = True
        context.traps[decimal.InvalidOperation] = True
        back = decode(encode(exact))
    assert same(back, exact)


@pytest.mark.parametrize(
    "data",
    [
        b"\xc4\x82\x00" + encode("1_0"),
        b"\xc4\x82\x00" + encode(1.5),
        b"\xc4\x82\x00" + encode([1]),
        b"\xc4\x82\xf5\x01",
        b"\xc4\x81\x01",
        b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\xd9\x9b\x86" + encode(" 1_0 "),
        b"\xd9\xa7\xf8\x82" + encode(1.0) + encode("1"),
        b"\xd9\x03\xea" + encode({1: 5, -3: 5}),
        b"\xd9\x03\xea" + encode({-6: 5}),
        b"\xd9\x03\xea" + encode({1: 5, -6: 1_000_000}),
        b"\xd9\x03\xea" + encode({1: 2**62}),
        b"\xd8\x25" + encode(b"short"),
        b"\xc2" + encode("text"),
        b"\xd9\x9b\x82" + encode({}),
    ],
)
def test_a_tag_on_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(net.BadValue, match=r"^value\[0\]\['k'\]"):
        decode(b"\x81\xa1" + encode("k") + data)
