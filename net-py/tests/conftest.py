"""The peers that tests call. To be imported before `net` is: see the environment in `harness`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from harness import RustPeer, Served
from hypothesis import settings

# The same examples in each run, and none that fails because the machine is busy or because of what an earlier run left.
settings.register_profile("net", derandomize=True, deadline=None, database=None)
settings.load_profile("net")


@pytest.fixture(scope="session")
def there() -> Iterator[Served]:
    """A peer that stays for the whole run."""
    served = Served()
    yield served
    assert served.stop() == 0


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Start peers for one test."""
    started: list[Served] = []

    def start(**environment: str) -> Served:
        started.append(Served(**environment))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.stop()


@pytest.fixture(scope="session")
def rust() -> Iterator[RustPeer]:
    """A peer in Rust."""
    peer = RustPeer()
    yield peer
    assert peer.stop() == 0
