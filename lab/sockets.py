"""The sockets of a host, as its kernel lists them. Who opened them is not told."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from lab import Node

#: States of TCP, as the kernel numbers them.
ESTABLISHED = 0x01
LISTEN = 0x0A


class Socket(NamedTuple):
    """A TCP or UDP socket: an address and a port at either end."""

    here: tuple[IPv4Address | IPv6Address, int]
    there: tuple[IPv4Address | IPv6Address, int]
    state: int


def listening(host: Node) -> set[str]:
    """The addresses at which it takes TCP connections, without their ports."""
    return {str(tcp.here[0]) for tcp in _tcp(host) if tcp.state == LISTEN}


def listening_ports(host: Node) -> set[int]:
    return {tcp.here[1] for tcp in _tcp(host) if tcp.state == LISTEN}


def connections(host: Node) -> list[Socket]:
    """Its TCP connections, those that are ending too."""
    return [tcp for tcp in _tcp(host) if tcp.state != LISTEN]


def datagrams(host: Node) -> list[Socket]:
    """Its UDP sockets, and those that see packets raw."""
    tables = ("udp", "udp6", "udplite", "udplite6", "raw", "raw6")
    return [found for table in tables for found in _table(host, table)]


def unix(host: Node) -> list[str]:
    """The paths that the Unix sockets were bound to at which it listens."""
    listens = "00010000"
    rows = [line.split() for line in host.read("/proc/net/unix").splitlines()[1:]]
    return [row[7] for row in rows if len(row) > 7 and row[3] == listens]


def _tcp(host: Node) -> list[Socket]:
    return _table(host, "tcp") + _table(host, "tcp6")


def _table(host: Node, name: str) -> list[Socket]:
    try:
        text = host.read(f"/proc/net/{name}")
    except FileNotFoundError:  # a kernel without IPv6
        return []
    rows = [line.split() for line in text.splitlines()[1:]]
    return [Socket(_end(row[1]), _end(row[2]), int(row[3], 16)) for row in rows]


def _end(text: str) -> tuple[IPv4Address | IPv6Address, int]:
    """Reads `0100007F:0BC2`: words of the machine's own byte order, a colon, the port."""
    address, port = text.split(":")
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return ip_address(socket.inet_ntop(family, packed)), int(port, 16)
