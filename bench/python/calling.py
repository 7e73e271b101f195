"""The ways to make many calls with what a module gives, the same for all: one at a time, by threads, by tasks.

Servers import this, and to start one is measured: what only clients need is imported where it is used.
"""

from __future__ import annotations

import os
import threading
import time
from array import array
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from lines import Orders

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from concurrent.futures import ThreadPoolExecutor

FACTORS = (5, 10)
PRODUCT = 50


class Calls(NamedTuple):
    """The functions of a server, at a client: they block, or they are coroutines."""

    multiply: Callable[[int, int], Any]
    echo: Callable[[Any], Any]


def blocking(connect: Callable[[], Calls], value: Callable[[int], Any] = os.urandom) -> Orders:
    """Make calls that block. Each thread connects for itself; what is echoed is ``value(size)``."""
    calls = connect()

    def latency(times: int) -> list[float]:
        return [_timed(calls.multiply, FACTORS, PRODUCT) for _ in range(times)]

    def echo(size: int, times: int) -> list[float]:
        sent = value(size)
        return [_timed(calls.echo, (sent,), sent) for _ in range(times)]

    return {"latency": latency, "flight": Threads(connect).flight, "echo": echo}


def awaited(loop: AbstractEventLoop, calls: Calls) -> Orders:
    """Make calls that are awaited, in the loop that they were connected in."""
    from asyncio import gather

    async def one_by_one(times: int) -> list[float]:
        return [await _timed_await(calls.multiply, FACTORS, PRODUCT) for _ in range(times)]

    async def by_tasks(window: int, times: int) -> None:
        async def one(share: int) -> None:
            for _ in range(share):
                check(await calls.multiply(*FACTORS), PRODUCT)

        await gather(*map(one, shares(window, times)))

    async def echo(size: int, times: int) -> list[float]:
        sent = os.urandom(size)
        return [await _timed_await(calls.echo, (sent,), sent) for _ in range(times)]

    def order(work: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        return lambda *numbers: loop.run_until_complete(work(*numbers))

    return {"latency": order(one_by_one), "flight": order(by_tasks), "echo": order(echo)}


class Threads:
    """As many threads as calls are to be under way. They stay, and so do their connections."""

    def __init__(self, connect: Callable[[], Calls]) -> None:
        self._connect = connect
        self._own = threading.local()
        self._pool: ThreadPoolExecutor | None = None

    def flight(self, window: int, times: int) -> None:
        """Have each of ``window`` threads make its share of the calls."""
        from concurrent.futures import ThreadPoolExecutor

        if self._pool is None:
            self._pool = ThreadPoolExecutor(window, initializer=self._begin)
        together = threading.Barrier(window)

        def one(share: int) -> None:
            # Until all are here, so that none takes two shares.
            together.wait()
            multiply = self._own.calls.multiply
            for _ in range(share):
                check(multiply(*FACTORS), PRODUCT)

        for _ in self._pool.map(one, shares(window, times)):
            pass

    def _begin(self) -> None:
        self._own.calls = self._connect()


def floats(size: int) -> array[float]:
    """Return an array that takes so many bytes."""
    return array("d", range(size // 8))


def shares(window: int, times: int) -> list[int]:
    """Divide ``times`` among so many."""
    return [times // window + (part < times % window) for part in range(window)]


def check(answer: Any, expected: Any) -> None:
    """Stop at an answer that is not the right one."""
    if answer != expected:
        raise ValueError(f"a wrong answer: {answer!r:.60}")


def _timed(call: Callable[..., Any], args: tuple[Any, ...], expected: Any) -> float:
    start = time.perf_counter()
    answer = call(*args)
    took = time.perf_counter() - start
    check(answer, expected)
    return took


async def _timed_await(call: Callable[..., Any], args: tuple[Any, ...], expected: Any) -> float:
    start = time.perf_counter()
    answer = await call(*args)
    took = time.perf_counter() - start
    check(answer, expected)
    return took
