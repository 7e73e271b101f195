"""Several peers in one process: their life beside the program's, a fork's and the interpreter's end.

Not here: what a second peer is and offers (``test_generations``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import served
from harness import PATIENCE, Served, run

import net


def test_calls_in_a_function_go_out_from_its_peer(there: Served) -> None:
    made: list[net.RemotePeer] = []

    @net.connect
    def make() -> list[str | None]:
        made.append(net.RemotePeer(there.id))
        assert served.multiply(2, 3, peer=made[-1]) == served.multiply(2, 3, peer=there.id) == 6
        return [peer.instance_id for peer in net.peers(refresh=True)]

    own = net.Peer().instance_id
    with net.Peer(test=True) as second:
        assert own in make(peer=second)
        assert second.instance_id in make()
        # A handle is of the peer that it was made in, wherever it is used.
        assert served.multiply(2, 3, peer=made[0]) == 6
    with pytest.raises(net.Error, match="has been shut down"):
        served.multiply(2, 3, peer=made[0])
    assert served.multiply(2, 3, peer=made[1]) == 6


def test_many_come_and_go() -> None:
    ids = set()
    for _ in range(5):
        with net.Peer(test=True) as first, net.Peer(test=True) as second:
            ids |= {first.instance_id, second.instance_id}
            assert first.execute(second, "served.own_peer") == second.instance_id
            assert second.execute(first, "served.own_peer") == first.instance_id
    assert len(ids) == 10
    # What is shut down is shut down, however often.
    first.shutdown()


def test_from_many_threads_at_once() -> None:
    with net.Peer(test=True) as second, net.Peer(test=True) as third:
        wrong: list[str] = []

        def work(peer: net.Peer) -> None:
            for _ in range(50):
                if served.own_peer(peer=peer) != peer.instance_id:
                    wrong.append(peer.instance_id)

        threads = [threading.Thread(target=work, args=[peer]) for peer in (net.Peer(), second, third) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not wrong


def test_a_call_on_a_peer_that_is_shut_down_ends() -> None:
    peer = net.Peer(test=True)
    waiting = served.pass_gate.submit(peer=peer)
    assert served.was_waited_at()
    # It waits for the gate for longer than the peer is given.
    peer.shutdown(0.1)
    with pytest.raises((net.Lost, net.Cancelled)):
        waiting.result(PATIENCE)
    served.open_gate()


def test_functions_that_block_on_each_of_them_keep_none_from_being_answered(serve: Callable[..., Served]) -> None:
    other = serve()
    peers = [other.id, *served.begin_peers(2, peer=other.id)]
    for peer in peers:
        assert net.pass_through(1, peer=peer) == 1
    blocked = [served.pass_gate.submit(peer=peer) for peer in peers]
    for peer in peers:
        assert net.pass_through(1, peer=peer) == 1
    assert not any(future.done() for future in blocked)
    while not all(future.done() for future in blocked):
        served.open_gate(peer=peers[0])
    assert all(future.result() for future in blocked)


def test_they_call_one_another_from_within_calls() -> None:
    with net.Peer(test=True) as second, net.Peer(test=True) as third:
        peers = [net.Peer(), second, third]

        @net.connect
        def hop(left: int) -> list[int]:
            here = peers.index(net.Peer())
            return [here, *hop(left - 1, peer=peers[(here + 1) % 3])] if left else [here]

        assert hop(12) == [0, 1, 2] * 4 + [0]
        futures = [hop.submit(6, peer=peer) for peer in peers * 5]
        for number, future in enumerate(futures):
            assert future.result(PATIENCE) == [(number + step) % 3 for step in range(7)]


def test_the_end_of_a_program_ends_them_all(there: Served) -> None:
    code = f"""
import net, served
peers = [net.Peer(test=True) for _ in range(3)]
for peer in peers:
    assert peer.execute({there.id!r}, "served.multiply", (2, 3)) == 6
net.Peer(test=True)
net.Peer(test=True, launch=False)
print(*[peer.instance_id for peer in peers])
"""
    ended = run(code)
    assert (ended.stderr, ended.returncode) == ("", 0)
    ids = ended.stdout.split()
    assert len(ids) == 3
    assert not set(ids) & set(net.peers(refresh=True)["peers"])
    # They have taken leave: of a process that just died something would be left behind.
    left = " ".join(map(str, Path(os.environ["NET_RUNTIME_DIR"]).rglob("*.sock")))
    assert there.id in left
    assert not [id for id in ids if id in left]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_each_of_them_anew(there: Served) -> None:
    code = f"""
import os, net, served
second = net.Peer(test=True, group="forked")
def apart(x): return (x, net.Peer().instance_id)
second.register_connection(apart, "Apart")
unstarted = net.Peer(test=True, launch=False)
before = (net.Peer().instance_id, second.instance_id)
handle = net.RemotePeer(second._local.remote({there.id!r}))
assert served.multiply(2, 3, peer=handle) == 6
child = os.fork()
if child == 0:
    assert not {{net.Peer().instance_id, second.instance_id}} & set(before)
    assert second.group == "forked"
    assert net.Peer().execute(second, "Apart", (1,)) == (1, second.instance_id)
    assert served.own_peer(peer=second) == second.instance_id
    assert served.multiply(2, 3, peer=handle) == 6
    # The parent's are there as any other program's.
    assert served.own_peer(peer=before[1]) == before[1]
    unstarted.launch()
    assert unstarted.port
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert (net.Peer().instance_id, second.instance_id) == before
assert net.Peer().execute(second, "Apart", (1,)) == (1, before[1])
print("parent")
"""
    ended = run(code)
    assert (ended.stdout.strip(), ended.returncode) == ("parent", 0), ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_whose_own_peer_is_shut_down_goes_on_without() -> None:
    code = """
import os, net, served
own = net.Peer()
own.register_connection(served.multiply, "Apart")
with net.Peer(test=True) as second:
    own.shutdown()
    own.shutdown()
    assert net.Peer() is own and "Apart" in own.registered_connections
    assert served.multiply(2, 3) == 6
    assert second.execute(second, "served.multiply", (2, 3)) == 6
    if os.fork() == 0:
        assert second.port
        try:
            own.port
        except net.Error as error:
            print(error, flush=True)
        os._exit(0)
    os.wait()
    try:
        served.multiply(2, 3, peer="127.0.0.1:1")
    except net.Error as error:
        print(error)
"""
    ended = run(code)
    assert ended.stdout.splitlines() == ["this process's peer has ended"] * 2, ended.stderr
    assert ended.returncode == 0, ended.stderr


def test_threads_end_with_the_process_of_several() -> None:
    code = """
import net, threading
peers = [net.Peer(test=True) for _ in range(4)]
assert all(peer.port for peer in peers)
for peer in peers: peer.shutdown()
print([thread.name for thread in threading.enumerate()])
"""
    ended = run(code)
    assert (ended.stdout.strip(), ended.stderr, ended.returncode) == ("['MainThread']", "", 0)
