"""Lets another program drive this peer: a line of JSON in asks for one call, a line of JSON out is its answer.

For the demo and the interop tests. It uses only what every version of app-net has, so that it runs on the original
0.6.2 as well; what the functions do does not belong here.
"""

import json
import sys

import net


def serve(functions):
    """Says where this peer listens, then makes the calls it is asked for until its input ends."""
    here = net.Peer()
    tell({"ready": {"host": here.host, "port": here.port}})
    for line in sys.stdin:
        tell(answer(json.loads(line), functions))


def answer(request, functions):
    """What came of one request: a result, or the error's types (its own first) and text."""
    address = request["address"]
    if not isinstance(address, str):
        address = tuple(address)
    try:
        call = WAYS[request["way"]](functions, address, request["tag"])
        return {"result": call(*request["args"], **request["kwargs"])}
    except Exception as error:
        types = [kind.__name__ for kind in type(error).__mro__]
        return {"error": {"types": types, "text": str(error)}}


def by_function(functions, address, tag):
    """`function(…, peer=address)`: the function of that name here, called there."""
    return lambda *args, **kwargs: functions[tag](*args, peer=address, **kwargs)


def by_execute(_functions, address, tag):
    """`Peer().execute(address, tag, …)`: by tag alone."""
    return lambda *args, **kwargs: net.Peer().execute(address, tag, args, kwargs)


def by_handle(_functions, address, tag):
    """`handle.function(…)`, on a handle made from an address; an original must also be told what is there."""
    if hasattr(net, "RemotePeer"):
        handle = net.RemotePeer(address)
    else:
        handle = net.Peer(host=address[0], port=address[1], connections=[tag])
    return getattr(handle, tag.rpartition(".")[2])


def by_itself(functions, _address, tag):
    """`function(…)`: here."""
    return functions[tag]


def by_finding(_functions, address, tag):
    """`net.peers(on_host=True)["peers"][…].function(…)`: a handle that this peer finds by itself."""

    def call(*args, **kwargs):
        handle = find(address[1])
        return getattr(handle, tag.rpartition(".")[2])(*args, **kwargs)

    return call


def find(port):
    """The peer at a port of this host. An original gives each port 0.1 s, too little on a busy machine."""
    for _ in range(LOOKS):
        for peer in net.peers(on_host=True, refresh=True)["peers"].values():
            if peer.port == port:
                return peer
    raise LookupError(f"no peer found at port {port}")


LOOKS = 10
WAYS = {"function": by_function, "execute": by_execute, "handle": by_handle, "finding": by_finding, "itself": by_itself}


def tell(message):
    """One line out, at once."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
