"""Where the manual has the class of ``net.Peer()``: ``net.peer._Peer``.

Not here: anything else.
"""

from __future__ import annotations

from ._peer import Peer as _Peer

__all__ = ["_Peer"]
