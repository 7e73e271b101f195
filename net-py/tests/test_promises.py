"""What the manual promises, a test for each row of it, and the same bodies here and there where the two must agree.

Not here: values in general (``test_convert``), failures of calls (``test_errors``), what else holds of
events (``test_events``).
"""

from __future__ import annotations

import getpass
import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import served
from harness import PATIENCE, Served, run, until
from ways import HERE, THERE, Call, second, ways  # noqa: F401  (second is a fixture)

import net


@pytest.fixture(params=HERE + THERE)
def call(request: pytest.FixtureRequest, there: Served, second: net.Peer) -> Call:  # noqa: F811
    return ways(there, second)[request.param]


@pytest.fixture(params=THERE)
def call_there(request: pytest.FixtureRequest, there: Served, second: net.Peer) -> Call:  # noqa: F811
    return ways(there, second)[request.param]


# --- net.connect ----------------------------------------------------------------------------------------------


def test_connect_returns_the_result_as_though_it_ran_here(call: Call) -> None:
    assert call(served.multiply, 5, 10) == 50
    assert call(served.multiply, 5) == 25
    assert call(served.multiply, 5, b=3) == 15


# --- tag ------------------------------------------------------------------------------------------------------


def test_tag_names_the_function_whatever_it_is_called(call: Call) -> None:
    assert served.named_otherwise.tag == "Renamed"
    assert served.multiply.tag == "served.multiply"
    assert call(served.named_otherwise, "a") == "A"


def test_tag_is_not_all_that_a_tagged_function_is_known_by(there: Served) -> None:
    for tag in ("Renamed", b"Renamed", "served.named_otherwise", net.Peer.encode("Renamed")):
        assert net.Peer().execute(there.id, tag, ["a"]) == "A"


# --- errors ---------------------------------------------------------------------------------------------------


def test_errors_are_raised_at_the_caller(call: Call) -> None:
    with pytest.raises(ZeroDivisionError):
        call(served.divide, 1, 0)


def test_errors_of_a_peer_begin_with_remote_error_and_have_its_traceback(call_there: Call) -> None:
    with pytest.raises(net.RemoteError) as raised:
        call_there(served.divide, 1, 0)
    assert str(raised.value).startswith("RemoteError")
    assert "return a / b" in str(raised.value)
    assert "ZeroDivisionError: division by zero" in str(raised.value)


# --- net.event ------------------------------------------------------------------------------------------------


def test_event_hands_args_and_kwargs_to_every_subscriber(serve: Callable[..., Served]) -> None:
    subscribers = [serve(), serve()]
    for peer in subscribers:
        served.listen("doing_something", peer=peer.id)
    until("both subscribe", lambda: len(net.Peer().registered_subscriptions.get("doing_something", {})) == 2)

    @net.event("doing_something")
    def i_am_doing_something(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    for i in range(10):
        assert i_am_doing_something(i, twice=2 * i) == ((i,), {"twice": 2 * i})
    expected = [[[i], {"twice": 2 * i}] for i in range(10)]
    for peer in subscribers:
        until("all are heard", lambda peer=peer: served.heard("doing_something", peer=peer.id) == expected)


def test_event_is_stopped_by_no_subscriber_that_fails_or_is_gone(
    subscriber: Served, serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    gone = serve()
    own = net.Peer()
    own.register_subscriber("withstands", "127.0.0.1", gone.port, "served.take_in")
    own.register_subscriber("withstands", "127.0.0.1", subscriber.port, "served.take_in_vain")
    served.listen("withstands", peer=gone.id)
    until("it subscribes", lambda: len(own.registered_subscriptions["withstands"]) == 2)
    gone.process.kill()
    gone.process.wait(PATIENCE)

    @net.event("withstands")
    def withstands() -> Any:
        return ("withstood",), {}

    def is_pruned() -> bool:
        assert withstands() == (("withstood",), {})
        return list(own.registered_subscriptions["withstands"]) == [("127.0.0.1", subscriber.port)]

    until("the one that is gone is pruned", is_pruned)
    until("the one that fails is logged", lambda: "a subscriber failed: ValueError: taken in vain" in caplog.text)
    assert "in take_in_vain" in caplog.text
    assert served.heard("withstood", peer=subscriber.id)


def test_event_goes_out_from_the_peer_on_which_it_is_published(subscriber: Served, second: net.Peer) -> None:  # noqa: F811
    served.listen("of_second", second.instance_id, peer=subscriber.id)
    served.listen("of_own", net.Peer().instance_id, peer=subscriber.id)
    until("it subscribes to one", lambda: "of_second" in second.registered_subscriptions)
    until("it subscribes to the other", lambda: "of_own" in net.Peer().registered_subscriptions)
    assert "of_second" not in net.Peer().registered_subscriptions
    assert "of_own" not in second.registered_subscriptions

    @net.connect
    def publish_where_it_runs(event: str) -> None:
        net.event(event)(lambda: (("in a function",), {}))()

    for event, publisher in (("of_second", second), ("of_own", net.Peer())):
        for peer in (second, net.Peer()):
            peer.trigger_event(event, peer.instance_id)
            publish_where_it_runs(event, peer=peer)
        expected = [[[publisher.instance_id], {}], [["in a function"], {}]]
        until("it is heard", lambda event=event, expected=expected: served.heard(event, peer=subscriber.id) == expected)


# --- net.subscribe --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cast() -> Iterator[dict[str, Served]]:
    peers = {
        "red": Served(NET_GROUP="cast red"),
        "red hub": Served(NET_GROUP="cast red", NET_IS_HUB="1"),
        "white": Served(NET_GROUP="cast white"),
        "none": Served(),
    }
    net.peers(refresh=True)
    yield peers
    for peer in peers.values():
        peer.stop()


#: What net.subscribe takes beside the event, and who is meant by it.
MEANT: dict[str, tuple[Callable[..., dict[str, Any]], list[str]]] = {
    "all peers": (lambda cast: {}, ["none"]),
    "a group": (lambda cast: {"groups": "cast red"}, ["red", "red hub"]),
    "groups": (lambda cast: {"groups": ["cast red", "cast white"]}, ["red", "red hub", "white"]),
    "none's group": (lambda cast: {"groups": ["None"]}, ["none"]),
    "hubs only": (lambda cast: {"groups": ["cast red"], "hubs_only": True}, ["red hub"]),
    "on this host": (lambda cast: {"groups": "cast white", "on_host": True}, ["white"]),
    "one peer": (lambda cast: {"peers": net.peers(groups="cast white")[0]}, ["white"]),
    "peers": (lambda cast: {"peers": [cast["red"].id, ("127.0.0.1", cast["none"].port)]}, ["none", "red"]),
    "what peers() gave": (lambda cast: {"peers": net.peers(groups="cast red")}, ["red", "red hub"]),
    "what its mapping has": (
        lambda cast: {"peers": net.peers(groups="cast red")["peers"].values()},
        ["red", "red hub"],
    ),
    "peers of 0.3": (
        lambda cast: {"peers": net.Peer.generate_id(cast["red"].port, "127.0.0.1")},
        ["red"],
    ),
}


@pytest.mark.parametrize(("how", "publishers"), MEANT.values(), ids=MEANT)
def test_subscribe_is_told_by_those_that_are_meant(
    cast: dict[str, Served], how: Callable[..., dict[str, Any]], publishers: list[str]
) -> None:
    heard: queue.Queue[str] = queue.Queue()

    @net.subscribe("meant", **how(cast))
    def hear(who: str, end: bool = False) -> None:
        heard.put(who)

    def asked() -> list[str]:
        ids = {peer.instance_id for peer in hear.subscription.publishers()}
        return sorted(name for name, peer in cast.items() if peer.id in ids)

    until("they are asked", lambda: asked() == publishers)
    for name, peer in cast.items():
        served.publish("meant", name, peer=peer.id, end=True)
    assert sorted(heard.get(timeout=PATIENCE) for _ in publishers) == publishers
    hear.subscription.unsubscribe()
    assert heard.empty()


def test_subscribe_leaves_the_function_as_it_was() -> None:
    def plain(x: int) -> int:
        return x + 1

    subscribed = net.subscribe("left")(plain)
    assert subscribed is plain
    assert plain(1) == 2
    # It is also connected, as in the original, where that is how it is told.
    assert "test_promises.plain" in net.Peer().registered_connections
    subscribed.subscription.unsubscribe()


def test_subscribe_in_a_function_is_of_the_peer_on_which_it_runs(subscriber: Served, second: net.Peer) -> None:  # noqa: F811
    heard: queue.Queue[str] = queue.Queue()

    @net.connect
    def subscribe_where_it_runs() -> None:
        @net.subscribe("where", peers=subscriber.id)
        def hear() -> None:
            heard.put(net.Peer().instance_id)

    subscribe_where_it_runs(peer=second)
    until("it subscribes", lambda: served.has_subscribers("where", peer=subscriber.id))
    served.publish("where", peer=subscriber.id)
    assert heard.get(timeout=PATIENCE) == second.instance_id


# --- net.flag -------------------------------------------------------------------------------------------------


def test_flag_calls_its_handler_with_connection_and_peer(call: Call) -> None:
    assert call(served.own_flag) == ("served.own_flag", True)


def test_flag_of_an_async_function(there: Served) -> None:
    import asyncio

    async def main() -> None:
        assert await served.own_flag_later() == ("served.own_flag_later", True)
        assert await served.own_flag_later(peer=there.id) == ("served.own_flag_later", True)

    asyncio.run(main())
    assert served.own_flag_later.submit().result() == ("served.own_flag_later", True)
    assert served.own_flag_later.submit(peer=there.id).result() == ("served.own_flag_later", True)


def test_flag_null_returns_null(call: Call) -> None:
    assert call(served.null_flag) == "NULL"
    assert call(net.null) == "NULL"


def test_flag_is_not_the_text_that_reads_the_same(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(net.Peer().FLAGS, "NULL", lambda connection, peer: "handled")
    assert call(served.null_flag) == "handled"
    assert call(served.null_text) == "NULL"
    assert call(net.pass_through, net.Peer().get_flag("NULL")) == "NULL"


def test_flag_invalid_connection_raises_peer_connection_and_what_is_registered(there: Served) -> None:
    address = f"127.0.0.1:{there.port}"
    for peer in (net.RemotePeer(there.id), ("127.0.0.1", there.port), address):
        for ask in (
            lambda peer=peer: net.Peer().execute(peer, "served.mutliply", (), {}),
            lambda peer=peer: net.invalid_connection("served.mutliply", peer),
        ):
            with pytest.raises(net.NoSuchConnection) as raised:
                ask()
            text = str(raised.value)
            assert "Peer does not have the connection you are requesting" in text
            assert str(there.port) in text or there.id in text
            assert "served.mutliply" in text
            assert "served.multiply" in text
            # All of them, or as many as an error can carry.
            assert text.count("\n\t\t") >= 32


def test_flag_invalid_connection_can_be_handled_otherwise(there: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(net.Peer().FLAGS, "INVALID_CONNECTION", lambda connection, peer: ("none", connection, peer))
    assert net.Peer().server.request("127.0.0.1", there.port, "absent", (), {})[:2] == ("none", "absent")

    @net.connect("OnlyHere")
    def only_here() -> None: ...

    assert only_here(peer=there.id) == ("none", "OnlyHere", there.id)
    assert only_here.submit(peer=there.id).result() == ("none", "OnlyHere", there.id)


def test_flag_is_told_of_by_info(call: Call) -> None:
    assert {"INVALID_CONNECTION", "NULL", "TEST_FLAG"} <= set(call(net.info)["flags"])


# --- net.peers and net.get_peers ------------------------------------------------------------------------------


@pytest.mark.parametrize("peers", [net.peers, net.get_peers], ids=["peers", "get_peers"])
def test_peers_takes_groups_and_refresh_in_either_order(
    peers: Callable[..., net.Peers], serve: Callable[..., Served]
) -> None:
    blue, ungrouped = serve(NET_GROUP="blue"), serve()
    for found in (
        peers("blue", refresh=True),
        peers("blue", True),
        peers(["blue"], True),
        peers(True, "blue"),
        peers(True, groups="blue"),
        peers(refresh=True, groups=["blue"]),
        peers(("blue", "none such")),
        peers(b"blue"),
        peers("blue", False, True),
        peers(False, "blue", True, False),
        peers("blue", on_host=None),
    ):
        assert [peer.instance_id for peer in found] == [blue.id]
        assert [peer.instance_id for peer in found["blue"]] == [blue.id]
    for found in (peers(), peers(True), peers(False), peers(None, True), peers("None"), peers([None])):
        ids = [peer.instance_id for peer in found]
        assert ungrouped.id in ids
        assert blue.id not in ids
    assert list(peers("blue", hubs_only=True)) == []


def test_peers_gives_what_can_be_passed_as_peer_and_decoded_as_an_id(there: Served) -> None:
    ports = []
    for peer_id in net.get_peers(refresh=True):
        if "served.multiply" not in peer_id.registered_connections:
            continue  # of another test, in Rust
        assert served.multiply(5, 10, peer=peer_id) == 50
        decoded = net.Peer.decode_id(peer_id)
        assert decoded == net.Peer().decode_id(peer_id.id)
        assert (decoded["host"], decoded["group"]) == ("127.0.0.1", None)
        ports.append(decoded["port"])
    assert there.port in ports


def test_peers_filters_by_the_group_of_who_asks(serve: Callable[..., Served]) -> None:
    member = serve(NET_GROUP="green")
    with net.Peer(test=True, group="green") as green:

        @net.connect
        def seen() -> list[str | None]:
            return [peer.instance_id for peer in net.peers(refresh=True)]

        assert member.id not in seen()
        assert seen(peer=green) == [member.id]
    # Run in a program of that group.
    code = "import net; print(*[peer.port for peer in net.peers(refresh=True)], net.Peer().group)"
    ended = run(code, NET_GROUP="green")
    assert ended.stdout.split() == [str(member.port), "green"], ended.stderr


# --- net.peer_group -------------------------------------------------------------------------------------------


def test_peer_group_is_a_list_of_a_groups_peers(serve: Callable[..., Served]) -> None:
    member, hub = serve(NET_GROUP="red"), serve(NET_GROUP="red", NET_IS_HUB="1")
    net.peers(refresh=True)
    group = net.peer_group("red")
    assert isinstance(group, list)
    assert {peer.instance_id for peer in group} == {member.id, hub.id}
    assert [peer.instance_id for peer in net.peer_group("red", True)] == [hub.id]
    assert [peer.instance_id for peer in net.peer_group("red", hubs_only=True, on_host=True)] == [hub.id]
    assert net.peer_group("no such group") == []
    assert member.id not in [peer.instance_id for peer in net.peer_group()]


# --- peer handle ----------------------------------------------------------------------------------------------


def test_peer_handle_has_each_remote_function_as_an_attribute(there: Served) -> None:
    handle = net.peers(refresh=True)["peers"][there.id]
    assert handle.multiply(5, 10) == served.multiply(5, 10, peer=handle) == 50
    assert handle.Renamed("a") == "A"


def test_peer_handle_is_a_peer(there: Served) -> None:
    handle = net.peers(refresh=True)["peers"][there.id]
    assert isinstance(handle, net.Peer)
    assert (handle.host, handle.port, handle.group, handle.hub) == ("127.0.0.1", there.port, None, False)
    assert (handle.server.host, handle.server.port) == ("127.0.0.1", there.port)
    assert net.Peer().server.ping(handle.port, handle.host)
    assert "served.multiply" in handle.registered_connections
    assert handle.registered_connections["served.multiply"](2, 3) == 6
    assert "TEST_FLAG" in handle.registered_flags
    until("those of other tests are over", lambda: dict(handle.registered_subscriptions) == {})
    assert handle.friendly_id == f"127.0.0.1:{there.port} -> None"
    assert handle.friendly_id["user"] == getpass.getuser()
    with pytest.raises(TypeError, match="handle on another peer"), handle:
        pass


def test_peer_handle_has_their_functions_where_a_peer_of_ones_own_has_others(there: Served) -> None:
    handle = net.RemotePeer(there.id)
    # Names of 0.3, which had no handles.
    assert handle.ping("x") == "x"
    with pytest.raises(AttributeError, match="has no connection 'launch'"):
        handle.launch()


def test_peer_handle_may_be_told_of_before_it_is_asked(serve: Callable[..., Served]) -> None:
    handle = net.Peer(
        host="127.0.0.1", port=serve().port, group="blue", hub=True, connections=["served.multiply"], flags=[]
    )
    assert isinstance(handle, net.RemotePeer)
    # Nobody was asked so far.
    assert (handle.instance_id, handle.group, handle.hub) == (None, "blue", True)
    assert handle.multiply(5, 10) == 50
    assert (handle.group, handle.hub) == (None, False), "it has answered, and knows better"
    assert handle.process_id() != 0, "and what was not told of is asked for"


# --- net.info, net.pass_through, net.null, net.connections ----------------------------------------------------


def test_info_says_what_a_peer_is(call: Call) -> None:
    info = call(net.info)
    for name, kind in {
        "host": str,
        "port": int,
        "group": str,
        "hub": bool,
        "user": str,
        "executable": str,
        "connections": list,
        "subscriptions": list,
        "flags": list,
    }.items():
        assert isinstance(info[name], kind)
    assert "served.multiply" in info["connections"]
    assert net.Peer.build_connection_name(net.info) in info["connections"]


def test_info_names_the_events_that_somebody_subscribed_to(subscriber: Served, serve: Callable[..., Served]) -> None:
    publisher = serve()
    for peer in (None, net.RemotePeer(publisher.id)):
        net.subscription_handler("told_of_by_info", "127.0.0.1", subscriber.port, "served.take_in", peer=peer)
        assert "told_of_by_info" in net.info(peer=peer)["subscriptions"]
        assert "told_of_by_info" in (peer or net.Peer()).registered_subscriptions


@pytest.mark.parametrize(
    "value", [{"testing": "value"}, {"1": {"2": 3}}, [1, "1", 1.0], "text", "", None, True, False, 1.0, 1], ids=repr
)
def test_pass_through_gives_back_what_went_in(call: Call, value: Any) -> None:
    back = call(net.pass_through, value)
    assert (back, type(back)) == (value, type(value))


def test_pass_through_gives_back_several_arguments(call: Call) -> None:
    assert call(net.pass_through, "this", "is", a_test="case") == (("this", "is"), {"a_test": "case"})
    assert call(net.pass_through) == ((), {})


def test_connections_says_what_is_connected(call: Call) -> None:
    assert call(net.connections)["served.multiply"]["doc"] == "Multiply two numbers."


# --- net.Peer() -----------------------------------------------------------------------------------------------


def test_peer_is_the_one_on_which_a_function_runs(there: Served, second: net.Peer) -> None:  # noqa: F811
    own = net.Peer().instance_id
    assert len({own, there.id, second.instance_id}) == 3
    assert served.own_peer() == own
    assert served.own_peer(peer=net.Peer()) == own
    assert served.own_peer(peer=second) == second.instance_id
    assert served.own_peer(peer=there.id) == there.id
    assert net.Peer() is not second


def test_peer_is_the_same_in_all_that_a_coroutine_begins(there: Served, second: net.Peer) -> None:  # noqa: F811
    import asyncio

    async def main() -> None:
        assert await served.own_peer_later(peer=second) == [second.instance_id] * 4
        assert await served.own_peer_later(peer=net.Peer()) == [net.Peer().instance_id] * 4
        assert await served.own_peer_later(peer=there.id) == [there.id] * 4
        assert await served.own_peer_later() == [net.Peer().instance_id] * 4

    asyncio.run(main())


# --- environment ----------------------------------------------------------------------------------------------


def test_environment_is_what_a_peer_is_started_with() -> None:
    code = """
import os
os.environ["NET_GROUP"] = "app"
os.environ["NET_IS_HUB"] = "1"
import net
peer = net.Peer()
info = net.info(peer=peer)
print(peer.group, peer.hub, info["group"], info["hub"], net.GROUP, net.IS_HUB)
net.THREAD_LIMIT = 0
print(len(net.peers(refresh=True)))
"""
    ended = run(code)
    assert ended.stdout.splitlines() == ["app True app True app True", "0"], ended.stderr


def test_environment_defaults_are_the_originals() -> None:
    code = """
import os
for name in [name for name in os.environ if name.startswith("NET_") and name != "NET_RUNTIME_DIR"]:
    del os.environ[name]
from net import _environment as env
print(env.THREAD_LIMIT, env.PORT_START, env.PORT_RANGE, env.GROUP, env.IS_HUB, env.DEV)
"""
    # The peer itself is started too, at a port of the original's or at another if those are taken.
    ended = run(code)
    assert ended.stdout.strip() == "5 3010 5 None False None", ended.stderr


def test_environment_port_is_the_first_free_one_of_the_range(serve: Callable[..., Served]) -> None:
    from actor import BLOCK, free_block

    first = free_block()
    ports = [serve(NET_PORT=str(first), NET_PORT_RANGE=str(BLOCK - 1)).port for _ in range(2)]
    assert set(ports) <= set(range(first, first + BLOCK))
    assert ports[0] < ports[1]
