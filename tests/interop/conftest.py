"""The interop tests' cast: two original 0.6.2 peers and one of ours, on loopback, on one block of ports."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from actor import Actor

PROGRAM = Path(__file__).parent / "program" / "peer.py"


@pytest.fixture(scope="session")
def runtime_dir() -> Iterator[str]:
    """Not pytest's own temporary folder: the path of a Unix socket is at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="net-") as folder:
        yield folder


@pytest.fixture(scope="session")
def original(runtime_dir: str) -> Iterator[Actor]:
    with Actor.original_on_free_ports("original", PROGRAM, runtime_dir) as peer:
        yield peer


@pytest.fixture(scope="session")
def second_original(original: Actor, runtime_dir: str) -> Iterator[Actor]:
    with Actor.original("second original", PROGRAM, original.port, runtime_dir) as peer:
        yield peer


@pytest.fixture(scope="session")
def ours(original: Actor, runtime_dir: str) -> Iterator[Actor]:
    with Actor.ours("ours", PROGRAM, original.port, runtime_dir) as peer:
        yield peer
