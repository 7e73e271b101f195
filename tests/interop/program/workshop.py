"""The functions of an interop peer, the same on an original and on ours. Runs on both."""

import threading

import net


@net.connect()
def multiply(a, b=5):
    return a * b


@net.connect()
def greet(**kwargs):
    return kwargs


@net.connect("Tagged")
def called_otherwise_here(x):
    return ["tagged", x]


@net.flag("DONE")
def on_done(connection, peer):
    return ["done", connection, bool(peer)]


@net.connect()
def flagged():
    return net.Peer().get_flag("DONE")


@net.connect()
def fails(x):
    return x / 0


@net.connect()
def fails_at_length(length):
    raise ValueError("x" * length)


@net.connect()
def text(length):
    return "x" * length


@net.connect()
def length(value):
    return len(value)


@net.connect()
def hold(seconds, **_time_out):
    threading.Event().wait(seconds)
    return "held"


# The driver finds functions here by name; a built-in's is not this module's, a tagged one's is its tag.
null = net.null
pass_through = net.pass_through
Tagged = called_otherwise_here
