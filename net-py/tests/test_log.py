"""What the core says, in Python's logging; and what ``NET_DEV`` shows and checks."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator

import pytest
import served
from harness import PATIENCE, Served, run

import net


class Kept(logging.Handler):
    """A handler that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def has(self, name: str, text: str) -> bool:
        return any(record.name == name and text in record.getMessage() for record in self.records)


def until(condition: Callable[[], bool], act: Callable[[], object] = lambda: None) -> None:
    """Do something again and again until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "in vain"
        act()
        time.sleep(0.01)


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler = Kept()
    net.LOGGER.addHandler(handler)
    yield handler
    net.LOGGER.removeHandler(handler)
    net.LOGGER.setLevel(logging.NOTSET)


def test_a_level_set_later_is_heeded_and_one_taken_back(there: Served, kept: Kept) -> None:
    def call() -> None:
        served.multiply(1, 2, peer=there.id)

    call()
    net.LOGGER.setLevel(logging.DEBUG)
    until(lambda: kept.has("net.call", "call sent (tag=served.multiply"), call)
    record = next(record for record in kept.records if record.name == "net.call")
    assert record.levelno == logging.DEBUG
    assert abs(record.created - time.time()) < PATIENCE
    net.LOGGER.setLevel(logging.WARNING)

    def is_quiet() -> bool:
        kept.records.clear()
        call()
        # Long enough for what was said before, and less than what is said for nothing is apart.
        time.sleep(0.1)
        return not kept.records

    until(is_quiet)


def test_a_level_of_one_room_is_heeded(there: Served, kept: Kept) -> None:
    logging.getLogger("net.call").setLevel(logging.DEBUG)
    try:
        until(lambda: kept.has("net.call", "call sent"), lambda: served.multiply(1, 2, peer=there.id))
        assert {record.name for record in kept.records} == {"net.call"}
    finally:
        logging.getLogger("net.call").setLevel(logging.NOTSET)


def test_dev_shows_what_the_core_does(there: Served) -> None:
    code = f"""
import net, served
served.multiply(1, 2, peer={there.id!r})
with net.Peer(test=True) as second:
    served.multiply(1, 2, peer=second)
"""
    ended = run(code, NET_DEV="1")
    lines = ended.stderr.splitlines()
    for beginning in ("net.peer:DEBUG\tpeer started", "net.peers:DEBUG\tlink opened", "net.call:DEBUG\tcall sent"):
        assert any(line.startswith(beginning) for line in lines), ended.stderr
    # The end is told too: it is waited for until it is written.
    assert "link closed" in lines[-1] or "link closed" in ended.stderr
    assert ended.returncode == 0


def test_it_is_quiet_unless_asked(there: Served) -> None:
    ended = run(f"import served; served.multiply(1, 2, peer={there.id!r})")
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)


def test_a_handler_that_takes_its_time_delays_no_call_and_what_is_too_much_is_counted(there: Served) -> None:
    code = f"""
import json, logging, threading, time
import net, served
going_on = threading.Event()
messages = []
class Slow(logging.Handler):
    def emit(self, record):
        messages.append((record.name, record.getMessage()))
        going_on.wait()
net.LOGGER.addHandler(Slow())
net.LOGGER.propagate = False
net.LOGGER.setLevel(logging.DEBUG)
net._net.heed(10)
started = time.monotonic()
for _ in range(2000):
    served.multiply(1, 2, peer={there.id!r})
took = time.monotonic() - started
held = len(messages)
going_on.set()
while not any("dropped" in text for _, text in messages):
    time.sleep(0.01)
dropped = next(int(text.split()[0]) for _, text in messages if "dropped" in text)
sent = sum("call sent" in text for _, text in messages)
print(json.dumps([took, held, dropped, sent]))
"""
    ended = run(code)
    assert ended.returncode == 0, ended.stderr
    took, held, dropped, sent = json.loads(ended.stdout)
    assert took < PATIENCE / 2
    assert held == 1
    assert dropped > 0
    assert 2000 - dropped <= sent <= 2000


def test_a_handler_that_calls_a_peer_or_raises_does_no_harm(there: Served) -> None:
    code = f"""
import logging, net, served
class Calls(logging.Handler):
    def emit(self, record):
        if record.name == "net.peer":
            print(served.multiply.submit(2, 3, peer={there.id!r}).result(10), flush=True)
        raise RuntimeError("from a handler")
net.LOGGER.addHandler(Calls())
net.LOGGER.setLevel(logging.DEBUG)
net._net.heed(10)
with net.Peer(test=True) as second:
    assert second.port
    assert served.multiply(3, 4, peer={there.id!r}) == 12
"""
    ended = run(code)
    assert ended.stdout.split()[:1] == ["6"], ended.stderr
    assert ended.returncode == 0


def test_a_forked_child_has_a_log_of_its_own(there: Served) -> None:
    code = f"""
import os, net, served
served.multiply(1, 2, peer={there.id!r})
child = os.fork()
served.multiply(1, 2, peer={there.id!r})
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    ended = run(code, NET_DEV="1")
    assert ended.returncode == 0
    assert ended.stderr.count("call sent (tag=served.multiply") == 3, ended.stderr
    assert ended.stderr.count("peer started") == 2


def test_a_disabled_logger_says_nothing(there: Served) -> None:
    code = f"""
import net, served
net.LOGGER.disabled = True
served.multiply(1, 2, peer={there.id!r})
"""
    ended = run(code, NET_DEV="1")
    assert "call sent" not in ended.stderr


def test_dev_warns_of_a_local_result_that_would_not_survive_the_trip() -> None:
    code = """
import asyncio, collections, enum, net
class Level(enum.IntEnum):
    LOW = 1
Point = collections.namedtuple("Point", "x y")
@net.connect
def result(what): return what
@net.connect
async def later(what): return what
for what in ([1, (2, None), {"a": {3}}], "text", [Point(1, 2)], {"level": Level.LOW}, object(), {Level.LOW}):
    result(what)
asyncio.run(later(Point(1, 2)))
"""
    ended = run(code, NET_DEV="1")
    warned = [line for line in ended.stderr.splitlines() if line.startswith("net:WARNING")]
    assert len(warned) == 5, ended.stderr
    assert "__main__.result" in warned[0]
    assert "result[0] is of type Point and would be of type tuple" in warned[0]
    assert "result['level'] is of type Level and would be of type int" in warned[1]
    assert "would not come back from another peer" in warned[2]
    assert "members of type Level" in warned[3]
    assert "__main__.later" in warned[4]
    assert "WARNING" not in run(code).stderr
