"""The ways to call a connected function, all to come to the same: here, and on a peer that is named in each way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from harness import Served

import net

#: Makes a call: of a function, with arguments.
Call = Callable[..., Any]

HERE = ["here"]
THERE = [
    "by handle",
    "by instance id",
    "by address",
    "by text",
    "by id of 0.3",
    "by id of 0.3 as text",
    "by Peer(host, port)",
    "as a method",
    "by execute",
    "by request of 0.3",
    "by server.request",
    "masked by a handle",
    "masked by oneself",
    "on Peer(test=True)",
    "from Peer(test=True)",
]


def tag_of(function: Any) -> str:
    """Return a function's tag; a built-in one has it as its own name."""
    return getattr(function, "tag", None) or net.Peer.build_connection_name(function)


@pytest.fixture(scope="session")
def second() -> Any:
    """A second peer of this process."""
    with net.Peer(test=True) as peer:
        yield peer


def ways(there: Served, second: net.Peer) -> dict[str, Call]:
    """Return how to call, by way."""
    host, port = "127.0.0.1", there.port
    handle = net.RemotePeer(there.id)
    made = net.Peer(host=host, port=port)
    old_id = net.Peer.generate_id(port, host)

    def on(peer: Any) -> Call:
        return lambda function, *args, **kwargs: function(*args, peer=peer, **kwargs)

    def masked(peer: net.Peer) -> Call:
        return lambda function, *args, **kwargs: peer.mask_as_remote(function)(*args, **kwargs)

    return {
        "here": lambda function, *args, **kwargs: function(*args, **kwargs),
        "by handle": on(handle),
        "by instance id": on(there.id),
        "by address": on((host, port)),
        "by text": on(f"{host}:{port}"),
        "by id of 0.3": on(old_id),
        "by id of 0.3 as text": on(old_id.decode()),
        "by Peer(host, port)": on(made),
        "as a method": lambda function, *args, **kwargs: getattr(handle, tag_of(function))(*args, **kwargs),
        "by execute": lambda function, *args, **kwargs: net.Peer().execute(handle, tag_of(function), args, kwargs),
        "by request of 0.3": lambda function, *args, **kwargs: net.Peer().request(
            old_id, net.Peer.encode(tag_of(function)), args, kwargs
        ),
        "by server.request": lambda function, *args, **kwargs: net.Peer().server.request(
            host, port, tag_of(function), args, kwargs
        ),
        "masked by a handle": masked(handle),
        "masked by oneself": masked(net.Peer()),
        "on Peer(test=True)": on(second),
        "from Peer(test=True)": lambda function, *args, **kwargs: second.execute(
            there.id, tag_of(function), args, kwargs
        ),
    }
