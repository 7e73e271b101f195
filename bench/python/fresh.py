"""What is started anew for each measurement: a server, up to its first answer to another process; an import.

The ways are ``start MODULE`` and ``import PACKAGE``. The client starts what is measured; the server beside it idles.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from pathlib import Path

from lines import Orders

RUN = Path(__file__).with_name("run.py")


def serve(_way: str) -> str:
    """Do nothing."""
    return "nowhere"


def ask(way: str, _address: str) -> Orders:
    """Return what measures that, as often as it is asked for."""
    what, name = way.split()
    once = {"start": start, "import": import_alone}[what]
    return {"latency": lambda times: [once(name) for _ in range(times)]}


def start(module: str) -> float:
    """Return the seconds from the start of a server's process to its first answer."""
    client = importlib.import_module(module)
    command = [sys.executable, RUN, module, "serve", "blocking", Path.cwd()]
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        state, _, said = server.stdout.readline().strip().partition(" ")
        if state != "ready":
            raise RuntimeError(said or "it ended at once")
        client.ask("blocking", said)["latency"](1)
        return time.perf_counter() - began


def import_alone(package: str) -> float:
    """Return the seconds that importing the package takes in a new process."""
    program = f"import time; began = time.perf_counter(); import {package}; print(time.perf_counter() - began)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
    return float(done.stdout)
