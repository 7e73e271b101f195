"""Calls with Pyro5, over a Unix socket, with msgpack, by which bytes go as they are."""

from __future__ import annotations

import threading

import Pyro5.api
from calling import Calls, blocking
from lines import Orders
from place import socket_path

Pyro5.api.config.SERIALIZER = "msgpack"


@Pyro5.api.expose
class Functions:
    """What the server offers."""

    def multiply(self, a: int, b: int) -> int:
        """Multiply two numbers."""
        return a * b

    def echo(self, value: bytes) -> bytes:
        """Send it back."""
        return value


def serve(_way: str) -> str:
    """Serve each connection on a thread."""
    daemon = Pyro5.api.Daemon(unixsocket=socket_path())
    uri = daemon.register(Functions())
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    return str(uri)


def ask(_way: str, uri: str) -> Orders:
    """Call; a proxy belongs to one thread."""

    def connect() -> Calls:
        proxy = Pyro5.api.Proxy(uri)
        return Calls(proxy.multiply, proxy.echo)

    return blocking(connect)
