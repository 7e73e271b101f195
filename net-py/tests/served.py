"""The functions that tests call, here and in the process of ``conftest.Served``."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import net


class Misfit(Exception):
    """An exception of a module of the program's own, whose constructor asks for more than a text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class WithProperties(Exception):
    """An exception whose fields cannot be set from outside, some by the names that `net.RemoteError` has."""

    @property
    def kind(self) -> str:
        return "own"

    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError("immutable")


class Unprintable(Exception):
    """An exception that cannot be told of."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


class AsksForNumber(Exception):
    """An exception that is not made from just any text."""

    def __new__(cls, text: str) -> AsksForNumber:
        return super().__new__(cls, int(text or 0))


@net.connect
def multiply(a: int, b: int = 5) -> int:
    """Multiply two numbers."""
    return a * b


@net.connect()
def echo(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


@net.connect
def identity(value: Any) -> Any:
    """Give the value back: decoded here, and encoded anew."""
    return value


@net.connect
def zeros(count: int) -> bytes:
    return bytes(count)


@net.connect
def ping(text: str) -> str:
    return text


@net.connect
def blocked_in_threads() -> dict[str, int]:
    """Return the signals that each thread has blocked, by its name and number, but for the main one and this."""
    known = {str(os.getpid()), str(threading.get_native_id())}
    tasks = [task for task in Path("/proc/self/task").iterdir() if task.name not in known]
    return {f"{(task / 'comm').read_text().strip()} {task.name}": blocked(task / "status") for task in tasks}


@net.connect
def blocked_at_work() -> list[int]:
    """Return the signals that this thread has blocked, and those that a program has that is started here."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as started:
        return [blocked(Path("/proc/thread-self/status")), blocked(Path(f"/proc/{started.pid}/status"))]


def blocked(status: Path) -> int:
    return int(status.read_text().partition("SigBlk:")[2].split()[0], 16)


@net.connect("Renamed")
def named_otherwise(text: str) -> str:
    return text.upper()


@net.connect
def process_id() -> int:
    return os.getpid()


@net.connect
def fail(kind: str, text: str = "") -> None:
    if kind == "Misfit":
        raise Misfit(3, text)
    if kind in ("WithProperties", "Unprintable"):
        raise globals()[kind](text)
    if kind == "Surrogate":
        raise ValueError(os.fsdecode(b"caf\xe9"))
    if kind == "Nested":
        raise type("Nested", (ValueError,), {})(text)
    raise {"KeyError": KeyError, "OSError": OSError, "SystemExit": SystemExit}[kind](text)


@net.connect
def divide(a: float, b: float) -> float:
    return a / b


@net.connect
def unsendable() -> Any:
    return {"x": [1, object()]}


@net.connect
def null_flag() -> str:
    return net.Peer().get_flag("NULL")


@net.connect
def null_text() -> str:
    return "NULL"


@net.connect
async def own_flag_later() -> str:
    await asyncio.sleep(0)
    return net.Peer().get_flag("TEST_FLAG")


@net.connect
def own_flag() -> str:
    return net.Peer().get_flag("TEST_FLAG")


@net.flag("TEST_FLAG")
def on_test_flag(connection: str, peer: Any) -> tuple[str, bool]:
    return connection, peer is not None


@net.connect
async def nap(seconds: float, result: Any = None) -> Any:
    await asyncio.sleep(seconds)
    return result


@net.connect
async def leave() -> None:
    sys.exit(3)


@net.connect
async def fail_later(text: str) -> None:
    await asyncio.sleep(0)
    raise ValueError(text)


@net.connect
def block(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


_gate = threading.Event()
_waiting = threading.Event()
_cancelled = threading.Event()


@net.connect
def open_gate() -> None:
    _gate.set()


@net.connect
def pass_gate() -> bool:
    """Block until somebody opens the gate."""
    _waiting.set()
    opened = _gate.wait(30)
    _gate.clear()
    return opened


@net.connect
async def until_cancelled() -> None:
    """Print a line, then wait to be cancelled; ``was_cancelled`` tells of it."""
    print("waiting", flush=True)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        _cancelled.set()
        raise


@net.connect
def compute_for_ever() -> None:
    """Print a line, then keep the interpreter busy."""
    print("computing", flush=True)
    while True:
        sum(range(1000))


@net.connect
def compute_for(seconds: float) -> int:
    """Compute for so long, and return how often it went round."""
    rounds, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))
        rounds += 1
    return rounds


@net.connect
def hold_the_interpreter(count: int) -> int:
    """Print a line, then let no other thread run Python: a loop in C that gives nobody a turn."""
    print("holding", flush=True)
    return sum(range(count))


@net.connect
def was_cancelled() -> bool:
    return _cancelled.wait(10)


@net.connect
def own_peer() -> str:
    return net.Peer().instance_id


@net.connect
async def own_peer_later() -> list[str]:
    """Ask from the coroutine, from a task that it begins, and from a thread that it hands over to."""
    await asyncio.sleep(0)

    async def task() -> str:
        return net.Peer().instance_id

    return [
        net.Peer().instance_id,
        await asyncio.create_task(task()),
        await asyncio.to_thread(lambda: net.Peer().instance_id),
        own_peer.submit().result(),
    ]


@net.connect
def call_on(peer: str | None, target: str) -> int:
    """Call back, or onward: a function that is itself a caller."""
    return process_id(peer=target)


@net.connect
def begin_peers(count: int) -> list[str]:
    """Make further peers in this process, and return their ids."""
    return [net.Peer(test=True).instance_id for _ in range(count)]


@net.connect
def relay(target: str, tag: str, *args: Any) -> Any:
    return net.Peer().execute(target, tag, args)


@net.connect
def relay_failure(target: str) -> None:
    divide(1, 0, peer=target)


def was_waited_at() -> bool:
    """Wait until the gate is waited at, or was before, in this process; not connected."""
    return _waiting.wait(30)


_heard: dict[str, list[Any]] = {}


@net.connect
def publish(event: str, *args: Any, **kwargs: Any) -> None:
    net.Peer().trigger_event(event, *args, **kwargs)


@net.connect
def publish_many(event: str, count: int, *args: Any) -> None:
    for number in range(count):
        net.Peer().trigger_event(event, number, *args)


@net.connect
def has_subscribers(event: str) -> bool:
    return event in net.Peer().registered_subscriptions


@net.connect
def listen(event: str, of: str | None = None) -> None:
    """Subscribe, to one peer if that is named, and keep what comes."""

    def hear(*args: Any, **kwargs: Any) -> None:
        _heard.setdefault(event, []).append([list(args), kwargs])

    net.subscribe(event, peers=of)(hear)


@net.connect
def take(*args: Any, **kwargs: Any) -> None:
    _heard.setdefault("take", []).append([list(args), kwargs])


@net.connect("TakeIn")
def take_in(event: str, *args: Any, **kwargs: Any) -> None:
    """Keep what comes by a call, under the name that it brings."""
    _heard.setdefault(event, []).append([list(args), kwargs])


@net.connect
def take_in_vain(event: str, *args: Any) -> None:
    take_in(event, *args)
    raise ValueError("taken in vain")


@net.connect
def heard(event: str) -> Any:
    return _heard.get(event)


@net.connect
def subscribe_as_original(event: str, host: str, port: int) -> None:
    net.subscription_handler(event, net.Peer().host, net.Peer().port, "served.take", peer=(host, port))


def signal_pause() -> None:
    """Wait for a signal; not connected."""
    signal.pause()


def main() -> None:
    peer = net.Peer()
    print(peer.instance_id, peer.port, flush=True)
    sys.stdin.read()
