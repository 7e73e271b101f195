"""Peers of one group on different hosts find each other, each by what the network between them lets through."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from typing import Any

import pytest

from actor import ORIGINAL_PYTHON, PYTHON, ROOT
from lab import APP_NET, PATIENCE, Host, Lab, Segment
from members import OF_LAB, Join, Member, until, until_all_know

#: Seconds within which peers on one network know each other that have just started: a few tenths on a quiet machine.
FOUND_WITHIN = 2.0
#: What they would take, and more, to find each other where they cannot.
LONG_ENOUGH = 1.5
#: Seconds within which a clean end is known.
LEFT_WITHIN = 1.5
#: Seconds within which one is known to be gone that could not say so: 5, of which most are used, and 1 for a busy
#: machine.
LOST_WITHIN = 6.0
#: The same of many at once, as of a network that is parted: 5, and 1 for a busy machine.
PARTED_WITHIN = 6.0
OTHER = "b8427dd05e9a41f3a6c0915e7fd2384c"
#: In every question and answer of multicast DNS that is ours.
SERVICE = b"\x08_app-net\x04_tcp\x05local"


def until_told_left(member: Member, other: Member, since: float, within: float) -> None:
    """Waits until a peer is told that another has left, after a point in time, and by so many seconds after it."""

    def is_told() -> bool:
        return any((told.id, told.change) == (other.id, "left") and told.at >= since for told in member.told())

    until(is_told, since + within - time.monotonic(), [member])


def seen(host: Host) -> dict[str, set[str]]:
    """What each finder of the command line sees on a host, as one of the group: ids, or addresses of who has none."""
    reports = json.loads(host.app_net("find", "--json", env=host.environment(**OF_LAB)).stdout)
    return {report["finder"]: {one["id"] or one["address"] for one in report["seen"]} for report in reports}


def meets_by_address(host: Host, other: Host) -> None:
    """Has the kernel of a host know another one, as after any word between them."""
    knock = "import socket, sys; socket.socket().connect_ex((sys.argv[1], 9))"
    host.run([PYTHON, "-c", knock, str(other.address)])


# --- one segment --------------------------------------------------------------------------------------


def test_two_hosts_of_one_key_find_each_other_without_being_told_anything(a: Host, b: Host, join: Join) -> None:
    first, second = join(a), join(b)
    until_all_know([first, second], FOUND_WITHIN)
    assert first.shouts_at(second)
    assert second.shouts_at(first)
    # Each time, though who has just answered somebody does not answer again within a second (RFC 6762, 6).
    for _ in range(2):
        assert seen(a)["mdns"] == {first.id, second.id}


def test_two_hosts_of_different_keys_do_not(lab: Lab, office: Segment, a: Host, b: Host, join: Join) -> None:
    stranger = join(lab.host("c", office), NET_SECRET=OTHER)
    first, second = join(a), join(b)
    until_all_know([first, second], FOUND_WITHIN)
    time.sleep(LONG_ENOUGH)
    assert stranger.knows() == set()
    assert first.knows_all([first, second])


def test_who_leaves_is_known_to_at_once_and_who_is_killed_soon(a: Host, b: Host, join: Join) -> None:
    first, second = join(a), join(b)
    until_all_know([first, second], FOUND_WITHIN)
    until_told_left(first, second, second.leave(), LEFT_WITHIN)
    third = join(b)
    until_all_know([first, third], FOUND_WITHIN)
    until_told_left(first, third, third.kill(), LOST_WITHIN)
    assert first.knows() == set()


def test_a_host_that_goes_without_a_word_is_known_to_be_gone(a: Host, b: Host, join: Join) -> None:
    first, second = join(a), join(b)
    until_all_know([first, second], FOUND_WITHIN)
    began = time.monotonic()
    b.link.unplug()
    until_told_left(first, second, began, LOST_WITHIN)


def test_the_command_line_writes_who_comes_and_goes(a: Host, b: Host, join: Join) -> None:
    first = join(b)
    environment = a.environment(**OF_LAB)
    watch = a.popen([APP_NET, "peers", "--watch", "--json"], env=environment, stdout=subprocess.PIPE, text=True)
    # Ends what it writes, where nothing more comes.
    patience = threading.Timer(PATIENCE, watch.kill)
    patience.start()

    def next_() -> tuple[str, str]:
        line = json.loads(watch.stdout.readline())
        return line["change"], line["peer"]["id"]

    assert next_() in (("present", first.id), ("joined", first.id))
    first.leave()
    assert next_() == ("left", first.id)
    second = join(b)
    assert next_() == ("joined", second.id)
    b.link.unplug()
    while (told := next_())[0] == "changed":
        pass
    assert told == ("left", second.id)
    patience.cancel()
    watch.kill()
    watch.communicate()


FIRST_CALL = """
import json, time
began = time.monotonic()
import net
found = [peer.instance_id for peer in net.peers()["peers"].values()]
print(json.dumps([time.monotonic() - began, found]))
"""


def test_the_first_question_after_the_start_is_answered_within_a_second(
    lab: Lab, office: Segment, a: Host, b: Host, join: Join
) -> None:
    others = [join(host) for host in (b, lab.host("c", office))]
    until_all_know(others, FOUND_WITHIN)
    done = a.run([PYTHON, "-c", FIRST_CALL], env=a.environment(**OF_LAB))
    took, found = json.loads(done.stdout)
    assert sorted(found) == sorted(other.id for other in others)
    assert took < 1.0


def test_an_interface_of_containers_is_left_out_of_multicast_and_used_for_all_else(
    lab: Lab, office: Segment, a: Host, b: Host, join: Join
) -> None:
    containers = lab.segment("10.77.2.0/24")
    inside = a.attach(containers, "docker0")
    with office.capture() as said, containers.capture() as said_to_containers:
        first, second = join(a), join(b)
        until_all_know([first, second], FOUND_WITHIN)
        time.sleep(LONG_ENOUGH)
    assert any(SERVICE in frame for frame in said)
    assert not any(SERVICE in frame for frame in said_to_containers)
    contained = join(lab.host("container", containers), NET_PEERS=f"{inside.address.ip}:{first.actor.port}")
    until(lambda: first.knows_all([first, second, contained]), FOUND_WITHIN, [first])
    assert first.shouts_at(contained)
    assert contained.shouts_at(first)


# --- two segments -------------------------------------------------------------------------------------


def test_of_two_segments_one_entry_brings_all_together(lab: Lab, office: Segment, join: Join) -> None:
    annex = lab.segment("10.77.2.0/24")
    router = lab.host("router", office, annex)
    router.route()
    near = [lab.host(name, office) for name in ("a1", "a2", "a3")]
    far = [lab.host(name, annex) for name in ("b1", "b2", "b3")]
    for hosts, link, there in ((near, router.links[0], annex), (far, router.links[1], office)):
        for host in hosts:
            host.ip(f"route add {there.network} via {link.address.ip}")
    members = [join(host) for host in far]
    members += [join(near[0], NET_PEERS=members[0].address), *(join(host) for host in near[1:])]
    until_all_know(members, 2 * FOUND_WITHIN)
    # None of these two was told of the other's segment.
    assert members[-1].shouts_at(members[2])
    assert members[2].shouts_at(members[-1])


def test_a_host_on_two_segments_tells_each_of_the_other_though_no_call_leads_there(
    lab: Lab, office: Segment, a: Host, b: Host, join: Join
) -> None:
    annex = lab.segment("10.77.2.0/24")
    between, far = lab.host("between", office, annex), lab.host("far", annex)
    first, second, middle, last = members = [join(host) for host in (a, b, between, far)]
    until_all_know(members, FOUND_WITHIN)
    assert middle.shouts_at(first)
    assert middle.shouts_at(last)
    error: Any = first.actor.ask("shout", "hello", to=last.id)["error"]
    assert error["types"][0] == "Unreachable", error
    # That they do not reach it is no reason for them to say that it is gone.
    time.sleep(LONG_ENOUGH)
    assert all(member.knows_all(members) for member in members)
    assert "left" not in {told.change for member in members for told in member.told()}
    assert second.shouts_at(first)


# --- a network that lets no multicast through ---------------------------------------------------------


def test_without_multicast_peers_are_found_by_an_entry_by_asking_neighbours_and_by_memory(
    lab: Lab, office: Segment, a: Host, b: Host, join: Join
) -> None:
    c = lab.host("c", office)
    office.filter_multicast()
    first, second = join(a), join(b)
    time.sleep(FOUND_WITHIN)
    assert first.knows() == second.knows() == set()
    assert seen(a)["mdns"] == {first.id}
    # By asking neighbours, of which the kernel knows.
    meets_by_address(a, b)
    assert first.knows(refresh=True) == {second.id}
    # By an entry, and what is told of others there.
    third = join(c, NET_PEERS=first.address)
    until_all_know([first, second, third], FOUND_WITHIN)
    assert third.shouts_at(second)
    # By memory.
    third.leave()
    again = join(c)
    until_all_know([first, second, again], FOUND_WITHIN)


# --- networks that change -----------------------------------------------------------------------------


def test_on_a_bad_link_peers_are_found_and_called_and_do_not_come_and_go(a: Host, b: Host, join: Join) -> None:
    b.link.impair(delay_ms=300, loss_percent=10)
    first, second = join(a), join(b)
    until_all_know([first, second], 20.0)
    assert first.shouts_at(second)
    assert second.shouts_at(first)
    time.sleep(10.0)
    for member in (first, second):
        assert [told.change for told in member.told() if told.change != "changed"] == ["joined"]


def test_a_cable_is_pulled_and_put_back(a: Host, b: Host, join: Join) -> None:
    first, second = join(a), join(b)
    until_all_know([first, second], FOUND_WITHIN)
    began = time.monotonic()
    b.link.unplug()
    until_told_left(first, second, began, LOST_WITHIN)
    until_told_left(second, first, began, LOST_WITHIN)
    b.link.plug_in()
    until_all_know([first, second], LOST_WITHIN)
    assert first.shouts_at(second)
    assert second.shouts_at(first)


def test_an_address_changes_under_a_running_peer(a: Host, b: Host, join: Join) -> None:
    # It would keep this one.
    b.ip(f"address delete {b.link.link_local}/64 dev eth0")
    first, second = join(a), join(b)
    until_all_know([first, second], FOUND_WITHIN)
    b.link.change_address("10.77.1.200")
    began = time.monotonic()
    until(lambda: first.shouts_at(second) and second.shouts_at(first), 2 * LOST_WITHIN, [first, second])
    until_all_know([first, second], began + 2 * LOST_WITHIN - time.monotonic())
    assert first.shouts_at(second.address)


def test_ten_hosts_are_parted_into_six_and_four_and_come_together_again(lab: Lab, office: Segment, join: Join) -> None:
    members = [join(lab.host(f"h{number}", office)) for number in range(10)]
    until_all_know(members, 2 * FOUND_WITHIN)
    six, four = members[:6], members[6:]
    # Twice: what was concluded the first time is in nobody's way.
    for _ in range(2):
        began = time.monotonic()
        office.partition([member.host for member in six], [member.host for member in four])
        for part in (six, four):
            until_all_know(part, began + PARTED_WITHIN - time.monotonic())
        assert six[0].shouts_at(six[5])
        assert four[0].shouts_at(four[3])
        office.heal()
        until_all_know(members, 10.0)
    assert six[0].shouts_at(four[3])
    assert four[0].shouts_at(six[5])


# --- originals ----------------------------------------------------------------------------------------


@pytest.mark.skipif(not ORIGINAL_PYTHON.exists(), reason="no .venv-original here: make setup")
def test_an_original_is_found_by_asking_neighbours_and_called(a: Host, b: Host, join: Join) -> None:
    # An original listens at the address of its host's name.
    b.run(["sh", "-c", f"printf '127.0.0.1 localhost\\n{b.address} b\\n' >/etc/hosts"])
    with b.start([ORIGINAL_PYTHON, ROOT / "tests" / "interop" / "program" / "peer.py"]) as original:
        assert original.host == str(b.address)
        first = join(a, NET_GROUP="", NET_SECRET="", NET_OPEN="1")
        meets_by_address(a, b)
        assert first.knows(refresh=True) == {f"{b.address}:{original.port}"}
        answer = first.actor.ask("workshop.multiply", 5, 10, to=f"{b.address}:{original.port}", way="execute")
        assert answer == {"result": 50}
