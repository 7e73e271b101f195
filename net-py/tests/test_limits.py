"""How deep values nest and how much they may claim to be: the limit works, over it is an error, nothing breaks."""

from __future__ import annotations

import datetime
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import served
from harness import Served, run

import net
from net._net import decode, encode

#: Levels that a value may nest; each array, map and tag is one.
LIMIT = 128

#: A container around a value, and how many levels it takes.
CONTAINERS: list[tuple[Callable[[Any], Any], int]] = [
    (lambda value: [value], 1),
    (lambda value: {"k": value}, 1),
    (lambda value: (value,), 2),
    (lambda value: frozenset([value]), 2),
]


def nested(container: Callable[[Any], Any], count: int, inside: Any = None) -> Any:
    for _ in range(count):
        inside = container(inside)
    return inside


def test_the_limit_is_the_same_both_ways() -> None:
    for container, levels in CONTAINERS:
        deepest = nested(container, LIMIT // levels)
        data = encode(deepest)
        assert decode(data) == deepest
        with pytest.raises(net.BadValue, match=r"^value[^:]*: nested deeper than 128 levels, or holds itself"):
            encode([deepest])
        with pytest.raises(net.BadValue, match=r"^value[^:]*: nested deeper than 128 levels"):
            decode(b"\x81" + data)


@pytest.mark.parametrize(
    ("value", "levels"),
    [
        (2**64 - 1, 0),
        (2**64, 1),
        (-(2**70), 1),
        (datetime.date.max, 1),
        (1j, 2),
        (datetime.timedelta(1), 2),
        (Decimal("1.5"), 2),
        (Decimal(10**30), 3),
        (Decimal("NaN"), 1),
        ((), 2),
        (set(), 2),
    ],
)
def test_the_tags_of_what_looks_flat_count(value: Any, levels: int) -> None:
    deepest = nested(lambda inside: [inside], LIMIT - levels, value)
    back = decode(encode(deepest))
    assert repr(back) == repr(deepest)
    with pytest.raises(net.BadValue, match="nested deeper than 128 levels"):
        encode([deepest])
    with pytest.raises(net.BadValue, match="nested deeper than 128 levels"):
        decode(b"\x81" + encode(deepest))


def test_a_key_nests_as_deep_as_a_value() -> None:
    key = nested(lambda inside: (inside,), LIMIT // 2 - 1)
    assert decode(encode([{key: 1}])) == [{key: 1}]
    with pytest.raises(net.BadValue, match=r"^value\[0\]\[0\]\{…\}\[0\].*: nested deeper"):
        encode([[{(key,): 1}]])


def test_each_argument_nests_as_deep_as_a_value(there: Served) -> None:
    deepest = nested(lambda inside: [inside], LIMIT)
    assert served.identity(deepest, peer=there.id) == deepest
    assert served.identity(value=deepest, peer=there.id) == deepest
    with pytest.raises(net.BadValue, match=r"^args\[0\]\[0\]"):
        served.identity([deepest], peer=there.id)
    with pytest.raises(net.BadValue, match=r"^kwargs\['value'\]\[0\]"):
        served.identity(value=[deepest], peer=there.id)


def holds_itself() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    table: dict[str, Any] = {}
    table["x"] = table
    mixed: list[Any] = [1]
    mixed.append({"y": (mixed,)})
    view: dict[str, Any] = {}
    view["values"] = [view]
    return [loop, table, mixed, view]


@pytest.mark.parametrize("value", holds_itself(), ids=["list", "dict", "list in a tuple in a dict", "dict in a list"])
def test_what_holds_itself_is_refused(there: Served, value: Any) -> None:
    with pytest.raises(net.BadValue, match="nested deeper than 128 levels, or holds itself"):
        encode(value)
    with pytest.raises(net.BadValue, match=r"^args\[0\]"):
        served.identity(value, peer=there.id)


def test_the_deepest_values_need_little_of_a_threads_stack() -> None:
    done: list[bool] = []

    def work() -> None:
        for container, levels in CONTAINERS:
            deepest = nested(container, LIMIT // levels)
            data = encode(deepest)
            decode(data)
            for refused in (lambda: encode([deepest]), lambda: decode(b"\x81" + data)):  # noqa: B023 - called at once
                with pytest.raises(net.BadValue):
                    refused()
        for start in (b"\x81", b"\xa1\x00", b"\xa1", b"\xc1", b"\xd9\x9b\x82\x81", b"\x9f", b"\xbf\x00"):
            with pytest.raises(net.BadValue, match=r"nested deeper|cut short|not known"):
                decode(start * 100_000)
        done.append(True)

    # An eighth of what a thread usually has; code that is not optimised needs half of it.
    before = threading.stack_size(1 << 20)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert done


@pytest.mark.parametrize(
    "data",
    [
        "9b8000000000000000",
        "9affffffff00",
        "7b000001000000000061",
        "5bffffffffffffffff",
        "bb8000000000000000",
        "bbffffffffffffffff0000",
        "c25a40000000ff",
        "c35a40000000ff",
        "c48200c25a40000000ff",
        "d99b829b000001000000000000",
        "d901029affffffff01",
        "d8255affffffff",
        "5f5affffffff",
    ],
)
def test_a_claimed_length_is_refused_at_once(data: str) -> None:
    with pytest.raises(net.BadValue, match="cut short"):
        decode(bytes.fromhex(data))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nested_claims_make_little_room() -> None:
    """Each of 120 arrays claims as many elements as bytes follow; room for all of them would be a gigabyte."""
    code = """
import resource
import net
from net._net import decode

net.Peer().id  # its threads are there, and have the memory that they take
size = 1 << 20
data = (b"\\x9a" + (size - 1000).to_bytes(4, "big")) * 120
data += bytes(size - len(data))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)
try:
    decode(data)
except net.BadValue as error:
    print("cut short" in str(error))
"""
    # Without it, each thread that allocates reserves 64 MiB of addresses.
    done = run(code, MALLOC_ARENA_MAX="1")
    assert done.stdout == "True\n", done.stderr
