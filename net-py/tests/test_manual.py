"""The code samples of the original's manual, run as they are printed there.

Mended is what the scan damaged (lost indentation, curly quotes, spaces within names, ``>>>`` in front of a continued
line), and what stands for something else: a session's address for ``somepeer``, and ``some_value`` where the sample has
no such name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from harness import Served, run

# --- 1.1 and 3.2: a program that runs in two instances of python, and a session in one of them --------------------


class TwoInstances(NamedTuple):
    chapter: str
    program: str
    session: str


TWO_INSTANCES = [
    TwoInstances(
        "1.1 Basic Example",
        """
import net

@net.connect
def my_function(some_arg, some_kwarg=5):
    return some_arg * some_kwarg
""",
        """
>>> import net
>>> # run this function locally on this instance of python
>>> my_function(5, some_kwarg=10)
50
>>> # get all peers on the network
>>> for peer_id in net.get_peers():
...     # execute the same function but on other instances of python and return the results
...     print(my_function(5, some_kwarg=10, peer=peer_id))
50
""",
    ),
    TwoInstances(
        "3.2 A Basic Example",
        """
import net

# application code

@net.connect()
def multiply_values(val1, val2):
    return val1 * val2
""",
        """
>>> import net
>>>
>>> # get all net peers reachable on local host and the local area network.
>>> for peer_id in net.get_peers():
...     #
...     print(multiply_values(5, 10, peer=peer_id))
50
""",
    ),
]


@pytest.mark.parametrize("sample", TWO_INSTANCES, ids=lambda sample: sample.chapter)
def test_two_instances(sample: TwoInstances, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(sample.program)
    # A group of their own, so that of all the tests' peers these two see each other alone.
    group = tmp_path.name
    start = f"import runpy; names = runpy.run_path({str(program)!r}, run_name='__main__')"
    session = f"""
import doctest, sys
test = doctest.DocTestParser().get_doctest({sample.session!r}, names, "session", "manual", 0)
sys.exit(doctest.DocTestRunner().run(test).failed)
"""
    # As a script is run in the one, it is in the other: the functions have the same tag.
    first = Served(start, NET_GROUP=group)
    try:
        second = run(f"{start}\n{session}", NET_GROUP=group)
        assert second.returncode == 0, second.stdout + second.stderr
    finally:
        first.stop()


# --- 4: the reference ---------------------------------------------------------------------------------------------


class Sample(NamedTuple):
    chapter: str
    code: str
    #: What must hold after it.
    holds: str


SAMPLES = [
    Sample(
        "4.2 net.connect, standard no tagging",
        """
@net.connect()
def your_function(some_value):
    return some_value
""",
        """
assert your_function(3) == 3
assert net.Peer().mask_as_remote(your_function)(3) == 3
assert your_function.tag == "__main__.your_function"
""",
    ),
    Sample(
        "4.2 net.connect, custom tagging",
        """
@net.connect("MyTaggedFunction")
def your_function(some_value):
    return some_value
""",
        """
assert your_function(3) == 3
assert net.Peer().execute(net.Peer(), "MyTaggedFunction", (3,), {}) == 3
""",
    ),
    Sample(
        "4.3 net.peers, standard call to get the peers on your network",
        "all_peers = net.peers()",
        "assert there in ports(all_peers) and group1 not in ports(all_peers)",
    ),
    Sample(
        "4.3 net.peers, refresh all peers in the cache",
        "all_peers = net.peers(refresh=True)",
        "assert there in ports(all_peers) and group1 not in ports(all_peers)",
    ),
    Sample(
        "4.3 net.peers, refresh the cache with peers in group1",
        'all_peers = net.peers("group1", refresh=True)',
        "assert ports(all_peers) == [group1]",
    ),
    Sample(
        "4.2 net.subscribe, the peers of group1",
        "group1_peers = net.peers(groups=['group1'])",
        "assert ports(group1_peers) == [group1]",
    ),
    Sample(
        "4.2 net.subscribe, a single peer",
        "peer = net.peers()[0]",
        "assert net.pass_through(1, peer=peer) == 1",
    ),
    Sample(
        "4.4 net.info",
        "friendly_information = net.info(peer=somepeer)",
        """
assert friendly_information["port"] == there
assert friendly_information["hub"] is False
""",
    ),
    Sample(
        "4.4 net.pass_through",
        """
variable = "Test this comes back the way I sent it."

response = net.pass_through(variable, peer=somepeer)
""",
        "assert response == variable",
    ),
]

#: Those with `@net.subscribe`, of 4.2.
SAMPLES_OF_EVENTS = [
    Sample(
        "4.2 net.subscribe, some_event on group1 peers only",
        """
group1_peers = net.peers(groups=['group1'])

@net.subscribe("some_event", group1_peers)
def your_function(subscription_args, subscription_kwarg=None):
    return some_value
""",
        """
assert heard_from(your_function, group1)
assert ports(publishers(your_function)) == [group1]
""",
    ),
    Sample(
        "4.2 net.subscribe, some_event on a single peer",
        """
peer = net.peers()[0]

@net.subscribe("some_event", peer)
def your_function(subscription_args, subscription_kwarg=None):
    return some_value
""",
        """
until(lambda: publishers(your_function))
assert publishers(your_function) == [peer]
""",
    ),
    Sample(
        "4.2 net.subscribe, some_event on all peers",
        """
@net.subscribe("some_event")
def your_function(subscription_args, subscription_kwarg=None):
    return some_value
""",
        """
assert heard_from(your_function, there)
assert group1 not in ports(publishers(your_function)), "by default all peers of the own group"
""",
    ),
]


@pytest.mark.parametrize("sample", [*SAMPLES, *SAMPLES_OF_EVENTS], ids=lambda sample: sample.chapter)
def test_sample(sample: Sample, there: Served, serve: Callable[..., Served]) -> None:
    group1 = serve(NET_GROUP="group1")
    code = f"""
import time
import net

there, group1, somepeer = {there.port}, {group1.port}, {there.id!r}

some_value = "some value"

def ports(peers):
    return [peer.port for peer in peers]

def until(holds):
    while not holds():
        time.sleep(0.005)

def publishers(function):
    return function.subscription.publishers()

def heard_from(function, port):
    until(lambda: port in ports(publishers(function)))
    publish = {{"subscription_kwarg": "y"}}
    net.Peer().execute(("127.0.0.1", port), "served.publish", ("some_event", "x"), publish)
    until(lambda: function.subscription.received)
    return function.subscription.received == 1 and function("x") == some_value
{sample.code}
{sample.holds}
print("run")
"""
    ended = run(code)
    assert (ended.stdout.strip(), ended.returncode) == ("run", 0), ended.stderr


# --- 4.2: two versions of one application, which moved its function ------------------------------------------------

VERSIONS = {
    "app version 1": """
@net.connect("MyTaggedFunction")
def function():
    return "function"
""",
    "app version 2": """
@net.connect("MyTaggedFunction")
def function2():
    return "function2"
""",
}


def test_a_tag_interconnects_two_versions_of_an_application() -> None:
    served = Served("import net\n" + VERSIONS["app version 2"])
    try:
        ended = run(f"import net\n{VERSIONS['app version 1']}\nprint(function(), function(peer={served.id!r}))")
        assert ended.stdout.split() == ["function", "function2"], ended.stderr
    finally:
        served.stop()
