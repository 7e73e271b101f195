"""Second processes for tests, in a runtime directory that is not the user's and at ports that the system gives."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Read when `net` is imported, and by every process that is started from here.
os.environ["NET_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="net-")
os.environ["NET_PORT"] = "0"
os.environ.pop("NET_GROUP", None)
# First registered, so done last: after `net` has taken leave.
atexit.register(shutil.rmtree, os.environ["NET_RUNTIME_DIR"], ignore_errors=True)

HERE = Path(__file__).parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))
#: Long beside anything that a test waits for, so that only what hangs meets it.
PATIENCE = 30.0


class Other:
    """Another process with a peer, which says who it is and serves until its standard input ends."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=HERE,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.line().split()
        self.id, self.port = line[0], int(line[1])

    def line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def stop(self) -> int:
        """End it as a program ends, and return its exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return code


class Served(Other):
    """A peer in Python, with the functions of ``served.py``. It may run a ``program`` before it serves."""

    def __init__(self, program: str = "", **environment: str) -> None:
        super().__init__([sys.executable, "-c", f"{program}\nimport served; served.main()"], **environment)


class RustPeer(Other):
    """A peer in Rust, with the functions of ``tests/values-peer``."""

    def __init__(self) -> None:
        super().__init__([str(TARGET / "debug" / "values-peer")])

    def call(self, tag: str, *args: Any, **kwargs: Any) -> Any:
        """Call one of its functions from here."""
        import net

        return net.Peer().execute(self.id, tag, args, kwargs)


def until(what: str, holds: Callable[[], Any]) -> None:
    """Wait until it holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"{what}: not in time"
        time.sleep(0.005)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end in a process of its own, and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=HERE,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
