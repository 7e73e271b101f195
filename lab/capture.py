"""Takes down each frame on any interface of where it runs, until its standard input ends; then writes them all out.

Each with its length before it, for `Segment.capture`. It fails where the kernel had to drop some: who looks for
what must not be there is to have seen all.
"""

from __future__ import annotations

import select
import socket
import struct
import sys

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_RCVBUFFORCE = 33
#: What waits in the kernel until it is read here: some seconds of all that tests send.
BUFFER = 64 << 20
#: The kernel hands large writes over whole, before a network card would cut them.
FRAME_MOST = 1 << 17


def main() -> None:
    frames = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
        wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        wire.setblocking(False)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        ended = False
        while not ended:
            readable, _, _ = select.select([wire, sys.stdin], [], [])
            # Before the wire is read empty: what had passed when it ended is read.
            ended = sys.stdin in readable
            frames += waiting(wire)
        seen, dropped = struct.unpack("II", wire.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    for frame in frames:
        sys.stdout.buffer.write(struct.pack("!I", len(frame)) + frame)
    if dropped:
        sys.exit(f"error: {dropped} of {seen} frames were dropped")


def waiting(wire: socket.socket) -> list[bytes]:
    frames = []
    while True:
        try:
            frames.append(wire.recv(FRAME_MOST))
        except BlockingIOError:
            return frames


if __name__ == "__main__":
    main()
