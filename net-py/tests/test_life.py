"""The life of a process's peer beside the rest of the program: threads, signals, forks, and the interpreter's end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec

import pytest
import served
from harness import HERE, PATIENCE, Served, run

import net


def test_other_threads_run_while_a_call_blocks(there: Served) -> None:
    counted = 0
    done = threading.Event()

    def count() -> None:
        nonlocal counted
        while not done.is_set():
            counted += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = counted
    served.block(0.2, peer=there.id)
    during = counted - before
    done.set()
    thread.join()
    assert during > 1000


def test_a_call_from_many_threads(there: Served) -> None:
    results: list[int] = []

    def work() -> None:
        for number in range(100):
            results.append(served.multiply(number, 2, peer=there.id))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(results) == sorted([number * 2 for number in range(100)] * 8)


def test_a_function_that_blocks_keeps_no_other_from_being_answered(there: Served) -> None:
    blocked = [served.pass_gate.submit(peer=there.id) for _ in range(4)]
    assert served.multiply(5, 10, peer=there.id) == 50
    for _ in blocked:
        served.open_gate(peer=there.id)
    # Each opening lets at least one through; more are opened until all are.
    while not all(future.done() for future in blocked):
        served.open_gate(peer=there.id)
    assert all(future.result() for future in blocked)


def test_a_function_that_lets_no_other_run_keeps_its_peer_answering(serve: Callable[..., Served]) -> None:
    other = serve()
    holding = served.hold_the_interpreter.submit(50_000_000, peer=other.id)
    assert other.line() == "holding"
    # Answered by the core, which needs no interpreter.
    assert net.pass_through(1, peer=other.id) == 1
    assert not holding.done()
    assert holding.result(PATIENCE) == sum(range(50_000_000))


def test_ctrl_c_ends_a_call_that_blocks_and_cancels_it_there(serve: Callable[..., Served]) -> None:
    other = serve()
    code = f"""
import net
try:
    net.Peer().execute({other.id!r}, "served.until_cancelled", (), {{}})
except KeyboardInterrupt:
    print("interrupted", flush=True)
    input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.line() == "waiting"
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    assert process.stdout is not None
    assert process.stdout.readline() == "interrupted\n"
    assert time.monotonic() - sent < 1
    # The caller still lives: it is the call that was given up, not its peer that went away.
    assert served.was_cancelled(peer=other.id)
    process.communicate("\n", PATIENCE)
    assert process.returncode == 0


def test_ctrl_c_where_another_thread_did_the_import(serve: Callable[..., Served]) -> None:
    other = serve()
    code = f"""
import importlib, threading
importing = threading.Thread(target=importlib.import_module, args=["net"])
importing.start()
importing.join()
import net
try:
    net.Peer().execute({other.id!r}, "served.until_cancelled", (), {{}})
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=HERE, stdout=subprocess.PIPE, text=True)
    assert other.line() == "waiting"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=PATIENCE)[0] == "interrupted\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_does_not_keep_its_parent_alive_for_others() -> None:
    code = """
import os, sys, net, served
served.multiply(1, 2)
print(net.Peer().instance_id, net.Peer().port, flush=True)
sys.stdin.readline()
if os.fork() == 0:
    print("child", flush=True)
    sys.stdin.readline()
    os._exit(0)
served.signal_pause()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        parent, port = process.stdout.readline().split()
        # Linked before the fork, so that the child has a copy of the link's socket.
        waiting = served.pass_gate.submit(peer=parent)
        assert served.multiply(2, 3, peer=parent) == 6
        process.stdin.write("fork\n")
        process.stdin.flush()
        assert process.stdout.readline() == "child\n"
        process.kill()
        killed = time.monotonic()
        with pytest.raises(net.Lost):
            waiting.result(PATIENCE)
        # At once, by the end of the socket, and not by the silence that follows.
        assert time.monotonic() - killed < 2
        for address in (parent, f"127.0.0.1:{port}"):
            with pytest.raises(net.Unreachable):
                served.multiply(2, 3, peer=address)
    finally:
        process.kill()
        process.communicate("go\n", PATIENCE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_a_peer_of_its_own(there: Served) -> None:
    code = f"""
import os, served, net, threading
parent = net.Peer().instance_id
served.multiply(1, 2, peer={there.id!r})
served.nap.submit(0, peer={there.id!r}).result()
child = os.fork()
if child == 0:
    assert net.Peer().instance_id != parent
    assert served.multiply(3, 4, peer={there.id!r}) == 12
    assert served.nap.submit(0, 5, peer={there.id!r}).result() == 5
    # The parent calls the child's functions, and the child the parent's.
    assert served.process_id(peer=parent) == os.getppid()
    assert net.Peer().execute({there.id!r}, "served.call_on", (None, net.Peer().instance_id), {{}}) == os.getpid()
    print("child", flush=True)
else:
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert net.Peer().instance_id == parent
    assert served.multiply(3, 4, peer={there.id!r}) == 12
    assert net.Peer().execute({there.id!r}, "served.call_on", (None, parent), {{}}) == os.getpid()
    print("parent", flush=True)
"""
    ended = run(code)
    assert (ended.stdout.split(), ended.returncode) == (["child", "parent"], 0), ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("address", ["{id}", "127.0.0.1:{port}"])
def test_a_handle_goes_on_in_a_forked_child(there: Served, address: str) -> None:
    target = address.format(id=there.id, port=there.port)
    code = f"""
import os, served, net
peer = net.RemotePeer({target!r})
served.multiply(1, 2, peer=peer)
pending = served.nap.submit(0.1, 7, peer=peer)
before = hash(peer)
child = os.fork()
if child == 0:
    assert served.multiply(3, 4, peer=peer) == peer.multiply(3, 4) == 12
    assert peer in [net.RemotePeer({target!r})] and hash(peer) == before
    # The parent's call is not the child's to give up.
    pending.cancel()
    del pending
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(pending.result(10), served.multiply(3, 4, peer=peer))
"""
    ended = run(code)
    assert (ended.stdout.strip(), ended.returncode) == ("7 12", 0), ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_while_the_peer_starts() -> None:
    code = """
import os, net
children = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        # Each forks on at once: its own peer has just begun to start.
        grandchild = os.fork()
        if grandchild:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
        os._exit(0 if net.Peer().port else 1)
    children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""
    ended = run(code)
    assert (ended.stdout.strip(), ended.returncode) == ("[0, 0, 0, 0, 0]", 0), ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_workers_of_multiprocessing(there: Served) -> None:
    code = f"""
import multiprocessing, served
def work(number):
    return served.multiply(number, 2, peer={there.id!r})
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(work, range(5)))
"""
    ended = run(code)
    assert (ended.stdout.strip(), ended.returncode) == ("[0, 2, 4, 6, 8]", 0), ended.stderr


def test_importing_waits_for_nothing_and_ends_cleanly() -> None:
    ended = run("import net")
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)


@pytest.mark.skipif(find_spec("_xxsubinterpreters") is None, reason="this Python has subinterpreters elsewhere")
def test_a_subinterpreter_is_refused_and_leaves_the_peer_alone() -> None:
    code = """
import _xxsubinterpreters as interpreters
import net
peer = net.Peer().instance_id
sub = interpreters.create()
try:
    interpreters.run_string(sub, "import net")
except Exception as error:
    print("ImportError" in repr(error), "subinterpreter" in str(error))
interpreters.destroy(sub)
print(net.Peer().instance_id == peer)
"""
    ended = run(code)
    assert (ended.stdout.splitlines(), ended.returncode) == (["True True", "True"], 0), ended.stderr


def test_the_end_of_a_program_is_quick_and_quiet(there: Served) -> None:
    code = f"""
import served, threading
served.nap.submit(60, peer={there.id!r})
served.multiply(1, 2, peer={there.id!r})
threading.Thread(target=served.block, args=(60,), kwargs=dict(peer={there.id!r}), daemon=True).start()
"""
    started = time.monotonic()
    ended = run(code)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)
    assert time.monotonic() - started < 5


def test_a_peer_that_ends_while_it_serves(serve: Callable[..., Served]) -> None:
    other = serve()
    call = served.until_cancelled.submit(peer=other.id)
    assert other.line() == "waiting"
    assert other.stop() == 0
    with pytest.raises((net.Lost, net.Cancelled, net.RemoteError)):
        call.result(PATIENCE)


def test_a_peer_that_ends_while_a_function_computes(serve: Callable[..., Served]) -> None:
    for _ in range(3):
        other = serve()
        call = served.compute_for_ever.submit(peer=other.id)
        assert other.line() == "computing"
        assert other.stop() == 0
        with pytest.raises((net.Lost, net.Cancelled)):
            call.result(PATIENCE)


def test_a_peer_that_cannot_start_says_why() -> None:
    ended = run("import net; net.Peer().port", NET_RUNTIME_DIR="/dev/null/no")
    assert ended.returncode == 1
    assert "net.Error: this process's peer could not be started: the runtime directory /dev/null/no" in ended.stderr


def test_a_setting_that_is_no_number_is_named_when_the_peer_is_needed() -> None:
    ended = run("import net; net.Peer().port", NET_PORT="many")
    assert ended.returncode == 1
    assert 'net.Error: this process\'s peer could not be started: NET_PORT="many" is not usable' in ended.stderr


def test_daemon_threads_that_call_on_end_without_a_word(there: Served) -> None:
    code = f"""
import served, threading, time
def work():
    while True:
        served.multiply(1, 2, peer={there.id!r})
for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""
    ended = run(code)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", 0)


def test_a_call_after_the_end_is_an_error(there: Served) -> None:
    code = f"""
import atexit
@atexit.register
def late():
    try:
        served.multiply(1, 2, peer={there.id!r})
    except net.Error as error:
        print(error)
import net, served
class Last:
    def __del__(self):
        try:
            served.multiply(1, 2, peer={there.id!r})
        except Exception:
            print("refused")
last = Last()
"""
    ended = run(code)
    assert ended.stdout.splitlines() == ["this process's peer has ended", "refused"], ended.stderr
    assert ended.returncode == 0


@pytest.mark.parametrize(
    ("setting", "value"), [("NET_RUNTIME_DIR", "/dev/null/no"), ("NET_PORT", "many"), ("NET_PORT_RANGE", "99999")]
)
def test_functions_still_run_here_when_the_peer_cannot_start(setting: str, value: str) -> None:
    ended = run("import served; print(served.multiply(2, 3))", **{setting: value})
    assert (ended.stdout.strip(), ended.returncode) == ("6", 0), ended.stderr
