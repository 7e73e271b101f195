"""Each thing that keeps two hosts apart is named by `app-net doctor` as the one cause."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from actor import PYTHON, ROOT
from lab import Host, Segment
from members import OF_LAB, Join, until

OTHER = "b8427dd05e9a41f3a6c0915e7fd2384c"
#: Settings of a peer of no group: what a member is started with is taken back.
KEYLESS = {"NET_GROUP": "", "NET_SECRET": ""}
#: What the command line exits with where there is a cause.
NOT_CALLED = 3
A_YEAR = 365 * 24 * 3600


def assert_cause(cause: str, host: Host, *target: str, **settings: str) -> None:
    """The doctor on a host names it. It is of the group, unless the settings say otherwise."""
    environment = host.environment(**{**OF_LAB, **settings})
    done = host.app_net("doctor", *target, "--json", env=environment, check=False)
    told = json.loads(done.stdout)
    assert told["cause"] == cause, told
    assert done.returncode == (0 if cause == "none" else NOT_CALLED), done
    assert told["advice"] in done.stderr or cause == "none"
    assert any(finding["is_fault"] for finding in told["findings"]) == (cause != "none"), told


def test_where_all_is_well_nothing_is_named(a: Host, b: Host, join: Join) -> None:
    there = join(b)
    assert_cause("none", a, there.address)
    assert_cause("none", a, there.id)
    assert_cause("none", a)


def test_another_key(a: Host, b: Host, join: Join) -> None:
    assert_cause("other-key", a, join(b).address, NET_SECRET=OTHER)


def test_another_group(a: Host, b: Host, join: Join) -> None:
    assert_cause("other-group", a, join(b).address, NET_GROUP="test")


def test_a_blocked_port(a: Host, b: Host, join: Join) -> None:
    there = join(b)
    # What comes gets there, and no answer leaves the host: to the other side, as if a firewall dropped it.
    b.ip(f"rule add ipproto tcp sport {there.actor.port} blackhole")
    assert_cause("port-blocked", a, there.address)


def test_blocked_multicast(office: Segment, a: Host, b: Host, join: Join) -> None:
    there = join(b)
    office.filter_multicast()
    assert_cause("multicast-blocked", a, there.address)


@pytest.mark.parametrize("here", [{"NET_OPEN": "1"}, {}], ids=["opened", "not opened"])
def test_another_version(a: Host, b: Host, here: dict[str, str]) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    other = b.popen([PYTHON, Path(__file__).parent / "other_version.py", b.address], **pipes)
    port = int(other.stdout.readline())
    assert_cause("version-skew", a, f"{b.address}:{port}", **KEYLESS, **here)
    other.communicate()


@pytest.fixture(scope="module")
def stepped_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here to build stepped_clock.c")
    library = tmp_path_factory.mktemp("clock") / "stepped_clock.so"
    source = ROOT / "net-py" / "tests" / "stepped_clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    return library


@pytest.mark.parametrize("seconds", [A_YEAR, -A_YEAR], ids=["a year ahead", "a year behind"])
@pytest.mark.parametrize("settings", [OF_LAB, {**KEYLESS, "NET_OPEN": "1"}], ids=["with a key", "opened"])
def test_another_time(
    a: Host, b: Host, join: Join, stepped_clock: Path, seconds: int, settings: dict[str, str]
) -> None:
    clock = stepped_clock.parent / "seconds"
    clock.write_bytes(struct.pack("=q", seconds))
    there = join(b, **settings, LD_PRELOAD=str(stepped_clock), STEPPED_CLOCK=str(clock))
    assert_cause("clock", a, there.address, **settings)


def test_a_group_that_is_on_loopback_alone(a: Host, b: Host, join: Join) -> None:
    there = join(b, **KEYLESS)
    assert_cause("loopback-only", a, there.address, **KEYLESS)
    assert_cause("loopback-only", a, **KEYLESS)


@pytest.mark.parametrize("how", ["down", "unplugged"])
def test_an_interface_that_is_down(a: Host, b: Host, join: Join, how: str) -> None:
    there = join(b)
    if how == "down":
        a.ip("link set eth0 down")
    else:
        a.link.unplug()
        until(lambda: "NO-CARRIER" in a.ip("link show eth0"), within=10.0)
    assert_cause("interface-down", a, there.address)
    assert_cause("interface-down", a)
