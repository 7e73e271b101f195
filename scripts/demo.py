"""`make demo`: a Rust, a Python and an original 0.6.2 peer, each in a process of its own, call and hear one another.

Prints who called whom and what came back, and who heard what was published; exits with 1 if any of it is wrong. Stops
all that it started.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
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
        say("Each publishes an event, and the others hear it")
        wrong += publish(cast)
        say("Stopping them")
    calls = len(cast) * (len(cast) - 1) * len(SCRIPT)
    verdict = "every answer is right" if not wrong else f"{wrong} answers are wrong"
    say(f"{calls} calls and {len(cast)} events, {verdict}, {time.monotonic() - began:.1f} s")
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


#: Seconds for an event to be heard, and for its subscribers to have subscribed; far above what it takes.
HEARD_WITHIN = 20

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


def publish(cast: list[Actor]) -> int:
    """Has each peer publish and prints a row for each; gives how many were not heard by all the others, once each."""
    _, python, original = cast
    # A function runs on a peer when another calls it.
    other = {peer.name: original if peer is python else python for peer in cast}

    def run_on(peer: Actor, tag: str, *args: object) -> object:
        answer = other[peer.name].ask(tag, *args, to=peer, way="execute")
        return answer.get("result", answer)

    run_on(original, "listen", len(cast) - 1)
    for peer in cast:
        until(lambda peer=peer: run_on(peer, "audience") == len(cast) - 1)
    wrong = 0
    print(f"  {'publisher':<15}    {'event':<34} heard by")
    for publisher in cast:
        text = f"hello from {publisher.name}"
        run_on(publisher, "publish", text)
        others = [peer for peer in cast if peer is not publisher]
        until(lambda others=others, text=text: all(text in run_on(peer, "heard") for peer in others))
        times = {peer.name: run_on(peer, "heard").count(text) for peer in cast}
        right = times == {peer.name: int(peer is not publisher) for peer in cast}
        heard = ", ".join(name if count == 1 else f"{name} ({count} times)" for name, count in times.items() if count)
        mark = "" if right else "   <- WRONG"
        print(f"  {publisher.name:<15} -> {f'news({text!r})':<34} {heard}{mark}", flush=True)
        wrong += not right
    return wrong


def until(holds: Callable[[], bool]) -> None:
    """Waits for it, but not for ever: what is missing is seen afterwards."""
    end = time.monotonic() + HEARD_WITHIN
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)


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
