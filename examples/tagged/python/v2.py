"""The second version of the shop: the function has moved, and has another name.

Its tag is the same, so the first version calls it, and is called, as before.
"""

import contextlib
import threading

from catalogue import look_up

import net


def main() -> None:
    others = net.get_peers()
    if not others:
        with contextlib.suppress(KeyboardInterrupt):
            print("version 2 is open: run version 1 in another terminal", flush=True)
            threading.Event().wait()
    for other in others:
        for item in ("tea", "coffee"):
            cents = look_up(item, peer=other)
            print(f"there is no {item} there" if cents is None else f"{item} costs {cents} cents there")


if __name__ == "__main__":
    main()
