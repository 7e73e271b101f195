"""Events between original 0.6.2 peers and ours: both subscribe, both publish, and both end and come back."""

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actor import ANSWER_WITHIN, Actor, free_block

PROGRAM = Path(__file__).parent / "program" / "reporter.py"
Start = Callable[..., Actor]

VALUES = [1, 1.5, "text", "é", "", None, True, [1, ["x"]], {"a": {"b": None}}]


def until(what: str, holds: Callable[[], Any]) -> None:
    end = time.monotonic() + ANSWER_WITHIN
    while not holds():
        assert time.monotonic() < end, f"{what}: not in time"
        time.sleep(0.02)


def run_on(peer: Actor, via: Actor, name: str, *args: Any, **kwargs: Any) -> Any:
    """Run a function of the newsroom on a peer, as `via` asks for it."""
    answer = via.ask(f"newsroom.{name}", *args, to=peer, way="execute", **kwargs)
    assert "result" in answer, answer
    return answer["result"]


def subscriptions(peer: Actor, via: Actor) -> list[str]:
    return via.ask("net.defaults.handlers.info", to=peer, way="execute")["result"]["subscriptions"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start peers for one test alone: on one block of ports, or at a port of its own."""
    block = free_block()
    started: list[Actor] = []
    with tempfile.TemporaryDirectory(prefix="net-") as runtime_dir:

        def start(kind: str, port: int = block, **settings: str) -> Actor:
            make = {"ours": Actor.ours, "original": Actor.original}[kind]
            started.append(make(f"{kind} {len(started)}", PROGRAM, port, runtime_dir, **settings))
            return started[-1]

        yield start
        for peer in started:
            peer.stop()


@pytest.fixture
def original(start: Start) -> Actor:
    return start("original")


@pytest.fixture
def second_original(start: Start, original: Actor) -> Actor:
    return start("original")


@pytest.fixture
def ours(start: Start, original: Actor) -> Actor:
    return start("ours")


# --- they subscribe to us -------------------------------------------------------------------------------------


def test_an_original_hears_what_ours_publishes(original: Actor, ours: Actor) -> None:
    run_on(original, ours, "subscribe", "published", find=ours.port)
    assert "published" in subscriptions(ours, via=original)
    run_on(ours, original, "publish", "published", *VALUES, key={"x": VALUES})
    until("it is heard", lambda: run_on(original, ours, "heard", "published"))
    assert run_on(original, ours, "heard", "published") == [[VALUES, {"key": {"x": VALUES}}]]


def test_an_original_hears_in_order_and_each_once(original: Actor, ours: Actor) -> None:
    run_on(original, ours, "subscribe", "numbers", find=ours.port)
    run_on(ours, original, "publish_numbers", "numbers", 100)
    until("all are heard", lambda: run_on(original, ours, "heard_in_order", "numbers")[0] >= 100)
    assert run_on(original, ours, "heard_in_order", "numbers") == [100, True]


def test_an_event_too_long_for_an_original_is_logged_and_stops_nobody(
    original: Actor, ours: Actor, start: Start
) -> None:
    native = start("ours")
    run_on(native, ours, "subscribe", "lengthy")
    run_on(original, ours, "subscribe", "lengthy", find=ours.port)
    until("both subscribe", lambda: run_on(ours, native, "subscribers", "lengthy") == 2)
    for length in (3, 5000, 4):
        run_on(ours, original, "publish_text", "lengthy", length)
    until("the last is heard", lambda: len(run_on(original, ours, "heard", "lengthy")) == 2)
    until("all are heard", lambda: len(run_on(native, ours, "heard", "lengthy")) == 3)
    assert run_on(original, ours, "heard", "lengthy") == [[["xxx"], {}], [["xxxx"], {}]]
    until("it is logged", lambda: re.search("did not take an event.*1024", ours.said().replace(",", "")))


def test_a_failing_original_is_logged_and_stops_nobody(original: Actor, second_original: Actor, ours: Actor) -> None:
    run_on(original, ours, "subscribe_in_vain", "vain", find=ours.port)
    run_on(second_original, ours, "subscribe", "vain", find=ours.port)
    run_on(ours, original, "publish_numbers", "vain", 3)
    for peer in (original, second_original):
        until("all are heard", lambda peer=peer: run_on(peer, ours, "heard_in_order", "vain") == [3, True])
    until("it is logged", lambda: "heard in vain" in ours.said())
    assert "a subscriber failed: ValueError" in ours.said()


def test_a_killed_original_is_pruned(ours: Actor, original: Actor, start: Start) -> None:
    brief = start("original")
    run_on(brief, ours, "subscribe", "pruned", find=ours.port)
    assert "pruned" in subscriptions(ours, via=original)
    brief.stop()

    def is_pruned() -> bool:
        run_on(ours, original, "publish", "pruned", 1)
        return "pruned" not in subscriptions(ours, via=original)

    until("it is pruned", is_pruned)


def test_an_original_finds_ours_by_group_and_hub(original: Actor, ours: Actor, start: Start) -> None:
    hub = start("ours", NET_GROUP="red", NET_IS_HUB="1")
    member = start("ours", NET_GROUP="red")
    run_on(original, ours, "subscribe", "red_all", groups=["red"], find=member.port)
    run_on(original, ours, "subscribe", "red_hubs", groups=["red"], hubs_only=True, find=hub.port)
    assert subscriptions(hub, via=ours) == ["red_all", "red_hubs"]
    assert subscriptions(member, via=ours) == ["red_all"]
    assert not {"red_all", "red_hubs"} & set(subscriptions(ours, via=original))


# --- we subscribe to them -------------------------------------------------------------------------------------


def test_ours_hears_what_an_original_publishes(original: Actor, ours: Actor) -> None:
    run_on(ours, original, "subscribe", "original_news")
    until("it subscribes", lambda: "original_news" in subscriptions(original, via=ours))
    run_on(original, ours, "publish", "original_news", *VALUES, key={"x": VALUES})
    until("it is heard", lambda: run_on(ours, original, "heard", "original_news"))
    assert run_on(ours, original, "heard", "original_news") == [[VALUES, {"key": {"x": VALUES}}]]


def test_ours_hears_in_order_and_each_once(original: Actor, ours: Actor) -> None:
    run_on(ours, original, "subscribe", "original_numbers")
    until("it subscribes", lambda: "original_numbers" in subscriptions(original, via=ours))
    run_on(original, ours, "publish_numbers", "original_numbers", 100)
    until("all are heard", lambda: run_on(ours, original, "heard_in_order", "original_numbers")[0] >= 100)
    assert run_on(ours, original, "heard_in_order", "original_numbers") == [100, True]


def test_ours_that_fails_is_logged_and_stops_no_original(original: Actor, second_original: Actor, ours: Actor) -> None:
    run_on(ours, original, "subscribe_in_vain", "original_vain")
    run_on(second_original, ours, "subscribe", "original_vain", find=original.port)
    until("it subscribes", lambda: "original_vain" in subscriptions(second_original, via=ours))
    run_on(original, ours, "publish_numbers", "original_vain", 3)
    for peer in (ours, second_original):
        until("all are heard", lambda peer=peer: run_on(peer, original, "heard_in_order", "original_vain") == [3, True])
    until("it is logged with its traceback", lambda: "in hear_in_vain" in ours.said())


def test_ours_hears_originals_by_group_and_hub(original: Actor, ours: Actor, start: Start) -> None:
    hub = start("original", NET_GROUP="blue", NET_IS_HUB="1")
    member = start("original", NET_GROUP="blue")
    run_on(ours, original, "subscribe", "blue_all", groups="blue")
    run_on(ours, original, "subscribe", "blue_hubs", groups=["blue"], hubs_only=True)
    run_on(ours, original, "subscribe", "own_group")
    until("the hub is asked", lambda: subscriptions(hub, via=ours) == ["blue_all", "blue_hubs"])
    until("the member is asked", lambda: subscriptions(member, via=ours) == ["blue_all"])
    until("the ungrouped is asked", lambda: "own_group" in subscriptions(original, via=ours))
    assert not {"blue_all", "blue_hubs"} & set(subscriptions(original, via=ours))


def test_ours_that_came_first_hears_an_original_that_comes_and_comes_back(
    original: Actor, ours: Actor, start: Start
) -> None:
    port = free_block()
    early = start("ours", port)
    run_on(early, ours, "subscribe", "again")
    for round in range(3):
        # It dials the others' ports too, as the other tests' peers look at theirs alone.
        late = start("original", port + 1)
        until("it subscribes", lambda late=late: "again" in subscriptions(late, via=ours))
        run_on(late, ours, "publish", "again", round)
        until("it is heard", lambda round=round: len(run_on(early, ours, "heard", "again")) > round)
        late.stop()
    assert run_on(early, ours, "heard_in_order", "again") == [3, True]


def test_ours_that_comes_back_at_its_port_hears_each_event_once(original: Actor, start: Start) -> None:
    """An original calls once for each time that it was asked, and cannot be told to stop."""
    port = free_block()
    for round in range(2):
        back = start("ours", port)
        assert back.port == port
        # Outside its range: met by address.
        run_on(original, back, "heard", "back")
        run_on(back, original, "subscribe", "back")
        until("it has asked", lambda back=back: "back" in subscriptions(original, via=back))
        run_on(original, back, "publish", "back", "first")
        until("it is heard", lambda back=back: run_on(back, original, "heard", "back"))
        run_on(original, back, "publish", "back", "last")
        until("it is heard", lambda back=back: ["last"] in [a for a, _ in run_on(back, original, "heard", "back")])
        assert run_on(back, original, "heard", "back") == [[["first"], {}], [["last"], {}]], round
        back.stop()


def test_ours_that_unsubscribes_is_told_no_more(original: Actor, ours: Actor) -> None:
    run_on(ours, original, "subscribe", "enough")
    until("it subscribes", lambda: "enough" in subscriptions(original, via=ours))
    run_on(original, ours, "publish", "enough", 1)
    until("it is heard", lambda: run_on(ours, original, "heard", "enough"))
    run_on(ours, original, "unsubscribe", "enough")
    # It waits for the answer of whom it calls: who was told has been.
    run_on(original, ours, "publish", "enough", 2)
    assert run_on(ours, original, "heard", "enough") == [[[1], {}]]
