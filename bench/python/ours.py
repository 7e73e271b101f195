"""Calls of this project."""

from __future__ import annotations

import collections
from typing import Any

from calling import FACTORS, PRODUCT, Calls, awaited, blocking, check, floats
from lines import Orders

import net
import net._net  # the original has none: where this is missing, `net` is not ours


@net.connect("multiply")
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@net.connect("echo")
def echo(value: Any) -> Any:
    """Send it back."""
    return value


def serve(_way: str) -> str:
    """Serve, which it does since it was imported."""
    return net.Peer().instance_id


def ask(way: str, peer: str) -> Orders:
    """Call that way."""
    calls = Calls(lambda a, b: multiply(a, b, peer=peer), lambda value: echo(value, peer=peer))
    if way == "submit":
        return {"flight": lambda window, times: submitted(peer, window, times)}
    if way == "asyncio":
        from asyncio import new_event_loop

        calls = Calls(lambda a, b: multiply.aio(a, b, peer=peer), lambda value: echo.aio(value, peer=peer))
        return awaited(new_event_loop(), calls)
    if way == "array":
        return blocking(lambda: calls, floats)
    return blocking(lambda: calls)


def submitted(peer: str, window: int, times: int) -> None:
    """Keep ``window`` futures under way; the oldest is waited for."""
    waiting = collections.deque(multiply.submit(*FACTORS, peer=peer) for _ in range(min(window, times)))
    for _ in range(times - len(waiting)):
        check(waiting.popleft().result(), PRODUCT)
        waiting.append(multiply.submit(*FACTORS, peer=peer))
    for future in waiting:
        check(future.result(), PRODUCT)
