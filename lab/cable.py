"""A cable that delays and drops: carries frames between two interfaces of where it runs, until its standard input ends.

    cable.py INTERFACE INTERFACE DELAY_MS LOSS_PERCENT SEED

Started by `Link.impair`. Not the kernel's netem, which not every kernel has, and which draws another lot each time.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import sys
import time
from collections import deque

ETH_P_ALL = 3
SOL_PACKET = 263
#: What the kernel left to be done by a network card (checksums, the cutting of large writes) goes with each frame.
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
#: The largest write that the kernel hands over whole, and its headers.
FRAME_MOST = 1 << 17


def main() -> None:
    one, another = (end_at(interface) for interface in sys.argv[1:3])
    delay, loss = float(sys.argv[3]) / 1000, float(sys.argv[4]) / 100
    lot = random.Random(int(sys.argv[5]))
    across = {one: another, another: one}
    # All are delayed alike, so the first is due first.
    under_way: deque[tuple[float, socket.socket, bytes]] = deque()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        readable, _, _ = select.select([one, another, sys.stdin], [], [], wait)
        if sys.stdin in readable:
            return
        for end in (one, another):
            if end in readable:
                due = time.monotonic() + delay
                under_way += [(due, across[end], frame) for frame in come(end) if lot.random() >= loss]
        while under_way and under_way[0][0] <= time.monotonic():
            _, end, frame = under_way.popleft()
            # Lost where that end was pulled, or its queue is full.
            with contextlib.suppress(OSError):
                end.send(frame)


def end_at(interface: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    end.bind((interface, ETH_P_ALL))
    end.setblocking(False)
    return end


def come(end: socket.socket) -> list[bytes]:
    """What has come at an end; nothing more where the cable was pulled there."""
    frames = []
    while True:
        try:
            frames.append(end.recv(FRAME_MOST))
        except OSError:
            return frames


if __name__ == "__main__":
    main()
