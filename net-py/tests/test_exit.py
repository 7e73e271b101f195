"""The end of a program in the middle of everything: prompt, quiet, with the right code, and known to others at once.

Each program below is called by others and calls others, in every way at once, and then ends in a way of its own. They
run side by side, since most of the time is the grace that each gives.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import HERE, PATIENCE, Served

import net

#: A second of grace, and what a busy machine makes of it.
PROMPT = 10.0

#: Serves a function that sleeps in C, one that computes, one that waits for a lock and one that waits in asyncio; calls
#: in a daemon thread, by a future and in an asyncio task; and says so when all of it is under way.
BUSY = """
import asyncio, atexit, os, signal, sys, threading, time
import net, served
there = {there!r}
ready = threading.Semaphore(0)
lock = threading.Lock()
lock.acquire()
@net.connect
def sleep_in_c():
    ready.release()
    time.sleep(60)
@net.connect
def compute():
    ready.release()
    while True:
        sum(range(1000))
@net.connect
def wait_for_lock():
    ready.release()
    lock.acquire()
@net.connect
async def wait_in_asyncio():
    ready.release()
    await asyncio.sleep(60)
threading.Thread(target=served.block, args=(60,), kwargs=dict(peer=there), daemon=True).start()
future = served.nap.submit(60, peer=there)
def run_loop():
    asyncio.run(served.nap.aio(60, peer=there))
threading.Thread(target=run_loop, daemon=True).start()
print(net.Peer().instance_id, flush=True)
for _ in range(4):
    ready.acquire()
def end():
    served.multiply(1, 2, peer=there)
    print("busy", flush=True)
    sys.stdin.readline()
"""

TRACEBACK = "Traceback (most recent call last):"


@dataclass
class Way:
    """A way for a program to end."""

    code: str
    exit_code: int
    #: What standard error begins and ends with; empty if nothing is to be there.
    stderr: tuple[str, str] = ("", "")
    stdout: str = ""
    #: Sent when the program waits for it.
    signal: int | None = None
    #: Most tracebacks in it: asyncio's own of Ctrl-C is a chain.
    tracebacks: int = 1


WAYS = {
    "falls off its end": Way("end()", 0),
    "sys.exit": Way("end(); sys.exit(3)", 3),
    "an exception": Way("end(); raise ValueError('out')", 1, (TRACEBACK, "ValueError: out\n")),
    "os._exit": Way("end(); os._exit(4)", 4),
    "SIGTERM": Way("end(); served.signal_pause()", -signal.SIGTERM, signal=signal.SIGTERM),
    "SIGTERM in a call": Way("end(); served.block(60, peer=there)", -signal.SIGTERM, signal=signal.SIGTERM),
    "SIGTERM, handled": Way(
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); end(); served.signal_pause()", 5, signal=signal.SIGTERM
    ),
    "SIGTERM, handled in a call": Way(
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(6)); end(); served.block(60, peer=there)",
        6,
        signal=signal.SIGTERM,
    ),
    "Ctrl-C": Way(
        "end(); served.signal_pause()", -signal.SIGINT, (TRACEBACK, "KeyboardInterrupt\n"), signal=signal.SIGINT
    ),
    "Ctrl-C in a call": Way(
        "end(); served.block(60, peer=there)", -signal.SIGINT, (TRACEBACK, "KeyboardInterrupt\n"), signal=signal.SIGINT
    ),
    "Ctrl-C in asyncio": Way(
        """
async def main():
    tasks = [asyncio.create_task(served.nap.aio(60, peer=there)) for _ in range(3)]
    await asyncio.to_thread(end)
    await asyncio.sleep(60)
asyncio.run(main())
""",
        -signal.SIGINT,
        (TRACEBACK, "KeyboardInterrupt\n"),
        signal=signal.SIGINT,
        tracebacks=2,
    ),
    "an exception in asyncio": Way(
        """
async def main():
    tasks = [asyncio.create_task(served.nap.aio(60, peer=there)) for _ in range(3)]
    await asyncio.to_thread(end)
    raise ValueError("out of asyncio")
asyncio.run(main())
""",
        1,
        (TRACEBACK, "ValueError: out of asyncio\n"),
    ),
    "calls at exit": Way(
        "atexit.register(lambda: print(served.multiply(2, 3, peer=there), flush=True)); end()", 0, stdout="6\n"
    ),
    "a handled exception, then more": Way(
        """
try:
    served.divide(1, 0, peer=there)
except ZeroDivisionError:
    end()
    sys.exit("said at the end")
""",
        1,
        ("said at the end\n", "said at the end\n"),
    ),
}


@dataclass
class Ended:
    """What came of a program."""

    exit_code: int
    stdout: str
    stderr: str
    #: Seconds from being told to end to its end.
    took: float
    #: Seconds from its end to when the calls that others had made of it had ended, and what they ended with.
    known_after: float
    outcomes: list[BaseException | None]


def run_to_the_end(way: Way, there: str) -> Ended:
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY.format(there=there) + way.code],
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        program = net.RemotePeer(process.stdout.readline().strip())
        names = ("sleep_in_c", "compute", "wait_for_lock", "wait_in_asyncio")
        calls: list[Future[None]] = [getattr(program, name).submit() for name in names]
        assert process.stdout.readline() == "busy\n"
        told = time.monotonic()
        if way.signal is None:
            process.stdin.write("end\n")
            process.stdin.flush()
        else:
            process.stdin.write("wait\n")
            process.stdin.flush()
            # Any moment will do: it waits on the next line, or is on the way there.
            time.sleep(0.2)
            process.send_signal(way.signal)
        stdout, stderr = process.communicate(timeout=PATIENCE)
        ended = time.monotonic()
        outcomes = [call.exception(PATIENCE) for call in calls]
        return Ended(process.returncode, stdout, stderr, ended - told, time.monotonic() - ended, outcomes)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def programs() -> Iterator[dict[str, Future[Ended]]]:
    # One of their own: what they leave in flight there is cancelled as they go, and keeps nobody else.
    there = Served()
    with ThreadPoolExecutor(4) as pool:
        yield {name: pool.submit(run_to_the_end, way, there.id) for name, way in WAYS.items()}
    assert there.stop() == 0


@pytest.mark.parametrize("name", WAYS)
def test_a_program_ends(programs: dict[str, Future[Ended]], name: str) -> None:
    way, ended = WAYS[name], programs[name].result(4 * PATIENCE)
    assert ended.exit_code == way.exit_code, ended.stderr
    assert ended.stdout == way.stdout
    begins, ends = way.stderr
    assert ended.stderr.startswith(begins), ended.stderr
    assert ended.stderr.endswith(ends), ended.stderr
    assert ended.stderr.count("Traceback") <= way.tracebacks, ended.stderr
    for unwanted in ("Fatal Python error", "Exception ignored", "panicked", "never awaited"):
        assert unwanted not in ended.stderr
    if not begins:
        assert ended.stderr == ""
    assert ended.took < PROMPT
    # Those who called it were told by its going, and not by a silence that had to be waited for.
    assert ended.known_after < 3
    for outcome in ended.outcomes:
        assert isinstance(outcome, (net.Lost, net.Cancelled)), repr(outcome)


def test_no_socket_is_left(programs: dict[str, Future[Ended]]) -> None:
    for program in programs.values():
        program.result(4 * PATIENCE)
    place = Path(os.environ["NET_RUNTIME_DIR"], "app-net")

    def left() -> list[Path]:
        """Return the sockets at which nobody listens."""
        return [path for path in place.iterdir() if not _is_listening(path)]

    until = time.monotonic() + PATIENCE
    # Those of programs that took no leave are removed by whoever looks.
    while left() and time.monotonic() < until:
        net.peers(refresh=True)
        time.sleep(0.1)
    assert not left()


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as to_it:
        return to_it.connect_ex(str(path)) == 0
