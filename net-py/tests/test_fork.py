"""Forks at bad moments: in the middle of calls, while functions run, from inside one, and many in a row."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest
import served
from harness import Served, run

import net

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

#: What the programs below begin with: `ended` waits for a child, at most until it must have hung.
PRELUDE = """
import asyncio, os, signal, sys, threading, time
import net, served

def ended(child):
    until = time.monotonic() + 15
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"
"""


def ran(code: str) -> list[str]:
    """Run a program that forks, and return the lines that it and its children printed."""
    ended = run(PRELUDE + code)
    assert (ended.stderr, ended.returncode) == ("", 0), ended.stdout
    return ended.stdout.splitlines()


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)", "pass"])
def test_the_parents_calls_in_flight_go_on(there: Served, end: str) -> None:
    # Blocking, by a future and in asyncio, all under way when the child is made, calls, serves and ends.
    code = f"""
there = {there.id!r}
blocked = []
thread = threading.Thread(target=lambda: blocked.append(served.block(0.5, peer=there)))
thread.start()
future = served.nap.submit(0.5, "future", peer=there)
loop = asyncio.new_event_loop()
async def main():
    return await served.nap.aio(0.5, "aio", peer=there)
looping = threading.Thread(target=lambda: blocked.append(loop.run_until_complete(main())))
looping.start()
while len(threading.enumerate()) < 3 or served.multiply(1, 2, peer=there) != 2:
    pass
child = os.fork()
if child == 0:
    assert served.multiply(3, 4, peer=there) == 12
    assert net.Peer().execute(there, "served.call_on", (None, net.Peer().instance_id), {{}}) == os.getpid()
    assert future.cancel() in (True, False)
    {end}
else:
    code = ended(child)
    assert served.multiply(3, 4, peer=there) == 12
    thread.join()
    looping.join()
    print(code, future.result(10), *sorted(map(str, blocked)))
"""
    assert ran(code) == ["0 future 0.5 aio"]


def test_children_of_multiprocessing_while_calls_are_in_flight(there: Served) -> None:
    code = f"""
import multiprocessing
there = {there.id!r}
fork = multiprocessing.get_context("fork")
def work(queue):
    queue.put(served.nap.submit(0, os.getpid(), peer=there).result(10))
futures = [served.nap.submit(0.3, number, peer=there) for number in range(20)]
queue = fork.SimpleQueue()
children = [fork.Process(target=work, args=(queue,)) for _ in range(4)]
for child in children:
    child.start()
for child in children:
    child.join(15)
print([child.exitcode for child in children], {{queue.get() for _ in children}} == {{child.pid for child in children}})
print([future.result(10) for future in futures] == list(range(20)))
"""
    assert ran(code) == ["[0, 0, 0, 0] True", "True"]


def test_a_fork_while_functions_run(there: Served) -> None:
    # The other peer calls functions of the parent's: one that sleeps, one that computes, one that waits in asyncio.
    code = f"""
there = {there.id!r}
running = threading.Barrier(4)
@net.connect
def sleeping():
    running.wait()
    time.sleep(0.5)
    return os.getpid()
@net.connect
def computing():
    running.wait()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        sum(range(100))
    return os.getpid()
@net.connect
async def napping():
    await asyncio.get_running_loop().run_in_executor(None, running.wait)
    await asyncio.sleep(0.5)
    return os.getpid()
own = net.Peer().instance_id
calls = [
    served.relay.submit(own, f"__main__.{{name}}", peer=there) for name in ("sleeping", "computing", "napping")
]
running.wait()
children = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        assert served.multiply(3, 4, peer=there) == 12
        assert served.call_on(None, net.Peer().instance_id, peer=there) == os.getpid()
        sys.exit(7)
    children.append(child)
print([ended(child) for child in children], {{call.result(10) for call in calls}} == {{os.getpid()}})
"""
    assert ran(code) == ["[7, 7, 7, 7, 7] True"]


@pytest.mark.parametrize("kind", ["", "async "])
@pytest.mark.parametrize(
    ("end", "code"), [("os._exit(6)", 6), ("sys.exit(7)", 7), ("return", 0), ("raise ValueError('of the child')", 1)]
)
def test_a_fork_inside_a_function(there: Served, kind: str, end: str, code: int) -> None:
    # The child makes use of a peer of its own, and then ends in each way in which a function can be left. The call is
    # the parent's, to answer once.
    program = f"""
there = {there.id!r}
@net.connect
{kind}def forking():
    child = os.fork()
    if child == 0:
        assert served.multiply(3, 4, peer=there) == 12
        assert net.pass_through(5, peer=there) == 5
        assert served.call_on(None, net.Peer().instance_id, peer=there) == os.getpid()
        {end}
    return child
own = net.Peer().instance_id
before = served.nap.submit(1, "before", peer=there)
children = [served.relay(own, "__main__.forking", peer=there) for _ in range(3)]
print([ended(child) for child in children], before.result(10))
print(served.relay(own, "served.process_id", peer=there) == os.getpid(), served.multiply(2, 3, peer=there))
"""
    ended = run(PRELUDE + program)
    lines = [f"[{code}, {code}, {code}] before", "True 6"]
    assert (ended.stdout.splitlines(), ended.returncode) == (lines, 0), ended.stderr
    assert ended.stderr.count("ValueError: of the child") == (3 if code == 1 else 0), ended.stderr
    assert "Fatal" not in ended.stderr
    assert "panicked" not in ended.stderr


def test_a_child_that_blocks_in_many_calls_from_inside_a_function(there: Served) -> None:
    # More than a task of the runtime may do at a stretch, on a thread that in the parent was the runtime's.
    program = f"""
there = {there.id!r}
@net.connect
def forking():
    child = os.fork()
    if child == 0:
        for number in range(500):
            assert served.multiply(number, 2, peer=there) == 2 * number
        os._exit(0)
    return child
own = net.Peer().instance_id
print(ended(served.relay(own, "__main__.forking", peer=there)))
"""
    assert ran(program) == ["0"]


@pytest.mark.parametrize("end", ["return", "sys.exit(0)"])
def test_a_child_of_another_thread_ends_with_it(there: Served, end: str) -> None:
    code = f"""
there = {there.id!r}
children = []
def work():
    child = os.fork()
    if child == 0:
        assert served.multiply(3, 4, peer=there) == 12
        print("child", flush=True)
        {end}
    else:
        children.append(child)
for _ in range(2):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print([ended(child) for child in children])
"""
    assert ran(code) == ["child", "child", "[0, 0]"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_fifty_forks_leave_nothing_behind(there: Served) -> None:
    code = f"""
import contextlib
there = {there.id!r}
def name(thread):
    with contextlib.suppress(FileNotFoundError), open(f"/proc/self/task/{{thread}}/comm") as comm:
        return comm.read().strip()
def held():
    # The thread of the log is begun with the first that is said, whenever that is.
    threads = [thread for thread in os.listdir("/proc/self/task") if name(thread) != "net-log"]
    return len(os.listdir("/proc/self/fd")), len(threads)
def sockets():
    return len(os.listdir(os.path.join(os.environ["NET_RUNTIME_DIR"], "app-net")))
def fork(number):
    child = os.fork()
    if child == 0:
        if number % 5 == 0:
            assert served.multiply(number, 2, peer=there) == 2 * number
        sys.exit(0)
    return child
served.nap.submit(0, peer=there).result(10)
assert ended(fork(0)) == 0
before, sockets_before = held(), sockets()
future = served.nap.submit(60, peer=there)
codes = [ended(fork(number)) for number in range(50)]
assert served.multiply(2, 3, peer=there) == 6
assert not future.done() and future.cancel()
until = time.monotonic() + 10
while (held() > before or sockets() > sockets_before) and time.monotonic() < until:
    time.sleep(0.01)
print(set(codes), held() <= before or held(), before, sockets() <= sockets_before)
"""
    line = ran(code)[0]
    assert line.startswith("{0} True "), line
    assert line.endswith(" True"), line


def test_the_other_side_sees_children_come_and_go(serve: Callable[..., Served]) -> None:
    other = serve()
    program = f"""
there = {other.id!r}
for number in range(5):
    child = os.fork()
    if child == 0:
        served.call_on(None, net.Peer().instance_id, peer=there)
        print(net.Peer().instance_id, flush=True)
        sys.exit(0)
    assert ended(child) == 0
"""
    children = ran(program)
    assert len(set(children)) == 5
    for child in children:
        with pytest.raises(net.RemoteError, match=r"net\.Unreachable"):
            served.call_on(None, child, peer=other.id)
    assert served.multiply(2, 3, peer=other.id) == 6
