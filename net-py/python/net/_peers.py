"""Other peers: a handle on one, whose functions are its attributes, and the collection of those that are seen.

Not here: finding peers and keeping track of them (the core does, all the time); this process's own peer (``_peer``).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from concurrent.futures import Future
from inspect import Parameter, Signature
from typing import Any, NoReturn, Protocol, cast, overload

from . import _net
from ._call import Target, await_on, call_on, submit_on
from ._groups import Groups, group_names
from ._peer import Peer
from ._tags import Registered

__all__ = ["Peers", "RemoteFunction", "RemotePeer", "get_peers", "peer_group", "peers"]


class RemoteFunction(Protocol):
    """A function of another peer, as an attribute of its handle: with its signature and documentation."""

    __name__: str
    __module__: str
    #: The tag under which the peer has it.
    tag: str

    def __call__(self, *args: Any, time_out: float | None = None, **kwargs: Any) -> Any: ...
    def aio(self, *args: Any, time_out: float | None = None, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Call it as a coroutine; cancelling that cancels the call there too."""
        ...

    def submit(self, *args: Any, time_out: float | None = None, **kwargs: Any) -> Future[Any]:
        """Call it and return at once; cancelling the future cancels the call there too."""
        ...


def _remote_function(peer: RemotePeer, tag: str, described: dict[str, Any]) -> RemoteFunction:
    """Return what calls ``tag`` on ``peer``: a real function, so that ``help()`` and editors know it as one."""

    def function(*args: Any, time_out: float | None = None, **kwargs: Any) -> Any:
        return call_on(peer, tag, args, kwargs, time_out)

    def aio(*args: Any, time_out: float | None = None, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        return await_on(peer, tag, args, kwargs, time_out)

    def submit(*args: Any, time_out: float | None = None, **kwargs: Any) -> Future[Any]:
        return submit_on(peer, tag, args, kwargs, time_out)

    module, _, name = tag.rpartition(".")
    function.__name__ = function.__qualname__ = described.get("name", name)
    function.__module__ = described.get("module", module)
    function.__doc__ = described.get("doc") or None
    attributes: dict[str, Any] = {"tag": tag, "aio": aio, "submit": submit}
    if (signature := _signature(described)) is not None:
        attributes["__signature__"] = signature
    vars(function).update(attributes)
    return cast(RemoteFunction, function)


class _Theirs:
    """An attribute that is looked for among the functions of the handle's peer."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, handle: RemotePeer | None, owner: type) -> Any:
        return self if handle is None else handle.__getattr__(self._name)


class RemotePeer(_net.Remote, Peer):  # type: ignore[misc]  # what is not known yet is None here alone
    """A handle on another peer: pass it as ``peer=``, or call that peer's functions as its attributes.

    Made from whatever names a peer: an instance id, ``"host:port"``, ``(host, port)``, an id of 0.3. Making one reaches
    for nothing; the first call does, and so does asking what is registered there. Calls go out from the peer of this
    process that the handle was made in: as a rule, the only one.
    """

    @classmethod
    def _at(cls, host: str, port: int, **said: Any) -> RemotePeer:
        """Return a handle of which something is said before it is asked."""
        handle = cls((host, port))
        vars(handle)["_hints"] = {name: what for name, what in said.items() if what}
        return handle

    def _hint(self, name: str) -> Any:
        return vars(self).get("_hints", {}).get(name)

    def _is_known(self) -> bool:
        return self.instance_id is not None or self.is_original

    @property
    def group(self) -> str | None:
        """The group it is in, as far as known."""
        return super().group if self._is_known() else self._hint("group")

    @property
    def hub(self) -> bool:
        """Whether it is a hub of its group, as far as known."""
        return super().hub if self._is_known() else bool(self._hint("hub"))

    @property
    def registered_connections(self) -> Mapping[str, Callable[..., Any]]:
        """Every function that it has, by tag, asked of it now."""
        functions = self._functions(refresh=True).values()
        return Registered({function.tag: function for function in functions})

    @property
    def registered_subscriptions(self) -> Mapping[str, Any]:
        """The events that others subscribed to on it, asked of it now; who they are it does not tell."""
        return dict.fromkeys(self._info()["subscriptions"])

    @property
    def registered_flags(self) -> Mapping[str, Any]:
        """The names of the flags that it knows, asked of it now; their handlers stay there."""
        return dict.fromkeys(self._info()["flags"])

    # What makes no sense of a peer that runs elsewhere, so that these are names of its functions, as any other.
    launch: Any = _Theirs()
    shutdown: Any = _Theirs()
    register_connection: Any = _Theirs()
    register_flag: Any = _Theirs()
    register_subscriber: Any = _Theirs()
    trigger_event: Any = _Theirs()
    request: Any = _Theirs()
    ports: Any = _Theirs()
    ping: Any = _Theirs()
    encode: Any = _Theirs()
    decode: Any = _Theirs()
    decode_id: Any = _Theirs()

    def __enter__(self) -> NoReturn:
        raise TypeError(f"{self!r} is a handle on another peer, which ends with its own program")

    def _handle(self, peer: Target) -> Target:
        return peer

    def __getattr__(self, name: str) -> RemoteFunction:
        if name.startswith("_") and "." not in name:
            # A name of Python's, or of a tool that looks at every object. A tag, as ``__main__.f`` is, has a dot.
            raise AttributeError(name)
        functions = self._functions(refresh=False)
        if name not in functions:
            # Perhaps it was connected since.
            functions = self._functions(refresh=True)
        try:
            return functions[name]
        except KeyError:
            known = ", ".join(sorted({function.__name__ for function in functions.values()}))
            raise AttributeError(f"{self!r} has no connection {name!r}; it has: {known}") from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._functions(refresh=True)})

    def _functions(self, *, refresh: bool) -> dict[str, RemoteFunction]:
        """Return the peer's functions by tag and by name, asked of it once, or again on ``refresh``."""
        known: dict[str, RemoteFunction] | None = vars(self).get("_known")
        if known is None or refresh:
            if known is None and not refresh and (said := self._hint("connections")):
                described: dict[str, dict[str, Any]] = {str(tag): {} for tag in said}
            else:
                described = self._describe()
            functions = [_remote_function(self, tag, what) for tag, what in described.items()]
            # A tag is exact, so it goes before another function's name.
            known = {function.__name__: function for function in functions}
            known.update((function.tag, function) for function in functions)
            vars(self)["_known"] = known
        return known

    def _describe(self) -> dict[str, dict[str, Any]]:
        if self.instance_id is None:
            # Not called yet, or an original: that names its tags, and cannot say more (its own ``connections`` fails).
            info = self._info()
            if self.is_original:
                return {str(tag): {} for tag in info["connections"]}
        described: dict[str, dict[str, Any]] = call_on(self, "net.defaults.handlers.connections", (), {}, None)
        return described

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = call_on(self, "net.defaults.handlers.info", (), {}, None)
        # An original of 0.3 says less.
        return {"connections": [], "subscriptions": [], "flags": [], **info}

    def __repr__(self) -> str:
        group = f" of {self.group}" if self.group else ""
        return f"<net.RemotePeer {self.address}{group}>"


class Peers:
    """The peers that were seen: iterated and indexed they are handles, and by name they are a mapping.

    ``peers["peers"]`` has every handle by its key, ``peers[group]`` is the list of those in that group; peers without
    one are under ``"None"``.
    """

    def __init__(self, handles: Iterable[RemotePeer]) -> None:
        self._handles = list(handles)
        self._mapping: dict[str, Any] = {
            "peers": {handle.instance_id or handle.address: handle for handle in self._handles}
        }
        for handle in self._handles:
            self._mapping.setdefault(str(handle.group), []).append(handle)

    def __iter__(self) -> Iterator[RemotePeer]:
        return iter(self._handles)

    def __len__(self) -> int:
        return len(self._handles)

    @overload
    def __getitem__(self, key: int) -> RemotePeer: ...
    @overload
    def __getitem__(self, key: slice) -> list[RemotePeer]: ...
    @overload
    def __getitem__(self, key: str | None) -> Any: ...
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (int, slice)):
            return self._handles[key]
        return self._mapping[str(key)]

    def __contains__(self, item: object) -> bool:
        return item in self._handles if isinstance(item, RemotePeer) else str(item) in self._mapping

    def get(self, key: str | None, default: Any = None) -> Any:
        """Return what is under ``key``, as a mapping's ``get``."""
        return self._mapping.get(str(key), default)

    def keys(self) -> KeysView[str]:
        """Return ``"peers"`` and the groups."""
        return self._mapping.keys()

    def values(self) -> ValuesView[Any]:
        """Return the handles by key, then each group's list."""
        return self._mapping.values()

    def items(self) -> ItemsView[str, Any]:
        """Return the pairs of both."""
        return self._mapping.items()

    def __repr__(self) -> str:
        return f"<net.Peers {self._handles!r}>"


@overload
def peers(refresh: bool, groups: Groups = None, on_host: bool = False, hubs_only: bool = False) -> Peers: ...
@overload
def peers(groups: Groups = None, refresh: bool = False, on_host: bool = False, hubs_only: bool = False) -> Peers: ...
def peers(*args: Any, **kwargs: Any) -> Peers:
    """Return the peers that are there, of this peer's own group if no ``groups`` are named.

    They are known all along, so this answers from memory; ``refresh=True`` looks again first. ``on_host`` leaves those
    on this host, ``hubs_only`` the hubs. ``groups`` is one name or several. As the original's manual puts now the one
    and now the other first, ``groups`` and ``refresh`` are taken in either order.
    """
    return _peers(**_by_name(args), **kwargs)


def _by_name(args: tuple[Any, ...]) -> dict[str, Any]:
    """Return arguments by name: of the first two the one that is true or false is ``refresh``."""
    first = ["refresh", "groups"] if args and isinstance(args[0], bool) else ["groups", "refresh"]
    names = [*first, "on_host", "hubs_only"]
    if len(args) > len(names):
        raise TypeError(f"peers() takes {len(names)} arguments by place but {len(args)} were given")
    return dict(zip(names, args, strict=False))


def _peers(
    groups: Groups = None, refresh: bool = False, on_host: bool | None = False, hubs_only: bool = False
) -> Peers:
    found = _net.current().peers(bool(refresh), group_names(groups), bool(hubs_only), bool(on_host))
    return Peers(map(RemotePeer, found))


@overload
def get_peers(refresh: bool, groups: Groups = None, on_host: bool = False, hubs_only: bool = False) -> Peers: ...
@overload
def get_peers(
    groups: Groups = None, refresh: bool = False, on_host: bool = False, hubs_only: bool = False
) -> Peers: ...
def get_peers(*args: Any, **kwargs: Any) -> Peers:
    """Return the peers that are there: ``peers`` by its older name."""
    return _peers(**_by_name(args), **kwargs)


def peer_group(name: str | bytes | None = None, hubs_only: bool = False, on_host: bool = False) -> list[RemotePeer]:
    """Return the handles of a group's peers, of this peer's own group if none is named."""
    return list(_peers(name, hubs_only=hubs_only, on_host=on_host))


_KINDS = {
    "positional": Parameter.POSITIONAL_OR_KEYWORD,
    "var_positional": Parameter.VAR_POSITIONAL,
    "keyword_only": Parameter.KEYWORD_ONLY,
    "var_keyword": Parameter.VAR_KEYWORD,
}


class _Default:
    """A default that is known as text alone."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _signature(described: dict[str, Any]) -> Signature | None:
    """Return what ``help()`` shows, or ``None`` where the peer's account of it is none that Python has."""
    try:
        parameters = [
            Parameter(
                parameter["name"],
                _KINDS[parameter["kind"]],
                annotation=_or_empty(parameter["annotation"]),
                default=Parameter.empty if parameter["default"] is None else _Default(parameter["default"]),
            )
            for parameter in described["parameters"]
        ]
        return Signature(parameters, return_annotation=_or_empty(described["returns"]))
    except (KeyError, TypeError, ValueError):
        return None


def _or_empty(annotation: str | None) -> Any:
    return Parameter.empty if annotation is None else annotation
