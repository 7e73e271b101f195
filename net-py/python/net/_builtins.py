"""The connections that every peer answers, whatever it is written in.

Not here: the answers. The core gives them, to other peers and to this process alike, so that they cannot differ.
"""

from __future__ import annotations

from typing import Any

from . import _net
from ._call import Target, call_on
from ._flags import get_flag, process_flags

__all__ = ["connections", "info", "null", "pass_through"]

_HANDLERS = "net.defaults.handlers."


def info(*, peer: Target = None, time_out: float | None = None) -> dict[str, Any]:
    """Return what a peer says of itself: host, port, group, hub, user, executable, connections and more."""
    answer: dict[str, Any] = _ask("info", peer, time_out)
    return answer


def connections(*, peer: Target = None, time_out: float | None = None) -> Any:
    """Return what a peer has connected: by tag name, module, doc and signature. An original answers with a text."""
    return _ask("connections", peer, time_out)


def pass_through(*args: Any, peer: Target = None, time_out: float | None = None, **kwargs: Any) -> Any:
    """Return the one argument as it came, or else ``(args, kwargs)``: to see what a trip does to a value."""
    if peer:
        return call_on(peer, _HANDLERS + "pass_through", args, kwargs, time_out)
    return args[0] if len(args) == 1 and not kwargs else (args, kwargs)


def null(*args: Any, peer: Target = None, time_out: float | None = None, **kwargs: Any) -> Any:
    """Return what the flag ``NULL`` comes to."""
    if peer:
        return call_on(peer, _HANDLERS + "null", args, kwargs, time_out)
    return process_flags(get_flag("NULL"), _HANDLERS + "null", None)


def _ask(name: str, peer: Target, time_out: float | None) -> Any:
    if peer:
        return call_on(peer, _HANDLERS + name, (), {}, time_out)
    return _net.call_here(_HANDLERS + name)
