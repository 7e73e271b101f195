"""Publishing and hearing, the same on an original and on ours. Runs on both."""

import net

#: What was heard, by event, as [args, kwargs].
_heard = {}
_subscribed = {}


@net.connect()
def publish(event, *args, **kwargs):
    net.event(event)(in_full)(*args, **kwargs)


def in_full(*args, **kwargs):
    return args, kwargs


@net.connect()
def publish_numbers(event, count):
    for number in range(count):
        publish(event, number)


@net.connect()
def publish_text(event, length):
    publish(event, "x" * length)


@net.connect()
def subscribe(event, **filters):
    return subscribe_with(event, hearing(event), filters)


@net.connect()
def subscribe_in_vain(event, **filters):
    """Has a function told that fails with each event, after it has heard it."""
    hear = hearing(event)

    def hear_in_vain(*args, **kwargs):
        hear(*args, **kwargs)
        raise ValueError("heard in vain")

    hear_in_vain.__name__ = "in_vain_" + event
    return subscribe_with(event, hear_in_vain, filters)


def hearing(event):
    def hear(*args, **kwargs):
        _heard.setdefault(event, []).append([list(args), kwargs])

    hear.__name__ = "hear_" + event
    return hear


def subscribe_with(event, hear, filters):
    # An original subscribes to those that it has found before, whatever they are, and gives each port 0.1 s.
    port = filters.pop("find", None)
    for _ in range(10):
        found = net.peers(refresh=True, on_host=True, **filters)["peers"].values()
        if port is None or port in [peer.port for peer in found]:
            _subscribed[event] = net.subscribe(event, **filters)(hear)
            return
    raise LookupError(f"no peer found at port {port}")


@net.connect()
def unsubscribe(event):
    """Of ours alone."""
    _subscribed[event].subscription.unsubscribe()


@net.connect()
def subscribers(event):
    return len(net.Peer().registered_subscriptions.get(event, {}))


@net.connect()
def heard(event):
    return _heard.get(event, [])


@net.connect()
def heard_in_order(event):
    """How many numbers were heard, and whether each in its turn."""
    numbers = [args[0] for args, _ in _heard.get(event, [])]
    return [len(numbers), numbers == list(range(len(numbers)))]
