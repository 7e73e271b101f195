"""`make demo`'s program: three peers, each calling and hearing the two others, every answer right."""

import subprocess
import sys

from actor import ROOT


def test_every_answer_is_right() -> None:
    demo = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "18 calls and 3 events, every answer is right" in demo.stdout
