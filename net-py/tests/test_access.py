"""Who may call what, who a function's caller is, and what callers are shown."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import served
from harness import PATIENCE, Served, until

import net

Seen = tuple[Any, ...]

ran: list[Any] = []


@net.connect("Guarded", groups=["blue", "admins"])
def guarded(x: int) -> int:
    ran.append(x)
    return x


@net.connect(groups="blue")
async def guarded_later(x: int) -> int:
    ran.append(x)
    return x


def seen() -> Seen | None:
    caller = net.caller()
    return None if caller is None else (caller.instance_id, caller.group, caller.is_original, caller.peer is not None)


@net.connect
def who() -> Seen | None:
    return seen()


@net.connect
async def who_later() -> list[Seen | None]:
    """Ask from the coroutine, a task that it begins, a thread that it hands over to, and a call of its own."""
    await asyncio.sleep(0)

    async def task() -> Seen | None:
        await asyncio.sleep(0)
        return seen()

    return [seen(), await asyncio.create_task(task()), await asyncio.to_thread(seen), who.submit().result()]


@net.connect
def who_beside() -> list[Seen | None]:
    """Ask from where a function without a loop of its own may go on."""

    async def main() -> list[Seen | None]:
        return [seen(), await asyncio.create_task(who_later.aio()), await asyncio.to_thread(seen)]  # type: ignore[list-item]

    told: list[Seen | None] = []
    context = contextvars.copy_context()
    threads = [
        threading.Thread(target=context.run, args=[lambda: told.append(seen())]),
        threading.Thread(target=lambda: told.append(seen()), context=contextvars.Context())  # type: ignore[call-arg]
        if sys.version_info >= (3, 14)
        else threading.Thread(target=lambda: told.append(seen())),
    ]
    for thread in threads:
        thread.start()
        thread.join(PATIENCE)
    first, later, threaded = asyncio.run(main())
    return [*told, first, threaded, *later]  # type: ignore[misc]


@net.connect
def call_back(tag: str) -> Any:
    caller = net.caller()
    assert caller is not None
    assert caller.peer is not None
    return caller.peer.execute(caller.peer, tag)


@net.connect
def who_in_a_child() -> str:
    """Ask in a child that is forked in here: the call is its parent's."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, repr(net.caller()).encode())
        os._exit(0)
    os.wait()
    os.close(writer)
    with os.fdopen(reader) as said:
        return said.read()


@pytest.fixture
def blue() -> Iterator[net.Peer]:
    with net.Peer(test=True, group="blue") as peer:
        yield peer


@pytest.fixture
def red() -> Iterator[net.Peer]:
    with net.Peer(test=True, group="red") as peer:
        yield peer


def own_id() -> str:
    return net.Peer().instance_id


def address() -> tuple[str, int | None]:
    return "127.0.0.1", net.Peer().port


def as_seen(peer: net.Peer) -> Seen:
    return peer.instance_id, peer.group, False, True


def test_callers_of_the_groups_that_are_named_may_call_and_no_others(blue: net.Peer, red: net.Peer) -> None:
    for there in (own_id(), address()):
        assert blue.execute(there, "Guarded", [3]) == blue.execute(there, "test_access.guarded", [3]) == 3
        assert blue.execute(there, "test_access.guarded_later", [4]) == 4
        ran.clear()
        for tag in ("Guarded", "test_access.guarded"):
            with pytest.raises(net.Refused, match=r'for callers of the groups "blue", "admins" only.*is of "red"'):
                red.execute(there, tag, [3])
        # Its arguments are not even looked at.
        with pytest.raises(net.Refused, match='"blue" only'):
            red.execute(there, "test_access.guarded_later", ["unfit", 1, 2])
        assert ran == []
        assert red.execute(there, "test_access.who") is not None


def test_whoever_is_in_no_group_has_none_to_prove(serve: Callable[..., Served]) -> None:
    outsider, insider = serve(), serve(NET_GROUP="admins")
    assert served.relay(own_id(), "Guarded", 5, peer=insider.id) == 5
    with pytest.raises(net.RemoteError, match="has proved to be of none") as raised:
        served.relay(own_id(), "Guarded", 5, peer=outsider.id)
    assert raised.value.kind.endswith("Refused")


def test_each_way_to_call_is_refused_alike(red: net.Peer) -> None:
    def call_all(target: str) -> list[str]:
        async def main() -> str:
            with pytest.raises(net.Refused) as raised:
                await guarded.aio(1, peer=target)
            return str(raised.value)

        with pytest.raises(net.Refused) as called:
            guarded(1, peer=target)
        with pytest.raises(net.Refused) as submitted:
            guarded.submit(1, peer=target).result(PATIENCE)
        with pytest.raises(net.Refused) as method:
            net.RemotePeer(target).Guarded(1)
        return [str(called.value), str(submitted.value), str(method.value), asyncio.run(main())]

    red.register_connection(call_all, "CallAll")
    assert len(set(net.Peer().execute(red, "CallAll", [own_id()]))) == 1


def test_the_program_itself_always_may() -> None:
    assert guarded(1) == guarded.submit(1).result(PATIENCE) == asyncio.run(guarded.aio(1)) == 1
    assert asyncio.run(guarded_later(1)) == 1


def test_a_program_of_the_original_may_not() -> None:
    ran.clear()
    answer = ask("Guarded", 1)
    assert answer["payload"] == "error"
    assert answer["traceback"].startswith("Refused: ")
    assert ran == []


def ask(tag: str, *args: Any) -> Any:
    """Ask as a program of the original 0.6 does."""
    with socket.create_connection(address(), PATIENCE) as asking:
        asking.sendall(json.dumps({"connection": tag, "args": args, "kwargs": {}}).encode())
        return json.loads(asking.makefile().read())


@pytest.mark.parametrize("groups", [[], (), [None], "", ["None"], [b""]])
def test_groups_that_leave_nobody_or_anybody_in_doubt_are_told_at_once(groups: Any) -> None:
    with pytest.raises(ValueError, match=r"name .*(groups|those) that may"):
        net.connect(groups=groups)
    with pytest.raises(ValueError, match=r"name .*(groups|those) that may"):
        net.Peer().register_connection(who, groups=groups)


def test_groups_may_be_one_or_several_of_text_or_bytes(blue: net.Peer, red: net.Peer) -> None:
    def offered() -> str:
        return "here"

    for groups in ("red", b"red", ["red"], {"red", "other"}, (b"red",)):
        net.connect("Offered", groups=groups)(offered)
        assert red.execute(own_id(), "Offered") == "here"
        with pytest.raises(net.Refused):
            blue.execute(own_id(), "Offered")
    # What is said last holds.
    net.connect("Offered")(offered)
    assert blue.execute(own_id(), "Offered") == "here"


def test_what_is_registered_further_stays_guarded(blue: net.Peer, red: net.Peer) -> None:
    def alarmed(level: int) -> None:
        ran.append(level)

    net.subscribe("access.alarm", peers=blue.instance_id)(net.connect(groups="blue")(alarmed))
    tag = net.Peer.build_connection_name(alarmed)
    assert red.register_connection(alarmed, "Alarmed") == "Alarmed"
    for caller, there, each in ((red, own_id(), tag), (net.Peer(), red, tag), (net.Peer(), red, "Alarmed")):
        with pytest.raises(net.Refused):
            caller.execute(there, each, [1])
    until("it subscribes", lambda: "access.alarm" in blue.registered_subscriptions)
    ran.clear()
    # Of what it asked for itself it is told.
    blue.trigger_event("access.alarm", 7)
    until("it hears", lambda: ran == [7])


def test_one_peer_may_be_guarded_by_itself(blue: net.Peer, red: net.Peer) -> None:
    def apart() -> str:
        return "apart"

    blue.register_connection(apart, "Apart", groups="red")
    assert red.execute(blue, "Apart") == "apart"
    with pytest.raises(net.Refused):
        net.Peer().execute(blue, "Apart")


def test_others_are_told_who_may_call(blue: net.Peer) -> None:
    told = blue.execute(own_id(), "net.defaults.handlers.connections")
    assert told["Guarded"]["groups"] == ["blue", "admins"]
    assert told["test_access.who"]["groups"] is None


def test_a_function_knows_its_caller(blue: net.Peer, red: net.Peer, there: Served) -> None:
    for at in (own_id(), address()):
        for caller in (blue, red, blue):
            assert tuple(caller.execute(at, who.tag)) == as_seen(caller)
            assert [tuple(each) for each in caller.execute(at, who_later.tag)] == [as_seen(caller)] * 4
    assert served.relay(own_id(), "test_access.who", peer=there.id)[:2] == (there.id, None)


def test_a_function_without_a_loop_hands_its_caller_on_with_its_context(blue: net.Peer) -> None:
    told = [each and tuple(each) for each in blue.execute(own_id(), who_beside.tag)]
    # A thread that is given no context is none of the call's.
    assert told == [as_seen(blue), None, *[as_seen(blue)] * 6]


def test_each_call_has_its_own_caller_however_many_run_at_once(blue: net.Peer, red: net.Peer) -> None:
    wrong: list[Any] = []

    def work(caller: net.Peer, tag: str) -> None:
        for _ in range(50):
            told = caller.execute(own_id(), tag)
            several = told if isinstance(told, list) else [told]
            wrong.extend(each for each in several if tuple(each) != as_seen(caller))

    threads = [
        threading.Thread(target=work, args=each)
        for each in [(peer, asks.tag) for peer in (blue, red) for asks in (who, who_later)]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not wrong


def test_outside_of_a_call_nobody_calls(blue: net.Peer) -> None:
    assert net.caller() is who() is None
    # What a thread of ours does between calls is nobody's either: it logs.
    logged: list[Any] = []

    class Handler(logging.Handler):
        def emit(self, record: Any) -> None:
            logged.append(net.caller())

    handler = Handler()
    net.LOGGER.addHandler(handler)
    level = net.LOGGER.level
    net.LOGGER.setLevel("DEBUG")
    try:
        for _ in range(20):
            assert blue.execute(own_id(), who.tag) is not None
        until("it logs", lambda: logged)
    finally:
        net.LOGGER.setLevel(level)
        net.LOGGER.removeHandler(handler)
    assert logged == [None] * len(logged)


def test_a_caller_is_called_back(there: Served, blue: net.Peer) -> None:
    pid = served.process_id(peer=there.id)
    assert served.relay(own_id(), "test_access.call_back", "served.process_id", peer=there.id) == pid
    # From the peer that was called, if there are several.
    assert served.relay(blue.instance_id, "test_access.call_back", "served.process_id", peer=there.id) == pid


def test_a_program_of_the_original_is_known_for_one() -> None:
    assert ask("test_access.who") == [None, None, True, False]


def test_who_is_told_of_an_event_knows_who_has_published(blue: net.Peer) -> None:
    heard: list[Any] = []

    def on_news() -> None:
        heard.append(seen())

    async def on_news_later() -> None:
        await asyncio.sleep(0)
        heard.append(seen())

    for event, function in (("access.news", on_news), ("access.later", on_news_later)):
        heard.clear()
        net.subscribe(event, peers=blue.instance_id)(function)
        until("it subscribes", lambda event=event: event in blue.registered_subscriptions)  # type: ignore[misc]
        blue.trigger_event(event)
        until("it hears", lambda: heard)
        assert heard == [as_seen(blue)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_is_called_by_nobody(there: Served) -> None:
    code = "import test_access"
    assert served.relay(own_id(), "test_access.who", peer=there.id) is not None
    forking = Served(code)
    try:
        assert net.Peer().execute(forking.id, "test_access.who_in_a_child") == "None"
    finally:
        forking.stop()


@pytest.fixture
def far() -> Iterator[Served]:
    """A peer that those of this process do not find by themselves, so that they reach it by its port alone."""
    # The usual folder's path would be too long for a socket's.
    with tempfile.TemporaryDirectory(prefix="net-") as folder:
        peer = Served(NET_RUNTIME_DIR=folder, NET_GROUP="far")
        yield peer
        peer.stop()


def test_user_and_executable_are_for_the_same_group_and_the_same_user(red: net.Peer, far: Served) -> None:
    info = "net.defaults.handlers.info"
    at = ("127.0.0.1", far.port)
    with net.Peer(test=True, group="far") as of_its_group:
        for shown in (net.info(), red.execute(own_id(), info), of_its_group.execute(at, info), ask(info)):
            assert isinstance(shown["user"], str)
            assert isinstance(shown["executable"], str)
    told = red.execute(at, info)
    assert (told["user"], told["executable"], told["port"]) == (None, None, far.port)
    assert net.RemotePeer(at).friendly_id["user"] is None


def test_tracebacks_are_for_the_same_group_and_the_same_user(there: Served, red: net.Peer, far: Served) -> None:
    at = ("127.0.0.1", far.port)
    with net.Peer(test=True, group="far") as of_its_group:
        for caller, to in ((net.Peer(), there.id), (red, there.id), (of_its_group, at)):
            with pytest.raises(ZeroDivisionError) as shown:
                caller.execute(to, "served.divide", [1, 0])
            assert "return a / b" in vars(shown.value)["traceback"]
    for tag, args, kind in (("served.divide", [1, 0], ZeroDivisionError), ("served.fail_later", ["odd"], ValueError)):
        with pytest.raises(kind) as raised:
            red.execute(at, tag, args)
        assert vars(raised.value)["traceback"] == ""
        assert vars(raised.value)["message"] in ("division by zero", "odd")
        assert "served.py" not in str(raised.value)
