"""What holds for all Python tests, wherever they are."""

from __future__ import annotations

import signal

# A shell that starts the tests in the background has them ignore Ctrl-C, and with them every program that they
# start. Tests press it there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
