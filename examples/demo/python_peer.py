"""The demo's Python peer: functions that any peer can call, an event, and a loop that calls what others have."""

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


@net.connect("heard")
def heard():
    return HEARD


@net.subscribe("news")
def on_news(text):
    HEARD.append(text)


driven.serve({"introduce": introduce, "multiply": multiply, "divide": divide})
