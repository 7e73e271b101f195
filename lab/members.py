"""Peers that tell whom they know, as the tests of finding ask them: each is on a host. What is expected is not here."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from lab import Host

PROGRAM = Path(__file__).parent / "member.py"
SECRET = "3f9c1b7e5a2d8046c1e97b3f5d80a264"
#: What a member is started with.
OF_LAB = {"NET_GROUP": "lab", "NET_SECRET": SECRET}
#: How often it is looked whether something holds.
LOOK_EVERY = 0.02


class Told(NamedTuple):
    """What a peer was told of another, and when, by the clock of `time.monotonic`."""

    at: float
    id: str
    change: str
    why: str | None


class Member:
    """A peer on a host, which is asked."""

    def __init__(self, host: Host, **settings: str) -> None:
        self.host = host
        self.actor = host.start_peer(PROGRAM, **{**OF_LAB, **settings})
        self.id: str = self._ask("me")

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def address(self) -> str:
        return f"{self.host.address}:{self.actor.port}"

    def knows(self, *, refresh: bool = False) -> set[str]:
        """The ids of all that it lists; of originals, their addresses."""
        return set(self._ask("known", refresh=refresh))

    def knows_all(self, others: Iterable[Member]) -> bool:
        return self.knows() == {other.id for other in others} - {self.id}

    def told(self) -> list[Told]:
        """All that it was told of who comes and goes."""
        return [Told(*entry) for entry in self._ask("told")]

    def shouts_at(self, other: Member | str) -> bool:
        """Whether a call to another arrives, which is named by its id, or at an address."""
        to = other if isinstance(other, str) else other.id
        return self.actor.ask("shout", "hello", to=to) == {"result": "HELLO"}

    def leave(self) -> float:
        """Ends as a program does. Gives when it began to."""
        told = time.monotonic()
        self.actor.end()
        return told

    def kill(self) -> float:
        """Ends it in the middle of whatever it does. Gives when."""
        killed = time.monotonic()
        self.actor.stop()
        return killed

    def _ask(self, function: str, **arguments: object) -> Any:
        answer = self.actor.ask(function, to="", way="itself", **arguments)
        assert "result" in answer, answer
        return answer["result"]


#: Starts a member on a host, with settings beside those of the group: a fixture.
Join = Callable[..., Member]


def until(holds: Callable[[], bool], within: float, members: Collection[Member] = ()) -> float:
    """Waits until something holds, and gives after how many seconds it did. It fails after those that are given."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > within:
            lists = {member.name: sorted(member.knows()) for member in members}
            ids = {member.id: member.name for member in members}
            named = {name: [ids.get(id_, id_) for id_ in known] for name, known in lists.items()}
            raise AssertionError(f"not within {within} s: {named}")
        time.sleep(LOOK_EVERY)
    return time.monotonic() - begun


def until_all_know(members: Collection[Member], within: float) -> float:
    """Waits until each of them lists the others, and nobody else."""
    return until(lambda: all(member.knows_all(members) for member in members), within, members)
