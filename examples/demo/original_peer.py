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


@net.event("news")
def news(text):
    return (text,), {}


@net.connect("publish")
def publish(text):
    news(text)


@net.connect("audience")
def audience():
    return len(net.Peer().registered_subscriptions.get("news", {}))


HEARD = []
#: How often an original looks for the others, as it gives each of them only 0.1 s.
LOOKS = 10


@net.connect("heard")
def heard():
    return HEARD


@net.connect("listen")
def listen(publishers):
    """Subscribes to those that are there, once as many are found: an original subscribes to nobody who comes later."""
    for _ in range(LOOKS):
        if len(net.peers(refresh=True, on_host=True)["peers"]) >= publishers:
            net.subscribe("news")(on_news)
            return
    raise LookupError("not all were found")


def on_news(text):
    HEARD.append(text)


driven.serve({"introduce": introduce, "multiply": multiply, "divide": divide})
