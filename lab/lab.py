"""Many hosts on one machine: Linux network namespaces, joined by bridges. What is tested with them is not here.

    with Lab() as lab:
        office = lab.segment("10.77.1.0/24")
        a, b = lab.host("a", office), lab.host("b", office)
        peer = b.start_peer(PROGRAM, NET_OPEN="1")
        a.app_net("info", f"{b.address}:{peer.port}")
        a.link.unplug()
        b.link.impair(delay_ms=300, loss_percent=10)

A *host* has interfaces, addresses, loopback, a host name and mounts of its own: its /run is a file system in memory, in
which the user's home, runtime and temporary directories are; so neither a Unix socket nor a key leads from one host to
another. A *segment* is a bridge in a namespace of its own. The machine's own network is never touched.

Nothing is left behind, however a test ends. Namespaces have no names: each lives as long as the processes in it. The
first of them reads its standard input until that ends, which is when the lab does, or whoever made it, killed or not;
then it ends the others, and the kernel takes down interfaces and files. So two labs of one plan do not meet either.

It needs root, Linux, iproute2 and util-linux: `missing()` says what of them is not here.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import IO, Any

from actor import PYTHON, Actor, plain_environment

#: Where Cargo builds, as in the Makefile.
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).parent.parent / "target"))
APP_NET = TARGET / "debug" / "app-net"
#: Seconds for what takes a moment: a command, the start of a host. Only what hangs meets it.
PATIENCE = 30.0

#: What of a host lies in its file system in memory, as the environment names it.
DIRECTORIES = {
    "HOME": "/run/home",
    "XDG_CONFIG_HOME": "/run/home/.config",
    "XDG_STATE_HOME": "/run/home/.local/state",
    "XDG_RUNTIME_DIR": "/run/user",
    "TMPDIR": "/run/tmp",
}

#: The first process of a host or a segment, which is given its name and the machine's own network, to end nobody there.
#: Addresses are of use at once, as nobody else has them (no duplicate address detection).
FIRST_PROCESS = """
set -eu
echo "$1" >/proc/sys/kernel/hostname
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 700 /run/home /run/user /run/tmp
printf '127.0.0.1 localhost\\n::1 localhost\\n127.0.1.1 %s\\n' "$1" >/run/hosts
mount --bind /run/hosts /etc/hosts
for scope in all default; do
    ! [ -e /proc/sys/net/ipv6 ] || echo 0 >/proc/sys/net/ipv6/conf/$scope/accept_dad
done
ip link set lo up
echo ready
cat
[ "$(readlink /proc/self/ns/net)" != "$2" ] || exit
for process in $(find -L /proc/[0-9]*/ns/net -samefile /proc/self/ns/net 2>/dev/null); do
    process=${process#/proc/}
    process=${process%%/*}
    [ "$process" = $$ ] || kill -KILL "$process" || :
done 2>/dev/null
"""

#: A bridge is no host: it has no address of its own, and says nothing.
SAYS_NOTHING = """
file=/proc/sys/net/ipv6/conf/default/disable_ipv6
! [ -e $file ] || echo 1 >$file
"""

#: The bridge of a segment. While it is in parts, there is one for each further part.
BRIDGE = "bridge0"


class Failed(Exception):
    """A tool that did not do what it was to do, with what it said."""


class Node:
    """A machine of its own. In tests: a `Host` or a `Segment`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._processes: list[subprocess.Popen[Any]] = []
        namespaces = ["--net", "--uts", "--mount"]
        self._first = subprocess.Popen(
            ["unshare", *namespaces, "sh", "-c", FIRST_PROCESS, "sh", name, network_of(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        #: What a command begins with that is to run here. It becomes the command's process.
        self.prefix = ["nsenter", f"--target={self._first.pid}", "--net", "--uts", "--mount", "--"]
        assert self._first.stdout is not None
        if self._first.stdout.readline() != "ready\n":
            _, errors = self._first.communicate()
            raise Failed(f"no host can be made: {errors.strip()}")
        #: Its network, as the kernel names it.
        self.namespace = network_of(self._first.pid)

    def run(self, command: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs a command here, to its end, and gives what it wrote; `check=False` where it may fail."""
        settings: dict[str, Any] = {"stdin": None if "input" in options else subprocess.DEVNULL, "check": True}
        settings |= {"env": self.environment(), "capture_output": True, "text": True, "timeout": PATIENCE, **options}
        return subprocess.run([*self.prefix, *map(str, command)], **settings)

    def popen(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        """Starts a command here, which ends with the lab at the latest."""
        options = {"env": self.environment(), "start_new_session": True, **options}
        process = subprocess.Popen([*self.prefix, *map(str, command)], **options)
        self._processes.append(process)
        return process

    def environment(self, **settings: str) -> dict[str, str]:
        """What programs find here: nothing of app-net is set, but for `settings`."""
        return plain_environment(**{**DIRECTORIES, **settings})

    def read(self, path: str) -> str:
        """What the kernel says of this machine in a file of /proc/net."""
        return Path(f"/proc/{self._first.pid}/net", Path(path).name).read_text()

    def ip(self, command: str) -> str:
        """Runs an `ip` command in this machine's network."""
        entered = ["nsenter", f"--target={self._first.pid}", "--net", "--", "ip", *command.split()]
        done = subprocess.run(entered, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode != 0:
            raise Failed(f"ip {command}: {done.stderr.strip()}")
        return done.stdout

    def start_tool(self, name: str, *arguments: str) -> subprocess.Popen[Any]:
        """Starts a program of this folder that says when it is ready, and runs until its standard input ends."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        tool = self.popen([PYTHON, Path(__file__).parent / name, *arguments], **pipes)
        if tool.stdout.readline() != b"ready\n":
            _, errors = tool.communicate()
            raise Failed(f"{name}: {errors.decode()}")
        return tool

    def end(self) -> None:
        """Ends all that runs here; the kernel takes down the rest. May be called again."""
        # These by ourselves, too: one that was just started may still be on its way in.
        for process in self._processes:
            process.kill()
            process.wait()
        assert self._first.stdin is not None
        self._first.stdin.close()
        try:
            self._first.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._first.kill()
            self._first.wait()
        # Killed is not gone yet.
        end = time.monotonic() + PATIENCE
        while processes_in(self.namespace) and time.monotonic() < end:
            time.sleep(0.002)

    @property
    def process(self) -> int:
        """A process in this machine's network, as `ip` names one."""
        return self._first.pid


class Segment(Node):
    """A bridge, and the network that its hosts are in."""

    def __init__(self, name: str, network: IPv4Network) -> None:
        super().__init__(name)
        self.network = network
        #: In fd00::/8, the IPv4 network's own: hosts have the same last number in both.
        self.network6 = IPv6Network(((0xFD00 << 112) | (int(network.network_address) << 80), 64))
        self.links: list[Link] = []
        self._free = network.hosts()
        self.run(["sh", "-c", SAYS_NOTHING])
        self._add_bridge(BRIDGE)

    def partition(self, *parts: Sequence[Host]) -> None:
        """Leaves each part's hosts with one another alone. Hosts in none of them stay together."""
        for number, part in enumerate(parts, 1):
            self._add_bridge(bridge := f"part{number}")
            for link in self.links:
                if link.host in part:
                    link.connect_to(bridge)

    def heal(self) -> None:
        """Makes it one again after `partition`."""
        for link in self.links:
            link.connect_to(BRIDGE)
        for bridge in json.loads(self.ip("-json link show type bridge")):
            if bridge["ifname"] != BRIDGE:
                self.ip(f"link delete {bridge['ifname']}")

    def filter_multicast(self) -> None:
        """Lets no multicast pass any more between the hosts that are on it, as many switches and access points do."""
        for link in self.links:
            link.take_no_multicast()

    @contextlib.contextmanager
    def capture(self) -> Iterator[list[bytes]]:
        """All that passes this segment, frame by frame: an empty list, which is filled when the block ends."""
        frames: list[bytes] = []
        tool = self.start_tool("capture.py")
        try:
            yield frames
        finally:
            captured, errors = tool.communicate()
            frames.extend(_frames(io.BytesIO(captured)))
        if tool.returncode != 0:
            raise Failed(f"capture.py: {errors.decode()}")

    def next_address(self) -> IPv4Interface:
        return IPv4Interface(f"{next(self._free)}/{self.network.prefixlen}")

    def _add_bridge(self, name: str) -> None:
        self.ip(f"link add {name} type bridge stp_state 0 forward_delay 0")
        self.ip(f"link set {name} up")


class Host(Node):
    """A host, with a link to each segment that it is on."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.links: list[Link] = []

    @property
    def link(self) -> Link:
        """Its first link: as a rule, the only one."""
        return self.links[0]

    @property
    def address(self) -> IPv4Address:
        return self.link.address.ip

    @property
    def address6(self) -> IPv6Address:
        return self.link.address6.ip

    def attach(self, segment: Segment, name: str | None = None) -> Link:
        """Puts it on a segment, by one more interface, which may be given a name."""
        self.links.append(link := Link(self, segment, name or f"eth{len(self.links)}"))
        return link

    def route(self) -> None:
        """Has it pass on what comes for others from one of its segments to another. They have to be told."""
        self.run(["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])

    def start_peer(self, program: Path, **settings: str) -> Actor:
        """Starts a Python program here that is driven as those of examples/demo are."""
        return self.start([PYTHON, program], **settings)

    def start(self, command: Sequence[str | Path], **settings: str) -> Actor:
        """Starts any such program."""
        return Actor(self.name, [*self.prefix, *command], self.environment(**settings))

    def app_net(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs the command line here."""
        return self.run([APP_NET, *arguments], **options)


class Link:
    """An interface of a host, and its cable to a segment."""

    def __init__(self, host: Host, segment: Segment, name: str) -> None:
        self.host, self.segment = host, segment
        #: The interface's name on the host.
        self.name = name
        #: The other end of the cable, at the bridge.
        self.port = f"port{len(segment.links)}"
        self._cable: subprocess.Popen[Any] | None = None
        segment.links.append(self)
        segment.ip(f"link add {self.port} type veth peer name {self.name} netns {host.process}")
        segment.ip(f"link set {self.port} master {BRIDGE} up")
        host.ip(f"link set {self.name} up")
        self._take(segment.next_address())

    @property
    def link_local(self) -> IPv6Address:
        """Its IPv6 address for this segment alone, which the kernel gave it."""
        (interface,) = json.loads(self.host.ip(f"-json address show dev {self.name}"))
        (found,) = [entry["local"] for entry in interface["addr_info"] if entry["scope"] == "link"]
        return IPv6Address(found)

    def unplug(self) -> None:
        """Pulls the cable: the host sees it go, and keeps its addresses."""
        self.segment.ip(f"link set {self.port} down")

    def plug_in(self) -> None:
        self.segment.ip(f"link set {self.port} up")

    def change_address(self, address: str | None = None) -> None:
        """Takes another address of the segment: the one given, or the next."""
        for old in (self.address, self.address6):
            self.host.ip(f"address delete {old} dev {self.name}")
        prefix = self.segment.network.prefixlen
        self._take(IPv4Interface(f"{address}/{prefix}") if address else self.segment.next_address())

    def impair(self, *, delay_ms: float = 0, loss_percent: float = 0, seed: int = 0) -> None:
        """Delays all that passes, either way, and drops some of it, until this is called again."""
        bridge = self._bridge()
        if self._cable is not None:
            self._cable.communicate()
            self._cable = None
            self.segment.ip(f"link delete {self._line}")
            self.segment.ip(f"link set {self.port} master {bridge}")
        if delay_ms or loss_percent:
            inner = f"inner-{self.port}"
            self.segment.ip(f"link set {self.port} nomaster")
            self.segment.ip(f"link add {self._line} type veth peer name {inner}")
            self.segment.ip(f"link set {inner} up")
            self.segment.ip(f"link set {self._line} master {bridge} up")
            settings = map(str, (delay_ms, loss_percent, seed))
            self._cable = self.segment.start_tool("cable.py", self.port, inner, *settings)

    def connect_to(self, bridge: str) -> None:
        """Leads to this bridge of the segment. For `Segment` alone."""
        self.segment.ip(f"link set {self._at_bridge} master {bridge}")

    def take_no_multicast(self) -> None:
        """Is brought none any more by the bridge that it leads to. For `Segment` alone."""
        self.segment.ip(f"link set {self._at_bridge} type bridge_slave mcast_flood off")

    @property
    def _line(self) -> str:
        return f"line-{self.port}"

    @property
    def _at_bridge(self) -> str:
        return self.port if self._cable is None else self._line

    def _bridge(self) -> str:
        (port,) = json.loads(self.segment.ip(f"-json link show {self._at_bridge}"))
        return port["master"]

    def _take(self, address: IPv4Interface) -> None:
        network = self.segment.network6
        self.address = address
        number = int(address.ip) - int(self.segment.network.network_address)
        self.address6 = IPv6Interface((network[number], network.prefixlen))
        self.host.ip(f"address add {self.address} brd + dev {self.name}")
        self.host.ip(f"address add {self.address6} dev {self.name} nodad")


class Lab:
    """Segments and hosts, for as long as the block lasts."""

    def __init__(self) -> None:
        self._nodes = contextlib.ExitStack()

    def segment(self, network: str) -> Segment:
        """A bridge whose hosts are in this IPv4 network, and in an IPv6 one that belongs to it."""
        return self._keep(Segment("segment", IPv4Network(network)))

    def host(self, name: str, *segments: Segment) -> Host:
        """A host on these segments, with the next address of each."""
        host = self._keep(Host(name))
        for segment in segments:
            host.attach(segment)
        return host

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self._nodes.close()

    def _keep(self, node: Any) -> Any:
        self._nodes.callback(node.end)
        return node


def network_of(process: int) -> str:
    """The network that a process is in, as the kernel names it."""
    return os.readlink(f"/proc/{process}/ns/net")


def processes_in(network: str) -> list[int]:
    """The processes that are in a network."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if network_of(int(path.name)) == network:
                found.append(int(path.name))
    return found


def _frames(stream: IO[bytes]) -> Iterator[bytes]:
    while length := stream.read(4):
        yield stream.read(int.from_bytes(length, "big"))


@functools.cache
def missing() -> str | None:
    """What is not here of what a lab needs, in words; nothing where all is."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "a lab needs root, to make network namespaces"
    tools = [tool for tool in ("ip", "unshare", "nsenter") if shutil.which(tool) is None]
    if tools:
        return f"a lab needs {' and '.join(tools)}: install iproute2 and util-linux"
    try:
        with Lab() as lab:
            lab.host("a", lab.segment("10.77.0.0/24"))
    except (Failed, OSError) as error:
        return f"a lab needs network namespaces, veth and bridges: {error}"
    return None
