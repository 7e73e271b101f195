"""Large byte strings: sent from where they lie, and let go when they are sent."""

from __future__ import annotations

import sys

import pytest
import served
from harness import PATIENCE, Served, until

#: Beside one that shares nothing: what is smaller than a frame, what is let go at leisure, and what is let go at once.
SIZES = [1000, 100_000, 4_000_000]
#: More than can be on its way at once.
VERY_LARGE = 64_000_000


def made(size: int) -> bytes:
    return bytes(range(250)) * (size // 250)


@pytest.mark.parametrize("size", SIZES)
def test_it_comes_back_as_it_was(there: Served, size: int) -> None:
    data = made(size)
    assert served.identity(data, peer=there.id) == data
    assert served.echo(1, data, [data, "x"], {"a": data}, key=data, peer=there.id) == (
        (1, data, [data, "x"], {"a": data}),
        {"key": data},
    )


@pytest.mark.parametrize("size", SIZES)
def test_it_is_let_go_when_it_is_sent(there: Served, size: int) -> None:
    data = made(size)
    before = sys.getrefcount(data)
    for _ in range(3):
        served.identity([data, data], peer=there.id)
    until(
        "the object is let go", lambda: served.multiply(5, 10, peer=there.id) == 50 and sys.getrefcount(data) == before
    )


def test_it_is_held_and_not_copied_while_it_is_sent(there: Served) -> None:
    data = made(VERY_LARGE)
    before = sys.getrefcount(data)
    future = served.identity.submit(data, peer=there.id)
    assert sys.getrefcount(data) > before
    assert future.result(PATIENCE) == data
    del future
    # Let go though this process has nothing more to do.
    until("the object is let go", lambda: sys.getrefcount(data) == before)


def test_a_call_that_is_given_up_lets_it_go(there: Served) -> None:
    data = made(VERY_LARGE)
    before = sys.getrefcount(data)
    future = served.identity.submit(data, peer=there.id)
    assert future.cancel()
    until("the object is let go", lambda: sys.getrefcount(data) == before)


def test_what_can_change_is_sent_as_it_was(there: Served) -> None:
    data = bytearray(made(4_000_000))
    future = served.identity.submit(data, peer=there.id)
    sent = bytes(data)
    data[:] = bytes(len(data))
    assert future.result(PATIENCE) == sent


def test_what_is_sent_to_nobody_is_let_go(there: Served) -> None:
    data = made(4_000_000)
    before = sys.getrefcount(data)
    with pytest.raises(Exception, match="nowhere"):
        served.identity.submit(data, peer="unix:/nowhere").result(PATIENCE)
    until("the object is let go", lambda: sys.getrefcount(data) == before)
