"""What a call that fails raises: the remote's own type, its traceback, and what the caller may do next."""

from __future__ import annotations

import pickle
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import served
from harness import PATIENCE, Served

import net


def test_a_remote_error_is_of_its_own_type_too(there: Served) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        served.divide(1, 0, peer=there.id)
    error = raised.value
    assert isinstance(error, net.RemoteError)
    assert (error.kind, error.message) == ("ZeroDivisionError", "division by zero")
    assert str(error).startswith("RemoteError")
    assert "return a / b" in error.traceback
    assert error.traceback.rstrip() in str(error)


def test_an_error_of_a_module_that_is_imported_here(there: Served) -> None:
    with pytest.raises(served.Misfit, match="odd") as raised:
        served.fail("Misfit", "odd", peer=there.id)
    assert isinstance(raised.value, net.RemoteError)
    assert raised.value.kind == "served.Misfit"


@pytest.mark.parametrize(("kind", "type_here"), [("KeyError", KeyError), ("OSError", OSError)])
def test_types_with_a_form_of_their_own(there: Served, kind: str, type_here: type[Exception]) -> None:
    with pytest.raises(type_here, match="odd") as raised:
        served.fail(kind, "odd", peer=there.id)
    assert str(raised.value).startswith("RemoteError")


@pytest.mark.parametrize("kind", ["Nested", "SystemExit"])
def test_types_that_are_not_to_be_had_here(there: Served, kind: str) -> None:
    with pytest.raises(net.RemoteError) as raised:
        served.fail(kind, "odd", peer=there.id)
    assert type(raised.value) is net.RemoteError
    assert raised.value.message == "odd"


@pytest.mark.parametrize("kind", ["WithProperties", "Unprintable"])
def test_types_with_a_mind_of_their_own(there: Served, kind: str) -> None:
    with pytest.raises(getattr(served, kind)) as raised:
        served.fail(kind, "odd", peer=there.id)
    error = raised.value
    assert isinstance(error, net.RemoteError)
    assert error.kind == f"served.{kind}"
    assert error.message in ("odd", "<its text cannot be had: KeyboardInterrupt>")
    assert str(error).startswith("RemoteError")
    assert "RemoteError" in repr(error)
    assert type(pickle.loads(pickle.dumps(error))) is type(error)


#: What a release of the future sends at once: that it speaks the versions 2 and 3, and a HELLO as in every version.
NEWER = (
    b"\xabnet\r\n\x02\x03"
    b"\x35\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0"
    b"\xa6\x00\x500123456789abcdef\x06\x6bapp-net/9.1\x07\x18\x40"
    b"\x08\x1a\0\x10\0\0\x09\x1a\0\x10\0\0\x0a\x1a\0\x10\0\0"
)


def test_a_newer_peer_is_unreachable_and_it_is_said_which_side_to_update() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(NEWER)
                while connection.recv(4096):
                    pass

        newer = threading.Thread(target=answer)
        newer.start()
        with pytest.raises(net.Unreachable) as raised:
            served.divide(1, 1, peer=listener.getsockname())
        newer.join(PATIENCE)
    text = "this side speaks protocol version 1, the peer (app-net/9.1) 2 to 3: update app-net on this side"
    assert text in str(raised.value)


def test_a_type_that_cannot_be_made_from_the_text() -> None:
    from net._errors import remote_error

    error = remote_error("served.AsksForNumber", "seven", "", "peer")
    assert type(error) is net.RemoteError
    assert error.kind == "served.AsksForNumber"
    assert type(remote_error("served.AsksForNumber", "7", "", "peer")) is not net.RemoteError


def test_an_error_whose_text_has_no_utf8(there: Served) -> None:
    with pytest.raises(ValueError, match="RemoteError") as raised:
        served.fail("Surrogate", peer=there.id)
    assert isinstance(raised.value, net.RemoteError)
    assert raised.value.message == r"caf\udce9"


def test_a_name_from_the_wire_imports_and_runs_nothing() -> None:
    import sys

    from net._errors import remote_error

    assert "antigravity" not in sys.modules
    for kind in (
        "antigravity.Error",
        "os.system",
        "builtins.print",
        "int",
        "__main__",
        "",
        ".",
        "..",
        "net.Lost",
        "os.path.join",
    ):
        assert type(remote_error(kind, "text", "", "peer")) is net.RemoteError, kind
    assert "antigravity" not in sys.modules


def test_a_remote_error_can_be_pickled(there: Served) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        served.divide(1, 0, peer=there.id)
    copy = pickle.loads(pickle.dumps(raised.value))
    assert isinstance(copy, ZeroDivisionError)
    assert str(copy) == str(raised.value)


def test_an_error_relayed_by_a_peer_keeps_its_type(there: Served, serve: Callable[..., Served]) -> None:
    between = serve()
    with pytest.raises(ZeroDivisionError) as raised:
        served.relay_failure(there.id, peer=between.id)
    assert raised.value.kind == "ZeroDivisionError"
    assert "relay_failure" in raised.value.traceback
    assert "return a / b" in raised.value.traceback


def test_arguments_that_do_not_fit_are_a_type_error(there: Served) -> None:
    with pytest.raises(TypeError, match=r"multiply\(\) missing 1 required positional argument: 'a'"):
        net.Peer().execute(there.id, "served.multiply", (), {})
    with pytest.raises(TypeError, match="unexpected keyword argument 'c'"):
        served.multiply(1, c=2, peer=there.id)  # type: ignore[call-overload]


def test_a_connection_that_is_missing_names_those_near_it(there: Served) -> None:
    with pytest.raises(net.NoSuchConnection, match="Peer does not have the connection you are requesting") as raised:
        net.Peer().execute(there.id, "served.multipy", (1, 2), {})
    assert "served.multiply" in str(raised.value)


def test_a_peer_that_is_not_there_is_unreachable() -> None:
    for target in ("127.0.0.1:1", "0" * 32):
        with pytest.raises(net.Unreachable) as raised:
            served.multiply(1, 2, peer=target)
        assert isinstance(raised.value, ConnectionError)


def test_a_call_that_takes_too_long_times_out(there: Served) -> None:
    with pytest.raises(net.TimedOut) as raised:
        served.block(10, peer=there.id, time_out=0.05)
    assert isinstance(raised.value, TimeoutError)


def test_an_endless_time_out_is_none(there: Served) -> None:
    assert served.multiply(1, 2, peer=there.id, time_out=float("inf")) == 2


@pytest.mark.parametrize("time_out", [-1, float("nan")])
def test_a_time_out_that_is_no_time_is_refused(there: Served, time_out: float) -> None:
    with pytest.raises(ValueError, match="time_out"):
        served.multiply(1, 2, peer=there.id, time_out=time_out)


def test_a_peer_killed_in_the_middle_of_a_call_is_lost(serve: Callable[..., Served]) -> None:
    victim = serve()
    call = served.until_cancelled.submit(peer=victim.id)
    assert victim.line() == "waiting"
    victim.process.send_signal(signal.SIGKILL)
    with pytest.raises(net.Lost) as raised:
        call.result(PATIENCE)
    assert isinstance(raised.value, ConnectionError)
    victim.process.wait(PATIENCE)


@pytest.mark.parametrize(
    ("args", "kwargs", "path"),
    [
        ((1, {"x": object()}), {}, r"args\[1\]\['x'\]: an object cannot be sent"),
        ((), {"key": {object()}}, r"kwargs\['key'\]\{…\}: an object cannot be sent"),
        (("\udc80",), {}, r"args\[0\]: a str with a lone surrogate cannot be sent"),
    ],
)
def test_an_argument_that_cannot_travel_is_named(there: Served, args: Any, kwargs: Any, path: str) -> None:
    with pytest.raises(net.BadValue, match=path):
        served.echo(*args, **kwargs, peer=there.id)


def test_a_result_that_cannot_travel_is_named(there: Served) -> None:
    with pytest.raises(net.BadValue, match=r"result\['x'\]\[1\]: an object cannot be sent") as raised:
        served.unsendable(peer=there.id)
    assert isinstance(raised.value, net.RemoteError)


def test_arguments_that_do_not_fit_are_told_without_a_traceback_that_says_nothing(there: Served) -> None:
    with pytest.raises(TypeError) as caught:
        served.multiply(1, 2, 3, peer=there.id)
    assert isinstance(caught.value, net.RemoteError)
    assert str(caught.value).count("takes from 1 to 2 positional arguments but 3 were given") == 1
