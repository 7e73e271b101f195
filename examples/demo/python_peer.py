"""The demo's Python peer: three functions that any peer can call, and a loop that calls those of others."""

import platform

import driven
import net


@net.connect("introduce")
def introduce():
    return f"Python {platform.python_version()}"


@net.connect("multiply")
def multiply(a, b):
    return a * b


@net.connect("divide")
def divide(a, b):
    return a / b


driven.serve({"introduce": introduce, "multiply": multiply, "divide": divide})
