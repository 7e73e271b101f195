"""The peers that tests call. To be imported before `net` is: see the environment in `harness`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from harness import RustPeer, Served, until
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


@pytest.fixture
def subscriber() -> Iterator[Served]:
    """A peer that subscribes to this process's own, which forgets it after the test.

    One that is called with events is missed only when there is one.
    """
    import net

    served = Served()
    yield served
    served.process.kill()
    served.stop()
    own = net.Peer()

    def is_forgotten() -> bool:
        events = [event for event, by in own.registered_subscriptions.items() if ("127.0.0.1", served.port) in by]
        for event in events:
            own.trigger_event(event)
        return not events

    until("it is forgotten", is_forgotten)


@pytest.fixture(scope="session")
def rust() -> Iterator[RustPeer]:
    """A peer in Rust."""
    peer = RustPeer()
    yield peer
    assert peer.stop() == 0
