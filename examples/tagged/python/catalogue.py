"""A module that the second version of the shop has, and the first has not."""

from __future__ import annotations

import net


@net.connect("price")
def look_up(item: str) -> int | None:
    """Return what an item costs, in cents."""
    print(f"version 2 is asked for {item}", flush=True)
    return {"tea": 260, "cake": 420, "coffee": 280}.get(item)
