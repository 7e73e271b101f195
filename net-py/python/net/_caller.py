"""``net.caller()``: who calls the function that asks.

Not here: who may call what (see ``_connect``); how a caller proves its group (the core).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _net

if TYPE_CHECKING:
    from ._peers import RemotePeer

__all__ = ["Caller", "caller"]


class Caller:
    """Who makes a call; in a function that is told of events, who has published."""

    def __init__(self, known: _net.Caller) -> None:
        self._known = known

    @property
    def instance_id(self) -> str | None:
        """The random id of the one run of the peer that calls; an original has none."""
        return self._known.instance_id

    @property
    def name(self) -> str:
        """What it calls itself, for people; of an original, where it calls from."""
        return self._known.name

    @property
    def group(self) -> str | None:
        """The group that it has proved to be of, whatever it says. On this host, a peer's word is its proof."""
        return self._known.group

    @property
    def is_original(self) -> bool:
        """Whether it is a program of the original app-net."""
        return self._known.is_original

    @property
    def peer(self) -> RemotePeer | None:
        """A handle on it, to call back. An original cannot be called where it calls from: ``None``."""
        from ._peers import RemotePeer

        remote = self._known.remote()
        return None if remote is None else RemotePeer(remote)

    def __repr__(self) -> str:
        group = f" of {self.group}" if self.group else ""
        return f"<net.Caller {self.name}{group}>"


def caller() -> Caller | None:
    """Return who calls the function that asks; in one that is told of events, who has published.

    What the function begins in its context, as an asyncio task or ``asyncio.to_thread``, has it too; a
    ``threading.Thread`` has it as far as it has the context. ``None`` outside of both, as where a program calls its
    function itself.
    """
    known = _net.caller()
    return None if known is None else Caller(known)
