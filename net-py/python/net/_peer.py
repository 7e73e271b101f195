"""``net.Peer()``: this process's own peer.

Not here: other peers (see ``_peers``); how a peer is run (the core).
"""

from __future__ import annotations

import functools
import socket
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from . import _environment, _net
from ._call import Target, call_on
from ._connect import CONNECTIONS, register
from ._flags import FLAGS, get_flag, process_flags, register_flag

__all__ = ["Peer", "Server"]


class Server:
    """Where this process's peer listens."""

    @property
    def host(self) -> str:
        """The address at which others on this host reach it."""
        return _net.local().host

    @property
    def port(self) -> int | None:
        """The port at which others reach it."""
        return _net.local().port

    @staticmethod
    def ports() -> list[int]:
        """Return the ports at which peers are looked for."""
        return list(range(_environment.PORT_START, _environment.PORT_START + _environment.PORT_RANGE))

    @staticmethod
    def ping(port: int, host: str = "127.0.0.1") -> bool:
        """Return whether anything listens there."""
        try:
            with socket.create_connection((host, port), timeout=0.25):
                return True
        except OSError:
            return False

    @staticmethod
    def request(host: str, port: int, connection: str, args: Any = (), kwargs: Any = None) -> Any:
        """Call ``connection`` at that address and return the answer."""
        return call_on((host, port), connection, tuple(args), dict(kwargs or {}), None)


class Peer:
    """This process's peer: the same one however often it is asked for, in a connected function too.

    It starts when ``net`` is imported. What it has to know of the network, as its port, is waited for.
    """

    _instance: Peer | None = None
    #: Where it listens.
    server: Server

    def __new__(cls) -> Peer:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
            cls._instance.server = Server()
        return cls._instance

    @property
    def host(self) -> str:
        """The address at which others on this host reach it."""
        return _net.local().host

    @property
    def port(self) -> int | None:
        """The port at which others reach it."""
        return _net.local().port

    @property
    def group(self) -> str | None:
        """The group it is in."""
        return _net.local().group

    @property
    def hub(self) -> bool:
        """Whether it is a hub of its group."""
        return _net.local().hub

    @property
    def id(self) -> bytes:
        """Its id as the manual has it: base64 of address and group. ``instance_id`` is the one that is unique."""
        return self.generate_id(self.port, self.host, self.group)

    @property
    def instance_id(self) -> str:
        """The random id of this one run of it."""
        return _net.local().id

    @property
    def friendly_id(self) -> str:
        """Its id as people read it."""
        return f"{self.host}:{self.port} -> {self.group}"

    @staticmethod
    def generate_id(port: int | None, host: str, group: str | None = None) -> bytes:
        """Return the id of the peer at that address."""
        return b64encode(f"{host}:{port} -> {group}".encode())

    @staticmethod
    def decode_id(id: str | bytes) -> dict[str, Any]:
        """Return ``host``, ``port`` and ``group`` of an id."""
        address, _, group = b64decode(id, validate=True).decode().partition(" -> ")
        host, _, port = address.rpartition(":")
        return {"host": host, "port": int(port), "group": None if group == "None" else group}

    @property
    def registered_connections(self) -> dict[str, Callable[..., Any]]:
        """Every function that is connected here, by tag."""
        return CONNECTIONS

    @property
    def CONNECTIONS(self) -> dict[str, Callable[..., Any]]:
        """Every function that is connected here, by tag: ``registered_connections`` by its older name."""
        return self.registered_connections

    @property
    def registered_flags(self) -> dict[str, Callable[..., Any]]:
        """Every flag's handler, by name."""
        return FLAGS

    @property
    def FLAGS(self) -> dict[str, Callable[..., Any]]:
        """Every flag's handler, by name: ``registered_flags`` by its older name."""
        return FLAGS

    def register_connection(self, connection: Callable[..., Any], tag: str | bytes | None = None) -> str:
        """Connect a function as ``net.connect`` does and return its tag; the function stays as it is."""
        from inspect import iscoroutinefunction

        own_tag = f"{connection.__module__}.{connection.__name__}"
        custom_tag = tag.decode("ascii") if isinstance(tag, bytes) else tag
        register(connection, own_tag, custom_tag or None, iscoroutinefunction(connection))
        return custom_tag or own_tag

    def register_flag(self, flag: str | bytes, handler: Callable[..., Any]) -> str:
        """Register a flag's handler and return the flag's id."""
        return register_flag(flag, handler)

    def get_flag(self, flag: str | bytes) -> str:
        """Return the id of a registered flag: the value that a connected function returns to raise it."""
        return get_flag(flag)

    @staticmethod
    def process_flags(response: Any, connection: str, peer: Target) -> Any:
        """Return what the flag's handler makes of ``response``, or ``response`` itself if it is no flag."""
        return process_flags(response, connection, peer)

    def execute(
        self,
        peer: Target,
        connection: str | bytes,
        args: Any = (),
        kwargs: Any = None,
        time_out: float | None = None,
    ) -> Any:
        """Call ``connection`` on ``peer`` by its tag and return the answer."""
        tag = connection.decode("ascii") if isinstance(connection, bytes) else connection
        return call_on(peer, tag, tuple(args), dict(kwargs or {}), time_out)

    def mask_as_remote(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that calls ``func`` with ``peer=`` this peer: the way over the wire, to itself."""

        @functools.wraps(func)
        def masked(*args: Any, **kwargs: Any) -> Any:
            return func(*args, peer=self, **kwargs)

        return masked

    def __getattr__(self, name: str) -> Callable[..., Any]:
        for tag, function in CONNECTIONS.items():
            if name in (tag, function.__name__):
                return function
        raise AttributeError(f"{type(self).__name__!r} has no attribute or connection {name!r}")

    def __repr__(self) -> str:
        return (
            f"<net.Peer h:{self.host} p:{self.port} g:{self.group} "
            f"c:{len(self.registered_connections)} f:{len(self.registered_flags)}>"
        )
