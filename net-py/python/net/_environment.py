"""The settings that come from the environment, read once, when ``net`` is imported.

Not here: what is done with them. The core reads its own copy; these are for programs to look at.
"""

from __future__ import annotations

import logging
import os
import socket

__all__ = ["DEV", "GROUP", "IS_HUB", "LOGGER", "PORT_RANGE", "PORT_START", "THREAD_LIMIT", "host_ip"]


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "").strip()
    try:
        return int(text) if text else default
    except ValueError:
        # The core says so when the peer is needed; what a program does without it is not to fail for this.
        return default


#: How many hosts are probed at once when the network is searched.
THREAD_LIMIT: int = _number("NET_THREAD_LIMIT", 5)
#: The first port that is tried.
PORT_START: int = _number("NET_PORT", 3010)
#: How many ports are tried, from PORT_START on.
PORT_RANGE: int = _number("NET_PORT_RANGE", 5)
#: The group of this process's peer.
GROUP: str | None = os.environ.get("NET_GROUP") or None
if GROUP == "None":  # so the original writes that there is none
    GROUP = None
#: Whether this process's peer is a hub of its group.
IS_HUB: bool = bool(os.environ.get("NET_IS_HUB"))
#: Set for development: debug logging.
DEV: str | None = os.environ.get("NET_DEV") or None

#: Where everything this package has to say is logged.
LOGGER: logging.Logger = logging.getLogger("net")

if DEV:
    LOGGER.setLevel(logging.DEBUG)
    if not LOGGER.handlers:
        _handler = logging.StreamHandler()
        _handler.setFormatter(logging.Formatter("%(name)s:%(levelname)s\t%(message)s"))
        LOGGER.addHandler(_handler)


def host_ip() -> str:
    """Return the address that this host's name stands for, asked when it is first wanted: a name server may be slow."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"
