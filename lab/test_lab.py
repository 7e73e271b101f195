"""The harness itself: what is joined is joined, what is apart is apart, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from actor import PYTHON
from lab import PATIENCE, Host, Lab, Segment, processes_in

#: Seconds after which somebody counts as out of reach. Packets take some microseconds.
UNREACHED_AFTER = 0.5

#: A port where nobody listens: who is refused has reached the host.
KNOCK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), float(sys.argv[2]))
except ConnectionRefusedError:
    print("reached")
except OSError as error:
    print(error)
"""


def reaches(host: Host, address: object, within: float = PATIENCE) -> bool:
    return host.run([PYTHON, "-c", KNOCK, str(address), str(within)]).stdout == "reached\n"


def misses(host: Host, address: object) -> bool:
    return not reaches(host, address, UNREACHED_AFTER)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.005)


def test_hosts_on_one_segment_reach_one_another(a: Host, b: Host) -> None:
    assert reaches(a, b.address)
    assert reaches(b, a.address)
    assert reaches(a, b.address6)
    assert reaches(a, "::1")


def test_hosts_on_two_segments_do_not(lab: Lab, a: Host) -> None:
    far = lab.host("far", lab.segment("10.77.2.0/24"))
    for address in (far.link.address, far.link.address6):
        a.ip(f"route add {address.network} dev eth0")
    assert misses(a, far.address)
    assert misses(a, far.address6)


def test_two_labs_of_the_same_plan_are_apart(lab: Lab, a: Host, b: Host) -> None:
    with Lab() as other:
        alone = other.host("a", other.segment("10.77.1.0/24"))
        assert alone.address == a.address
        assert misses(alone, b.address)
    assert reaches(a, b.address)


def test_a_host_has_a_name_and_files_of_its_own(a: Host, b: Host) -> None:
    a.run(["sh", "-c", 'touch "$HOME/mine" "$XDG_RUNTIME_DIR/mine" "$TMPDIR/mine"'])
    assert b.run(["sh", "-c", 'ls "$HOME" "$XDG_RUNTIME_DIR" "$TMPDIR"; uname -n']).stdout.endswith("\nb\n")
    assert "mine" not in b.run(["find", "/run"]).stdout
    assert "mine" in a.run(["find", "/run"]).stdout
    assert not Path("/run/hosts").exists()


def test_a_cable_is_pulled_and_put_back(a: Host, b: Host) -> None:
    b.link.unplug()
    assert "NO-CARRIER" in b.ip("link show eth0")
    assert misses(a, b.address)
    b.link.plug_in()
    assert reaches(a, b.address)


def test_an_address_changes(a: Host, b: Host) -> None:
    old, old6 = b.address, b.address6
    b.link.change_address("10.77.1.200")
    assert str(b.address) == "10.77.1.200"
    assert reaches(a, b.address)
    assert reaches(a, b.address6)
    assert misses(a, old)
    assert misses(a, old6)


def test_a_segment_is_parted_and_healed(lab: Lab, office: Segment, a: Host, b: Host) -> None:
    c = lab.host("c", office)
    office.partition([a, c])
    assert reaches(a, c.address)
    assert misses(a, b.address)
    office.heal()
    assert reaches(a, b.address)
    office.partition([a], [b])
    assert misses(a, b.address)
    assert misses(b, c.address)


def test_what_passes_is_delayed_and_lost(a: Host, b: Host) -> None:
    assert reaches(a, b.address)
    a.link.impair(delay_ms=200)
    began = time.monotonic()
    assert reaches(a, b.address)
    assert time.monotonic() - began >= 0.4
    a.link.impair(loss_percent=100)
    assert misses(a, b.address)
    a.link.impair()
    assert reaches(a, b.address)


def test_what_is_large_passes_an_impaired_link_as_it_is(office: Segment, a: Host, b: Host) -> None:
    b.link.impair(delay_ms=1, loss_percent=1)
    office.partition([a, b])
    taking = b.popen([PYTHON, "-c", TAKE, str(b.address)], stdout=subprocess.PIPE, text=True)
    port = taking.stdout.readline().strip()
    a.run([PYTHON, "-c", GIVE, str(b.address), port])
    assert taking.communicate(timeout=PATIENCE) == (f"{4 << 20} True\n", None)


TAKE = """
import socket, sys
with socket.create_server((sys.argv[1], 0)) as server:
    print(server.getsockname()[1], flush=True)
    came = server.accept()[0].makefile("rb").read()
print(len(came), came == bytes(range(256)) * (1 << 14))
"""
GIVE = """
import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2]))).sendall(bytes(range(256)) * (1 << 14))
"""


def test_what_passes_is_captured(office: Segment, a: Host, b: Host) -> None:
    send = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'marked', ('10.77.1.2', 9))"
    with office.capture() as frames:
        a.run([PYTHON, "-c", send])
    assert any(frame.endswith(b"marked") for frame in frames)


def test_what_runs_there_ends_with_the_lab() -> None:
    with Lab() as lab:
        host = lab.host("a")
        # Also what has a session of its own, and no parent.
        host.run(["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &"])
        sleeping = host.popen(["sleep", "1000"])
        network = host.namespace
        assert len(processes_in(network)) >= 3
    assert sleeping.poll() is not None
    assert processes_in(network) == []


def test_what_runs_there_ends_with_whoever_made_the_lab() -> None:
    program = (
        "import lab, time; made = lab.Lab(); host = made.host('a', made.segment('10.77.1.0/24'));"
        "host.popen(['sleep', '1000']); print(host.namespace, flush=True)\n"
        # Not in one piece: Ctrl-C just before it sleeps does not wake it.
        "while True: time.sleep(0.05)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for how in (signal.SIGKILL, signal.SIGINT):
        maker = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert maker.stdout is not None
            network = maker.stdout.readline().strip()
            until(lambda network=network: len(processes_in(network)) >= 3)
            maker.send_signal(how)
            maker.communicate(timeout=PATIENCE)
        finally:
            maker.kill()
            maker.communicate()
        until(lambda network=network: processes_in(network) == [])
