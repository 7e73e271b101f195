"""The yardsticks: bytes there and back over a bare Unix socket, few as they are, many with their length in front."""

from __future__ import annotations

import socket
import struct
import threading
from array import array

from calling import Calls, blocking, floats
from lines import Orders
from place import socket_path

#: Bytes of a small message.
MESSAGE = 64
#: In front of a large one.
LENGTH = struct.Struct("!Q")


def serve(way: str) -> str:
    """Send back to one client after the other."""
    send_back = _send_back_small if way == "blocking" else _send_back_large
    path = socket_path()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def each_client() -> None:
        while True:
            send_back(listener.accept()[0])

    threading.Thread(target=each_client, daemon=True).start()
    return path


def ask(way: str, path: str) -> Orders:
    """Send there: ``blocking`` is for small messages, ``echo`` and ``array`` for large ones."""
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(path)
    message = bytes(MESSAGE)

    def multiply(a: int, b: int) -> int:
        stream.sendall(message)
        stream.recv(MESSAGE)
        # Here, since the other side only sends bytes back.
        return a * b

    def echo(value: bytes | memoryview) -> bytes:
        stream.sendall(LENGTH.pack(len(value)))
        stream.sendall(value)
        (length,) = LENGTH.unpack(stream.recv(LENGTH.size, socket.MSG_WAITALL))
        return stream.recv(length, socket.MSG_WAITALL)

    def echo_array(value: array[float]) -> array[float]:
        answer = array(value.typecode)
        answer.frombytes(echo(memoryview(value).cast("B")))
        return answer

    if way == "array":
        return blocking(lambda: Calls(multiply, echo_array), floats)
    return blocking(lambda: Calls(multiply, echo))


def _send_back_small(stream: socket.socket) -> None:
    while message := stream.recv(MESSAGE):
        stream.sendall(message)


def _send_back_large(stream: socket.socket) -> None:
    value = bytearray()
    while head := stream.recv(LENGTH.size, socket.MSG_WAITALL):
        (length,) = LENGTH.unpack(head)
        if len(value) != length:
            value = bytearray(length)
        stream.recv_into(value, length, socket.MSG_WAITALL)
        stream.sendall(head)
        stream.sendall(value)
