"""The environment is the program's, which may change it at any time: no thread of the library reads it meanwhile.

The system's ``getenv`` does not survive that: a program that set a variable right after ``import net``, as an
interactive Python does, could crash.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import HERE, run

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="preloads a library as Linux does"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here to build environment_reader.c"),
]

PROGRAM = """
import net
@net.connect("double")
def double(x):
    return 2 * x
with net.Peer(test=True) as other:
    assert other.instance_id in {{peer.instance_id for peer in net.peers(refresh=True)}}
    print(double(21, peer=other), net.Peer().execute(other, "net.defaults.handlers.info", (), {{}})["hub"])
{more}
"""

#: What shows that the program is watched at all.
READS = """
import os, threading, socket
reader = threading.Thread(target=socket.getaddrinfo, args=("localhost", 80))
reader.start()
reader.join()
"""


@pytest.fixture(scope="module")
def watched() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="net-") as folder:
        library = Path(folder) / "environment_reader.so"
        source = HERE / "environment_reader.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        yield {"LD_PRELOAD": str(library), "NET_RUNTIME_DIR": folder}


def test_no_thread_of_the_library_reads_it(watched: dict[str, str]) -> None:
    done = run(PROGRAM.format(more=""), **watched)
    assert (done.stdout.strip(), done.stderr) == ("42 False", "")


def test_a_thread_that_reads_it_is_noticed(watched: dict[str, str]) -> None:
    done = run(PROGRAM.format(more=READS), **watched)
    assert "off the main thread: getaddrinfo(localhost)" in done.stderr
