"""The examples in Python and the mixed one, run as their READMEs say, each program in a process of its own.

What they print is checked. Those in Rust alone are run by cargo's tests.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actor import PYTHON, ROOT, environment

EXAMPLES = ROOT / "examples"
WORKER = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "debug", "mixed-worker")
#: Seconds for what a program is to say or do; far above what it takes, so only a hang reaches it.
PATIENCE = 60


class Program:
    """An example that runs."""

    def __init__(self, command: list[str | Path], runtime_dir: str, **settings: str) -> None:
        env = environment(0, runtime_dir, **settings)
        del env["PYTHONPATH"]  # as from a terminal
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env={**env, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def says(self, text: str) -> None:
        """Wait until it says so."""
        while True:
            line = self._lines.get(timeout=PATIENCE)
            assert line is not None, f"it ended without {text!r}: {self.said}"
            self.said.append(line)
            if text in line:
                return

    def ends(self) -> list[str]:
        """Wait for its end, and return all that it said."""
        code = self._process.wait(PATIENCE)
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self.said.append(line)
        assert code == 0, (code, self.said)
        return self.said

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Stage:
    """Where the programs of one test meet."""

    def __init__(self, runtime_dir: str) -> None:
        self._runtime_dir = runtime_dir
        self._programs: list[Program] = []

    def python(self, path: str, **settings: str) -> Program:
        readme = (EXAMPLES / path.split("/")[0] / "README.md").read_text()
        needed = "".join(f"{name}={value} " for name, value in settings.items())
        assert f"`{needed}.venv/bin/python examples/{path}`" in readme
        return self.run([PYTHON, EXAMPLES / path], **settings)

    def run(self, command: list[str | Path], **settings: str) -> Program:
        self._programs.append(Program(command, self._runtime_dir, **settings))
        return self._programs[-1]

    def clear(self) -> None:
        for program in self._programs:
            program.kill()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="net-") as folder:
        stage = Stage(folder)
        yield stage
        stage.clear()


def test_connection(stage: Stage) -> None:
    first = stage.python("connection/python/main.py")
    first.says("nobody else is here")
    second = stage.python("connection/python/main.py").ends()
    assert second[1:] == [
        "  5 * 10 = 50",
        "  1 / 0 fails there, and so it does here: ZeroDivisionError: division by zero",
    ]
    first.says("asked for 5 * 10")
    first.interrupt()
    first.ends()


@pytest.mark.parametrize("order", [("v1", "v2"), ("v2", "v1")], ids=" then ".join)
def test_tagged(stage: Stage, order: tuple[str, str]) -> None:
    there, here = order
    first = stage.python(f"tagged/python/{there}.py")
    first.says("is open")
    second = stage.python(f"tagged/python/{here}.py").ends()
    expected = {
        "v1": ["tea costs 260 cents there"],
        "v2": ["tea costs 250 cents there", "there is no coffee there"],
    }
    assert second == expected[here]
    first.says(f"version {there[1]} is asked for tea")
    first.interrupt()
    first.ends()


@pytest.mark.parametrize("first", ["hub", "member"])
def test_subscription(stage: Stage, first: str) -> None:
    def hub() -> Program:
        return stage.python("subscription/python/hub.py", NET_GROUP="weather", NET_IS_HUB="1")

    def member() -> Program:
        return stage.python("subscription/python/member.py", NET_GROUP="weather")

    if first == "hub":
        program = hub()
        program.says("waiting for a member")
        told, tells = member(), program
    else:
        program = member()
        program.says("waiting for the hub")
        told, tells = program, hub()
    assert told.ends() == [
        "waiting for the hub of the group",
        "8.5 °C at the harbour",
        "4.0 °C at the hill",
        "9.0 °C at the harbour",
    ]
    assert tells.ends()[1:] == ["told of 8.5 °C", "told of 4.0 °C", "told of 9.0 °C"]


def test_subscription_ends_at_ctrl_c(stage: Stage) -> None:
    member = stage.python("subscription/python/member.py", NET_GROUP="weather")
    member.says("waiting for the hub")
    member.interrupt()
    assert member.ends() == ["waiting for the hub of the group"]


@pytest.mark.parametrize("first", ["worker", "office"])
def test_mixed(stage: Stage, first: str) -> None:
    def worker() -> Program:
        return stage.run([WORKER])

    def office() -> Program:
        return stage.python("mixed/python/office.py")

    waits = worker() if first == "worker" else office()
    waits.says("waits for")
    works, asks = (waits, office()) if first == "worker" else (worker(), waits)
    told = asks.ends()
    # What is published and what is called arrive each in its own order; the two may be printed at once, in one line.
    assert "the worker has looked at 100 % of the numbers below 20000" in "".join(told)
    assert "2262 primes are below 20000" in "".join(told)
    assert told[-1] == "97 is prime, says the worker: True"
    assert works.ends()[-2:] == [
        "counted 2262 primes below 20000, and the office said: thank you",
        "the worker goes home: all is counted",
    ]
