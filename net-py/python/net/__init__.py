"""Call any function of yours on any machine of yours.

>>> import net
>>> @net.connect
... def multiply(a, b=5):
...     return a * b
>>> multiply(5, 10)                             # here
50

With ``peer=`` the same call runs on another peer that has the function: ``multiply(5, 10, peer=net.peers()[0])``.
"""

from __future__ import annotations

from typing import Any

from . import _life, _net
from . import peer as peer  # `net.peer._Peer` is there after `import net`
from ._caller import Caller, caller
from ._connect import connect
from ._environment import DEV, GROUP, IS_HUB, LOGGER, PORT_RANGE, PORT_START, THREAD_LIMIT, host_ip
from ._errors import (
    BadValue,
    Busy,
    Cancelled,
    Error,
    Lost,
    NoSuchConnection,
    Refused,
    RemoteError,
    TimedOut,
    Unreachable,
)
from ._events import Subscribed, Subscription, event, subscribe
from ._flags import flag
from ._peer import Peer
from ._peers import Peers, RemoteFunction, RemotePeer, get_peers, peer_group, peers
from ._presence import PeerChange, Watch, Watching, on_peer
from .defaults import (
    connections,
    info,
    invalid_connection,
    null,
    null_response,
    pass_through,
    subscription_handler,
)

__version__: str = _net.__version__

__all__ = [
    "DEV",
    "GROUP",
    "HOST_IP",
    "IS_HUB",
    "LOGGER",
    "PORT_RANGE",
    "PORT_START",
    "THREAD_LIMIT",
    "BadValue",
    "Busy",
    "Caller",
    "Cancelled",
    "Error",
    "Lost",
    "NoSuchConnection",
    "Peer",
    "PeerChange",
    "Peers",
    "Refused",
    "RemoteError",
    "RemoteFunction",
    "RemotePeer",
    "Subscribed",
    "Subscription",
    "TimedOut",
    "Unreachable",
    "Watch",
    "Watching",
    "caller",
    "connect",
    "connections",
    "event",
    "flag",
    "get_peers",
    "info",
    "invalid_connection",
    "null",
    "null_response",
    "on_peer",
    "pass_through",
    "peer_group",
    "peers",
    "subscribe",
    "subscription_handler",
]

HOST_IP: str


def __getattr__(name: str) -> Any:
    if name == "HOST_IP":
        globals()[name] = host_ip()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_life.begin()
