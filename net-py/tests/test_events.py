"""Events: the forms of the decorators, who is told, what is dropped, and what holds when peers come, go and come back.

Each publisher and subscriber of other processes is in ``served.py``; the core's own tests are in Rust.
"""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import served
from harness import PATIENCE, Served, run, until

import net


@pytest.fixture
def other() -> Iterator[Served]:
    process = Served()
    yield process
    process.stop()


@net.event("said")
def say(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


def test_an_event_of_another_process_arrives_with_its_types(other: Served) -> None:
    heard: queue.Queue[Any] = queue.Queue()

    @net.subscribe("published")
    def hear(*args: Any, **kwargs: Any) -> None:
        heard.put((args, kwargs, net.Peer()))

    until("it subscribes", lambda: served.has_subscribers("published", peer=other.id))
    served.publish("published", (1, "x"), b"y", peer=other.id, key={2: None})
    assert heard.get(timeout=PATIENCE) == (((1, "x"), b"y"), {"key": {2: None}}, net.Peer())
    assert (hear.subscription.event, hear.subscription.received, hear.subscription.dropped) == ("published", 1, 0)
    assert other.id in [peer.instance_id for peer in hear.subscription.publishers()]
    assert hear.subscription.publishers()[0].on_host
    assert repr(hear.subscription) == "<net.Subscription 'published' received:1 dropped:0>"
    hear("here", key=1)
    assert heard.get_nowait()[:2] == (("here",), {"key": 1})
    hear.subscription.unsubscribe()
    until("nobody subscribes", lambda: not served.has_subscribers("published", peer=other.id))


def test_calling_an_event_hands_it_out_and_returns_what_it_returned(other: Served) -> None:
    served.listen("said", peer=other.id)
    until("it subscribes", lambda: net.Peer().registered_subscriptions)
    assert say(1, two=2) == ((1,), {"two": 2})
    until("it is heard", lambda: served.heard("said", peer=other.id) == [[[1], {"two": 2}]])
    assert list(net.Peer().registered_subscriptions) == ["said"]
    assert list(net.Peer().registered_subscriptions["said"]) == [("127.0.0.1", other.port)]
    assert net.info()["subscriptions"] == ["said"]


def test_an_async_event_is_awaited(other: Served) -> None:
    @net.event("later")
    async def later(text: str) -> Any:
        await asyncio.sleep(0)
        return [text], {}

    served.listen("later", peer=other.id)
    until("it subscribes", lambda: "later" in net.Peer().registered_subscriptions)
    assert asyncio.run(later("x")) == (["x"], {})
    until("it is heard", lambda: served.heard("later", peer=other.id) == [[["x"], {}]])


def test_an_event_without_a_name_has_its_functions() -> None:
    @net.event
    def unnamed(n: int) -> Any:
        return (n,), {}

    heard: queue.Queue[int] = queue.Queue()
    with net.Peer(test=True) as further:
        further.trigger_event("nothing")  # nobody is told, and nothing is wrong

        @net.subscribe("test_events.unnamed")
        def hear(n: int) -> None:
            heard.put(n)

        until("it subscribes", lambda: "test_events.unnamed" in further.registered_subscriptions)
        further.trigger_event("test_events.unnamed", 3)
        assert heard.get(timeout=PATIENCE) == 3
        assert unnamed(4) == ((4,), {}), "the process's own peer has no subscriber, and that is no error"
        hear.subscription.unsubscribe()


@pytest.mark.parametrize("returned", [None, 1, (1, 2), ((1,), {}, 3), "ab"])
def test_an_event_that_returns_something_else_says_so(returned: Any) -> None:
    @net.event("bad")
    def bad() -> Any:
        return returned

    with pytest.raises(TypeError, match=r"bad is an event and has to return \(args, kwargs\)"):
        bad()


def test_an_argument_that_cannot_be_sent_is_told_with_its_path() -> None:
    with pytest.raises(net.BadValue, match=r"args\[1\]"):
        say(1, object())


def test_handlers_may_be_async_and_keep_their_order(other: Served) -> None:
    heard: list[int] = []

    @net.subscribe("counted", when_full="block")
    async def hear(n: int) -> None:
        await asyncio.sleep(0.001 if n % 3 == 0 else 0)
        heard.append(n)

    until("it subscribes", lambda: served.has_subscribers("counted", peer=other.id))
    served.publish_many("counted", 300, peer=other.id)
    until("all are heard", lambda: len(heard) == 300)
    assert heard == list(range(300))
    hear.subscription.unsubscribe()


def test_a_handler_that_raises_is_logged_and_hears_the_next(other: Served, caplog: pytest.LogCaptureFixture) -> None:
    heard: queue.Queue[int] = queue.Queue()

    @net.subscribe("raised")
    def hear(n: int) -> None:
        heard.put(n)
        raise ValueError(f"not {n}")

    until("it subscribes", lambda: served.has_subscribers("raised", peer=other.id))
    served.publish_many("raised", 3, peer=other.id)
    assert [heard.get(timeout=PATIENCE) for _ in range(3)] == [0, 1, 2]
    until("it is logged", lambda: "a subscriber failed: ValueError: not 2" in caplog.text)
    # The core says of which event, and of whose; both have the traceback.
    for logger, says in {"net": "test_events.hear failed", "net.event": "event=raised"}.items():
        said = [record.getMessage() for record in caplog.records if record.name == logger]
        message = next(message for message in said if "not 2" in message)
        assert says in message
        assert "Traceback (most recent call last):\n" in message
        assert 'raise ValueError(f"not {n}")' in message
    hear.subscription.unsubscribe()


def test_a_handler_that_stands_still_drops_the_oldest_and_counts_them(other: Served) -> None:
    goes_on = threading.Event()
    heard: list[int] = []

    @net.subscribe("flood", keep=50)
    def hear(n: int, _: bytes) -> None:
        goes_on.wait(PATIENCE)
        heard.append(n)

    until("it subscribes", lambda: served.has_subscribers("flood", peer=other.id))
    served.publish_many("flood", 2000, bytes(1000), peer=other.id)
    goes_on.set()
    until("the last is heard", lambda: heard and heard[-1] == 1999)
    assert heard == sorted(heard)
    assert len(heard) + hear.subscription.dropped == 2000
    assert hear.subscription.dropped > 500
    hear.subscription.unsubscribe()


def test_a_publisher_waits_for_who_asked_for_it(other: Served) -> None:
    heard: list[int] = []

    @net.subscribe("waited", keep=5, when_full="block")
    def hear(n: int, _: bytes) -> None:
        heard.append(n)

    until("it subscribes", lambda: served.has_subscribers("waited", peer=other.id))
    served.publish_many("waited", 1000, bytes(2000), peer=other.id)
    until("all are heard", lambda: len(heard) == 1000)
    assert heard == list(range(1000))
    assert hear.subscription.dropped == 0
    hear.subscription.unsubscribe()


def test_a_wish_holds_for_a_publisher_that_is_killed_and_comes_back() -> None:
    heard: queue.Queue[str] = queue.Queue()

    @net.subscribe("again")
    def hear(text: str) -> None:
        heard.put(text)

    for text in ("first", "second"):
        process = Served()
        until("it subscribes", lambda process=process: served.has_subscribers("again", peer=process.id))
        served.publish("again", text, peer=process.id)
        assert heard.get(timeout=PATIENCE) == text
        process.process.send_signal(signal.SIGKILL)
        process.stop()
    hear.subscription.unsubscribe()


def test_who_is_told_can_be_narrowed() -> None:
    groups = {"a": Served(NET_GROUP="a"), "hub": Served(NET_GROUP="a", NET_IS_HUB="1"), "b": Served(NET_GROUP="b")}
    by_id = {process.id: name for name, process in groups.items()}
    net.peers(refresh=True)
    wishes = {
        "own group": net.subscribe("narrow"),
        "one group": net.subscribe("narrow", groups="a"),
        "two groups": net.subscribe("narrow", ["a", "b"]),
        "hubs": net.subscribe("narrow", groups=["a", "b"], hubs_only=True),
        "on this host": net.subscribe("narrow", groups=["b"], on_host=True),
        "a peer": net.subscribe("narrow", peers=groups["b"].id),
        "peers, as in 0.3": net.subscribe("narrow", [net.RemotePeer(groups["a"].id), ("127.0.0.1", groups["b"].port)]),
        "all of a group": net.subscribe("narrow", peers=net.peers(groups="a")),
    }
    expected = {
        "own group": [],
        "one group": ["a", "hub"],
        "two groups": ["a", "b", "hub"],
        "hubs": ["hub"],
        "on this host": ["b"],
        "a peer": ["b"],
        "peers, as in 0.3": ["a", "b"],
        "all of a group": ["a", "hub"],
    }
    told = {}
    for number, (what, decorate) in enumerate(wishes.items()):

        def hear(*args: Any) -> None: ...

        hear.__name__ = f"hear_{number}"
        told[what] = decorate(hear).subscription

    def of(what: str) -> list[str]:
        ids = {peer.instance_id for peer in told[what].publishers()}
        # Of the ungrouped there are those of other tests.
        return sorted(name for id, name in by_id.items() if id in ids)

    until("all are asked", lambda: all(of(what) == names for what, names in expected.items()))
    for subscription in told.values():
        subscription.unsubscribe()
    for process in groups.values():
        process.stop()


def test_a_bad_setting_is_told() -> None:
    with pytest.raises(ValueError, match=r'when_full is "drop_oldest" or "block", not "wait"'):
        net.subscribe("x", when_full="wait")(lambda: None)  # type: ignore[arg-type]


def test_functions_that_ask_to_be_called_are_called(other: Served) -> None:
    """As programs for the original have it: the subscriber's function is called by its tag."""
    peer = net.Peer()
    peer.register_subscriber("called", "127.0.0.1", other.port, "served.take")
    assert peer.registered_subscriptions["called"] == {("127.0.0.1", other.port): ["served.take"]}
    peer.trigger_event("called", 1, key=2)
    until("it was called", lambda: served.heard("take", peer=other.id) == [[[1], {"key": 2}]])
    served.subscribe_as_original("called", peer.host, peer.port, peer=other.id)
    net.subscription_handler("asked", "127.0.0.1", peer.port, "test_events.answered", peer=other.id)
    served.publish("asked", 7, peer=other.id)
    assert _answered.get(timeout=PATIENCE) == 7
    other.process.send_signal(signal.SIGKILL)
    other.process.wait(PATIENCE)

    def is_forgotten() -> bool:
        peer.trigger_event("called", 3)
        return "called" not in peer.registered_subscriptions

    until("it is forgotten", is_forgotten)


_answered: queue.Queue[int] = queue.Queue()


@net.connect
def answered(n: int) -> None:
    _answered.put(n)


def test_a_forked_child_is_told_too() -> None:
    code = """
import os, queue, net
import served

heard = queue.Queue()

@net.subscribe("forked")
def hear(text):
    heard.put(text)

net.Peer().port
child = os.fork()
who = "child" if child == 0 else "parent"
text = heard.get(timeout=20)
os.write(1, f"{who} {text}\\n".encode())
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""
    program = subprocess.Popen(
        [sys.executable, "-c", code], cwd=os.path.dirname(__file__), stdout=subprocess.PIPE, text=True
    )

    def both_subscribe() -> bool:
        return len(net.Peer().registered_subscriptions.get("forked", {})) == 2

    until("both subscribe", both_subscribe)
    net.Peer().trigger_event("forked", "hello")
    output, _ = program.communicate(timeout=PATIENCE)
    assert sorted(output.split("\n")) == ["", "child hello", "parent hello"]


def test_a_program_that_publishes_and_ends_is_heard_to_the_end() -> None:
    heard: list[int] = []

    @net.subscribe("brief", keep=10_000)
    def hear(n: int) -> None:
        heard.append(n)

    ended = run("""
import time, net
while not net.Peer().registered_subscriptions:
    time.sleep(0.005)
for n in range(1000):
    net.Peer().trigger_event("brief", n)
""")
    assert (ended.returncode, ended.stderr) == (0, "")
    until("all are heard", lambda: len(heard) == 1000)
    assert heard == list(range(1000))
    hear.subscription.unsubscribe()
