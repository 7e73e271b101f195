"""Calls of app-net 0.6.2, the original: a TCP connection for each, with JSON."""

from __future__ import annotations

import socket

from calling import Calls, blocking
from lines import Orders

# It listens at the address of the host's own name, which on some machines is not loopback.
socket.gethostname = lambda: "127.0.0.1"

import net  # noqa: E402


@net.connect("multiply")
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def serve(_way: str) -> str:
    """Serve, which it does since it was imported; it does not itself know the port that the system gave."""
    return str(net.Peer().server.server_address[1])


def ask(_way: str, port: str) -> Orders:
    """Call by a handle."""
    peer = net.Peer(host="127.0.0.1", port=int(port), connections=["multiply"])
    calls = Calls(peer.multiply, peer.multiply)
    return blocking(lambda: calls)
