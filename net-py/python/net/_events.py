"""Events: ``@net.event`` hands one to every subscriber, ``@net.subscribe`` has a function told of one.

Not here: who subscribes to whom and how it travels (the core); a peer's own list of subscribers (see ``_peer``).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeVar, cast, overload

from . import _net
from ._call import Target
from ._connect import CONNECTIONS, register
from ._groups import Groups, group_names
from ._tags import own_tag

if TYPE_CHECKING:
    from ._peers import RemotePeer

__all__ = ["Subscribed", "Subscription", "emit", "emit_later", "event", "event_name", "subscribe"]

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

#: Events that each publisher keeps for a subscriber that says nothing else.
KEEP = 1024


class Subscription:
    """What has come of a subscription, and its end: the ``.subscription`` of a function that subscribes."""

    def __init__(self, declared: _net.Subscription) -> None:
        self._declared = declared

    @property
    def event(self) -> str:
        """The event's name."""
        return self._declared.event

    @property
    def received(self) -> int:
        """How many events have come."""
        return self._declared.received

    @property
    def dropped(self) -> int:
        """How many were published and did not come: not taken in time, too large, or gone with a link.

        It is known when the next one comes.
        """
        return self._declared.dropped

    def publishers(self) -> list[RemotePeer]:
        """Return the peers that were asked for the event, as far as they are of this version."""
        from ._peers import RemotePeer

        return [RemotePeer(peer) for peer in self._declared.publishers()]

    def unsubscribe(self) -> None:
        """End it, everywhere. What has come and was not handled is not handled any more."""
        self._declared.unsubscribe()

    def __repr__(self) -> str:
        return f"<net.Subscription {self.event!r} received:{self.received} dropped:{self.dropped}>"


class Subscribed(Protocol[P, R_co]):
    """A function that is told of an event, and is called as ever."""

    #: What has come of it, and its end.
    subscription: Subscription

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


@overload
def event(name: F) -> F: ...
@overload
def event(name: str | bytes) -> Callable[[F], F]: ...
def event(name: str | bytes | Callable[..., Any]) -> Any:
    """Make a function one that publishes an event: what it returns, ``(args, kwargs)``, goes to every subscriber.

    Written ``@net.event("name")``; without a name, ``@net.event``, the event is called ``<module>.<function>``. Calling
    the function returns what it always did, when the event was handed to all who have room for it, and to those whose
    queue was full and who asked that the publisher wait. A subscriber that fails, is slow or is gone stops nobody.

    An ``async def`` function is awaited, and waits without keeping its loop.
    """
    if callable(name):
        return _event(own_tag(name), name)
    return functools.partial(_event, event_name(name))


def _event(name: str, function: Callable[P, R]) -> Callable[P, R]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def emitted_later(*args: P.args, **kwargs: P.kwargs) -> Any:
            args_and_kwargs = _checked(function, await function(*args, **kwargs))
            await emit_later(_net.current(), name, *args_and_kwargs)
            return args_and_kwargs

        return cast(Callable[P, R], emitted_later)

    @functools.wraps(function)
    def emitted(*args: P.args, **kwargs: P.kwargs) -> Any:
        args_and_kwargs = _checked(function, function(*args, **kwargs))
        emit(_net.current(), name, *args_and_kwargs)
        return args_and_kwargs

    return cast(Callable[P, R], emitted)


def _checked(function: Callable[..., Any], returned: Any) -> tuple[Iterable[Any], Mapping[str, Any]]:
    """Return the arguments that an event's function has returned."""
    if isinstance(returned, tuple) and len(returned) == 2:
        args, kwargs = returned
        if isinstance(args, (tuple, list)) and isinstance(kwargs, Mapping):
            return args, kwargs
    raise TypeError(
        f"{function.__qualname__} is an event and has to return (args, kwargs), as `return (1, 2), {{}}`; "
        f"it returned {returned!r}"
    )


def emit(of: _net.Local, name: str, args: Iterable[Any], kwargs: Mapping[str, Any]) -> None:
    """Hand an event to its subscribers, and wait for those that asked for it."""
    waiting = _net.emit(of, name, tuple(args), dict(kwargs))
    if waiting is not None:
        waiting.wait()


async def emit_later(of: _net.Local, name: str, args: Iterable[Any], kwargs: Mapping[str, Any]) -> None:
    """Do the same without keeping the loop."""
    waiting = _net.emit(of, name, tuple(args), dict(kwargs))
    if waiting is not None:
        from asyncio import to_thread

        await to_thread(waiting.wait)


def subscribe(
    event: str | bytes,
    groups: Groups | Target | Iterable[Target] = None,
    hubs_only: bool = False,
    peers: Target | Iterable[Target] = None,
    on_host: bool | None = None,
    *,
    keep: int = KEEP,
    when_full: Literal["drop_oldest", "block"] = "drop_oldest",
) -> Callable[[Callable[P, R]], Subscribed[P, R]]:
    """Have a function told of an event by every peer that matches: those that are there, that come and that come back.

    Meant are the peers of this one's own group, or of ``groups`` (one or several); of those, with ``hubs_only``, the
    hubs, and with ``on_host`` those on this host. ``peers`` names one peer or several instead. As in 0.3, peers may be
    the second argument.

    The function gets the event's arguments, one event after the other, in the order in which each peer published them.
    It may be an ``async def``. What it raises is logged.

    Each publisher keeps ``keep`` events while they are not taken. Of more the oldest is dropped, which is counted
    (``function.subscription.dropped``), or with ``when_full="block"`` the publisher waits.
    """
    if peers is None and not _are_groups(groups):
        groups, peers = None, groups
    names = group_names(groups)
    named = None if peers is None else _handles(peers)
    name = event_name(event)

    def decorate(function: Callable[P, R]) -> Subscribed[P, R]:
        own = _net.current()
        tag = register(None, CONNECTIONS, function, None)
        subscription = _net.subscribe(own, tag, name, names, bool(hubs_only), bool(on_host), named, keep, when_full)
        vars(function)["subscription"] = Subscription(subscription)
        return cast("Subscribed[P, R]", function)

    return decorate


def event_name(event: str | bytes) -> str:
    """Return an event's name as text. Unlike a tag it is never in base64: 0.3 sends it as it is."""
    return event if isinstance(event, str) else event.decode("ascii")


def _are_groups(groups: Any) -> bool:
    """Whether these are names of groups, and not peers."""
    if isinstance(groups, (list, tuple, set, frozenset)):
        return all(group is None or isinstance(group, str) for group in groups)
    # As bytes it is a peer's id of 0.3.
    return groups is None or isinstance(groups, str)


def _handles(peers: Any) -> list[_net.Remote]:
    """Return handles on one peer or on several."""
    from ._peers import Peers, RemotePeer

    if isinstance(peers, Mapping):
        peers = peers.values()
    is_address = isinstance(peers, tuple) and len(peers) == 2 and isinstance(peers[1], int)
    is_several = isinstance(peers, (Peers, list, tuple, set, frozenset, ValuesView)) and not is_address
    return [RemotePeer(peer) for peer in (peers if is_several else [peers])]
