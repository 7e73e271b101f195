"""The peer that runs on the hosts of the tests, driven by lines of JSON."""

import os
import sys

import driven
import net


@net.connect("shout_in_confidence")
def shout(text):
    return text.upper()


@net.connect
def who():
    """What a member of the group is told by `info`, and here everyone is told."""
    return os.environ["USER"], sys.executable


@net.connect
def call_back(address, text):
    """Calls whoever is at the address, from inside a call."""
    return shout(text, peer=address)


driven.serve({"shout": shout, "who": who, "call_back": call_back})
