"""The three ways to wait for an answer from another peer: here and now, in asyncio, and by a future.

Not here: what is called and how it is named (see ``_connect`` and ``_peers``); how a call travels (the extension).
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from . import _net
from ._errors import FlagAnswer, NoSuchConnection
from ._flags import instead

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["Target", "await_on", "call_on", "submit_on"]

#: Of each loop in which calls were awaited. The loop keeps its own; with it, it goes.
_inboxes: WeakKeyDictionary[AbstractEventLoop, _net.Inbox | None] = WeakKeyDictionary()

#: What names a peer: a handle, ``net.Peer()``, an instance id, ``"host:port"``, ``(host, port)``, or an id as of 0.3.
Target = Any


def call_on(peer: Target, tag: str, args: tuple[Any, ...], kwargs: dict[str, Any], time_out: float | None) -> Any:
    """Call and block until the answer is there."""
    try:
        return _net.call(peer, tag, args, kwargs, time_out)
    except (FlagAnswer, NoSuchConnection) as error:
        raised = error
    return instead(raised, tag, peer)


async def await_on(
    peer: Target, tag: str, args: tuple[Any, ...], kwargs: dict[str, Any], time_out: float | None
) -> Any:
    """Call and await the answer; cancelling the task cancels the call on the other side too."""
    # Here and not above: most programs that use no asyncio should not pay for importing it.
    from asyncio import get_running_loop

    loop = get_running_loop()
    answered = loop.create_future()

    def wake(_: _net.Pending | None = None) -> None:
        if not answered.done():
            answered.set_result(None)

    def wake_from_thread(_: _net.Pending) -> None:
        # The loop may be closed by now, and then nobody awaits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(wake)

    inbox = _inbox(loop)
    pending = _net.begin(peer, tag, args, kwargs, time_out, wake if inbox else wake_from_thread, inbox)
    try:
        await answered
    except BaseException:
        pending.cancel()
        raise
    return _result(pending, tag, peer)


def _inbox(loop: AbstractEventLoop) -> _net.Inbox | None:
    """Return where the answers for this loop are told in it, unless it is a loop that cannot watch for them."""
    try:
        return _inboxes[loop]
    except KeyError:
        pass
    _inboxes[loop] = None
    # As on Windows.
    with suppress(NotImplementedError, OSError):
        inbox = _net.Inbox()
        loop.add_reader(inbox.fileno(), inbox.tell)
        _inboxes[loop] = inbox
    return _inboxes[loop]


def submit_on(
    peer: Target, tag: str, args: tuple[Any, ...], kwargs: dict[str, Any], time_out: float | None
) -> Future[Any]:
    """Call and return at once; cancelling the future cancels the call on the other side too."""
    future: Future[Any] = Future()

    def on_answer(pending: _net.Pending) -> None:
        # A future that runs cannot be cancelled, so this one waits to say so until its answer is here.
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = _result(pending, tag, peer)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    pending = _net.begin(peer, tag, args, kwargs, time_out, on_answer)

    # A future keeps its callbacks, so this one must not refer to it.
    def on_done(done: Future[Any]) -> None:
        if done.cancelled() and pending.cancel():
            done.set_running_or_notify_cancel()

    future.add_done_callback(on_done)
    return future


def _result(pending: _net.Pending, tag: str, peer: Target) -> Any:
    try:
        return pending.result()
    except (FlagAnswer, NoSuchConnection) as error:
        raised = error
    return instead(raised, tag, peer)
