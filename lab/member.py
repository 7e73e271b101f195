"""The peer of the tests of finding: it tells whom it knows, and what it was told of who comes and goes, and when."""

import time

import driven
import net

#: As [seconds of the clock that all processes of this machine have in common, id, change, why].
_told = []


@net.on_peer
def tell(peer, change):
    _told.append([time.monotonic(), peer.instance_id or peer.address, str(change), change.why])


@net.connect
def shout(text):
    return text.upper()


def me():
    return net.Peer().instance_id


def known(refresh=False):
    return [peer.instance_id or peer.address for peer in net.peers(refresh=refresh)["peers"].values()]


def told():
    return _told


driven.serve({"shout": shout, "me": me, "known": known, "told": told})
