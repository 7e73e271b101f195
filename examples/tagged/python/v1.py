"""The first version of a shop. Whatever becomes of its code, ``price`` is what other peers call.

The first shop that is open waits for customers, until Ctrl-C. One that finds others asks them, and ends.
"""

from __future__ import annotations

import contextlib
import threading

import net


@net.connect("price")
def price(item: str) -> int | None:
    """Return the price of an item, in cents."""
    print(f"version 1 is asked for {item}", flush=True)
    return {"tea": 250, "cake": 400}.get(item)


def main() -> None:
    others = net.get_peers()
    if not others:
        with contextlib.suppress(KeyboardInterrupt):
            print("version 1 is open: run version 2 in another terminal", flush=True)
            threading.Event().wait()
    for other in others:
        print(f"tea costs {price('tea', peer=other)} cents there")


if __name__ == "__main__":
    main()
