"""Who is reached from another host, and who gets in: groups with a key, without one, and opened (see SECURITY.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import sockets
from actor import PYTHON, Actor
from lab import PATIENCE, Host, Lab, Segment

PROGRAM = Path(__file__).parent / "program.py"
SHOUT = "shout_in_confidence"
INFO = "net.defaults.handlers.info"

SECRET = "3f9c1b7e5a2d8046c1e97b3f5d80a264"
OTHER = "b8427dd05e9a41f3a6c0915e7fd2384c"

Start = Callable[..., Actor]


@pytest.fixture
def start(lab: Lab) -> Iterator[Start]:
    """Starts a peer on a host, which ends with the test."""
    with ExitStack() as started:
        yield lambda host, **settings: started.enter_context(host.start_peer(PROGRAM, **settings))


def of(group: str, secret: str) -> dict[str, str]:
    return {"NET_GROUP": group, "NET_SECRET": secret}


def at(host: Host, peer: Actor) -> str:
    return f"{host.address}:{peer.port}"


def at6(host: Host, peer: Actor) -> str:
    return f"[{host.address6}]:{peer.port}"


def refusal(caller: Actor, address: str) -> str:
    """Why a call does not get there; whoever makes it can tell that it was never sent."""
    error: Any = caller.ask(SHOUT, "hello", to=address, way="execute")["error"]
    assert error["types"][0] == "Unreachable", error
    return error["text"]


def shouts(caller: Actor, address: str) -> bool:
    return caller.ask(SHOUT, "hello", to=address, way="execute") == {"result": "HELLO"}


def until_said(peer: Actor, text: str) -> None:
    until(lambda: text in peer.said(), lambda: f"it did not say {text!r}, but\n{peer.said()}")


def until(holds: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.005)


# --- without a key ------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"NET_GROUP": "lab"}], ids=["no group", "a group"])
def test_without_a_key_nothing_is_bound_but_loopback_and_a_unix_socket(
    a: Host, b: Host, start: Start, settings: dict[str, str]
) -> None:
    peer, other = start(a, **settings), start(b, **settings)
    # The second is where the host's name leads, as on a stock Debian.
    assert sockets.listening(a) == {"127.0.0.1", "127.0.1.1"}
    assert sockets.datagrams(a) == []
    assert [Path(path).parent for path in sockets.unix(a)] == [Path("/run/user/app-net")]
    for address in (at(a, peer), at6(a, peer)):
        assert "Connection refused" in refusal(other, address)


def test_opened_it_is_reached_and_says_so(a: Host, b: Host, start: Start) -> None:
    peer, other = start(a, NET_OPEN="1"), start(b)
    until_said(peer, "this peer is open to the network (NET_OPEN)")
    assert sockets.listening(a) == {"0.0.0.0", "::"}
    assert shouts(other, at(a, peer))
    assert shouts(other, at6(a, peer))
    assert "open to the network" not in other.said()


# --- with a key ---------------------------------------------------------------------------------------


def test_with_a_key_it_is_served_to_the_network(a: Host, start: Start) -> None:
    peer = start(a, **of("lab", SECRET))
    assert sockets.listening(a) == {"0.0.0.0", "::"}
    assert sockets.listening_ports(a) == {peer.port}
    # Multicast DNS, by which those of its group find it, and nothing else.
    assert {socket.here[1] for socket in sockets.datagrams(a)} <= {5353}
    assert "open to the network" not in peer.said()


def test_who_has_the_same_secret_is_called_and_calls(a: Host, b: Host, start: Start) -> None:
    first, second = start(a, **of("lab", SECRET)), start(b, **of("lab", SECRET))
    assert shouts(first, at(b, second))
    assert shouts(second, at(a, first))
    assert shouts(first, at6(b, second))
    # From inside a call, to whoever called.
    answer = first.ask("call_back", at(a, first), "and back", to=at(b, second))
    assert answer == {"result": "AND BACK"}


def test_a_link_local_address_says_the_interface(a: Host, b: Host, start: Start) -> None:
    first, second = start(a, **of("lab", SECRET)), start(b, **of("lab", SECRET))
    there = b.link.link_local
    assert shouts(first, f"[{there}%eth0]:{second.port}")
    number = a.run(["cat", "/sys/class/net/eth0/ifindex"]).stdout.strip()
    assert shouts(first, f"[{there}%{number}]:{second.port}")
    assert "which is to be named" in refusal(first, f"[{there}]:{second.port}")


def test_a_host_joins_by_the_code_that_another_printed(a: Host, b: Host, start: Start) -> None:
    code = a.app_net("group", "new", "lab").stdout
    b.app_net("join", "-", input=code)
    first, second = start(a, NET_GROUP="lab"), start(b, NET_GROUP="lab")
    assert shouts(first, at(b, second))
    assert shouts(second, at(a, first))
    from_the_command_line = ["call", "--peer", at(b, second), SHOUT, "hello"]
    environment = a.environment(NET_GROUP="lab")
    assert a.app_net(*from_the_command_line, env=environment).stdout == "'HELLO'\n"


@pytest.mark.parametrize(
    ("group", "secret", "told"),
    [("lab", OTHER, "has another key"), ("test", SECRET, "it is of another group")],
    ids=["another key", "another group"],
)
def test_who_has_another_key_or_group_does_not_get_in_and_both_logs_say_why(
    a: Host, b: Host, start: Start, group: str, secret: str, told: str
) -> None:
    first, second = start(a, **of("lab", SECRET)), start(b, **of(group, secret))
    assert told in refusal(second, at(a, first))
    until_said(second, told)
    # Who dials looks first, and the other side learns from it that its certificate will not do.
    until_said(first, "another group than")
    assert told in refusal(first, at(b, second))


def test_who_has_no_key_does_not_get_in_and_both_logs_say_why(a: Host, b: Host, start: Start) -> None:
    keyed, keyless = start(a, **of("lab", SECRET)), start(b, NET_GROUP="lab", NET_OPEN="1")
    assert "app-net join" in refusal(keyless, at(a, keyed))
    until_said(keyed, "it does not show that it has the group's key")
    until_said(keyless, "app-net join")
    assert "it has no key of group" in refusal(keyed, at(b, keyless))
    until_said(keyless, "it shows a group's key, and this peer's group has none")
    until_said(keyed, "it has no key of group")


#: Requests of originals of either dialect.
PLAIN = [
    b'{"connection": "shout_in_confidence", "args": ["hello"], "kwargs": {}}',
    b"eyJjb25uZWN0aW9uIjogImUzSmhkeUk2IGxpbmUifQ==",
]
SEND = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 30) as peer:
    peer.sendall(bytes.fromhex(sys.argv[3]))
    peer.shutdown(socket.SHUT_WR)
    answer = b""
    try:
        while read := peer.recv(4096):
            answer += read
    except ConnectionResetError:
        pass
    print(answer.hex())
"""


@pytest.mark.parametrize("request_", PLAIN, ids=["0.6", "0.3"])
def test_with_a_key_who_speaks_plainly_is_not_answered(a: Host, b: Host, start: Start, request_: bytes) -> None:
    peer = start(a, **of("lab", SECRET))
    answer = b.run([PYTHON, "-c", SEND, str(a.address), str(peer.port), request_.hex()]).stdout
    # An alert of TLS, or nothing.
    assert bytes.fromhex(answer)[:1] in (b"\x15", b"")


# --- what is bound, and what passes -------------------------------------------------------------------


def test_it_is_bound_to_the_one_address_that_is_asked_for(lab: Lab, office: Segment, b: Host, start: Start) -> None:
    both = lab.host("both", office, lab.segment("10.77.2.0/24"))
    near, far = both.links
    peer = start(both, **of("lab", SECRET), NET_BIND=str(near.address.ip))
    assert sockets.listening(both) == {str(near.address.ip)}
    other = start(b, **of("lab", SECRET))
    assert shouts(other, f"{near.address.ip}:{peer.port}")
    b.ip(f"route add {far.address.network} via {near.address.ip}")
    assert "Connection refused" in refusal(other, f"{far.address.ip}:{peer.port}")


def test_a_groups_peers_on_one_host_use_the_unix_socket(a: Host, start: Start) -> None:
    first, second = start(a, **of("lab", SECRET)), start(a, **of("lab", SECRET))
    assert second.port != first.port
    answer = first.ask(SHOUT, "hello", to=second, way="finding")
    assert answer == {"result": "HELLO"}
    # Not at once: that port was looked at, too.
    until(lambda: not established(a), lambda: f"{established(a)}")
    assert first.ask(SHOUT, "hello", to=second, way="finding") == {"result": "HELLO"}


def established(host: Host) -> list[sockets.Socket]:
    return [tcp for tcp in sockets.connections(host) if tcp.state == sockets.ESTABLISHED]


@pytest.mark.parametrize("is_keyed", [True, False], ids=["with a key", "opened"])
def test_the_wire_holds_nothing_in_plain_where_there_is_a_key(
    office: Segment, a: Host, b: Host, start: Start, is_keyed: bool
) -> None:
    group, user = "a-group-in-confidence", "ursula-in-confidence"
    settings = of(group, SECRET) if is_keyed else {"NET_GROUP": group, "NET_OPEN": "1"}
    with office.capture() as frames:
        first, second = (start(host, USER=user, **settings) for host in (a, b))
        for caller, address in ((first, at(b, second)), (second, at(a, first)), (first, at6(b, second))):
            answer = caller.ask("shout", "a word in confidence", to=address)
            assert answer == {"result": "A WORD IN CONFIDENCE"}
            told: Any = caller.ask("who", to=address)["result"]
            assert told == [user, str(PYTHON)]
            info: Any = caller.ask(INFO, to=address, way="execute")["result"]
            assert (info["user"] == user) is is_keyed, info
        first.stop()
        second.stop()
    # Application data of TLS 1.3: what was said did pass here.
    assert not is_keyed or any(b"\x17\x03\x03" in frame for frame in frames)
    for plain in ("a word in confidence", "A WORD IN CONFIDENCE", SHOUT, group, user, str(PYTHON)):
        assert any(plain.encode() in frame for frame in frames) is not is_keyed, plain
