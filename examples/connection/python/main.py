"""One program, run more than once: each peer has the functions of all.

The first one waits to be called, until Ctrl-C. One that finds others calls them, and ends.
"""

import contextlib
import threading

import net


@net.connect
def multiply(a: int, b: int = 5) -> int:
    """Multiply, wherever it runs."""
    print(f"asked for {a} * {b}", flush=True)
    return a * b


@net.connect
def divide(a: int, b: int) -> float:
    """What fails there fails here, as what it was there."""
    return a / b


def main() -> None:
    others = net.get_peers()
    if not others:
        with contextlib.suppress(KeyboardInterrupt):
            print("nobody else is here: run this once more, in another terminal", flush=True)
            threading.Event().wait()
    for other in others:
        print(f"{other.friendly_id}:")
        print(f"  5 * 10 = {multiply(5, 10, peer=other)}")
        try:
            divide(1, 0, peer=other)
        except ZeroDivisionError as error:
            print(f"  1 / 0 fails there, and so it does here: {str(error).splitlines()[-1]}")


if __name__ == "__main__":
    main()
