"""Calls that do not block: asyncio, futures, and connected ``async def`` functions; and cancelling them."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError, wait
from typing import Any

import pytest
import served
from harness import PATIENCE, Served, until

import net


def test_aio_awaits_the_answer(there: Served) -> None:
    async def main() -> None:
        assert await served.multiply.aio(5, 10, peer=there.id) == 50
        assert await served.multiply.aio(5, 10) == 50
        with pytest.raises(ZeroDivisionError, match="RemoteError"):
            await served.divide.aio(1, 0, peer=there.id)
        assert await served.own_flag.aio(peer=there.id) == ("served.own_flag", True)

    asyncio.run(main())


def test_many_calls_at_once(there: Served) -> None:
    async def main() -> list[int]:
        return await asyncio.gather(*(served.multiply.aio(number, 2, peer=there.id) for number in range(500)))

    assert asyncio.run(main()) == [number * 2 for number in range(500)]


def test_the_loop_runs_on_while_a_call_waits(there: Served) -> None:
    async def main() -> bool:
        waiting = asyncio.create_task(served.pass_gate.aio(peer=there.id))
        await served.open_gate.aio(peer=there.id)
        return await waiting

    assert asyncio.run(main())


def test_an_async_function_here_and_there(there: Served) -> None:
    async def main() -> None:
        assert await served.nap(0, "a") == "a"
        assert await served.nap(0, "a", peer=there.id) == "a"
        assert await served.nap.aio(0, "a", peer=there.id) == "a"
        with pytest.raises(ValueError, match="odd"):
            await served.fail_later("odd", peer=there.id)

    asyncio.run(main())
    assert served.nap.submit(0, "a", peer=there.id).result(PATIENCE) == "a"
    assert served.nap.submit(0, "a").result(PATIENCE) == "a"
    coroutine = served.nap(0)
    assert inspect.iscoroutine(coroutine)
    coroutine.close()


def test_an_async_function_that_exits_ends_no_other(there: Served) -> None:
    with pytest.raises(net.RemoteError) as raised:
        served.leave.submit(peer=there.id).result(PATIENCE)
    assert raised.value.kind == "SystemExit"
    assert served.nap.submit(0, "a", peer=there.id).result(PATIENCE) == "a"


def test_cancelling_the_task_cancels_the_call_there(serve: Callable[..., Served]) -> None:
    other = serve()

    async def main() -> None:
        task = asyncio.create_task(served.until_cancelled.aio(peer=other.id))
        # The line is printed by the function, so the call has begun there.
        assert await asyncio.to_thread(other.line) == "waiting"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await served.was_cancelled.aio(peer=other.id)

    asyncio.run(main())


def test_a_time_out_of_asyncio_cancels_the_call_there(serve: Callable[..., Served]) -> None:
    other = serve()

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(served.until_cancelled.aio(peer=other.id), 0.05)
        assert await served.was_cancelled.aio(peer=other.id)

    asyncio.run(main())


def test_submit_gives_a_future(there: Served) -> None:
    assert served.multiply.submit(5, 10, peer=there.id).result(PATIENCE) == 50
    assert served.multiply.submit(5, 10).result(PATIENCE) == 50
    error = served.divide.submit(1, 0, peer=there.id).exception(PATIENCE)
    assert isinstance(error, ZeroDivisionError)
    futures = [served.multiply.submit(number, peer=there.id) for number in range(200)]
    assert [future.result(PATIENCE) for future in futures] == [number * 5 for number in range(200)]


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_a_future_is_freed_with_its_last_reference(there: Served, is_cancelled: bool) -> None:
    future = served.nap.submit(60 if is_cancelled else 0, peer=there.id)
    if is_cancelled:
        assert future.cancel()
    wait([future], PATIENCE)
    freed = threading.Event()
    weakref.finalize(future, freed.set)
    del future
    # The thread that told of the answer may be a moment behind.
    assert freed.wait(5)


def test_a_callback_of_a_future_is_called(there: Served) -> None:
    called = threading.Event()
    served.multiply.submit(5, peer=there.id).add_done_callback(lambda _: called.set())
    assert called.wait(PATIENCE)


def test_cancelling_the_future_cancels_the_call_there(serve: Callable[..., Served]) -> None:
    other = serve()
    future = served.until_cancelled.submit(peer=other.id)
    assert other.line() == "waiting"
    assert future.cancel()
    assert wait([future], PATIENCE).done == {future}
    with pytest.raises(CancelledError):
        future.result()
    assert served.was_cancelled(peer=other.id)


def test_a_future_that_is_done_is_not_cancelled(there: Served) -> None:
    future = served.multiply.submit(5, peer=there.id)
    assert future.result(PATIENCE) == 25
    assert not future.cancel()


def test_arguments_that_cannot_travel_are_told_at_once(there: Served) -> None:
    with pytest.raises(net.BadValue):
        served.echo.submit(object(), peer=there.id)

    async def main() -> None:
        with pytest.raises(net.BadValue):
            await served.echo.aio(object(), peer=there.id)

    asyncio.run(main())


def test_a_remote_function_has_the_same_ways(there: Served) -> None:
    peer = net.RemotePeer(there.id)
    assert peer.multiply.submit(2, 3).result(PATIENCE) == 6

    async def main() -> int:
        return int(await peer.multiply.aio(2, 3))

    assert asyncio.run(main()) == 6


def test_a_loop_that_cannot_watch_for_answers_is_told_of_them(there: Served) -> None:
    class Blind(asyncio.SelectorEventLoop):
        def add_reader(self, *_: Any) -> None:
            raise NotImplementedError

    loop = Blind()
    try:
        calls = [served.multiply.aio(number, peer=there.id) for number in range(20)]
        results = loop.run_until_complete(asyncio.wait_for(gathered(calls), PATIENCE))
    finally:
        loop.close()
    assert results == [5 * number for number in range(20)]


async def gathered(calls: list[Any]) -> list[Any]:
    return await asyncio.gather(*calls)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_loops_leave_nothing_behind(there: Served) -> None:
    async def leave_one_unanswered() -> None:
        task = asyncio.create_task(served.nap.aio(30, peer=there.id))
        assert await served.multiply.aio(2, peer=there.id) == 10
        task.cancel()

    def run_some() -> int:
        for _ in range(20):
            asyncio.run(leave_one_unanswered())
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = run_some()
    until("the descriptors of loops that are gone are closed", lambda: run_some() <= before)
