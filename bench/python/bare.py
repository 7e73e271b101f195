"""The yardsticks: 64 bytes there and back over a bare Unix socket, blocking and with asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
import time
from pathlib import Path

from lines import MESSAGE, each_mark, each_order


def serve(kind: str, place: Path) -> None:
    """Serve on a thread of its own; the main one reads the driver's lines."""
    place.mkdir(exist_ok=True)
    path = str(place / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    if kind == "asyncio":
        threading.Thread(target=lambda: asyncio.run(_serve_asyncio(listener)), daemon=True).start()
    else:
        threading.Thread(target=_serve_blocking, args=(listener,), daemon=True).start()
    print("ready", path, flush=True)
    each_mark()
    # The other thread may hold on to its socket: nothing is left to be said.
    os._exit(0)


def _serve_blocking(listener: socket.socket) -> None:
    stream, _ = listener.accept()
    while message := stream.recv(MESSAGE):
        stream.sendall(message)


async def _serve_asyncio(listener: socket.socket) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                writer.write(await reader.readexactly(MESSAGE))

    async with await asyncio.start_unix_server(answer, sock=listener) as server:
        await server.serve_forever()


def ask(kind: str, address: str) -> None:
    """Do what the driver says over one connection."""
    if kind == "asyncio":
        each_order(None, lambda window, calls: asyncio.run(_in_flight(address, window, calls)))
        return
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(address)
    message = bytes(MESSAGE)

    def one_by_one(calls: int) -> list[float]:
        times = []
        for _ in range(calls):
            start = time.perf_counter()
            stream.sendall(message)
            stream.recv(MESSAGE)
            times.append(time.perf_counter() - start)
        return times

    each_order(one_by_one, None)


async def _in_flight(address: str, window: int, calls: int) -> None:
    reader, writer = await asyncio.open_unix_connection(address)
    message = bytes(MESSAGE)
    for _ in range(window):
        writer.write(message)
    for received in range(calls):
        await reader.readexactly(MESSAGE)
        if received + window < calls:
            writer.write(message)
    writer.close()
    await writer.wait_closed()


if __name__ == "__main__":
    role, kind, place, *address = sys.argv[1:]
    if role == "serve":
        serve(kind, Path(place))
    else:
        ask(kind, *address)
