"""An error over a value names the way to it: in an argument, a keyword, a result; sent and received."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import served
from harness import RustPeer, Served

import net
from net._net import decode, encode

BAD = object()


class Locked:
    """A class that is refused in its own words."""

    def __repr__(self) -> str:
        raise ValueError("locked")

    def __hash__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (BAD, ""),
        ([0, BAD], "[1]"),
        ((0, (BAD,)), "[1][0]"),
        ({"x": BAD}, "['x']"),
        ({1: {True: {None: BAD}}}, "[1][True][None]"),
        ({(1, "a"): BAD}, "[(1, 'a')]"),
        ({BAD: 1}, "{…}"),
        ({"k": {(0, BAD): 1}}, "['k']{…}[1]"),
        ({BAD}, "{…}"),
        ([frozenset([(0, BAD)])], "[0]{…}[1]"),
        (OrderedDict(a=[BAD]), "['a'][0]"),
        ({"q'\n\udc80": BAD}, None),
        ({"k" * 1000: BAD}, "['" + "k" * 39 + "…]"),
        ({Locked(): BAD}, "{…}"),
        ("\ud800", ""),
        ({"\ud800": 1}, "{…}"),
    ],
)
def test_where_a_value_cannot_be_sent(there: Served, value: Any, path: str | None) -> None:
    calls = [
        ("value", lambda: encode(value)),
        ("args[1]", lambda: served.echo(0, value, peer=there.id)),
        ("kwargs['name']", lambda: served.echo(name=value, peer=there.id)),
    ]
    for root, call in calls:
        with pytest.raises(net.BadValue) as raised:
            call()
        if path is not None:
            assert str(raised.value).startswith(f"{root}{path}: ")
        assert "cannot be sent" in str(raised.value)


def test_where_a_keyword_cannot_be_sent(there: Served) -> None:
    with pytest.raises(net.BadValue, match=r"^kwargs\{…\}: a str with a lone surrogate cannot be sent"):
        served.echo(**{"\udc80": 1}, peer=there.id)
    with pytest.raises(net.BadValue, match=r"^kwargs\{…\}: the name of a keyword argument must be a str"):
        net.Peer().execute(there.id, "served.echo", (), {1: 1})


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        ("1c", ""),
        ("82001c", "[1]"),
        ("9f001cff", "[1]"),
        ("d99b8282001c", "[1]"),
        ("a161781c", "['x']"),
        ("bf61781cff", "['x']"),
        ("a1d99b8281011c", "[(1,)]"),
        ("a11c00", "{…}"),
        ("bf1c00ff", "{…}"),
        ("a1d99b8282001c00", "{…}[1]"),
        ("81d9010281c0613f", "[0]{…}"),
        ("81d99b8381c0613f", "[0]{…}"),
        ("81c0613f", "[0]"),
        ("a16178c48200613f", "['x']"),
        ("8162c328", "[0]"),
        ("81d9c35001", "[0]"),
        ("81a1800 0".replace(" ", ""), "[0]{…}"),
        ("a16178d901028180", "['x']{…}"),
    ],
)
def test_where_a_value_cannot_be_read(rust: RustPeer, broken: str, path: str) -> None:
    data = bytes.fromhex(broken)
    with pytest.raises(net.BadValue) as raised:
        decode(data)
    assert str(raised.value).startswith(f"value{path}: ")
    me = net.Peer().instance_id
    told = rust.call("send_body", me, "served.echo", b"\x82\x00" + data)
    assert told.startswith(f"net.BadValue: args[1]{path}: ")
    told = rust.call("send_body", me, "served.echo", b"\x80\xa1" + encode("name") + data)
    assert told.startswith(f"net.BadValue: kwargs['name']{path}: ")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("80a2616101616102", 'kwargs: got multiple values for keyword argument "a"'),
        ("80a10101", "kwargs: the name of a keyword argument must be text"),
        ("80bf616101ff", "kwargs: the keywords of a call must be a map of known length"),
        ("9f01ff", "the arguments of a call must be an array of known length"),
        ("a0", "the arguments of a call must be an array of known length"),
        ("8101f6", "kwargs: the keywords of a call must be a map of known length"),
        ("8001", "kwargs: the keywords of a call must be a map of known length"),
    ],
)
def test_a_body_that_is_none_is_refused(rust: RustPeer, body: str, text: str) -> None:
    told = rust.call("send_body", net.Peer().instance_id, "served.echo", bytes.fromhex(body))
    assert told == f"net.BadValue: {text}"


def test_of_equal_keys_the_later_counts() -> None:
    assert decode(bytes.fromhex("a2616101616102")) == {"a": 2}
    assert decode(bytes.fromhex("bf616101616102ff")) == {"a": 2}


def test_where_a_result_cannot_be_sent(there: Served) -> None:
    with pytest.raises(net.BadValue, match=r"RemoteError.*result\['x'\]\[1\]: an object cannot be sent"):
        served.unsendable(peer=there.id)
