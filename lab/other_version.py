"""A side of a release to come, which speaks other versions of the protocol: it says so, as all versions do, and goes.

    other_version.py ADDRESS

It says at which port it listens, and goes on until its standard input ends.
"""

import contextlib
import socket
import sys
import threading

#: The magic bytes, and the lowest and the highest version that it speaks (PROTOCOL.md, "Connecting").
PREFACE = b"\xabnet\r\n" + bytes([2, 3])
#: CBOR: {0: id, 6: software, 7: calls, 8: window, 9: window of a stream, 10: largest body}.
SAYS = (
    b"\xa6\x00\x50" + b"\xee" * 16 + b"\x06\x6bapp-net/9.1" + b"\x07\x01"
    b"\x08\x1a\x00\x10\x00\x00" + b"\x09\x1a\x00\x10\x00\x00" + b"\x0a\x1a\x00\x10\x00\x00"
)
#: Length, kind 1, no flags, reserved, stream 0 (PROTOCOL.md, "Frames").
HELLO = len(SAYS).to_bytes(4, "big") + b"\x01" + bytes(11) + SAYS


def main() -> None:
    server = socket.create_server((sys.argv[1], 0))
    threading.Thread(target=answer, args=(server,), daemon=True).start()
    print(server.getsockname()[1], flush=True)
    sys.stdin.read()


def answer(server: socket.socket) -> None:
    while True:
        side, _ = server.accept()
        # Whoever only looks whether somebody listens has gone by now.
        with side, contextlib.suppress(OSError):
            side.sendall(PREFACE + HELLO)
            side.shutdown(socket.SHUT_WR)
            while side.recv(4096):
                pass


if __name__ == "__main__":
    main()
