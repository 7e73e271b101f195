"""The same work as calls of this project, between two Python processes."""

from __future__ import annotations

import asyncio
import collections
import os
import sys
import time

from lines import each_mark, each_order

role, kind, place, *address = sys.argv[1:]
os.makedirs(place, mode=0o700, exist_ok=True)
# Read when `net` is imported.
os.environ |= {"NET_RUNTIME_DIR": place, "NET_PORT": "0", "NET_PORT_RANGE": "0"}

import net  # noqa: E402


@net.connect("multiply")
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def one_by_one(calls: int) -> list[float]:
    """Make calls that block, and time each."""
    peer = address[0]
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        multiply(5, 10, peer=peer)
        times.append(time.perf_counter() - start)
    return times


def submitted(window: int, calls: int) -> None:
    """Keep ``window`` futures under way; the oldest is waited for."""
    peer = address[0]
    waiting = collections.deque(multiply.submit(5, 10, peer=peer) for _ in range(min(window, calls)))
    for _ in range(calls - len(waiting)):
        waiting.popleft().result()
        waiting.append(multiply.submit(5, 10, peer=peer))
    for future in waiting:
        future.result()


async def awaited(window: int, calls: int) -> None:
    """Keep ``window`` tasks busy, each with one call after the other."""
    peer = address[0]

    async def one(share: int) -> None:
        for _ in range(share):
            await multiply.aio(5, 10, peer=peer)

    shares = [calls // window + (task < calls % window) for task in range(window)]
    await asyncio.gather(*map(one, shares))


if role == "serve":
    print("ready", net.Peer().instance_id, flush=True)
    each_mark()
elif kind == "net.aio":
    each_order(None, lambda window, calls: asyncio.run(awaited(window, calls)))
else:
    each_order(one_by_one, submitted)
