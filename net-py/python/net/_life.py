"""The life of this process's peer: from the import of ``net``, or the fork of a child, to the interpreter's end.

Not here: what a peer does in between.
"""

from __future__ import annotations

import atexit
import os
import sys

from . import _net
from ._log import wanted

__all__ = ["begin"]

#: Seconds that calls in flight are given when the interpreter ends.
GRACE = 1.0


def begin() -> None:
    """Start the peer, in the background, and see to its end and to children."""
    _net.heed(wanted())
    _net.start()
    atexit.register(_net.stop, GRACE)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_net.before_fork, after_in_child=_child)


def _child() -> None:
    # The parent's threads are not here: neither the runtime's nor the loop's. What they left is not to be touched.
    if (loop := sys.modules.get("net._loop")) is not None:
        loop.forget()
    _net.start_in_child()
