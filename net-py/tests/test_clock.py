"""The wall clock is set, an hour forward and back: nothing ends early, late or at all by it."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import HERE, Served, run

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="preloads a library as Linux does"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here to build stepped_clock.c"),
]

#: Runs under the stepped clock, as does its peer. Each step happens in the middle of the calls that are under way.
PROGRAM = """
import asyncio, mmap, os, struct, time
place = os.environ["NET_RUNTIME_DIR"]
import harness
os.environ["NET_RUNTIME_DIR"] = place
import net, served

HOUR = 3600
clock = mmap.mmap(os.open(os.environ["STEPPED_CLOCK"], os.O_RDWR), 8)

def step(seconds):
    wall, steady = time.time(), time.monotonic()
    clock[:] = struct.pack("=q", seconds)
    return round((time.time() - wall - (time.monotonic() - steady)) / HOUR)

there = {there!r}
served.multiply(1, 2, peer=there)
assert list(net.peers()["peers"].values()) == [net.RemotePeer(there)]
# For longer than the silence after which a link is dead, so that it ends well only if no link is thought to be silent.
through_all = served.nap.submit(6, "through all", peer=there)

async def aio(seconds):
    started = time.monotonic()
    short = asyncio.create_task(asyncio.wait_for(served.nap.aio(60, peer=there), 0.4))
    timed = asyncio.create_task(served.nap.aio(60, peer=there, time_out=0.4))
    answered = asyncio.create_task(served.nap.aio(0.4, seconds, peer=there, time_out=30))
    await asyncio.sleep(0.1)
    stepped.append(step(seconds))
    assert await answered == seconds
    for late in (short, timed):
        try:
            await late
        except (asyncio.TimeoutError, net.TimedOut):
            took.append(time.monotonic() - started)
        else:
            raise AssertionError("it ended")

stepped, took = [], []
for seconds in (HOUR, 0, -HOUR, 0):
    future = served.nap.submit(0.3, seconds, peer=there)
    asyncio.run(aio(seconds))
    assert future.result(10) == seconds
    # On a thread that waits itself.
    started = time.monotonic()
    try:
        served.nap.submit(60, peer=there, time_out=0.3).result(10)
    except net.TimedOut:
        took.append(time.monotonic() - started)
print(*stepped)
print(len(took), min(took) >= 0.3, max(took) < 5, took if max(took) >= 5 else "")
step({last})
# Idle, but for the pings.
print(through_all.result(20), served.multiply(2, 3, peer=there))
assert list(net.peers()["peers"].values()) == [net.RemotePeer(there)]
# It still sees who comes and goes, by a directory whose time is not that of the clock any more.
newcomer = harness.Served()
until = time.monotonic() + 10
while len(net.peers()["peers"]) != 2 and time.monotonic() < until:
    time.sleep(0.01)
print(served.multiply(3, 4, peer=newcomer.id))
newcomer.stop()
while len(net.peers()["peers"]) != 1 and time.monotonic() < until:
    time.sleep(0.01)
print(len(net.peers()["peers"]))
"""


@pytest.fixture(scope="module")
def stepped_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("clock") / "stepped_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "stepped_clock.c"], check=True)
    return library


@pytest.mark.parametrize("last", [3600, -3600], ids=["an hour ahead", "an hour behind"])
def test_calls_and_links_do_not_mind_the_clock(serve: Callable[..., Served], stepped_clock: Path, last: int) -> None:
    # Not pytest's own, whose path is too long for a socket.
    with tempfile.TemporaryDirectory(prefix="net-") as place:
        clock = Path(place) / "seconds"
        clock.write_bytes(struct.pack("=q", 0))
        environment = {"LD_PRELOAD": str(stepped_clock), "STEPPED_CLOCK": str(clock), "NET_RUNTIME_DIR": place}
        there = serve(**environment)
        ended = run(PROGRAM.format(there=there.id, last=last), **environment)
        there.stop()
    assert ended.stderr == ""
    lines = ["1 -1 -1 1", "12 True True", "through all 6", "12", "1"]
    assert [line.strip() for line in ended.stdout.splitlines()] == lines
