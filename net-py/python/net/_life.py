"""The life of this process's peer: from the import of ``net``, or the fork of a child, to the interpreter's end.

Not here: what a peer does in between.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

from . import _net
from ._log import wanted

__all__ = ["begin", "end_child"]

#: Seconds that calls in flight are given when the interpreter ends.
GRACE = 1.0


#: The thread with which the process ends, as its parent has it.
_main = threading.main_thread().ident
_local = threading.local()


class _EndsWithThread:
    """Ends the process when the thread goes whose local data it is."""

    def __del__(self) -> None:
        end_child(None)


def begin() -> None:
    """Start the peer, in the background, and see to its end and to children."""
    _net.heed(wanted())
    _net.start()
    atexit.register(_net.stop, GRACE)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_net.before_fork, after_in_child=_child)


def end_child(raised: BaseException | None) -> NoReturn:
    """End a child that was forked inside a connected function and leaves that: what comes after it is the parent's.

    As ``multiprocessing`` ends its children: what was to be done at the parent's exit is not done here.
    """
    code = 0
    try:
        if isinstance(raised, SystemExit) and (raised.code is None or isinstance(raised.code, int)):
            code = raised.code or 0
        elif raised is not None:
            code = 1
            sys.excepthook(type(raised), raised, raised.__traceback__)
        _net.stop(GRACE)
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, ValueError):
                stream.flush()
    finally:
        os._exit(code)


def _child() -> None:
    global _main
    if threading.get_ident() != _main:
        # The child ends with this thread, its only one; the peer's threads would keep it for ever.
        _main = threading.get_ident()
        _local.end = _EndsWithThread()
    # The parent's threads are not here: neither the runtime's nor the loop's. What they left is not to be touched.
    if (loop := sys.modules.get("net._loop")) is not None:
        loop.forget()
    _net.start_in_child()
