"""A member of a group: it is told of the weather by the hub, whichever of the two was started first.

It ends with the last measurement, or at Ctrl-C.
"""

import contextlib
import threading

import net

_last = threading.Event()


@net.subscribe("weather", hubs_only=True)
def on_weather(station: str, celsius: float, left: int) -> None:
    """Run with each event that a hub of this peer's group publishes."""
    print(f"{celsius} °C at the {station}", flush=True)
    if left == 0:
        _last.set()


def main() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        print("waiting for the hub of the group", flush=True)
        _last.wait()


if __name__ == "__main__":
    main()
