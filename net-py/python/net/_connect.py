"""``@net.connect``: a function that is called here as ever, and on another peer by saying which.

Not here: waiting for answers (see ``_call``), running the function for others (the extension's ``handler.rs``).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from . import _net
from ._call import Target, await_on, call_on, submit_on
from ._environment import LOGGER
from ._flags import process_flags

__all__ = ["CONNECTIONS", "AsyncConnected", "Connected", "Connector", "connect", "register", "register_again"]

P = ParamSpec("P")
R = TypeVar("R")

#: Every function that is connected here, by tag.
CONNECTIONS: dict[str, Callable[..., Any]] = {}
#: How each tag was registered.
_offers: dict[str, Callable[[], None]] = {}


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
def connect(tag: str | bytes | None = None) -> Connector: ...
def connect(tag: Any = None) -> Any:
    """Register a function with this process's peer, and make it callable on others.

    Written ``@net.connect``, ``@net.connect()`` or ``@net.connect("Tag")``. Without a tag of its own the function is
    known to other peers as ``<module>.<name>``; with one it is known as that, whatever it is called and wherever it
    lives, and under the other name too.

    The function is called as before, and then runs here. ``peer=`` has it run on that peer, and the call is as though
    it ran here: its result is returned, what it raises is raised. ``time_out=`` is how many seconds it may take.
    ``.aio(…)`` is the same as a coroutine, ``.submit(…)`` as a future.
    """
    if callable(tag):
        return _connected(tag, None)
    return lambda function: _connected(function, tag)


def _connected(function: Callable[..., Any], tag: str | bytes | None) -> Any:
    if not hasattr(function, "__name__"):
        # A functools.partial, or an object with a __call__: it would have no tag that other peers could know.
        raise TypeError(f"net.connect takes a function with a name, not {function!r}: write a def around it")
    own_tag = f"{function.__module__}.{function.__name__}"
    custom_tag = tag.decode("ascii") if isinstance(tag, bytes) else tag
    is_async = inspect.iscoroutinefunction(function)
    register(function, own_tag, custom_tag or None, is_async)
    return mask(function, custom_tag or own_tag, is_async)


def register(function: Callable[..., Any], own_tag: str, custom_tag: str | None, is_async: bool) -> None:
    """Make ``function`` callable by other peers, under both of its tags."""
    signature = _signature(function)
    parameters = [_parameter(parameter) for parameter in signature.parameters.values()] if signature else []
    returns = _annotation(signature.return_annotation) if signature else None
    doc = inspect.getdoc(function) or ""
    for tag in filter(None, (own_tag, custom_tag)):
        offer = functools.partial(
            _net.register, function, tag, function.__name__, function.__module__, doc, parameters, returns, is_async
        )
        if CONNECTIONS.get(tag, function) is not function:
            LOGGER.warning("The tag %r has a function already; %s replaces it.", tag, own_tag)
        # First, so that what cannot be offered is not tried again in a forked child.
        offer()
        CONNECTIONS[tag] = function
        _offers[tag] = offer


def register_again() -> None:
    """Register everything with the peer of a forked child."""
    for offer in _offers.values():
        offer()


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
        result = function(*args, **kwargs)
        if not isinstance(result, str):
            return result
        from ._peer import Peer

        return process_flags(result, tag, Peer())

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

    threading.Thread(target=run, name="net-submit", daemon=True).start()
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
