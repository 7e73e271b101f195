"""The asyncio loop on which connected ``async def`` functions run: one for the process, on a thread of its own.

Not here: loops of the program's own; a coroutine called locally runs on whichever awaits it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from ._life import end_child

__all__ = ["begin", "forget"]

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
#: In a child that was forked on the loop's own thread: the task that did it.
_forked_in: asyncio.Task[Any] | None = None


def begin(coroutine: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
    """Run ``coroutine``, then call ``done(result, error)`` on the loop's thread. What is returned cancels it."""
    loop = _running()
    task: asyncio.Task[Any] | None = None
    given_up = False

    def start() -> None:
        nonlocal task
        if given_up:
            coroutine.close()
            return
        task = loop.create_task(coroutine)
        task.add_done_callback(finish)

    def finish(task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            done(None, asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            done(None, error)
        else:
            done(task.result(), None)

    def stop() -> None:
        if task is not None:
            task.cancel()

    def cancel() -> None:
        nonlocal given_up
        given_up = True
        loop.call_soon_threadsafe(stop)

    loop.call_soon_threadsafe(start)
    return cancel


def forget() -> None:
    """Drop the loop of the process that this one was forked from: its thread is not here."""
    global _loop, _lock, _forked_in
    if _loop is not None:
        # Where this is the loop's thread it goes on to the end of the task's step, and must not wait for events then:
        # those are the parent's.
        _forked_in = asyncio.current_task(_loop)
        _loop.stop()
    _loop = None
    _lock = threading.Lock()


def _running() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(_loop,), name="net-asyncio", daemon=True).start()
        return _loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    while loop is _loop:
        # asyncio hands a task's SystemExit and KeyboardInterrupt on to whoever runs the loop, besides keeping it as the
        # task's own outcome. The other functions on the loop have no part in it.
        with suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()
    # Only in a child that was forked by a function that runs here.
    end_child(_outcome(_forked_in))


def _outcome(task: asyncio.Task[Any] | None) -> BaseException | None:
    if task is None or not task.done():
        return RuntimeError("a child that was forked in an async function cannot wait: its loop is its parent's")
    return asyncio.CancelledError() if task.cancelled() else task.exception()
