"""Second processes for tests, in a runtime directory that is not the user's and at ports that the system gives."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Read when `net` is imported, and by every process that is started from here.
os.environ["NET_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="net-")
os.environ["NET_PORT"] = "0"
os.environ.pop("NET_GROUP", None)
# First registered, so done last: after `net` has taken leave.
atexit.register(shutil.rmtree, os.environ["NET_RUNTIME_DIR"], ignore_errors=True)

HERE = Path(__file__).parent
#: Long beside anything that a test waits for, so that only what hangs meets it.
PATIENCE = 30.0


class Served:
    """Another process with a peer, which serves the functions of ``served.py`` until its standard input ends.

    It may run a ``program`` before that.
    """

    def __init__(self, program: str = "", **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{program}\nimport served; served.main()"],
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
