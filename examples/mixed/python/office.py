"""The office, in Python: it publishes what it wants counted, hears how far that is, and is called with the result."""

import sys
import threading
import time
from typing import Any

import net

_delivered = threading.Event()


@net.event("wanted")
def want(below: int) -> Any:
    """Ask whoever hears it for the number of primes."""
    return (below,), {}


@net.event("closing")
def close(because: str) -> Any:
    """Send everybody home."""
    return (because,), {}


@net.subscribe("progress")
def on_progress(below: int, percent: int) -> None:
    """Run with what the worker publishes."""
    print(f"the worker has looked at {percent} % of the numbers below {below}", flush=True)


@net.connect("deliver")
def deliver(below: int, primes: int) -> str:
    """Take a result; the worker calls this."""
    print(f"{primes} primes are below {below}", flush=True)
    _delivered.set()
    return "thank you"


def main() -> None:
    here = net.Peer()
    print("the office waits for a worker", flush=True)
    while not {"wanted", "closing"} <= set(here.registered_subscriptions):
        time.sleep(0.05)
    want(20_000)
    _delivered.wait()
    for worker in net.get_peers():
        print(f"97 is prime, says the worker: {worker.is_prime(97)}")
    close("all is counted")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
