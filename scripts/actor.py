"""A peer in a process of its own, driven by lines of JSON (see examples/demo/driven.py).

For the demo and the interop tests. Every wait has an end, and nothing it starts outlives it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
ORIGINAL_PYTHON = ROOT / ".venv-original" / "bin" / "python"

#: Ports that one block holds: as many as an original peer scans by default.
BLOCK = 5
#: Seconds for a peer to say that it listens. An original peer that loses a race for its port never does.
READY_WITHIN = 20
#: Blocks of ports that are tried for a first original peer.
TRIES = 3
#: Seconds for any one answer; far above what a call takes, so only a hang reaches it.
ANSWER_WITHIN = 30

#: Run before an original program: it binds, and looks for others at, the address of the host's own name, which on some
#: machines is a network address. This keeps it on loopback without touching the system. Where a port was just closed
#: it would try to bind it for a minute; it is given leave, so that it can be started again where it was.
ON_LOOPBACK = """
import os, runpy, socket, socketserver, sys
socketserver.TCPServer.allow_reuse_address = True
socket.gethostname = lambda: "127.0.0.1"
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Unresponsive(Exception):
    """The peer said nothing in time, or ended. While starting: worth another try on other ports."""


class Actor:
    """One running peer. `start` makes it; `ask` has it call another; `stop` (or leaving `with`) ends it."""

    def __init__(self, name: str, command: list[str | Path], env: dict[str, str]) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile(mode="w+", prefix=f"{name}-")  # noqa: SIM115 - `stop` closes it
        self._process = subprocess.Popen(
            [str(part) for part in command],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            ready = self._next(READY_WITHIN)["ready"]
        except BaseException:
            self.stop()
            raise
        self.host: str = ready["host"]
        self.port: int = ready["port"]

    @classmethod
    def ours(cls, name: str, program: Path, port: int, runtime_dir: str, **settings: str) -> Actor:
        """A Python program on this project's package."""
        return cls(name, [PYTHON, program], environment(port, runtime_dir, **settings))

    @classmethod
    def original(cls, name: str, program: Path, port: int, runtime_dir: str, **settings: str) -> Actor:
        """A Python program on app-net 0.6.2 from PyPI, on loopback."""
        return cls(name, [ORIGINAL_PYTHON, "-c", ON_LOOPBACK, program], environment(port, runtime_dir, **settings))

    @classmethod
    def original_on_free_ports(cls, name: str, program: Path, runtime_dir: str) -> Actor:
        """An original at the first port of a block that nobody else uses, so that more peers can join it there.

        It scans for a port itself and hangs for good where another program takes that port meanwhile, hence the tries.
        """
        for _ in range(TRIES - 1):
            with contextlib.suppress(Unresponsive):
                return cls.original(name, program, free_block(), runtime_dir)
        return cls.original(name, program, free_block(), runtime_dir)

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    def ask(
        self, tag: str, *args: object, to: Actor | str, way: str = "function", **kwargs: object
    ) -> dict[str, object]:
        """Has this peer call `tag` on `to`, an address or who is to be dialled as it says of itself.

        Gives `{"result": …}` or `{"error": {"types": […], "text": …}}`.
        """
        address = to if isinstance(to, str) else to.address
        request = {"way": way, "tag": tag, "address": address, "args": args, "kwargs": kwargs}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._next(ANSWER_WITHIN)

    def end(self) -> None:
        """Lets it end by itself, as a program does of which nothing more is asked."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(ANSWER_WITHIN)

    def stop(self) -> None:
        """Ends the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(OSError):
                pipe.close()

    def __enter__(self) -> Actor:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _read(self) -> None:
        with contextlib.suppress(ValueError):  # closed by `stop` while we read
            for line in self._process.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _next(self, within: float) -> dict[str, object]:
        try:
            line = self._lines.get(timeout=within)
        except queue.Empty:
            raise Unresponsive(f"{self.name} said nothing for {within} s\n{self.said()}") from None
        if line is None:
            raise Unresponsive(f"{self.name} ended\n{self.said()}")
        return json.loads(line)

    def said(self) -> str:
        """What it has logged, or else said to its standard error."""
        # Not by seeking: the process writes where this would leave off.
        descriptor = self._errors.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")


def environment(port: int, runtime_dir: str, **settings: str) -> dict[str, str]:
    """This process's environment, with app-net configured for one private set of peers and nothing else."""
    settings = {"NET_PORT": str(port), "NET_PORT_RANGE": str(BLOCK), "NET_RUNTIME_DIR": runtime_dir, **settings}
    return plain_environment(**settings)


def plain_environment(**settings: str) -> dict[str, str]:
    """This process's environment, with nothing of app-net set but `settings`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("NET_")}
    env.update(PYTHONPATH=str(ROOT / "examples" / "demo"), PYTHONDONTWRITEBYTECODE="1")
    return env | settings


def free_block() -> int:
    """The first of `BLOCK` ports in a row that are free on loopback, below those that the system hands out itself.

    They are bound as an original peer binds them (without address reuse), so that one just closed counts as taken.
    """
    for first in random.sample(range(20_000, 32_000, BLOCK), 100):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + BLOCK):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    sys.exit("error: no free block of ports on loopback")
