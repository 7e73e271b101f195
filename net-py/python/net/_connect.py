"""``@net.connect``: a function that is called here as ever, and on another peer by saying which.

Not here: waiting for answers (see ``_call``), running the function for others (the extension's ``handler.rs``).
"""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from . import _net
from ._call import Target, await_on, call_on, submit_on
from ._environment import DEV, LOGGER
from ._flags import Flag, process_flags
from ._groups import Callers, caller_groups
from ._tags import own_tag, tag_text

__all__ = ["CONNECTIONS", "AsyncConnected", "Connected", "Connector", "connect", "register"]

P = ParamSpec("P")
R = TypeVar("R")

#: Every function of this program that is connected, by tag: those that all of its peers have.
CONNECTIONS: dict[str, Callable[..., Any]] = {}

#: The groups that may call a function, by its own tag, where not everybody may. What registers it further without a
#: word on that, as ``net.subscribe`` does, changes nothing of it.
_CALLERS: dict[str, list[str]] = {}


class Connected(Protocol[P, R]):
    """What ``@net.connect`` makes of a function: itself, and the ways to call it elsewhere."""

    __name__: str
    __wrapped__: Callable[..., Any]
    #: The tag under which other peers call it.
    tag: str

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(self, *args: Any, peer: Target, time_out: float | None = None, **kwargs: Any) -> R: ...

    @overload
    def aio(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...
    @overload
    def aio(self, *args: Any, peer: Target, time_out: float | None = None, **kwargs: Any) -> Coroutine[Any, Any, R]: ...

    @overload
    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]: ...
    @overload
    def submit(self, *args: Any, peer: Target, time_out: float | None = None, **kwargs: Any) -> Future[R]: ...


class AsyncConnected(Protocol[P, R]):
    """What ``@net.connect`` makes of an ``async def``: calling it gives a coroutine, here and elsewhere."""

    __name__: str
    __wrapped__: Callable[..., Any]
    #: The tag under which other peers call it.
    tag: str

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...
    @overload
    def __call__(
        self, *args: Any, peer: Target, time_out: float | None = None, **kwargs: Any
    ) -> Coroutine[Any, Any, R]: ...

    @overload
    def aio(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...
    @overload
    def aio(self, *args: Any, peer: Target, time_out: float | None = None, **kwargs: Any) -> Coroutine[Any, Any, R]: ...

    @overload
    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]: ...
    @overload
    def submit(self, *args: Any, peer: Target, time_out: float | None = None, **kwargs: Any) -> Future[R]: ...


class Connector(Protocol):
    """The decorator that ``net.connect()`` and ``net.connect("Tag")`` give."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncConnected[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Connected[P, R]: ...


@overload
def connect(tag: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncConnected[P, R]: ...
@overload
def connect(tag: Callable[P, R], /) -> Connected[P, R]: ...
@overload
def connect(tag: str | bytes | None = None, *, groups: Callers = None) -> Connector: ...
def connect(tag: Any = None, *, groups: Callers = None) -> Any:
    """Register a function with this process's peer, and make it callable on others.

    Written ``@net.connect``, ``@net.connect()`` or ``@net.connect("Tag")``. Without a tag of its own the function is
    known to other peers as ``<module>.<name>``; with one it is known as that, whatever it is called and wherever it
    lives, and under the other name too.

    The function is called as before, and then runs here. ``peer=`` has it run on that peer, and the call is as though
    it ran here: its result is returned, what it raises is raised. ``time_out=`` is how many seconds it may take.
    ``.aio(…)`` is the same as a coroutine, ``.submit(…)`` as a future.

    Whoever reaches the peer may call it. With ``groups``, one or several, only peers of these may, and others are
    refused (``net.Refused``) before anything of the function runs; this program itself always may. ``net.caller()``
    in the function says who calls.
    """
    may_call = caller_groups(groups)
    if callable(tag):
        return _connected(tag, None, may_call)
    return lambda function: _connected(function, tag, may_call)


def _connected(function: Callable[..., Any], tag: str | bytes | None, may_call: list[str] | None) -> Any:
    if not hasattr(function, "__name__"):
        # A functools.partial, or an object with a __call__: it would have no tag that other peers could know.
        raise TypeError(f"net.connect takes a function with a name, not {function!r}: write a def around it")
    if may_call is None:
        _CALLERS.pop(own_tag(function), None)
    registered = register(None, CONNECTIONS, function, tag, may_call)
    return mask(function, registered, inspect.iscoroutinefunction(function))


def register(
    of: _net.Local | None,
    connections: dict[str, Callable[..., Any]],
    function: Callable[..., Any],
    tag: str | bytes | None,
    may_call: list[str] | None = None,
) -> str:
    """Make ``function`` callable by other peers, under both of its tags, and return the one to call it by.

    It is offered by one peer of this process, or by all, and noted in ``connections``. ``may_call`` are the groups that
    may; where nothing is said of it, those that were named before.
    """
    custom_tag = tag_text(tag) if tag else None
    signature = _signature(function)
    parameters = [_parameter(parameter) for parameter in signature.parameters.values()] if signature else []
    returns = _annotation(signature.return_annotation) if signature else None
    doc = inspect.getdoc(function) or ""
    if may_call is None:
        may_call = _CALLERS.get(own_tag(function))
    else:
        _CALLERS[own_tag(function)] = may_call
    name, module, is_async = function.__name__, function.__module__, inspect.iscoroutinefunction(function)
    for each in filter(None, (own_tag(function), custom_tag)):
        if connections.get(each, function) is not function:
            LOGGER.warning("The tag %r has a function already; %s replaces it.", each, own_tag(function))
        # Put last, so that of functions of one name the newest is the peer's attribute.
        connections.pop(each, None)
        _net.register(of, function, each, name, module, doc, parameters, returns, is_async, may_call)
        connections[each] = function
    return custom_tag or own_tag(function)


def mask(function: Callable[..., Any], tag: str, is_async: bool = False) -> Any:
    """Return a function that runs ``function`` here, and with ``peer=`` what that peer has under ``tag``."""
    # Programs of old may have parameters of these names; they are filled in local calls alone.
    signature = _signature(function)
    takes = {"peer", "time_out"} & set(signature.parameters if signature else ())

    def here(peer: Target, time_out: float | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if peer is not None and "peer" in takes:
            kwargs["peer"] = peer
        if time_out is not None and "time_out" in takes:
            kwargs["time_out"] = time_out
        if not is_async:
            return _as_there(function(*args, **kwargs), tag)
        if signature is not None:
            # What does not fit is told at once, as by any ``async def``.
            signature.bind(*args, **kwargs)
        # Called in there and not here: dropped before it began, the coroutine inside would complain too.
        coroutine: Any = _later(function, args, kwargs, tag)
        coroutine.__name__, coroutine.__qualname__ = function.__name__, function.__qualname__
        return coroutine

    @functools.wraps(function)
    def connected(*args: Any, peer: Target = None, time_out: float | None = None, **kwargs: Any) -> Any:
        if peer:
            return (await_on if is_async else call_on)(peer, tag, args, kwargs, time_out)
        return here(peer, time_out, args, kwargs)

    async def aio(*args: Any, peer: Target = None, time_out: float | None = None, **kwargs: Any) -> Any:
        if peer:
            return await await_on(peer, tag, args, kwargs, time_out)
        if is_async:
            return await here(peer, time_out, args, kwargs)
        from asyncio import to_thread

        return await to_thread(here, peer, time_out, args, kwargs)

    def submit(*args: Any, peer: Target = None, time_out: float | None = None, **kwargs: Any) -> Future[Any]:
        if peer:
            return submit_on(peer, tag, args, kwargs, time_out)
        return _submit_here(functools.partial(here, peer, time_out, args, kwargs))

    attributes: dict[str, Any] = {"tag": tag, "aio": aio, "submit": submit}
    vars(connected).update(attributes)
    if is_async and hasattr(inspect, "markcoroutinefunction"):
        connected = inspect.markcoroutinefunction(connected)
    return connected


def _as_there(result: Any, tag: str) -> Any:
    """Return what a call on another peer would come to if the function there returned ``result``."""
    if isinstance(result, Flag):
        from ._peer import Peer

        return process_flags(result, tag, Peer())
    if DEV:
        from ._trip import warn

        warn(result, tag)
    return result


async def _later(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], tag: str) -> Any:
    return _as_there(await function(*args, **kwargs), tag)


def _submit_here(work: Callable[[], Any]) -> Future[Any]:
    """Run ``work`` on a thread of its own: here there is no other peer whose threads would run it."""
    import threading

    future: Future[Any] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = work()
            if isinstance(result, Awaitable):
                import asyncio

                result = asyncio.run(_awaited(result))
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    # As in a task: it runs as the peer that it was begun on.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="net-submit", daemon=True).start()
    return future


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        # Some builtins have none.
        return None


_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.VAR_POSITIONAL: "var_positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword_only",
    inspect.Parameter.VAR_KEYWORD: "var_keyword",
}


def _parameter(parameter: inspect.Parameter) -> tuple[str, str, str | None, str | None]:
    """Return name, kind, annotation and default as text: what other peers are told of a parameter."""
    default = None if parameter.default is parameter.empty else repr(parameter.default)
    return parameter.name, _KINDS[parameter.kind], _annotation(parameter.annotation), default


def _annotation(annotation: Any) -> str | None:
    if annotation is inspect.Parameter.empty:
        return None
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
