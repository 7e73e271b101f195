"""Calls with RPyC, over a Unix socket."""

from __future__ import annotations

import sys
import threading

import rpyc
from calling import Calls, blocking
from lines import Orders
from place import socket_path
from rpyc.core.channel import Channel
from rpyc.utils.server import ThreadedServer

# It would compress what is large, which between the processes of one host only takes time.
Channel.COMPRESSION_THRESHOLD = sys.maxsize


class Functions(rpyc.Service):
    """What the server offers."""

    def exposed_multiply(self, a: int, b: int) -> int:
        """Multiply two numbers."""
        return a * b

    def exposed_echo(self, value: bytes) -> bytes:
        """Send it back."""
        return value


def serve(_way: str) -> str:
    """Serve each connection on a thread."""
    path = socket_path()
    server = ThreadedServer(Functions, socket_path=path)
    # `start` does it too, but on its thread, and this is to be ready.
    server.listener.listen(server.backlog)
    threading.Thread(target=server.start, daemon=True).start()
    return path


def ask(_way: str, path: str) -> Orders:
    """Call with functions that are kept, which spares asking for them by name each time."""

    def connect() -> Calls:
        root = rpyc.utils.factory.unix_connect(path).root
        return Calls(root.multiply, root.echo)

    return blocking(connect)
