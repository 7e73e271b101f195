"""The published surface of 0.3 and 0.6.2, a test for each row: every name, and what programs of the two lean on.

Not here: what the names do in a call (``test_promises``).
"""

from __future__ import annotations

import json
import logging
import queue
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
import served
from harness import PATIENCE, Served, run, until
from ways import second  # noqa: F401  (a fixture)

import net

MODULE = """connect flag event subscribe peers get_peers peer_group info pass_through null connections
    subscription_handler null_response invalid_connection
    Peer LOGGER THREAD_LIMIT PORT_START PORT_RANGE GROUP IS_HUB HOST_IP DEV"""
OF_0_3 = """CONNECTIONS SUBSCRIPTIONS FLAGS decode decode_id encode friendly_id generate_id get_flag host hub id port
    group register_connection register_flag register_subscriber trigger_event request launch ports ping"""
OF_0_6_2 = """server hub group port host registered_connections registered_subscriptions registered_flags mask_as_remote
    get_flag execute process_flags build_connection_name register_connection register_flag register_subscriber
    trigger_event"""
#: What only makes sense of a peer that runs here.
OF_ONES_OWN = {"register_connection", "register_flag", "register_subscriber", "trigger_event"}


@pytest.mark.parametrize("name", MODULE.split())
def test_module_has(name: str) -> None:
    assert hasattr(net, name)
    assert name in net.__all__


@pytest.mark.parametrize("name", sorted({*OF_0_3.split(), *OF_0_6_2.split()}))
def test_peer_has(name: str, there: Served, second: net.Peer) -> None:  # noqa: F811
    # 0.3 had no handles: a peer was its id.
    handles = [net.RemotePeer(there.id)] if name in {*OF_0_6_2.split()} - OF_ONES_OWN else []
    for peer in (net.Peer(), second, *handles):
        # Not a connection of that name: those are looked for when there is nothing else.
        assert hasattr(type(peer), name)
        assert getattr(peer, name) is not None or name == "group"


@pytest.mark.parametrize("name", [name for name in dir(net) if name in net.__all__])
def test_what_is_public_is_documented(name: str) -> None:
    item = getattr(net, name)
    if not (isinstance(item, type) or callable(item)):
        return
    assert item.__doc__, name
    for member, what in vars(item).items() if isinstance(item, type) and item.__module__.startswith("net") else ():
        if not member.startswith("_") and (callable(what) or isinstance(what, (property, staticmethod))):
            assert what.__doc__, f"{name}.{member}"


# --- 0.3 ------------------------------------------------------------------------------------------------------


def test_ids_are_base64_of_address_and_group() -> None:
    peer = net.Peer()
    assert peer.id == b64encode(f"{peer.host}:{peer.port} -> None".encode())
    assert peer.generate_id(3010, "10.0.0.1") == b64encode(b"10.0.0.1:3010 -> None")
    assert peer.generate_id(3010, "10.0.0.1", "blue") == b64encode(b"10.0.0.1:3010 -> blue")
    blue = {"host": "10.0.0.1", "port": 3010, "group": "blue"}
    assert peer.decode_id(peer.generate_id(port=3010, host="10.0.0.1", group="blue")) == blue
    assert net.Peer.decode_id(b64encode(b"10.0.0.1:3010 -> blue").decode()) == blue
    assert peer.decode(peer.id) == peer.friendly_id
    with pytest.raises(ValueError, match="is not base64"):
        peer.decode_id("no id")


def test_friendly_id_is_text_and_has_the_fields_of_0_3(second: net.Peer) -> None:  # noqa: F811
    for peer in (net.Peer(), second):
        assert peer.friendly_id == f"{peer.host}:{peer.port} -> None"
        fields = dict(peer.friendly_id)
        assert set(fields) == {"group", "host", "port", "hub", "user", "executable"}
        assert (fields["host"], fields["port"], fields["hub"]) == (peer.host, peer.port, False)
        assert peer.friendly_id[:3] == peer.host[:3]


@pytest.mark.parametrize("value", [{"a": 1}, [1, 2], "text", "", None, True, 1.5, {"payload": "error"}], ids=repr)
def test_encode_and_decode_are_the_form_of_0_3(value: Any) -> None:
    encoded = net.Peer.encode(value)
    assert encoded == b64encode(json.dumps(value if isinstance(value, dict) else {"raw": value}).encode())
    assert net.Peer.decode(encoded) == net.Peer.decode(encoded.decode()) == value


def test_encode_of_a_flag_is_its_id() -> None:
    assert net.Peer.encode(net.Peer().get_flag("NULL")) == b"TlVMTA=="
    assert net.Peer.decode(b"TlVMTA==") == "NULL"


def test_flags_and_tags_are_taken_as_text_and_as_base64(there: Served) -> None:
    peer = net.Peer()
    for name in ("TEST_FLAG", b"TEST_FLAG", b64encode(b"TEST_FLAG")):
        assert peer.get_flag(name) == "TEST_FLAG"
        assert name in peer.FLAGS
        assert peer.FLAGS[name] is peer.FLAGS.get(name) is served.on_test_flag
    for tag in ("served.multiply", b"served.multiply", b64encode(b"served.multiply")):
        assert tag in peer.CONNECTIONS
        assert peer.CONNECTIONS[tag] is peer.CONNECTIONS.get(tag) is served.multiply.__wrapped__
        assert peer.request(there.id, tag, (5, 10), {}) == 50
        assert peer.request(peer.generate_id(there.port, "127.0.0.1"), tag, (5,), {"b": 10}) == 50

    @net.connect(b"Bytes")
    def tagged() -> int:
        return 3

    assert tagged.tag == "Bytes"


def test_get_flag_of_an_unregistered_flag_raises() -> None:
    for name in ("NONE_SUCH", b"NONE_SUCH"):
        with pytest.raises(Exception, match="Invalid Flag requested"):
            net.Peer().get_flag(name)


def test_register_flag_gives_the_flags_id(there: Served) -> None:
    def handler(connection: str, peer: Any) -> tuple[str, Any]:
        return connection, peer

    flag = net.Peer().register_flag("LATE", handler)
    assert flag == net.Peer().get_flag("LATE") == "LATE"
    assert net.Peer().process_flags(flag, "app.f", there.id) == ("app.f", there.id)
    assert net.Peer().process_flags("no flag", "app.f", there.id) == "no flag"
    assert "LATE" in net.info()["flags"]
    with net.Peer(test=True) as later:
        assert "LATE" in net.info(peer=later)["flags"]


def test_the_class_is_where_the_manual_has_it() -> None:
    assert isinstance(net.Peer(), net.peer._Peer)
    with net.peer._Peer(launch=True, test=True, group="blue") as peer:
        assert peer.group == "blue"
        assert type(peer)(test=False) is net.Peer()


def test_launch_starts_a_peer_that_was_not() -> None:
    assert net.Peer().launch() is None
    with net.Peer(launch=False, test=True, group="launched") as peer:
        with pytest.raises(net.Error, match="yet to be launched"):
            _ = peer.port
        peer.launch()
        assert net.Peer().ping(peer.port, peer.host)
        assert peer.group == "launched"
        peer.launch()


def test_ports_and_ping() -> None:
    peer = net.Peer()
    assert peer.ports() == peer.server.ports() == list(range(net.PORT_START, net.PORT_START + net.PORT_RANGE))
    assert peer.ping(peer.port) is peer.server.ping(peer.port, peer.host) is peer.ping(port=peer.port, host="localhost")
    assert peer.ping(1) is False


# --- 0.6.2 ----------------------------------------------------------------------------------------------------


def test_test_makes_a_second_separate_peer() -> None:
    with net.Peer(test=True) as one, net.Peer(test=True, hub=True, group="apart") as other:
        assert len({peer.port for peer in (net.Peer(), one, other)}) == 3
        assert len({peer.instance_id for peer in (net.Peer(), one, other)}) == 3
        assert (one.group, one.hub, other.group, other.hub) == (None, False, "apart", True)
        assert one.server.ping(net.Peer().port, net.Peer().host)
        assert net.Peer().server.ping(other.port, other.host)
        # Others see it, as any peer.
        gone = one.instance_id
        assert gone in net.peers(refresh=True)["peers"]
        assert [peer.instance_id for peer in net.peers("apart", hubs_only=True)] == [other.instance_id]
    assert gone not in net.peers(refresh=True)["peers"]
    with pytest.raises(net.Error, match="has ended"):
        _ = one.port
    assert "has ended" in repr(one)


def test_a_second_peer_has_functions_of_its_own(second: net.Peer) -> None:  # noqa: F811
    def apart(x: int) -> int:
        return x + 1

    tag = second.register_connection(apart, "Apart")
    assert tag == "Apart"
    assert second.registered_connections["Apart"] is apart
    assert second.apart(1) == second.Apart(1) == 2
    assert net.Peer().execute(second, "Apart", (1,), {}) == 2
    assert net.Peer().execute(second, net.Peer.build_connection_name(apart), (1,), {}) == 2
    assert "Apart" not in net.Peer().registered_connections
    with pytest.raises(net.NoSuchConnection):
        second.execute(net.Peer(), "Apart", (1,), {})
    with net.Peer(test=True, connections={"Given": apart}) as given:
        assert net.Peer().execute(given, "Given", (1,), {}) == 2

    # What the program connects, all of its peers have: those that were there before, too.
    @net.connect
    def everywhere() -> str:
        return net.Peer().instance_id

    assert everywhere(peer=second) == second.instance_id
    assert "test_generations.everywhere" in second.registered_connections


def test_a_connection_is_an_attribute_by_its_name_and_by_its_tag() -> None:
    @net.connect("ByTag")
    def by_name(x: int) -> int:
        return x

    peer = net.Peer()
    assert peer.by_name(1) == peer.ByTag(1) == 1
    assert getattr(peer, "test_generations.by_name")(1) == 1
    # As in the original, where they were set so.
    peer.of_the_programs_own = by_name
    assert peer.of_the_programs_own(2) == 2
    assert peer.pass_through("x") == "x"
    assert peer.null() == "NULL"
    assert peer.info()["port"] == peer.port


def test_register_connection_registers_as_net_connect_does(there: Served) -> None:
    def plain(x: int) -> int:
        return x * 3

    peer = net.Peer()
    assert peer.register_connection(plain) == "test_generations.plain"
    assert peer.register_connection(plain, tag="Plain") == "Plain"
    assert served.relay(net.Peer().instance_id, "Plain", 2, peer=there.id) == 6


def test_mask_as_remote_calls_its_peer(second: net.Peer) -> None:  # noqa: F811
    assert second.mask_as_remote(served.own_peer)() == second.instance_id
    assert net.Peer().mask_as_remote(served.own_peer)() == net.Peer().instance_id
    assert second.mask_as_remote(served.multiply).__name__ == "multiply"


def test_a_mask_registered_with_the_peer_that_it_calls_leads_there() -> None:
    # So programs of 0.6.2 made the functions of a second peer its attributes. In a process that has an end:
    # a mask that is offered too calls itself for ever.
    code = """
import net, served
second = net.Peer(test=True)
for function in (net.pass_through, net.null, served.divide):
    second.register_connection(second.mask_as_remote(function))
second.register_connection(second.mask_as_remote(served.own_peer), "WhoAreYou")
assert second.pass_through({"a": [1, None]}) == {"a": [1, None]}
assert second.null() == "NULL"
assert second.own_peer() == second.WhoAreYou() == second.instance_id
try:
    second.divide(1, 0)
except Exception as error:
    print(str(error).startswith("RemoteError"))
"""
    ended = run(code)
    assert (ended.stdout.strip(), ended.returncode) == ("True", 0), ended.stderr


def test_execute_of_what_is_missing_says_so(second: net.Peer) -> None:  # noqa: F811
    with pytest.raises(Exception, match="Peer does not have the connection you are requesting"):
        net.Peer().execute(second, "missing_connection", (), {})


def test_execute_takes_time_out_and_peer_from_the_keywords(there: Served) -> None:
    peer = net.Peer()
    assert peer.execute(there.id, "served.echo", (1,), {"peer": there.id, "a": 2}) == ((1,), {"a": 2})
    with pytest.raises(net.TimedOut):
        peer.execute(there.id, "served.nap", (10,), {"time_out": 0.05})


def test_group_of_a_peer_that_runs_is_not_changed_by_asking() -> None:
    assert net.Peer(group="other") is net.Peer()
    assert net.Peer().group is None


# --- events ---------------------------------------------------------------------------------------------------


def subscribers(event: str, peer: net.Peer | None = None) -> Any:
    peer = peer or net.Peer()
    assert dict(peer.SUBSCRIPTIONS) == dict(peer.registered_subscriptions)
    return peer.registered_subscriptions.get(event)


def test_register_subscriber_of_both_lines_has_a_function_called(subscriber: Served) -> None:
    peer = net.Peer()
    old_id = peer.generate_id(subscriber.port, "127.0.0.1")
    forms: dict[str, tuple[Any, ...]] = {
        "0.6": ("127.0.0.1", subscriber.port, "served.take_in"),
        "0.3": (old_id, b64encode(b"served.take_in")),
        "0.3 in text": (old_id.decode(), "served.take_in"),
        "0.3 by its custom tag": (old_id, net.Peer.encode("TakeIn")),
        "a handle": (net.RemotePeer(subscriber.id), "served.take_in"),
    }
    for number, (what, form) in enumerate(forms.items()):
        event = f"called_{number}"
        for _ in range(2):  # said twice it counts once
            assert peer.register_subscriber(event, *form) is None
        tag = "TakeIn" if "custom" in what else "served.take_in"
        assert subscribers(event) == {("127.0.0.1", subscriber.port): [tag]}, what
        assert event in net.info()["subscriptions"]
        assert peer.trigger_event(event, event, 1, key=None) is None
        until("it is called", lambda event=event: served.heard(event, peer=subscriber.id) == [[[1], {"key": None}]])


def test_subscription_handler_subscribes_on_whichever_peer_it_is_called(
    subscriber: Served, serve: Callable[..., Served]
) -> None:
    address, there = ("127.0.0.1", subscriber.port), serve()
    other = net.Peer(test=True)
    for form in (address, (net.Peer.generate_id(subscriber.port, "127.0.0.1"),)):
        for event, peer in (("asked_of_own", net.Peer()), ("asked_of_other", other)):
            net.subscription_handler(event, *form, "served.take_in", peer=None if peer is net.Peer() else peer)
            assert subscribers(event, peer) == {address: ["served.take_in"]}
            assert net.info(peer=peer)["subscriptions"].count(event) == 1
    assert subscribers("asked_of_other") is None
    # As a method, as 0.6.2 calls it, and by its tag.
    net.RemotePeer(there.id).subscription_handler("asked_there", "127.0.0.1", net.Peer().port, "test_generations.hear")
    net.Peer().execute(there.id, "net.defaults.handlers.subscription_handler", ["asked_there", "127.0.0.1", 1, "f"])
    assert "asked_there" in net.info(peer=there.id)["subscriptions"]
    served.publish("asked_there", 7, peer=there.id)
    assert _heard.get(timeout=PATIENCE) == 7
    with pytest.raises(ValueError, match="subscription_handler"):
        net.subscription_handler("asked_there", "no id", "f", peer=there.id)
    other.shutdown()


_heard: queue.Queue[int] = queue.Queue()


@net.connect
def hear(n: int) -> None:
    _heard.put(n)


def test_subscriptions_given_to_a_second_peer_are_its_own(subscriber: Served) -> None:
    given = {"given": {("127.0.0.1", subscriber.port): ["served.take_in"]}}
    with net.Peer(test=True, subscriptions=given) as peer:
        assert subscribers("given", peer) == given["given"]
        assert subscribers("given") is None
        peer.trigger_event("given", "given", 5)
        until("it is called", lambda: served.heard("given", peer=subscriber.id) == [[[5], {}]])


def test_event_names_are_taken_as_bytes_and_never_as_base64(subscriber: Served) -> None:
    # This one reads as base64 of text.
    name = b64encode(b"abc")
    served.listen(name.decode(), peer=subscriber.id)
    until("it subscribes", lambda: subscribers(name.decode()))
    net.Peer().trigger_event(name, 1)
    net.event(name)(lambda: ((2,), {}))()
    net.Peer().trigger_event(name.decode(), 3)
    until("all are heard", lambda: served.heard(name.decode(), peer=subscriber.id) == [[[n], {}] for n in (1, 2, 3)])
    net.Peer().register_subscriber(b"called", "127.0.0.1", subscriber.port, b"served.take_in")
    assert subscribers("called") == {("127.0.0.1", subscriber.port): ["served.take_in"]}


# --- the module -----------------------------------------------------------------------------------------------


def test_logger_is_net_and_debugs_when_dev_is_set() -> None:
    assert net.LOGGER is logging.getLogger("net")
    ended = run("import net, logging; print(net.DEV, net.LOGGER.level == logging.DEBUG)", NET_DEV="1")
    assert ended.stdout.strip() == "1 True"


def test_null_response_and_invalid_connection_are_the_handlers() -> None:
    assert net.Peer().registered_flags["NULL"] is net.null_response
    assert net.Peer().registered_flags["INVALID_CONNECTION"] is net.invalid_connection
    assert net.null_response("app.f", net.Peer()) == "NULL"


def test_built_ins_are_where_the_original_has_them() -> None:
    from net.defaults import handlers

    assert handlers.info is net.info
    for function in (net.info, net.pass_through, net.null, net.connections, net.subscription_handler):
        tag = net.Peer.build_connection_name(function)
        assert tag == f"net.defaults.handlers.{function.__name__}"
        assert net.Peer().registered_connections[tag] is function
