"""Calls between two processes: arguments, results, tags, and the ways to name a peer."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import served
from harness import Served
from hypothesis import given
from values import same, values

import net


def test_the_same_call_here_and_there(there: Served) -> None:
    assert served.multiply(5, 10) == 50
    assert served.multiply(5, 10, peer=there.id) == 50
    assert served.multiply(5, peer=there.id) == 25
    assert served.multiply(a=3, b=4, peer=there.id) == 12
    assert served.process_id(peer=there.id) == there.process.pid


def test_every_way_to_name_a_peer(there: Served) -> None:
    old_id = base64.b64encode(f"127.0.0.1:{there.port} -> None".encode())
    names: list[Any] = [
        there.id,
        f"127.0.0.1:{there.port}",
        ("127.0.0.1", there.port),
        ["127.0.0.1", there.port],
        old_id,
        old_id.decode(),
        net.RemotePeer(there.id),
        net.RemotePeer(("127.0.0.1", there.port)),
    ]
    for name in names:
        assert served.process_id(peer=name) == there.process.pid, name


@pytest.mark.parametrize("target", [5, ("host",), ("host", "port"), object(), ("127.0.0.1", 70000)])
def test_what_names_no_peer_is_refused(target: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        served.multiply(1, 2, peer=target)


def test_the_peer_itself_can_be_called(there: Served) -> None:
    assert served.multiply(5, 10, peer=net.Peer()) == 50
    assert net.Peer().mask_as_remote(served.multiply)(5, 10) == 50


@given(value=values)
def test_every_value_comes_back_as_what_it_was(there: Served, value: Any) -> None:
    assert same(net.pass_through(value, peer=there.id), value)
    assert same(net.pass_through(value), value)
    assert same(served.echo(value, x=value, peer=there.id), served.echo(value, x=value))


def test_several_arguments_pass_through_as_args_and_kwargs(there: Served) -> None:
    for given_to in (None, there.id):
        assert net.pass_through(1, "b", x=None, peer=given_to) == ((1, "b"), {"x": None})
        assert net.pass_through(peer=given_to) == ((), {})


def test_a_tag_of_its_own_and_the_other_one(there: Served) -> None:
    assert served.named_otherwise("a", peer=there.id) == "A"
    for tag in ("Renamed", b"Renamed", "served.named_otherwise"):
        assert net.Peer().execute(there.id, tag, ("a",), {}) == "A"


def test_a_large_value_each_way(there: Served) -> None:
    data = bytes(range(256)) * (32 * 1024)
    assert net.pass_through(data, peer=there.id) == data


def test_a_call_back_into_a_caller_that_blocks(there: Served) -> None:
    import os

    assert served.call_on.__wrapped__(None, there.id) == there.process.pid
    assert net.Peer().execute(there.id, "served.call_on", (None, net.Peer().instance_id), {}) == os.getpid()


def test_the_peer_in_a_function_is_the_one_it_runs_on(there: Served) -> None:
    assert served.own_peer(peer=there.id) == there.id
    assert served.own_peer() == net.Peer().instance_id


def test_flags_come_to_what_their_handler_returns(there: Served) -> None:
    for peer in (None, there.id):
        assert served.null_flag(peer=peer) == "NULL"
        assert served.own_flag(peer=peer) == ("served.own_flag", True)
        assert net.null(peer=peer) == "NULL"


def test_a_text_that_reads_like_a_flag_passes_through(there: Served) -> None:
    for text in ("NULL", "INVALID_CONNECTION", ""):
        assert net.pass_through(text, peer=there.id) == text
        assert net.pass_through(text) == text


def test_a_flag_that_is_not_registered_is_named() -> None:
    with pytest.raises(LookupError, match="Invalid Flag requested"):
        net.Peer().get_flag("NO_SUCH_FLAG")


def test_the_built_in_connections_agree_here_and_there(there: Served) -> None:
    here, remote = net.info(), net.info(peer=there.id)
    assert here.keys() == remote.keys()
    assert remote["port"] == there.port
    assert set(net.connections(peer=there.id)) >= {"served.multiply", "Renamed", "net.defaults.handlers.info"}
    assert set(net.connections()) == set(net.Peer().registered_connections)


def test_functions_of_the_older_form_with_a_parameter_called_peer(there: Served) -> None:
    assert net.Peer().execute(there.id, "served.call_on", (None,), {"target": there.id}) == there.process.pid


def test_a_function_connected_late_is_found(serve: Callable[..., Served], there: Served) -> None:
    @net.connect("Late")
    def late() -> str:
        return "here"

    assert net.Peer().execute(net.Peer(), "Late", (), {}) == "here"
    assert net.Peer().registered_connections["Late"] is late.__wrapped__
