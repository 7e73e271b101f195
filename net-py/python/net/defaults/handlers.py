"""The connections that every peer answers, whatever it is written in.

Not here: the answers. The core gives them, to other peers and to this process alike, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _net
from .._call import Target, call_on
from .._connect import CONNECTIONS
from .._events import event_name
from .._flags import get_flag, process_flags
from .._tags import tag_text

__all__ = ["connections", "info", "null", "pass_through", "subscription_handler"]

_HANDLERS = "net.defaults.handlers."


def _known_here(function: Callable[..., Any]) -> None:
    # Not registered: the core answers for it.
    CONNECTIONS[_HANDLERS + function.__name__] = function


def info(*args: Any, peer: Target = None, time_out: float | None = None, **kwargs: Any) -> dict[str, Any]:
    """Return what a peer says of itself.

    That is ``host``, ``port``, ``group``, ``hub``, ``user``, ``executable``, ``connections``, ``subscriptions``,
    ``flags`` and more; here, or with ``peer=`` of that peer. Arguments are taken and mean nothing, as in the original.
    """
    answer: dict[str, Any] = _ask("info", peer, time_out)
    return answer


def connections(*args: Any, peer: Target = None, time_out: float | None = None, **kwargs: Any) -> Any:
    """Return what a peer has connected: by tag name, module, doc and signature. An original answers with a text."""
    return _ask("connections", peer, time_out)


def pass_through(*args: Any, peer: Target = None, time_out: float | None = None, **kwargs: Any) -> Any:
    """Return the one argument as it came, or else ``(args, kwargs)``: to see what a trip does to a value."""
    if peer:
        return call_on(peer, _HANDLERS + "pass_through", args, kwargs, time_out)
    return args[0] if len(args) == 1 and not kwargs else (args, kwargs)


def null(*args: Any, peer: Target = None, time_out: float | None = None, **kwargs: Any) -> Any:
    """Return what the flag ``NULL`` comes to: ``"NULL"``, unless the program handles that flag in its own way."""
    if peer:
        return call_on(peer, _HANDLERS + "null", args, kwargs, time_out)
    from .._peer import Peer

    return process_flags(get_flag("NULL"), _HANDLERS + "null", Peer())


def subscription_handler(
    event: str | bytes, *subscriber: Any, peer: Target = None, time_out: float | None = None
) -> None:
    """Have a function of a peer called with each event from now on, as peers of the original ask for.

    The rest is ``host, port, connection`` as in 0.6, or ``peer id, connection`` as in 0.3. Peers of this version
    subscribe by ``net.subscribe``, which holds when they come back.
    """
    from .._peer import Peer

    if not peer:
        Peer().register_subscriber(event, *subscriber)
        return
    *at, connection = subscriber
    # An id is bytes here and text on the wire.
    at = [who.id if isinstance(who, Peer) else who for who in at]
    at = [who.decode("ascii") if isinstance(who, bytes) else who for who in at]
    call_on(peer, _HANDLERS + "subscription_handler", (event_name(event), *at, tag_text(connection)), {}, time_out)


def _ask(name: str, peer: Target, time_out: float | None) -> Any:
    if peer:
        return call_on(peer, _HANDLERS + name, (), {}, time_out)
    return _net.call_here(_HANDLERS + name)


for _function in (info, connections, pass_through, null, subscription_handler):
    _known_here(_function)
