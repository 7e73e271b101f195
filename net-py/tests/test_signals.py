"""Signals are for the program's own threads: what the library runs beside them takes none away."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest
import served
from harness import Served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at threads in /proc")


@pytest.fixture(scope="module")
def fresh() -> Iterator[str]:
    """A peer that has run no function of the program's yet."""
    process = Served()
    yield process.id
    process.stop()


def test_the_library_s_threads_take_no_signal(fresh: str) -> None:
    # A signal that comes while one of them begins would else be taken by it, and the main thread not be woken.
    blocked = served.blocked_in_threads(peer=fresh)
    interrupt = 1 << (signal.SIGINT - 1)
    assert any(name.startswith("net-io") for name in blocked)
    assert [name for name, signals in blocked.items() if not signals & interrupt] == []


def test_a_handler_may_call_whom_the_program_waits_for(there: Served) -> None:
    # So often, one call alone after the other, that the thread which waits is the one that reads.
    for number in range(100):
        assert served.multiply(number, 2, peer=there.id) == 2 * number
    results = []
    before = signal.signal(signal.SIGALRM, lambda *_: results.append(served.multiply(6, 7, peer=there.id)))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert served.block(0.5, peer=there.id) == 0.5
    finally:
        signal.signal(signal.SIGALRM, before)
    assert results == [42]


def test_what_a_function_starts_has_no_signal_blocked(fresh: str) -> None:
    assert served.blocked_at_work(peer=fresh) == [0, 0]
