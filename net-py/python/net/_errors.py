"""What a call can fail with, named for what the caller may do about it.

Not here: when each is raised. That is decided in one place, the extension's ``error.rs``.
"""

from __future__ import annotations

import builtins
import sys
import traceback
from typing import Any

from ._environment import LOGGER

__all__ = [
    "BadValue",
    "Busy",
    "Cancelled",
    "Error",
    "Lost",
    "NoSuchConnection",
    "Refused",
    "RemoteError",
    "TimedOut",
    "Unreachable",
]


class Error(Exception):
    """The base of all that ``net`` raises of its own."""

    __module__ = "net"


class Unreachable(Error, ConnectionError):
    """The peer could not be reached; the call was never sent, so it is safe to try again, there or elsewhere."""

    __module__ = "net"


class Busy(Error):
    """The peer has no room for another call; it did not begin this one, so it is safe to try again."""

    __module__ = "net"


class Lost(Error, ConnectionError):
    """The peer went away while it had the call: whether the function ran there is not known."""

    __module__ = "net"


class TimedOut(Error, TimeoutError):
    """The call's time was up. The peer was told; whether the function ran to its end is not known."""

    __module__ = "net"


class Cancelled(Error):
    """The call was given up before its answer came."""

    __module__ = "net"


class NoSuchConnection(Error, LookupError):
    """The peer has no connection of that tag; the text names those that come near it."""

    __module__ = "net"


class Refused(Error, PermissionError):
    """The peer does not let this one call that connection."""

    __module__ = "net"


class BadValue(Error, ValueError):
    """A value has no form on the wire, or is too large for the peer; the text has the path to it."""

    __module__ = "net"


class RemoteError(Error):
    """The function raised there. Its traceback is in the text.

    Where the type of what was raised is a builtin, or is already imported here, the error is of that type too, so that
    ``except ValueError`` catches a remote ``ValueError``. Nothing is ever imported to find it.
    """

    __module__ = "net"

    # Each has a value here so that a property of the same name in the remote's own type stays behind it.
    #: The name of the type that was raised there, such as ``ValueError`` or ``shop.OutOfStock``.
    kind: str = ""
    #: What ``str()`` of it was there.
    message: str = ""
    #: The traceback of there, as text.
    traceback: str = ""
    #: Which peer it was.
    peer: str = ""

    def __init__(self, kind: str = "", message: str = "", traceback: str = "", peer: str = "") -> None:
        # Not super().__init__(): beside this class stands the remote's own type, whose __init__ may ask for anything,
        # and whose __setattr__ may refuse.
        vars(self).update(kind=kind, message=message, traceback=traceback, peer=peer)
        object.__setattr__(self, "args", (str(self),))

    def __str__(self) -> str:
        there = f" on {self.peer}" if self.peer else ""
        summary = f"{self.kind}: {self.message}" if self.message else self.kind
        return f"RemoteError{there}: {summary}\n{self.traceback}".rstrip()

    # Not left to the remote's own type, which may show fields that only its own __init__ sets.
    __repr__ = Exception.__repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return remote_error, (self.kind, self.message, self.traceback, self.peer)


class FlagAnswer(Exception):
    """Raised by the extension in place of a value; never seen by programs."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def remote_error(kind: str, message: str, traceback: str, peer: str) -> RemoteError:
    """Return the error for what a peer raised, of its own type too where that is at hand."""
    error_type = _twins.get(kind)
    # What was found once may have been imported since, so only successes are kept.
    if error_type is None:
        original = _known(kind)
        error_type = RemoteError if original is None else _twin(kind, original)
    try:
        error = error_type.__new__(error_type, message)
    except Exception:
        # Its own __new__ asks for more, or for something else, than a text.
        error = RemoteError.__new__(RemoteError)
    RemoteError.__init__(error, kind, message, traceback, peer)
    return error


#: The types made so far. Only types that exist here get in, so a peer cannot make it grow by inventing names.
_twins: dict[str, type[RemoteError]] = {}


def _twin(kind: str, original: type[Exception]) -> type[RemoteError]:
    """Return a class that is both ``RemoteError`` and ``original``, or the former alone where there can be none."""
    try:
        twin = type(
            original.__name__, (RemoteError, original), {"__module__": original.__module__, "__doc__": original.__doc__}
        )
    except Exception:
        twin = RemoteError
    _twins[kind] = twin
    return twin


def _known(kind: str) -> type[Exception] | None:
    """Return the exception class of exactly that name, if it is a builtin or its module is loaded already.

    Only dictionaries are looked into: no import, no attribute access, nothing that a module or class could make run.
    """
    found: Any
    if "." not in kind:
        found = vars(builtins).get(kind)
        module_name, qualified_name = "builtins", kind
    else:
        parts = kind.split(".")
        for length in range(len(parts) - 1, 0, -1):
            module_name, qualified_name = ".".join(parts[:length]), ".".join(parts[length:])
            module = sys.modules.get(module_name)
            if module is not None:
                break
        else:
            return None
        found = module
        for part in qualified_name.split("."):
            found = getattr(found, "__dict__", {}).get(part) if found is module or isinstance(found, type) else None
    is_exception = isinstance(found, type) and issubclass(found, Exception)
    if not is_exception or (found.__module__, found.__qualname__) != (module_name, qualified_name):
        return None
    # Most errors of ours say what became of *a* call; raised by the function there they would say it of the wrong one.
    return None if issubclass(found, Error) and found is not BadValue else found


def describe(tag: str, error: BaseException) -> tuple[str, str, str]:
    """Return type, text and traceback of what a connected function raised, for its caller, and log it here."""
    try:
        text = _sendable("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    except BaseException as unprintable:
        text = f"<its traceback cannot be had: {type(unprintable).__name__}>"
    LOGGER.error("%s failed:\n%s", tag, text.rstrip())
    if error.__traceback__ is None and error.__cause__ is None and error.__context__ is None:
        # No line of the program was reached: there is nothing in it but the type and the text.
        text = ""
    if isinstance(error, RemoteError):
        # It came from a further peer: the caller may know the type by the name that it has there.
        return error.kind, error.message, text
    kind = type(error).__qualname__
    if type(error).__module__ != "builtins":
        kind = f"{type(error).__module__}.{kind}"
    try:
        message = _sendable(str(error))
    except BaseException as unprintable:
        message = f"<its text cannot be had: {type(unprintable).__name__}>"
    return kind, message, text


def _sendable(text: str) -> str:
    """Return ``text`` with what has no UTF-8, as of file names in other encodings, written as Python writes it."""
    return text.encode(errors="backslashreplace").decode()
