"""Flags: reserved answers, each with a handler that decides what the caller gets in place of one.

A flag is a value of the type ``Flag``, which ``get_flag`` gives. Text that reads the same is text, here and on the wire
between peers of this version; an original peer cannot tell the two apart, so of its answers any text that names a flag
is one.

Not here: how a flag travels; the flags that every peer knows (see ``net.defaults.flags``).
"""

from __future__ import annotations

from base64 import b64decode
from collections import UserDict
from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar

from . import _net
from ._environment import LOGGER
from ._errors import FlagAnswer, NoSuchConnection

__all__ = ["FLAGS", "Flag", "flag", "get_flag", "instead", "process_flags", "register_flag"]

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Flag(str):
    """The id of a flag: its name, and of a type of its own so that it is not taken for text."""

    __slots__ = ()


class _Flags(UserDict[str, Callable[..., Any]]):
    """Handlers by the name of their flag, which is taken as text or in the form of 0.3."""

    def __getitem__(self, name: str | bytes) -> Callable[..., Any]:
        return super().__getitem__(_name(name))

    def __contains__(self, name: object) -> bool:
        return super().__contains__(_name(name) if isinstance(name, bytes) else name)


#: The handler of each flag that is registered here: the program's, as the call is, whichever peer it was made on.
FLAGS: MutableMapping[str, Callable[..., Any]] = _Flags()


def flag(name: str | bytes) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of a flag.

    It is called with ``(connection, peer)`` when the answer to a call is that flag; what it returns is what the caller
    gets. The flag is the value ``net.Peer().get_flag(name)``.
    """

    def decorate(handler: Handler) -> Handler:
        register_flag(name, handler)
        return handler

    return decorate


def register_flag(name: str | bytes, handler: Callable[..., Any]) -> Flag:
    """Register a flag's handler and return the flag's id."""
    text = _name(name)
    if text in FLAGS:
        LOGGER.warning("The flag %r has a handler already; the new one replaces it.", text)
    FLAGS[text] = handler
    _net.register_flag(text)
    return Flag(text)


def get_flag(name: str | bytes) -> Flag:
    """Return the id of a registered flag: the value that a connected function returns to raise it."""
    text = _name(name)
    if text not in FLAGS:
        raise LookupError(f"Invalid Flag requested: {text!r} is not registered. Registered: {', '.join(sorted(FLAGS))}")
    return Flag(text)


def process_flags(response: Any, connection: str, peer: Any) -> Any:
    """Return what the handler of the flag ``response`` returns, or ``response`` itself if it names none."""
    if isinstance(response, str) and (handler := FLAGS.get(response)) is not None:
        return handler(connection, peer)
    return response


def instead(raised: FlagAnswer | NoSuchConnection, connection: str, peer: Any) -> Any:
    """Return what a call comes to that ended with a flag, or raise it."""
    if isinstance(raised, FlagAnswer):
        return process_flags(raised.name, connection, peer)
    from .defaults.flags import invalid_connection

    handler = FLAGS["INVALID_CONNECTION"]
    if handler is invalid_connection:
        # It could but say the same, and would have to ask the peer first.
        raise raised
    return handler(connection, peer)


def _name(name: str | bytes) -> str:
    """Return a flag's name. As bytes it is in the form of 0.3, base64 of it, if it is then one that is registered."""
    if isinstance(name, str):
        return str(name)
    text = name.decode("ascii")
    try:
        decoded = b64decode(name, validate=True).decode("ascii")
    except ValueError:
        return text
    return decoded if decoded in FLAGS else text
