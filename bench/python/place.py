"""Where a server of the bench listens: in the folder that it runs in."""

from __future__ import annotations

import os


def socket_path() -> str:
    """Return a name for a Unix socket. It is short, as it must be, and no other process's."""
    return f"{os.getpid()}.socket"
