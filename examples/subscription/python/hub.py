"""The hub of a group: it publishes the weather to whoever subscribes to it, and ends."""

import sys
import time
from typing import Any

import net

MEASURED = [("harbour", 8.5), ("hill", 4.0), ("harbour", 9.0)]


@net.event("weather")
def weather(station: str, celsius: float, left: int) -> Any:
    """Tell the group of a measurement, and how many are yet to come."""
    return (station, celsius, left), {}


def main() -> None:
    here = net.Peer()
    if not here.hub:
        sys.exit("members hear the hub alone: start it with NET_IS_HUB=1")
    print("waiting for a member of the group", flush=True)
    while "weather" not in here.registered_subscriptions:
        time.sleep(0.05)
    for index, (station, celsius) in enumerate(MEASURED):
        weather(station, celsius, left=len(MEASURED) - 1 - index)
        print(f"told of {celsius} °C")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
