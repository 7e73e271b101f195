"""The README's Python tour, run as it says: one program in two terminals."""

import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from actor import ROOT, environment, free_block

#: The second terminal: the program, then its session, checked line by line.
SECOND_TERMINAL = """
import doctest, runpy, sys, time
program, session = sys.argv[1:]
namespace = runpy.run_path(program, run_name="__main__")
# Nobody types so fast that the two have not met.
while "finished" not in namespace["net"].Peer().registered_subscriptions:
    time.sleep(0.01)
test = doctest.DocTestParser().get_doctest(session, namespace, "README.md", "README.md", 0)
sys.exit(doctest.DocTestRunner().run(test).failed)
"""


def code(language: str) -> str:
    """The README's code in `language`, all of it that goes on from one block to the next."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"no {language} in README.md"
    return "\n".join(found)


@pytest.fixture
def runtime_dir():
    with tempfile.TemporaryDirectory(prefix="net-") as folder:
        yield folder


def test_the_tour_in_python(tmp_path: Path, runtime_dir: str) -> None:
    program = tmp_path / "hello.py"
    program.write_text(code("python"))
    env = environment(free_block(), runtime_dir)
    first_terminal = subprocess.Popen(
        [sys.executable, "-i", program],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    watchdog = threading.Timer(45, first_terminal.kill)
    watchdog.start()
    try:
        first_terminal.stdin.write("print(net.Peer().port, flush=True)\n")
        first_terminal.stdin.flush()
        assert first_terminal.stdout.readline().strip().isdigit(), "the first program is up"
        second_terminal = subprocess.run(
            [sys.executable, "-c", SECOND_TERMINAL, program, code("pycon")],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second_terminal.returncode == 0, second_terminal.stdout + second_terminal.stderr
        assert first_terminal.stdout.readline() == "render 7 took 2.5 s\n"
    finally:
        watchdog.cancel()
        first_terminal.kill()
        first_terminal.communicate()
