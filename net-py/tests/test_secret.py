"""Groups with keys, as a program sets them: by the environment alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest
from harness import Served, run

SECRET = "3f9c1b7e5a2d8046c1e97b3f5d80a264"
OTHER = "b8427dd05e9a41f3a6c0915e7fd2384c"


def of(group: str, secret: str, place: str) -> dict[str, str]:
    """Return the environment of a peer that meets others over TCP alone."""
    return {"NET_GROUP": group, "NET_SECRET": secret, "NET_BIND": "127.0.0.1", "NET_RUNTIME_DIR": place}


@pytest.fixture(scope="module")
def lab() -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="net-") as place:
        served = Served(**of("lab", SECRET, place))
        yield served
        served.stop()


def called(lab: Served, **environment: str) -> str:
    with tempfile.TemporaryDirectory(prefix="net-") as place:
        code = f"import served; print(served.multiply(5, 10, peer='127.0.0.1:{lab.port}'))"
        done = run(code, **{"NET_RUNTIME_DIR": place, **environment})
        return done.stdout + done.stderr


def test_who_has_the_secret_gets_in(lab: Served) -> None:
    with tempfile.TemporaryDirectory(prefix="net-") as place:
        assert called(lab, **of("lab", SECRET, place)) == "50\n"


def test_who_has_another_does_not(lab: Served) -> None:
    with tempfile.TemporaryDirectory(prefix="net-") as place:
        assert "another key" in called(lab, **of("lab", OTHER, place))
        assert "another group" in called(lab, **of("test", SECRET, place))


def test_who_has_none_is_told_what_to_do(lab: Served) -> None:
    told = called(lab, NET_GROUP="lab")
    assert "net.Unreachable" in told
    assert "app-net join" in told


def test_a_weak_secret_is_refused_when_the_program_starts() -> None:
    with tempfile.TemporaryDirectory(prefix="net-") as place:
        told = run("import net; net.Peer().id", **of("lab", "secret", place)).stderr
    assert "too weak" in told
    assert "app-net group new" in told
