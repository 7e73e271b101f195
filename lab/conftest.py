"""What the tests between hosts begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lab import Host, Lab, Segment, missing
from members import Join, Member


@pytest.fixture(autouse=True)
def _able() -> None:
    if (what := missing()) is not None:
        pytest.skip(what)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture
def office(lab: Lab) -> Segment:
    return lab.segment("10.77.1.0/24")


@pytest.fixture
def a(lab: Lab, office: Segment) -> Host:
    return lab.host("a", office)


@pytest.fixture
def b(lab: Lab, office: Segment) -> Host:
    return lab.host("b", office)


@pytest.fixture
def join(lab: Lab) -> Iterator[Join]:
    """Starts a member of the group on a host, which ends with the test."""
    with ExitStack() as started:

        def join(host: Host, **settings: str) -> Member:
            member = Member(host, **settings)
            started.callback(member.actor.stop)
            return member

        yield join
