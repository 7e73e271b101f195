"""``net.Peer()``: a peer of this process, and what every peer is asked for, this process's or another's.

Not here: other peers (see ``_peers``); how a peer is run (the core).
"""

from __future__ import annotations

import functools
import json
import socket
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from . import _environment, _net
from ._call import Target, call_on
from ._connect import CONNECTIONS, register
from ._errors import Error
from ._events import emit, event_name
from ._flags import FLAGS, get_flag, process_flags, register_flag
from ._groups import Callers, caller_groups
from ._tags import Registered, own_tag, tag_text

if TYPE_CHECKING:
    from ._peers import RemotePeer

__all__ = ["FriendlyId", "Peer", "Server"]


class FriendlyId(str):
    """A peer's id as people read it, ``host:port -> group``.

    By name it has what 0.3 gave in its place: ``group``, ``host``, ``port``, ``hub``, ``user`` and ``executable``.
    """

    _fields: Callable[[], dict[str, Any]]

    def __getitem__(self, key: SupportsIndex | slice | str) -> Any:
        return self._fields()[key] if isinstance(key, str) else super().__getitem__(key)

    def keys(self) -> Iterable[str]:
        """Return the names, so that ``dict()`` of it has them all."""
        return ("group", "host", "port", "hub", "user", "executable")


class Server:
    """Where a peer listens."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    @property
    def host(self) -> str:
        """The address at which others on this host reach it."""
        return self._peer.host

    @property
    def port(self) -> int | None:
        """The port at which others reach it."""
        return self._peer.port

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

    def request(
        self, host: str, port: int, connection: str | bytes, args: Iterable[Any] = (), kwargs: Any = None
    ) -> Any:
        """Call ``connection`` at that address and return the answer."""
        return self._peer.execute((host, port), connection, args, kwargs)


class Peer:
    """A peer of this process.

    ``net.Peer()`` is this process's own, the same one however often it is asked for; it starts when ``net`` is
    imported. In a connected function it is the peer that was called, and what begins there in its context, as an
    asyncio task, has it too. What it has to know of the network, as its port, is waited for.

    ``net.Peer(test=True)`` is a further one, with an id, a port and functions of its own beside those that the program
    connects, in ``group`` if one is given. ``launch=False`` leaves its start to ``launch()``. It lives until
    ``shutdown()``, the end of its ``with`` or that of the program; a forked child has another in its place.

    ``net.Peer(host=…, port=…)`` is a handle on the peer at that address: ``net.RemotePeer``. What is said of it by
    ``group``, ``hub``, ``connections`` and ``flags`` holds until it is asked.
    """

    _local: _net.Local
    #: What is registered with this peer alone.
    _connections: dict[str, Callable[..., Any]]

    @overload
    def __new__(
        cls,
        *,
        host: str,
        port: int,
        group: str | None = None,
        hub: bool | None = None,
        subscriptions: Any = None,
        connections: Any = None,
        flags: Any = None,
        test: bool = False,
    ) -> RemotePeer: ...
    @overload
    def __new__(
        cls,
        launch: bool = True,
        test: bool = False,
        group: str | None = None,
        *,
        port: int | None = None,
        hub: bool | None = None,
        subscriptions: Any = None,
        connections: Any = None,
        flags: Any = None,
    ) -> Peer: ...
    def __new__(
        cls,
        launch: bool = True,
        test: bool = False,
        group: str | None = None,
        *,
        host: str | None = None,
        port: int | None = None,
        hub: bool | None = None,
        subscriptions: Any = None,
        connections: Any = None,
        flags: Any = None,
    ) -> Peer:
        if host and port:
            from ._peers import RemotePeer

            return RemotePeer._at(host, port, group=group, hub=hub, connections=connections, flags=flags)
        if not test:
            return _face(_net.current())
        peer = _face(_net.Local(None if group == "None" else group, hub or None, port))
        for tag, function in dict(connections or {}).items():
            peer.register_connection(function, tag)
        for name, handler in dict(flags or {}).items():
            peer.register_flag(name, handler)
        if launch:
            peer.launch()
            for event, known in dict(subscriptions or {}).items():
                for address, tags in known.items():
                    for tag in tags:
                        peer.register_subscriber(event, *address, tag)
        return peer

    # --- what it is ---------------------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """The address at which others on this host reach it."""
        return self._local.host

    @property
    def port(self) -> int | None:
        """The port at which others reach it."""
        return self._local.port

    @property
    def group(self) -> str | None:
        """The group it is in."""
        return self._local.group

    @property
    def hub(self) -> bool:
        """Whether it is a hub of its group."""
        return self._local.hub

    @property
    def server(self) -> Server:
        """Where it listens."""
        return Server(self)

    @property
    def id(self) -> bytes:
        """Its id as the manual has it: base64 of address and group. ``instance_id`` is the one that is unique."""
        return self.generate_id(self.port, self.host, self.group)

    @property
    def instance_id(self) -> str:
        """The random id of this one run of it."""
        return self._local.instance_id

    @property
    def friendly_id(self) -> FriendlyId:
        """Its id as people read it; by name it has group, host, port, hub, user and executable."""
        friendly = FriendlyId(f"{self.host}:{self.port} -> {self.group}")
        friendly._fields = self._friendly_fields
        return friendly

    def _friendly_fields(self) -> dict[str, Any]:
        from .defaults.handlers import info

        known = info(peer=self)
        return {name: known[name] for name in ("group", "host", "port", "hub", "user", "executable")}

    # --- ids and answers of 0.3 ---------------------------------------------------------------------------

    @staticmethod
    def generate_id(port: int | None, host: str | None, group: str | None = None) -> bytes:
        """Return the id of the peer at that address: base64 of ``host:port -> group``. No host is this one."""
        return _net.peer_id(host or socket.gethostname(), port or 0, group).encode()

    @staticmethod
    def decode_id(id: str | bytes | Peer) -> dict[str, Any]:
        """Return ``host``, ``port`` and ``group`` of an id, or of a peer as ``net.peers()`` gives it."""
        if isinstance(id, Peer):
            host, port, group = id.host, id.port, id.group
        else:
            host, port, group = _net.decode_peer_id(id if isinstance(id, str) else id.decode("ascii"))
        return {"host": host, "port": port, "group": group}

    @staticmethod
    def encode(obj: Any) -> bytes:
        """Return what 0.3 sends for ``obj``: base64 of JSON, and a flag's id for a flag."""
        if isinstance(obj, str) and obj in FLAGS:
            return b64encode(obj.encode("ascii"))
        return b64encode(json.dumps(obj if isinstance(obj, dict) else {"raw": obj}).encode("ascii"))

    @staticmethod
    def decode(byte_string: str | bytes) -> Any:
        """Return what 0.3 sent as ``byte_string``: the value, the text of an id, or what is no base64 as it is."""
        try:
            text = b64decode(byte_string, validate=True).decode("ascii")
        except ValueError:
            return byte_string
        try:
            value = json.loads(text)
        except ValueError:
            return text
        return value["raw"] if isinstance(value, dict) and "raw" in value else value

    # --- what is registered -------------------------------------------------------------------------------

    @property
    def registered_connections(self) -> Mapping[str, Callable[..., Any]]:
        """Every function that this peer has, by tag; a tag of 0.3 finds it too."""
        return Registered(self._connections, CONNECTIONS)

    @property
    def registered_subscriptions(self) -> Mapping[str, Any]:
        """Who has subscribed to what on this peer: by event, and then by ``(host, port)``.

        What is there for each is the list of its functions that are called with the event, as originals have them
        called; a peer of this version has the event itself, and the list is empty.
        """
        known: dict[str, dict[tuple[str | None, int | None], list[str]]] = {}
        for event, host, port, tag in _net.subscribers(self._local):
            tags = known.setdefault(event, {}).setdefault((host, port), [])
            tags.extend([tag] if tag else [])
        return known

    @property
    def registered_flags(self) -> Mapping[str, Any]:
        """Every flag's handler, by name."""
        return FLAGS

    @property
    def CONNECTIONS(self) -> Mapping[str, Callable[..., Any]]:
        """Every function that this peer has: ``registered_connections`` by its older name."""
        return self.registered_connections

    @property
    def SUBSCRIPTIONS(self) -> Mapping[str, Any]:
        """Who has subscribed to what: ``registered_subscriptions`` by its older name."""
        return self.registered_subscriptions

    @property
    def FLAGS(self) -> Mapping[str, Any]:
        """Every flag's handler: ``registered_flags`` by its older name."""
        return self.registered_flags

    @staticmethod
    def build_connection_name(connection: Callable[..., Any]) -> str:
        """Return the tag of a function that is given none: ``<module>.<name>``."""
        return own_tag(connection)

    def register_connection(
        self, connection: Callable[..., Any], tag: str | bytes | None = None, *, groups: Callers = None
    ) -> str:
        """Have this peer offer a function, under its own tag and ``tag``, and return the one to call it by.

        With ``groups`` only their peers may call it, as of ``net.connect``, whose word on that holds here too.

        The function stays as it is; ``net.connect`` has all peers of the program offer it, and makes it callable there.
        """
        if getattr(connection, "masked_for", None) is self:
            # It calls this peer: offered here it would call itself for ever. What it calls is offered already.
            custom_tag = tag_text(tag) if tag else None
            self._connections.update(dict.fromkeys(filter(None, (own_tag(connection), custom_tag)), connection))
            return custom_tag or own_tag(connection)
        return register(self._local, self._connections, connection, tag, caller_groups(groups))

    def register_flag(self, flag: str | bytes, handler: Callable[..., Any]) -> str:
        """Register a flag's handler, for the whole program, and return the flag's id."""
        return register_flag(flag, handler)

    def get_flag(self, flag: str | bytes) -> str:
        """Return the id of a registered flag: the value that a connected function returns to raise it."""
        return get_flag(flag)

    @staticmethod
    def process_flags(response: Any, connection: str, peer: Target) -> Any:
        """Return what the flag's handler makes of ``response``, or ``response`` itself if it is no flag."""
        return process_flags(response, connection, peer)

    # --- events -------------------------------------------------------------------------------------------

    def trigger_event(self, event: str | bytes, *args: Any, **kwargs: Any) -> None:
        """Hand an event to every subscriber. ``net.event`` makes a function that does it."""
        emit(self._local, event_name(event), args, kwargs)

    def register_subscriber(self, event: str | bytes, *subscriber: Any) -> None:
        """Have a function of another peer called with each event: ``(event, host, port, connection)``.

        As in 0.3 it may be ``(event, peer, connection)``, with whatever names a peer. One that is gone is forgotten;
        peers of this version subscribe by ``net.subscribe``, which holds when they come back.
        """
        from ._peers import RemotePeer

        *peer, connection = subscriber
        target = tuple(peer) if len(peer) == 2 else peer[0]
        handle = RemotePeer(self._local.remote(target))
        _net.register_subscriber(self._local, event_name(event), handle, tag_text(connection))

    # --- calls --------------------------------------------------------------------------------------------

    def execute(
        self,
        peer: Target,
        connection: str | bytes,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        time_out: float | None = None,
    ) -> Any:
        """Call ``connection`` on ``peer`` by its tag and return the answer.

        As in the original, ``kwargs`` may hold ``time_out``, and ``peer``, which says nothing new; neither is for the
        function.
        """
        kwargs = dict(kwargs or {})
        kwargs.pop("peer", None)
        given = kwargs.pop("time_out", None)
        time_out = given if time_out is None else time_out
        return call_on(self._handle(peer), tag_text(connection), tuple(args), kwargs, time_out)

    def request(
        self,
        peer: Target,
        connection: str | bytes,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``connection`` on ``peer``: ``execute`` by its older name."""
        return self.execute(peer, connection, args, kwargs)

    def _handle(self, peer: Target) -> Target:
        """Return what calls ``peer`` from this one."""
        from ._peers import RemotePeer

        return RemotePeer(self._local.remote(peer))

    def mask_as_remote(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that calls ``func`` with ``peer=`` this peer: the way over the wire, if to itself."""

        @functools.wraps(func)
        def masked(*args: Any, **kwargs: Any) -> Any:
            return func(*args, peer=self, **kwargs)

        vars(masked)["masked_for"] = self
        return masked

    # --- its life -----------------------------------------------------------------------------------------

    @staticmethod
    def ports() -> list[int]:
        """Return the ports at which peers are looked for."""
        return Server.ports()

    @staticmethod
    def ping(port: int, host: str = "127.0.0.1") -> bool:
        """Return whether anything listens there."""
        return Server.ping(port, host)

    def launch(self) -> None:
        """Start it in the background, if it was made with ``launch=False``; else it has been started."""
        self._local.start()

    def shutdown(self, grace: float = 5.0) -> None:
        """Take leave of other peers, let calls in flight end for at most ``grace`` seconds, and stop."""
        if self._local.stop(grace):
            _faces.pop(self._local, None)

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()

    def __getattr__(self, name: str) -> Any:
        functions = self.registered_connections
        # A tag is exact, so it goes before another function's name; of one name the newest is meant.
        if name in functions:
            return functions[name]
        for function in (*reversed(self._connections.values()), *reversed(CONNECTIONS.values())):
            if getattr(function, "__name__", None) == name:
                return function
        raise AttributeError(f"{type(self).__name__!r} has no attribute or connection {name!r}")

    def __repr__(self) -> str:
        try:
            counts = (len(self.registered_connections), len(self.registered_subscriptions), len(self.registered_flags))
            place = f"h:{self.host} p:{self.port} g:{self.group}"
        except Error as error:
            # Shown where something is looked for, as in a traceback: no place to fail.
            return f"<net.Peer: {error}>"
        return f"<net.Peer {place} c:{counts[0]} s:{counts[1]} f:{counts[2]}>"


#: The one object for each peer of this process.
_faces: dict[_net.Local, Peer] = {}


def _face(local: _net.Local) -> Peer:
    if local not in _faces:
        peer = object.__new__(Peer)
        peer._local, peer._connections = local, {}
        _faces.setdefault(local, peer)
    return _faces[local]
