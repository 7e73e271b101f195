"""The yardstick of many calls: lines of JSON over asyncio's streams, on a Unix socket, with the same many under way."""

from __future__ import annotations

import asyncio
import json
import socket
import threading

from calling import FACTORS, PRODUCT, check
from lines import Orders
from place import socket_path

#: Calls under way at a time, whatever the others have.
WINDOW = 64


def serve(_way: str) -> str:
    """Answer calls, each client's in their order."""
    path = socket_path()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    threading.Thread(target=lambda: asyncio.run(_serve(listener)), daemon=True).start()
    return path


def ask(_way: str, path: str) -> Orders:
    """Call, on one connection."""
    loop = asyncio.new_event_loop()
    reader, writer = loop.run_until_complete(asyncio.open_unix_connection(path))
    return {"flight": lambda _, times: loop.run_until_complete(_ping_pong(reader, writer, times))}


async def _serve(listener: socket.socket) -> None:
    functions = {"multiply": lambda a, b: a * b}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            call = json.loads(line)
            result = functions[call["tag"]](*call["args"])
            writer.write(json.dumps({"result": result}).encode() + b"\n")

    async with await asyncio.start_unix_server(answer, sock=listener) as server:
        await server.serve_forever()


async def _ping_pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, times: int) -> None:
    def call() -> None:
        writer.write(json.dumps({"tag": "multiply", "args": FACTORS}).encode() + b"\n")

    for _ in range(min(WINDOW, times)):
        call()
    for received in range(times):
        answer = json.loads(await reader.readline())
        check(answer["result"], PRODUCT)
        if received + WINDOW < times:
            call()
