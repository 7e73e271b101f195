"""What ``net`` offers by name: the decorator's forms, the environment, this process's peer, the stubs."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import served
from harness import HERE, run

import net


def test_the_forms_of_the_decorator() -> None:
    @net.connect
    def plain(a: int) -> int:
        """Double."""
        return a * 2

    @net.connect()
    def called(a: int) -> int:
        return a * 2

    @net.connect("Tagged")
    def tagged(a: int) -> int:
        return a * 2

    assert plain(2) == called(2) == tagged(2) == 4
    assert (plain.tag, called.tag, tagged.tag) == ("test_surface.plain", "test_surface.called", "Tagged")
    assert plain.__doc__ == "Double."
    assert str(inspect.signature(plain)) == "(a: 'int') -> 'int'"
    registered = net.Peer().registered_connections
    assert registered["Tagged"] is registered["test_surface.tagged"] is tagged.__wrapped__
    assert net.Peer().tagged(3) == net.Peer().Tagged(3) == 6


def test_a_connected_function_is_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(served.multiply)) is served.multiply


def test_parameters_called_as_ours_are_filled_here() -> None:
    @net.connect
    def waits(time_out: float = 1.0) -> float:
        return time_out

    assert waits() == 1.0
    assert waits(time_out=2.0) == 2.0


def test_the_peer_is_one() -> None:
    peer = net.Peer()
    assert peer is net.Peer()
    assert (peer.host, peer.group, peer.hub) == ("127.0.0.1", None, False)
    assert peer.server.port == peer.port
    assert peer.port is not None
    assert peer.server.ping(peer.port)
    assert peer.decode_id(peer.id) == {"host": peer.host, "port": peer.port, "group": None}
    assert peer.friendly_id == f"127.0.0.1:{peer.port} -> None"
    assert peer.server.request("127.0.0.1", peer.port, "served.multiply", [2, 3], {}) == 6
    with pytest.raises(AttributeError, match="no attribute or connection 'nothing'"):
        _ = peer.nothing


def test_the_constants_are_read_when_net_is_imported() -> None:
    code = """
import os
os.environ.update(NET_GROUP="app", NET_IS_HUB="1", NET_THREAD_LIMIT="7", NET_PORT_RANGE="3", NET_DEV="1")
import logging, net
print(net.GROUP, net.IS_HUB, net.THREAD_LIMIT, net.PORT_START, net.PORT_RANGE, net.DEV)
print(net.LOGGER is logging.getLogger("net"), net.LOGGER.level == logging.DEBUG)
print(net.Peer().group, net.Peer().hub, net.Peer().server.ports(), bool(net.HOST_IP))
"""
    ended = run(code)
    assert ended.stdout.splitlines() == ["app True 7 0 3 1", "True True", "app True [0, 1, 2] True"], ended.stderr


def test_the_stub_is_the_module() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "net._net"], cwd=HERE, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_package_and_its_callers_pass_a_type_checker(tmp_path: Path) -> None:
    program = tmp_path / "typed_program.py"
    program.write_text("""
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import net

@net.connect
def multiply(a: int, b: int = 5) -> int:
    return a * b

@net.connect("Later")
async def later(a: int) -> str:
    return str(a)

@net.connect("Guarded", groups=["lab", b"admins"])
def guarded(a: int) -> str | None:
    caller: net.Caller | None = net.caller()
    peer: net.RemotePeer | None = caller.peer if caller else None
    return None if caller is None else (caller.group or caller.instance_id or caller.name or str(caller.is_original))

guarded_there: str | None = guarded(5, peer="host:3010")
net.connect(groups="lab")(multiply)

here: int = multiply(5, 10)
there: int = multiply(5, 10, peer=net.peers()[0], time_out=2.0)
submitted: int = multiply.submit(5, peer="host:3010").result()

async def main() -> None:
    awaited: int = await multiply.aio(5, peer=("host", 3010))
    text: str = await later(5)
    far: str = await later(5, peer=net.RemotePeer("host:3010"))
    print(awaited, text, far)

multiply("x")  # type: ignore[call-overload]
print(net.Peer().port, here, there, submitted)

# --- peers of this process -------------------------------------------------------------------------------
own: net.Peer = net.Peer()
with net.Peer(test=True, group="blue", hub=True) as second:
    second.launch()
    port: int | None = second.port
    named: tuple[str, str | None, bool, str] = (own.host, own.group, second.hub, second.instance_id)
net.Peer(launch=False, test=True, group=None).shutdown(grace=1.0)
old_id: bytes = own.id
known: dict[str, Any] = net.Peer.decode_id(old_id)
again: bytes = own.generate_id(3010, "10.0.0.1", "blue")
sent: bytes = net.Peer.encode({"a": 1})
print(net.Peer.decode(sent), known["port"], again, str(own.friendly_id), own.friendly_id["hub"], dict(own.friendly_id))
tags: list[str] = [*own.registered_connections, *own.CONNECTIONS]
flags: list[str] = [*own.registered_flags, *own.FLAGS]
events: list[str] = [*own.registered_subscriptions, *own.SUBSCRIPTIONS]
tag: str = own.register_connection(later, "Again")
tag = own.register_connection(later, tag=b"Again")
tag = own.register_connection(later, "Again", groups={"lab"})
tag = net.Peer.build_connection_name(later)

def on_flag(connection: str, peer: Any) -> str:
    return connection

flag: str = own.register_flag("SOME", on_flag)
flag = own.get_flag(b"SOME")
print(own.process_flags(flag, tag, own), own.server.host, own.server.port, own.server.ports(), own.ports())
alive: bool = own.ping(3010) and own.server.ping(port=3010, host="localhost") and own.ping(3010, "localhost")
own.execute(second, tag, [1], {"time_out": 1.0})
own.request(old_id, tag, (1,), {})
own.server.request("127.0.0.1", 3010, tag, (1,), {})
masked: Callable[..., Any] = own.mask_as_remote(multiply)
own.shutdown()

# --- other peers -----------------------------------------------------------------------------------------
handle: net.RemotePeer = net.Peer(host="127.0.0.1", port=3010, group="blue", connections=[tag])
is_peer: net.Peer = handle
where: tuple[str, int | None, str | None, bool, bool] = (
    handle.host, handle.port, handle.group, handle.on_host, handle.is_original
)
unique: str | None = handle.instance_id
product: Any = handle.multiply(5, 10, time_out=1.0)
function: net.RemoteFunction = handle.multiply
future: Future[Any] = function.submit(5)
print(function.tag, handle.friendly_id, handle.id, [*handle.registered_connections], handle.address, handle.name)

seen: net.Peers = net.peers()
for seen in (
    net.peers("blue", refresh=True), net.peers(True, ["blue"]), net.peers(["blue", None], hubs_only=True),
    net.peers(groups=b"blue", on_host=True), net.get_peers(True), net.get_peers("blue", False, True, True),
):
    first: net.RemotePeer = seen[0]
    some: list[net.RemotePeer] = seen[1:]
    for each in seen:
        multiply(5, peer=each)
    print(seen["peers"], seen.get("blue"), seen.keys(), seen.values(), seen.items(), len(seen), first in seen, some)
group: list[net.RemotePeer] = net.peer_group("blue", hubs_only=True, on_host=True)
net.peers(1)  # type: ignore[call-overload]

# --- events ------------------------------------------------------------------------------------------------
@net.event("moved")
def move(x: int, y: int = 0) -> tuple[tuple[int, int], dict[str, str]]:
    return (x, y), {"by": "hand"}

@net.event
async def moved_later(*where: float) -> tuple[list[float], dict[str, Any]]:
    return [*where], {}

@net.subscribe("moved")
def on_move(x: int, y: int, by: str = "") -> bool:
    return x > y

@net.subscribe(b"moved", ["blue", None], hubs_only=True, on_host=True, keep=10, when_full="block")
async def on_move_later(x: int, y: int, by: str) -> None: ...

@net.subscribe("moved", net.peers(groups=["blue"]))
@net.subscribe("moved", peers=[handle, ("127.0.0.1", 3010), "127.0.0.1:3010", old_id])
def on_move_of_some(x: int, y: int) -> None: ...

moved: tuple[tuple[int, int], dict[str, str]] = move(1, y=2)
heard_here: bool = on_move(1, 2, by="hand")
counts: tuple[str, int, int] = (
    on_move.subscription.event, on_move.subscription.received, on_move_later.subscription.dropped
)
subscribed: net.Subscribed[[int, int], None] = on_move_of_some
subscribed.subscription.unsubscribe()
subscription: net.Subscription = on_move.subscription
publishers: list[net.RemotePeer] = subscription.publishers()
own.trigger_event("moved", 1, y=2)
own.trigger_event(b"moved", 1)
own.register_subscriber("moved", "127.0.0.1", 3010, "app.on_move")
own.register_subscriber(b"moved", old_id, tag.encode())
net.subscription_handler("moved", "127.0.0.1", 3010, "app.on_move", peer=handle, time_out=1.0)

async def publish() -> None:
    where: tuple[list[float], dict[str, Any]] = await moved_later(1.0)
    await on_move_later(1, 2, "hand")
    print(where)

move("x")  # type: ignore[arg-type]
on_move("x", 2)  # type: ignore[arg-type]
net.subscribe("moved", when_full="wait")  # type: ignore[arg-type]

# --- the rest ----------------------------------------------------------------------------------------------
@net.flag("OTHER")
def on_other(connection: str, peer: Any) -> None:
    print(connection, peer)

on_other("app.f", own)
info: dict[str, Any] = net.info(peer=handle, time_out=1.0)
print(net.connections(peer=handle), net.null(peer=handle), net.pass_through(1, 2, a=3, peer=handle))
print(net.null_response("app.f", own), net.LOGGER.name, net.HOST_IP, net.DEV, net.GROUP, net.IS_HUB)
numbers: int = net.THREAD_LIMIT + net.PORT_START + net.PORT_RANGE
try:
    multiply(5, peer=handle)
except net.RemoteError as error:
    print(error.kind, error.message, error.traceback, error.peer)
except (net.Unreachable, net.Busy, net.Lost, net.TimedOut, net.Cancelled, net.Refused, net.BadValue) as failed:
    print(failed)
except net.NoSuchConnection:
    net.invalid_connection("app.f", own)
except net.Error:
    raise
""")
    examples = HERE.parent.parent / "examples"
    programs = [str(path) for path in (program, *examples.glob("*/python/*.py"))]
    assert len(programs) > 6
    for what in (["--package", "net"], programs):
        checked = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", *what], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_has_no_name_cannot_be_connected() -> None:
    import functools

    with pytest.raises(TypeError, match="with a name"):
        net.connect(functools.partial(print, 1))
