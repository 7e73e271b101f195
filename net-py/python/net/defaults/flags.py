"""The handlers of the flags that every peer knows.

Not here: flags in general (see ``net._flags``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from .._errors import Error, NoSuchConnection
from .._flags import flag

__all__ = ["invalid_connection", "null_response"]


@flag("NULL")
def null_response(connection: str, peer: Any) -> str:
    """Return what a call comes to whose answer is the flag ``NULL``: the text ``"NULL"``."""
    return "NULL"


@flag("INVALID_CONNECTION")
def invalid_connection(connection: str, peer: Any) -> NoReturn:
    """Raise what a call comes to whose answer is the flag ``INVALID_CONNECTION``.

    The text has the peer, the connection asked for, and those that are registered there, as far as the peer tells.
    """
    from .._peer import Peer
    from .._peers import RemotePeer

    try:
        there = peer if isinstance(peer, Peer) else RemotePeer(peer)
        registered: Iterable[str] = there.registered_connections
    except (Error, TypeError, ValueError):
        there, registered = peer, ()
    listed = "".join(f"\n\t\t{tag}" for tag in registered)
    raise NoSuchConnection(
        "Peer does not have the connection you are requesting.\n"
        f"\tPeer: {there}\n\tConnection Requested: {connection}\n\tRegistered Connections:{listed}"
    )
