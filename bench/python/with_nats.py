"""Calls as requests by NATS: nats-py at both ends, and between them a server of its own, on loopback."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgpack
import nats
from calling import Calls, awaited
from lines import Orders
from nats.aio.msg import Msg

SERVER = Path(sys.prefix, "bin", "nats-server")
#: With a port that the system gives, which is then to be read in a file, and room for a large value.
SETTINGS = """
host: 127.0.0.1
port: -1
ports_file_dir: "."
max_payload: 16MB
"""
#: Seconds for the server to start, and for any one answer: only what hangs reaches it.
WITHIN = 20


def serve(_way: str) -> str:
    """Start the server, and answer what it passes on; in asyncio, which is all that nats-py has."""
    address = _start_server()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_subscribe(address))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return address


def ask(_way: str, address: str) -> Orders:
    """Call on one connection."""
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(nats.connect(address))

    async def multiply(a: int, b: int) -> int:
        answer = await connection.request("multiply", msgpack.packb((a, b)), WITHIN)
        return msgpack.unpackb(answer.data)

    async def echo(value: bytes) -> bytes:
        return (await connection.request("echo", value, WITHIN)).data

    return awaited(loop, Calls(multiply, echo))


def _start_server() -> str:
    settings = Path("nats.conf")
    settings.write_text(SETTINGS)
    # It ends with this process, however that ends.
    server = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", SERVER, "--config", settings],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + WITHIN
    while server.poll() is None and time.monotonic() < until:
        for ports in Path().glob("*.ports"):
            if text := ports.read_text():
                return json.loads(text)["nats"][0]
        time.sleep(0.01)
    raise RuntimeError(f"there is no nats-server, or it did not start within {WITHIN} s")


async def _subscribe(address: str) -> None:
    connection = await nats.connect(address)

    def answering(function: Callable[[bytes], bytes]) -> Callable[[Msg], Coroutine[Any, Any, None]]:
        async def answer(message: Msg) -> None:
            await message.respond(function(message.data))

        return answer

    await connection.subscribe("multiply", cb=answering(multiply))
    await connection.subscribe("echo", cb=answering(lambda value: value))
    await connection.flush()


def multiply(request: bytes) -> bytes:
    """Multiply two numbers."""
    a, b = msgpack.unpackb(request)
    return msgpack.packb(a * b)
