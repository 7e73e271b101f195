"""Calls with gRPC, over a Unix socket, without generated code: numbers by msgpack, a large value as its bytes."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import msgpack
from calling import Calls, awaited, blocking
from lines import Orders
from place import socket_path

SERVICE = "bench.Functions"
#: Its limit for a message is 4 MiB where nothing else is said.
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
#: Threads of a server that blocks: as many as call it at a time.
THREADS = 16


def serve(way: str) -> str:
    """Serve with threads, or with asyncio on one."""
    address = f"unix:{socket_path()}"
    if way == "asyncio":
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(_start_aio(address))
        # A server ends when nothing holds it: these threads do.
        threading.Thread(target=lambda: loop.run_until_complete(server.wait_for_termination()), daemon=True).start()
    else:
        server = grpc.server(ThreadPoolExecutor(THREADS), options=OPTIONS)
        server.add_generic_rpc_handlers([_handlers(multiply, echo)])
        server.add_insecure_port(address)
        server.start()
        threading.Thread(target=server.wait_for_termination, daemon=True).start()
    return address


def ask(way: str, address: str) -> Orders:
    """Call on one channel, of all threads or of all tasks."""
    if way == "asyncio":
        loop = asyncio.new_event_loop()
        # A channel belongs to the loop that it is made in.
        return awaited(loop, loop.run_until_complete(_connect_aio(address)))
    functions = _functions(grpc.insecure_channel(address, OPTIONS))

    def calls() -> Calls:
        return functions

    return blocking(calls)


def multiply(request: list[int], _context: grpc.ServicerContext) -> int:
    """Multiply two numbers."""
    a, b = request
    return a * b


def echo(request: bytes, _context: grpc.ServicerContext) -> bytes:
    """Send it back."""
    return request


async def multiply_aio(request: list[int], context: grpc.ServicerContext) -> int:
    """Multiply two numbers."""
    return multiply(request, context)


async def echo_aio(request: bytes, _context: grpc.ServicerContext) -> bytes:
    """Send it back."""
    return request


async def _start_aio(address: str) -> grpc.aio.Server:
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers([_handlers(multiply_aio, echo_aio)])
    server.add_insecure_port(address)
    await server.start()
    return server


async def _connect_aio(address: str) -> Calls:
    return _functions(grpc.aio.insecure_channel(address, OPTIONS))


def _handlers(multiply: Any, echo: Any) -> grpc.GenericRpcHandler:
    handlers = {
        "multiply": grpc.unary_unary_rpc_method_handler(multiply, msgpack.unpackb, msgpack.packb),
        "echo": grpc.unary_unary_rpc_method_handler(echo),
    }
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _functions(channel: Any) -> Calls:
    multiply = channel.unary_unary(f"/{SERVICE}/multiply", msgpack.packb, msgpack.unpackb)
    echo = channel.unary_unary(f"/{SERVICE}/echo")
    return Calls(lambda a, b: multiply((a, b)), echo)
