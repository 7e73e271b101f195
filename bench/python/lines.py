"""What a script of the bench and its driver say to each other: a line for each order, ``name=value`` back."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable

#: Bytes of a small message on the bare sockets.
MESSAGE = 64

Usage = tuple[int, int, float]


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


def each_order(one_by_one: Callable[[int], list[float]] | None, in_flight: Callable[[int, int], None] | None) -> None:
    """Carry out each order.

    ``one_by_one(calls)`` returns the seconds that each took; ``in_flight(window, calls)`` keeps ``window`` under way.
    """
    print("ready", flush=True)
    for line in sys.stdin:
        order, *numbers = line.split()
        before, start = used(), time.perf_counter()
        if order == "latency" and one_by_one:
            times = one_by_one(int(numbers[0]))
            print(report(before, took=sum(times) * 1e6, p50=statistics.median(times) * 1e6), flush=True)
        elif order == "flight" and in_flight:
            in_flight(int(numbers[0]), int(numbers[1]))
            print(report(before, took=(time.perf_counter() - start) * 1e6), flush=True)
        else:
            sys.exit(f"{line!r} is no order for this script")
