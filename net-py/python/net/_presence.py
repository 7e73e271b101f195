"""Being told that peers come and go: ``@net.on_peer``.

Not here: who is there (the core knows, see ``_peers``); events that peers publish (``_events``).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from . import _net
from ._groups import Groups, group_names
from ._peers import RemotePeer

__all__ = ["PeerChange", "Watch", "Watching", "on_peer"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class PeerChange(str):
    """What has become of a peer: ``"joined"``, ``"left"`` or ``"changed"``, and of one that left, why."""

    __slots__ = ("why",)

    #: In words, for people; ``None`` of one that is there.
    why: str | None

    def __new__(cls, change: str, why: str | None = None) -> PeerChange:
        made = super().__new__(cls, change)
        made.why = why
        return made

    def __reduce__(self) -> tuple[type[PeerChange], tuple[str, str | None]]:
        return type(self), (str(self), self.why)


class Watch:
    """That a function is told of peers: the ``.watch`` of it."""

    def __init__(self, begun: _net.Watch) -> None:
        self._begun = begun

    def unsubscribe(self) -> None:
        """End it. What it is not told of yet it is not told of any more."""
        self._begun.unsubscribe()


class Watching(Protocol[P, R_co]):
    """A function that is told of peers, and is called as ever."""

    #: The end of it.
    watch: Watch

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


@overload
def on_peer(
    function: Callable[P, R], groups: Groups = None, hubs_only: bool = False, on_host: bool = False
) -> Watching[P, R]: ...
@overload
def on_peer(
    function: None = None, groups: Groups = None, hubs_only: bool = False, on_host: bool = False
) -> Callable[[Callable[P, R]], Watching[P, R]]: ...
def on_peer(
    function: Callable[..., Any] | None = None, groups: Groups = None, hubs_only: bool = False, on_host: bool = False
) -> Any:
    """Have a function told of the peers that come, change and go, as ``function(peer, change)``.

    Written ``@net.on_peer``, ``@net.on_peer(groups=…)`` or ``net.on_peer(function)``. Meant are the peers of this one's
    own group, or of ``groups`` (one or several); of those, with ``hubs_only``, the hubs, and with ``on_host`` those on
    this host.

    ``peer`` is a handle, ``change`` a text: ``"joined"``, ``"left"`` (``change.why`` says why) or ``"changed"``, where
    it shows another name, group or address. First the function is told of the peers that are there, as joined. It is
    told of one at a time; when it is slow nobody waits for it, and it is told next what is different by then. So a peer
    that came and went meanwhile is passed over, and one that it knows of and that left never is.

    It may be an ``async def``. What it raises is logged. ``function.watch.unsubscribe()`` ends it.
    """
    decorate = functools.partial(_on_peer, group_names(groups), bool(hubs_only), bool(on_host))
    return decorate if function is None else decorate(function)


def _on_peer(groups: list[str] | None, hubs_only: bool, on_host: bool, function: Callable[P, R]) -> Watching[P, R]:
    if not callable(function):
        raise TypeError(f"net.on_peer takes a function, not {function!r}; groups are named with groups=")
    is_async = inspect.iscoroutinefunction(function)
    told: Callable[..., Any] = function

    def tell(remote: _net.Remote, change: str, why: str | None) -> None:
        told(RemotePeer(remote), PeerChange(change, why))

    async def tell_later(remote: _net.Remote, change: str, why: str | None) -> None:
        await told(RemotePeer(remote), PeerChange(change, why))

    name = getattr(function, "__qualname__", None) or repr(function)
    watching = _with_room(function)
    begun = _net.on_peer(_net.current(), tell_later if is_async else tell, name, is_async, groups, hubs_only, on_host)
    vars(watching)["watch"] = Watch(begun)
    return cast("Watching[P, R]", watching)


def _with_room(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, or where it has no room for an attribute, as a method of an object, one that calls it."""
    if "__dict__" in dir(function) and not inspect.ismethod(function):
        return function

    @functools.wraps(function)
    def calls_it(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    return calls_it
