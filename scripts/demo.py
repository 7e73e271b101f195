"""`make demo`: a Rust, a Python and an original app-net 0.6.2 peer, each in a process of its own, call one another.

Prints who called whom and what came back; exits with 1 if any answer is wrong. Stops all that it started.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from actor import ORIGINAL_PYTHON, PYTHON, ROOT, Actor, environment

PROGRAMS = ROOT / "examples" / "demo"
RUST = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "debug", "demo-peer")


def main() -> int:
    began = time.monotonic()
    for needed in (RUST, PYTHON, ORIGINAL_PYTHON):
        if not needed.exists():
            print(f"error: {needed} is missing\nhint: `make demo` makes it", file=sys.stderr)
            return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with contextlib.ExitStack() as stack:
        runtime_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="net-"))
        say("Starting three peers, each in a process of its own")
        cast = start(stack, runtime_dir)
        say("Each calls the functions of the others")
        wrong = perform(cast)
        say("Stopping them")
    calls = len(cast) * (len(cast) - 1) * len(SCRIPT)
    verdict = "every answer is right" if not wrong else f"{wrong} answers are wrong"
    say(f"{calls} calls, {verdict}, {time.monotonic() - began:.1f} s")
    return 1 if wrong else 0


def start(stack: contextlib.ExitStack, runtime_dir: str) -> list[Actor]:
    original = stack.enter_context(
        Actor.original_on_free_ports("original 0.6.2", PROGRAMS / "original_peer.py", runtime_dir)
    )
    rust = stack.enter_context(Actor("Rust", [RUST], environment(original.port, runtime_dir)))
    python = stack.enter_context(Actor.ours("Python", PROGRAMS / "python_peer.py", original.port, runtime_dir))
    cast = [rust, python, original]
    for actor in cast:
        print(f"  {actor.name:<15} listens at {actor.host}:{actor.port}")
    return cast


#: What each peer asks of each other one: the function, its arguments, and what its answer must contain.
SCRIPT = [
    ("introduce", (), {"Rust": "Rust", "Python": "Python 3.", "original 0.6.2": "app-net 0.6.2"}),
    ("multiply", (6, 7), "42"),
    ("divide", (1, 0), "division by zero"),
]


def perform(cast: list[Actor]) -> int:
    """Makes the calls and prints a row for each; gives how many answers were wrong."""
    wrong = 0
    print(f"  {'caller':<15}    {'callee':<15} {'call':<15} answer")
    for caller, callee in itertools.permutations(cast, 2):
        for tag, args, expected in SCRIPT:
            answer = caller.ask(tag, *args, to=callee)
            wanted = expected[callee.name] if isinstance(expected, dict) else expected
            right = wanted in str(answer) and ("error" in answer) == (tag == "divide")
            call = f"{tag}({', '.join(map(str, args))})"
            mark = "" if right else "   <- WRONG"
            print(f"  {caller.name:<15} -> {callee.name:<15} {call:<15} {shown(answer, wanted)}{mark}", flush=True)
            wrong += not right
    return wrong


def shown(answer: dict[str, object], wanted: str) -> str:
    """An answer in a few words: of an error, which comes with its traceback, its kind and message."""
    if "result" in answer:
        return str(answer["result"])
    text = answer["error"]["text"]
    before, found, _ = text.rpartition(wanted)
    return f"raised {before.split()[-1]} {found}" if before.strip() else f"raised {text}"


def say(what: str) -> None:
    print(f"==> {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
