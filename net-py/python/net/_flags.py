"""Flags: reserved answers, each with a handler that decides what the caller gets in place of one.

Not here: how a flag travels. Between peers of this version it is told apart from the same text on the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from ._environment import LOGGER
from ._errors import NoSuchConnection

__all__ = ["FLAGS", "Flag", "flag", "get_flag", "invalid_connection", "null_response", "process_flags", "register_flag"]

Handler = TypeVar("Handler", bound=Callable[..., Any])

#: The handler of each flag that is registered here.
FLAGS: dict[str, Callable[..., Any]] = {}


class Flag(str):
    """The id of a flag: its name, and of a type of its own so that it is not taken for text."""

    __slots__ = ()


def flag(name: str | bytes) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of a flag.

    It is called with ``(connection, peer)`` when the answer to a call is that flag; what it returns is what the caller
    gets.
    """

    def decorate(handler: Handler) -> Handler:
        register_flag(name, handler)
        return handler

    return decorate


def register_flag(name: str | bytes, handler: Callable[..., Any]) -> str:
    """Register a flag's handler and return the flag's id."""
    text = name.decode("ascii") if isinstance(name, bytes) else str(name)
    if text in FLAGS:
        LOGGER.warning("The flag %r has a handler already; the new one replaces it.", text)
    FLAGS[text] = handler
    return Flag(text)


def get_flag(name: str | bytes) -> str:
    """Return the id of a registered flag: the value that a connected function returns to raise it."""
    text = name.decode("ascii") if isinstance(name, bytes) else str(name)
    if text not in FLAGS:
        raise LookupError(f"Invalid Flag requested: {text!r} is not registered. Registered: {', '.join(sorted(FLAGS))}")
    return Flag(text)


def process_flags(response: Any, connection: str, peer: Any) -> Any:
    """Return what the flag's handler makes of ``response``, or ``response`` itself if it is no flag."""
    if isinstance(response, str) and (handler := FLAGS.get(response)) is not None:
        return handler(connection, peer)
    return response


@flag("NULL")
def null_response(connection: str, peer: Any) -> str:
    """Return what a call comes to whose answer is the flag ``NULL``."""
    return "NULL"


@flag("INVALID_CONNECTION")
def invalid_connection(connection: str, peer: Any) -> NoReturn:
    """Raise what a call comes to whose answer is the flag ``INVALID_CONNECTION``."""
    raise NoSuchConnection(
        f"Peer does not have the connection you are requesting.\n\tPeer: {peer}\n\tConnection Requested: {connection}"
    )
