"""The peers that are seen, and handles on them."""

from __future__ import annotations

import copy
import inspect
import pickle
import pydoc
from collections.abc import Callable

import pytest
import served
from harness import Served

import net


def test_a_handle_can_be_copied_and_pickled(there: Served) -> None:
    for target in (there.id, f"127.0.0.1:{there.port}"):
        peer = net.RemotePeer(target)
        for twin in (copy.deepcopy(peer), pickle.loads(pickle.dumps(peer))):
            assert type(twin) is net.RemotePeer
            assert twin == peer
            assert twin.multiply(2, 3) == 6


def test_one_object_is_iterated_indexed_and_a_mapping(there: Served) -> None:
    peers = net.peers(refresh=True)
    ids = [peer.instance_id for peer in peers]
    assert there.id in ids
    assert net.Peer().instance_id not in ids
    assert peers[0] in peers
    assert len(peers) == len(list(peers)) == len(peers[:])
    assert peers["peers"][there.id].port == there.port
    assert there.id in [peer.instance_id for peer in peers["None"]]
    assert peers.keys() == {"peers", "None"}
    assert dict(peers.items())["None"] == peers.get(None)
    assert peers.get("no such group") is None
    assert "None" in peers
    assert "no such group" not in peers


def test_groups_hubs_and_hosts(there: Served, serve: Callable[..., Served]) -> None:
    member = serve(NET_GROUP="blue")
    hub = serve(NET_GROUP="blue", NET_IS_HUB="1")
    blue = net.peers("blue", refresh=True)
    assert {peer.instance_id for peer in blue} == {member.id, hub.id}
    assert {peer.instance_id for peer in blue["blue"]} == {member.id, hub.id}
    assert [peer.instance_id for peer in net.peers(["blue"], hubs_only=True)] == [hub.id]
    assert [peer.instance_id for peer in net.peer_group("blue", hubs_only=True)] == [hub.id]
    assert {peer.group for peer in net.peers(["blue", None])} == {"blue", None}
    assert {peer.instance_id for peer in net.peers("blue", on_host=True)} == {member.id, hub.id}
    assert blue["peers"][hub.id].hub
    assert not blue["peers"][member.id].hub
    assert member.id not in [peer.instance_id for peer in net.get_peers()]
    assert there.id in [peer.instance_id for peer in net.peer_group()]


def test_a_peer_that_comes_and_goes_is_seen(serve: Callable[..., Served]) -> None:
    passing = serve()
    assert passing.id in net.peers(refresh=True)["peers"]
    passing.stop()
    assert passing.id not in net.peers(refresh=True)["peers"]


def test_a_handle_has_the_functions_of_its_peer(there: Served) -> None:
    peer = net.peers(refresh=True)["peers"][there.id]
    assert peer.multiply(5, 10) == 50
    assert peer.multiply(5, b=2) == 10
    assert peer.Renamed("a") == peer.named_otherwise("a") == "A"
    assert getattr(peer, "served.multiply")(2, 3) == 6
    assert (peer.host, peer.port, peer.group, peer.hub, peer.on_host) == ("127.0.0.1", there.port, None, False, True)
    with pytest.raises(ZeroDivisionError):
        peer.divide(1, 0)
    with pytest.raises(net.TimedOut):
        peer.nap(10, time_out=0.05)


def test_a_remote_function_has_its_signature_and_documentation(there: Served) -> None:
    function = net.RemotePeer(there.id).multiply
    assert str(inspect.signature(function)) == "(a: 'int', b: 'int' = 5) -> 'int'"
    assert function.__doc__ == "Multiply two numbers."
    assert (function.__name__, function.__module__, function.tag) == ("multiply", "served", "served.multiply")
    text = pydoc.plain(pydoc.render_doc(function))
    assert "multiply(a: 'int', b: 'int' = 5) -> 'int'" in text
    assert "Multiply two numbers." in text


def test_a_handle_lists_what_it_has(there: Served) -> None:
    peer = net.RemotePeer(there.id)
    assert {"multiply", "Renamed", "named_otherwise", "port"} <= set(dir(peer))
    with pytest.raises(AttributeError, match=r"has no connection 'multipyl'; it has: .*multiply"):
        _ = peer.multipyl


def test_handles_are_equal_by_the_instance(there: Served) -> None:
    served.process_id(peer=there.id)
    one, other = net.RemotePeer(there.id), net.RemotePeer(there.id)
    assert one == other
    assert len({one, other}) == 1
    assert one != net.RemotePeer("127.0.0.1:1")


def test_handles_are_equal_by_what_they_were_made_for(there: Served) -> None:
    address = f"127.0.0.1:{there.port}"
    before = net.RemotePeer(address)
    assert served.multiply(1, 2, peer=before) == 2
    # Who is there is known now, and is not what an address stands for.
    assert net.RemotePeer(address) == before
    assert net.RemotePeer(there.id) == net.RemotePeer(there.id) != before


def test_a_name_that_tools_look_for_asks_nobody() -> None:
    nobody = net.RemotePeer("127.0.0.1:1")
    assert not hasattr(nobody, "_ipython_display_")
    with pytest.raises(net.Unreachable):
        _ = nobody.multiply
