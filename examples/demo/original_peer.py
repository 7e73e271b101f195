"""The demo's original peer: the same as python_peer.py, written for app-net 0.6.2 and run by it."""

import driven
import net


@net.connect("introduce")
def introduce():
    return "app-net " + net.__version__


@net.connect("multiply")
def multiply(a, b):
    return a * b


@net.connect("divide")
def divide(a, b):
    return a / b


driven.serve({"introduce": introduce, "multiply": multiply, "divide": divide})
