"""What a process of the bench and its driver say to each other: a line for each order, ``name=value`` back.

As in all that a server needs, what takes long to import is not imported here: to start one is measured too.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import TypedDict

Usage = tuple[int, int, float]


class Orders(TypedDict, total=False):
    """What a client can do; it need not do all."""

    #: So many small calls, one at a time; returns the seconds that each took.
    latency: Callable[[int], list[float]]
    #: Small calls: so many under way at a time, so many in all.
    flight: Callable[[int, int], None]
    #: A value of so many bytes there and back, so many times; returns the seconds that each took.
    echo: Callable[[int, int], list[float]]


def used() -> Usage:
    """Return how often this process waited, how often it was preempted, and its processor time in microseconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nvcsw, usage.ru_nivcsw, (usage.ru_utime + usage.ru_stime) * 1e6


def report(before: Usage, **values: float) -> str:
    """Write down what was used since, and ``values``."""
    waits, preemptions, cpu = (now - then for now, then in zip(used(), before, strict=True))
    values |= {"waits": waits, "preemptions": preemptions, "cpu": cpu}
    return " ".join(f"{name}={value}" for name, value in values.items())


def each_mark() -> None:
    """Answer each line with what this server used since the line before."""
    before = used()
    for _ in sys.stdin:
        print(report(before), flush=True)
        before = used()


def each_order(orders: Orders) -> None:
    """Carry out each order, and say how long it took."""
    for line in sys.stdin:
        order, *numbers = line.split()
        work = orders[order]
        before, start = used(), time.perf_counter()
        times = work(*map(int, numbers))
        values = {"took": (time.perf_counter() - start) * 1e6}
        if times:
            values = {"took": sum(times) * 1e6, "p50": sorted(times)[len(times) // 2] * 1e6}
        print(report(before, **values), flush=True)
