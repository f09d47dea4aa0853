# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The flood guard: what one initiator sends beyond its rate is dropped, and nothing else is."""

import contextlib
import os
import time

import pytest

from aoe import CONFIG, LIMIT, RESPONSE, config_body
from daemon import Daemon
from lab import pattern, wait_until

FLOODER, OTHER = "02:00:00:00:02:01", "02:00:00:00:02:02"
RATE, BURST = 100, 64
MANY = 5000
AGAIN = 0.5  # seconds after which somebody else asks again


@contextlib.contextmanager
def one_cpu():
    """A bucket is a CPU's own, and a veth receives on the CPU that sends."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def flood(client, count=MANY):
    """Sends queries as fast as it can; how many were answered, and the seconds until the last one was: on a
    busy machine they arrive later than they are sent. All have been when somebody else, who asks last, is."""
    query = client.frame(CONFIG, config_body(0), tag=next(client.tags), src=FLOODER)
    client.drain()
    began = time.monotonic()
    with one_cpu():
        for _ in range(count):
            client.send(query)
    took = time.monotonic() - began
    answered, reply, last = 0, None, set()
    while not reply or reply.tag not in last:
        if not reply:
            assert time.monotonic() < began + LIMIT, "nobody is answered"
            last.add(tag := next(client.tags))
            client.send(client.frame(CONFIG, config_body(0), tag=tag, src=OTHER))
        elif reply.dst == FLOODER and reply.ver_flags & RESPONSE:
            answered += 1
            took = time.monotonic() - began
        reply = client.receive(AGAIN)
    return answered, took


def verdicts(target):
    counters = target.json("stats")["interfaces"][0]["counters"]["aoe"]
    return {verdict: counter["frames"] for verdict, counter in counters.items()}


def initiator(target, mac):
    return next(entry for entry in target.json("status")["initiators"] if entry["mac"] == mac)


def test_flood_is_dropped(pair, conversation):
    target = pair.serve_disk(pair.lab.disk(), "--flood-guard", str(RATE))
    client = pair.client()
    assert target.json("status")["interfaces"][0]["flood_guard"] == RATE
    answered, took = flood(client)
    assert BURST <= answered <= BURST + RATE * took + 1
    seen = verdicts(target)
    # The link itself may lose some of so many.
    assert MANY // 2 < seen["drop-flood"] <= MANY - answered
    assert seen["redirect"] == answered + initiator(target, OTHER)["frames"]
    entry = initiator(target, FLOODER)
    assert (entry["frames"], entry["drops"]) == (answered, seen["drop-flood"])
    # Neither the sender's other traffic nor anybody else's requests are held up.
    flood(client)
    assert client.read(3, 2) == pattern(3, 2)
    assert pair.client(mac=OTHER).read(3, 2) == pattern(3, 2)
    assert conversation.goes_on()


def test_off_unless_asked_for(pair):
    target = pair.serve_disk(pair.lab.disk())
    assert target.json("status")["interfaces"][0]["flood_guard"] == 0
    flood(pair.client())
    assert verdicts(target)["drop-flood"] == 0
    assert initiator(target, FLOODER)["drops"] == 0


@pytest.fixture
def config(pair):
    return {
        "disks": [{"name": "vol0", "file": str(pair.lab.disk())}],
        "interfaces": [{"name": pair.port}],
        "aoe": [{"interface": pair.port, "address": "7.1", "disk": "vol0", "allow": ["any"]}],
    }


def test_changed_while_serving(pair, config):
    daemon = Daemon(pair.lab, pair.storage, config)
    client = pair.client()
    program = pair.lab.link(pair.storage, pair.port)["xdp"]["prog"]["id"]

    def guard(**key):
        config["interfaces"] = [{"name": pair.port, **key}]
        daemon.configure(config)
        assert daemon.diff() == [f"interface {pair.port}: flood_guard {key.get('flood_guard', 0)}"]
        daemon.control("reload")
        assert daemon.diff() == []
        assert daemon.json("status")["interfaces"][0]["flood_guard"] == key.get("flood_guard", 0)

    guard(flood_guard=RATE)
    assert f"flood_guard: {RATE}" in daemon.shown()
    answered, took = flood(client)
    assert BURST <= answered <= BURST + RATE * took + 1
    dropped = verdicts(daemon)["drop-flood"]
    assert dropped > MANY // 2
    # No debt is left over.
    guard()
    assert flood(client, 200)[0] == 200
    assert verdicts(daemon)["drop-flood"] == dropped
    # The interface was served all the while, by the same program.
    assert pair.lab.link(pair.storage, pair.port)["xdp"]["prog"]["id"] == program
    assert client.read(3, 2) == pattern(3, 2)


def test_attach_hands_it_to_the_daemon(pair, config):
    config.update(interfaces=[], aoe=[])
    daemon = Daemon(pair.lab, pair.storage, config)
    daemon.control("attach", pair.port, "--aoe", "9.1=ram:4M", "--allow", "any", "--flood-guard", RATE)
    assert daemon.json("status")["interfaces"][0]["flood_guard"] == RATE
    answered, took = flood(pair.client(9, 1))
    assert BURST <= answered <= BURST + RATE * took + 1


def test_holds_after_the_mac_changed(pair):
    target = pair.serve_disk(pair.lab.disk(), "--flood-guard", str(RATE))
    pair.mac = "02:00:00:00:02:77"
    pair.lab.ip(pair.storage, f"link set {pair.port} address {pair.mac}")
    wait_until(lambda: target.json("status")["interfaces"][0]["mac"] == pair.mac, 5, "the new MAC")
    answered, took = flood(pair.client())
    assert BURST <= answered <= BURST + RATE * took + 1
