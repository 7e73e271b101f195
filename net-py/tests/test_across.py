"""Values on their way through other processes: Python to Python, to Rust and back, and from Rust to Python and back."""

from __future__ import annotations

import re
from typing import Any

import pytest
import served
from harness import RustPeer, Served
from hypothesis import example, given, settings
from hypothesis import strategies as st
from values import same, values

import net
from net._net import decode, encode

across = settings(max_examples=200)


def test_any_value_comes_back_from_a_peer_in_python(there: Served) -> None:
    @across
    @given(values)
    def check(value: Any) -> None:
        assert same(served.identity(value, peer=there.id), value)

    check()


def test_any_value_comes_back_from_a_peer_in_rust_that_decodes_it(rust: RustPeer) -> None:
    @across
    @given(values)
    def check(value: Any) -> None:
        assert same(rust.call("identity", value), value)

    check()


def test_any_value_passes_through(rust: RustPeer, there: Served) -> None:
    @across
    @given(values, values)
    def check(one: Any, other: Any) -> None:
        for peer in (rust.id, there.id):
            assert same(net.pass_through(one, peer=peer), one)
            assert same(net.pass_through(one, key=other, peer=peer), ((one,), {"key": other}))

    check()


def test_rust_and_python_write_the_same_bytes(rust: RustPeer) -> None:
    @across
    @given(values)
    def check(value: Any) -> None:
        assert rust.call("encoded", value).hex() == encode(value).hex()

    check()


#: What Rust reads and Python does not: it has no class, no key, or no room for it.
ONLY_IN_RUST = re.compile(
    r"tag \d+ is not known here|a (map|set) has a list, a map or a set in it|OverflowError"
    # Of numpy, for an array without elements and with dimensions that none could have.
    r"|ValueError: (array is too|Maximum)"
)


def why_not_read(data: bytes) -> str:
    """Say why Python does not read the bytes; nothing if it does."""
    try:
        decode(data)
    except net.BadValue as error:
        return str(error)
    return ""


def test_rust_and_python_refuse_the_same_bytes(rust: RustPeer) -> None:
    @across
    @given(values, st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=4))
    @example(None, [(0, 0xFF)])
    def check(value: Any, changes: list[tuple[int, int]]) -> None:
        data = bytearray(encode([value]))
        for place, byte in changes:
            data[place % len(data)] = byte
        in_rust = rust.call("refused", bytes(data))
        in_python = why_not_read(bytes(data))
        assert bool(in_python) == bool(in_rust) or ONLY_IN_RUST.search(in_python), (data.hex(), in_python, in_rust)

    check()


def test_values_made_in_rust_come_back_from_python(rust: RustPeer, there: Served) -> None:
    @across
    @given(st.integers(0, 2**64 - 1))
    def check(seed: int) -> None:
        made = rust.call("made", seed)
        assert rust.call("difference", seed, made) is None
        assert rust.call("difference", seed, served.identity(made, peer=there.id)) is None

    check()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "list as a key",
            r"result\[1\]\['x'\]\{…\}: a map has a list, a map or a set in it that cannot be a key of a dict",
        ),
        ("list in a set", r"result\[1\]\['x'\]\{…\}: a set has a list, a map or a set in it that cannot be an element"),
        ("unknown tag", r"result\[1\]\['x'\]: tag 50000 is not known here"),
    ],
)
def test_what_python_cannot_hold_is_named_with_its_path(rust: RustPeer, name: str, text: str) -> None:
    with pytest.raises(net.BadValue, match=text):
        rust.call("odd", name)


def test_keys_that_are_equal_in_python_are_one_there(rust: RustPeer) -> None:
    assert rust.call("odd", "keys equal in Python") == [0, {"x": {1: "float"}}]


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, "missing required argument 'a'"),
        (([{"x": (1, "ten")}],), {}, r"""argument 'a'\[0\]\["x"\]\[1\]: expected i64, found text "ten\""""),
        (
            ([{"x": (1, 2)}, {"x": (300, 2)}],),
            {},
            r"""argument 'a'\[1\]\["x"\]\[0\]: expected u8, found the integer 300""",
        ),
        (([{1: (1, 2)}],), {}, r"argument 'a'\[0\]\{…\}: expected a string, found the integer 1"),
        (([],), {"b": -1}, "argument 'b': expected u8, found the integer -1"),
    ],
)
def test_an_argument_that_does_not_fit_in_rust_is_named(rust: RustPeer, args: Any, kwargs: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        rust.call("typed", *args, **kwargs)


def test_a_result_that_does_not_fit_in_rust_is_named(rust: RustPeer) -> None:
    me = net.Peer().instance_id
    assert rust.call("call_back", me, "served.identity", {"x": [1, 300]}) == (
        'result["x"][1]: expected u8, found the integer 300'
    )


def test_a_value_over_the_limit_is_refused_with_its_size(rust: RustPeer) -> None:
    limit = 1 << 20
    fits = bytes(limit - 100)
    assert rust.call("identity", fits) == fits
    over = rf"arguments of {limit + 6} bytes is over the limit of {limit} bytes"
    with pytest.raises(net.BadValue, match=over):
        rust.call("identity", bytes(limit))
    # The other way round it is the result that is refused.
    told = rust.call("call_back", net.Peer().instance_id, "served.zeros", limit)
    assert f"the result has {limit + 5} bytes, the caller takes {limit}" in told
    assert rust.call("identity", 1) == 1, "the link lives on"
