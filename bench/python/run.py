"""A server or a client of one of the modules beside this, driven by lines: ``run.py MODULE ROLE WAY PLACE [ADDRESS]``.

A module has ``serve(way)``, which returns an address, and ``ask(way, address)``, which returns what a client can do.
Both run in the folder ``PLACE``. What cannot be done is said in a line too: to lack a package is no end of the bench.
"""

from __future__ import annotations

import importlib
import os
import sys

from lines import each_mark, each_order

#: Characters of a reason that are enough to know it by.
REASON = 160


def main(name: str, role: str, way: str, place: str, address: str = "") -> None:
    """Be the one or the other until there are no more lines."""
    os.chdir(place)
    # `net` reads them when it is imported, ours and the original's; to the others they are nothing.
    os.environ |= {"NET_RUNTIME_DIR": place, "NET_PORT": "0", "NET_PORT_RANGE": "0"}
    try:
        module = importlib.import_module(name)
        if role == "serve":
            # On other threads: this one reads the lines.
            print("ready", module.serve(way), flush=True)
            each_mark()
        else:
            orders = module.ask(way, address)
            print("ready", flush=True)
            each_order(orders)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print("cannot", f"{reason:.{REASON}}", flush=True)
    # Threads that serve hold on to their sockets: nothing is left to be said.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
