"""Calls by a proxy of ``multiprocessing``'s manager, over a Unix socket, with pickle."""

from __future__ import annotations

import threading
from multiprocessing.managers import BaseManager
from typing import Any

from calling import Calls, blocking, floats
from lines import Orders
from place import socket_path

KEY = b"the bench's own"


class Functions:
    """What the server offers."""

    def multiply(self, a: int, b: int) -> int:
        """Multiply two numbers."""
        return a * b

    def echo(self, value: Any) -> Any:
        """Send it back."""
        return value


class Manager(BaseManager):
    """Knows the functions by a name."""


Manager.register("functions", Functions)


def serve(_way: str) -> str:
    """Serve in this process: `start` would have made another."""
    path = socket_path()
    server = Manager(path, KEY).get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return path


def ask(way: str, path: str) -> Orders:
    """Call; the proxy has a connection for each thread."""
    manager = Manager(path, KEY)
    manager.connect()
    functions = manager.functions()
    calls = Calls(functions.multiply, functions.echo)
    return blocking(lambda: calls, floats) if way == "array" else blocking(lambda: calls)
