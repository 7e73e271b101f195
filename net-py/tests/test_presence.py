"""Being told that peers come and go: ``net.on_peer``."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import pickle
import queue
import signal
import threading
import time
from collections.abc import Callable

import pytest
import served
from harness import PATIENCE, Served, run, until

import net

#: A dead peer is known within this.
KNOWN_WITHIN = 5.0
#: A clean end is known at once: this is for a machine with much else to do.
AT_ONCE = 2.0

Told = queue.Queue[tuple[str, net.PeerChange]]


class Listener:
    """Told of the peers of one group, so that those of other tests are none of it."""

    def __init__(self, group: str) -> None:
        self.told: Told = queue.Queue()
        self.watch = net.on_peer(self.tell, groups=group).watch

    def tell(self, peer: net.RemotePeer, change: net.PeerChange) -> None:
        assert peer.instance_id is not None
        self.told.put((peer.instance_id, change))

    def next(self) -> tuple[str, net.PeerChange]:
        return self.told.get(timeout=PATIENCE)

    def is_told_nothing_for(self, seconds: float) -> bool:
        try:
            return self.told.get(timeout=seconds) is None
        except queue.Empty:
            return True


def test_a_peer_joins_and_leaves_in_order(serve: Callable[..., Served]) -> None:
    listener = Listener("orderly")
    other = serve(NET_GROUP="orderly")
    assert listener.next() == (other.id, "joined")
    # Who ends while it still makes its first link has nowhere to say so.
    assert served.multiply(2, 3, peer=other.id) == 6
    begun = time.monotonic()
    assert other.process.stdin is not None
    other.process.stdin.close()
    peer, change = listener.next()
    assert time.monotonic() - begun < AT_ONCE
    assert (peer, change, change.why) == (other.id, "left", "it took leave: shutting down")
    listener.watch.unsubscribe()


def test_a_peer_that_is_killed_has_left_within_five_seconds(serve: Callable[..., Served]) -> None:
    listener = Listener("killed")
    other = serve(NET_GROUP="killed")
    assert listener.next() == (other.id, "joined")
    begun = time.monotonic()
    other.process.kill()
    peer, change = listener.next()
    assert time.monotonic() - begun < KNOWN_WITHIN
    assert (peer, change) == (other.id, "left")
    assert change.why is not None
    assert change.why.startswith("its link was lost: ")
    listener.watch.unsubscribe()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system stops no process")
def test_a_peer_that_is_stopped_has_left_and_comes_back_by_itself(serve: Callable[..., Served]) -> None:
    listener = Listener("stopped")
    other = serve(NET_GROUP="stopped")
    assert listener.next() == (other.id, "joined")
    begun = time.monotonic()
    other.process.send_signal(signal.SIGSTOP)
    try:
        peer, change = listener.next()
        assert time.monotonic() - begun < KNOWN_WITHIN
        assert (peer, change) == (other.id, "left")
        assert str(change.why).startswith("no sign of life for 4.")
    finally:
        other.process.send_signal(signal.SIGCONT)
    assert listener.next() == (other.id, "joined")
    listener.watch.unsubscribe()


def test_a_peer_that_computes_for_six_seconds_has_not_left(serve: Callable[..., Served]) -> None:
    listener = Listener("busy")
    other = serve(NET_GROUP="busy")
    assert listener.next() == (other.id, "joined")
    peer = net.RemotePeer(other.id)
    futures = [peer.compute_for.submit(6.0), peer.block.submit(6.0)]
    assert listener.is_told_nothing_for(6.0)
    assert [future.result(PATIENCE) for future in futures]
    assert listener.told.empty()
    listener.watch.unsubscribe()


def test_a_slow_function_is_told_what_adds_up_to_who_is_there(serve: Callable[..., Served]) -> None:
    there: set[str] = set()
    go_on = threading.Event()

    @net.on_peer(groups="slow")
    def slow(peer: net.RemotePeer, change: net.PeerChange) -> None:
        assert peer.instance_id is not None
        if change == "joined":
            assert peer.instance_id not in there
            there.add(peer.instance_id)
        elif change == "left":
            there.remove(peer.instance_id)
        go_on.wait(PATIENCE)

    first = serve(NET_GROUP="slow")
    until("it is told of the first", lambda: there)
    passing = serve(NET_GROUP="slow")
    until("it is seen", lambda: passing.id in net.peers("slow")["peers"])
    last = serve(NET_GROUP="slow")
    passing.stop()
    first.stop()
    go_on.set()
    until("it is told of all", lambda: there == {last.id})
    slow.watch.unsubscribe()


def test_the_forms_of_it(there: Served) -> None:
    told: Told = queue.Queue()

    def tell(peer: net.RemotePeer, change: net.PeerChange) -> None:
        # Those of other tests may come and go meanwhile.
        if str(peer.instance_id) == there.id:
            told.put((str(peer.instance_id), change))

    def is_told() -> bool:
        while told.get(timeout=PATIENCE) != (there.id, "joined"):
            pass
        return True

    @net.on_peer
    def plain(peer: net.RemotePeer, change: net.PeerChange) -> str:
        """Tell."""
        tell(peer, change)
        return "as ever"

    assert is_told()
    assert plain(net.RemotePeer(there.id), net.PeerChange("changed")) == "as ever"
    assert told.get(timeout=PATIENCE) == (there.id, "changed")
    assert plain.__doc__ == "Tell."
    plain.watch.unsubscribe()

    @net.on_peer(on_host=True)
    async def later(peer: net.RemotePeer, change: net.PeerChange) -> None:
        await asyncio.sleep(0)
        assert net.caller() is None
        tell(peer, change)

    assert is_told()
    later.watch.unsubscribe()
    assert net.on_peer(tell) is tell
    assert is_told()
    vars(tell)["watch"].unsubscribe()
    hubs = net.on_peer(tell, hubs_only=True)
    hubs.watch.unsubscribe()
    with pytest.raises(TypeError, match="takes a function, not 'blue'"):
        net.on_peer("blue")  # type: ignore[call-overload]


def test_a_function_that_fails_is_logged_and_told_of_the_next(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    told: Told = queue.Queue()

    @net.on_peer(groups="failing")
    def fails(peer: net.RemotePeer, change: net.PeerChange) -> None:
        told.put((str(peer.instance_id), change))
        raise ValueError(f"no {change} here")

    @net.on_peer(groups="failing")
    async def fails_later(peer: net.RemotePeer, change: net.PeerChange) -> None:
        raise KeyError("later")

    listener = Listener("failing")
    with caplog.at_level(logging.WARNING, logger="net"):
        other = serve(NET_GROUP="failing")
        assert told.get(timeout=PATIENCE) == listener.next() == (other.id, "joined")
        other.process.kill()
        assert told.get(timeout=PATIENCE) == listener.next() == (other.id, "left")
        until("the last is logged", lambda: "no left here" in caplog.text and "KeyError" in caplog.text)
    assert "ValueError: no joined here" in caplog.text
    assert "in fails" in caplog.text
    for watch in (fails.watch, fails_later.watch, listener.watch):
        watch.unsubscribe()


def test_who_is_told_no_more_is_told_no_more(serve: Callable[..., Served]) -> None:
    one, other = Listener("ended"), Listener("ended")
    one.watch.unsubscribe()
    one.watch.unsubscribe()
    peer = serve(NET_GROUP="ended")
    assert other.next() == (peer.id, "joined")
    assert one.told.empty()
    other.watch.unsubscribe()


def test_a_function_may_end_it_by_itself(there: Served) -> None:
    ended: queue.Queue[str] = queue.Queue()

    async def once(peer: net.RemotePeer, change: net.PeerChange) -> None:
        while "watch" not in vars(once):
            await asyncio.sleep(0.001)
        vars(once)["watch"].unsubscribe()
        await asyncio.sleep(0.01)
        ended.put("to its end")

    net.on_peer(once)
    assert ended.get(timeout=PATIENCE) == "to its end"


def test_a_change_is_a_text_that_says_why() -> None:
    change = net.PeerChange("left", "it took leave: lunch")
    for twin in (copy.deepcopy(change), pickle.loads(pickle.dumps(change))):
        assert (twin, twin.why, type(twin)) == ("left", "it took leave: lunch", net.PeerChange)
    assert net.PeerChange("joined").why is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_is_told_by_itself(there: Served) -> None:
    code = f"""
import os, sys, threading
import net
there = {there.id!r}
told = threading.Event()
parent = os.getpid()
in_child = threading.Event()

@net.on_peer
def tell(peer, change):
    if (peer.instance_id, change) == (there, "joined"):
        (told if os.getpid() == parent else in_child).set()

assert told.wait(15)
child = os.fork()
if child == 0:
    os._exit(0 if in_child.wait(15) else 1)
_, status = os.waitpid(child, 0)
tell.watch.unsubscribe()
print(os.waitstatus_to_exitcode(status))
"""
    ended = run(code)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("0\n", "", 0)


def test_the_end_of_the_program_is_no_end_of_others(there: Served) -> None:
    code = f"""
import threading
import net
told = threading.Event()

@net.on_peer
def tell(peer, change):
    if peer.instance_id == {there.id!r}:
        print(change, flush=True)
        told.set()

assert told.wait(15)
"""
    ended = run(code)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("joined\n", "", 0)
