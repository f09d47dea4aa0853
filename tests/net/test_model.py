# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random orders over the control socket, against a model of what must be true after each."""

import contextlib
import json
import os
import random
import socket
from pathlib import Path

import pytest

from daemon import Daemon
from lab import SLOW, wait_until
from test_changes import Second

SEEDS = [int(os.environ["STGT_SEED"])] if "STGT_SEED" in os.environ else [1, 2, 3]
ORDERS = 250
MACS = [f"02:00:00:00:00:{i:02x}" for i in range(1, 5)]
ADDRESSES = ["7.1", "7.2", "8.1", "8.2"]
DISKS = ["a", "b", "c", "d"]

# Shapes that no command expects, in the place of each member.
ODD = [None, True, -1, 1 << 40, 1e308, "", "\u0000", "x" * 3000, [], {}, [[]], [None], {"x": [1]}]


class Orders:
    """A connection to the daemon, kept open."""

    def __init__(self, lab, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10 * SLOW)
        self.socket.connect(str(path))
        lab.undo.callback(self.socket.close)
        self.answers = self.socket.makefile()

    def give(self, command, **members):
        self.socket.sendall(json.dumps({"version": 1, "command": command, **members}).encode() + b"\n")
        answer = json.loads(self.answers.readline())
        assert answer["ok"] or (answer["error"] and "\n" not in answer["error"]), answer
        return answer

    def result(self, command):
        answer = self.give(command)
        assert answer["ok"], answer
        return answer["result"]


class Model:
    """What the daemon is believed to serve. Each order says whether it must succeed."""

    def __init__(self, ports):
        self.ports = ports
        self.begin()

    def begin(self):
        self.interfaces = set(self.ports)
        self.disks = {"a"}
        self.exports = {"7.1": {"disk": "a", "on": set(self.ports), "enabled": True, "allow": {"any": "rw"}}}

    def disk_add(self, name):
        if name in self.disks:
            return False
        self.disks.add(name)
        return True

    def disk_remove(self, name):
        if name not in self.disks or any(each["disk"] == name for each in self.exports.values()):
            return False
        self.disks.remove(name)
        return True

    def export_add(self, address, disk, interfaces, allow):
        if address in self.exports or disk not in self.disks or not set(interfaces) <= self.interfaces:
            return False
        self.exports[address] = {"disk": disk, "on": set(interfaces), "enabled": True,
                                 "allow": {who: access for who, access in map(self.word, allow.split(","))}}
        return True

    def export_remove(self, address):
        return self.exports.pop(address, None) is not None

    def enable(self, address, enabled):
        if address not in self.exports:
            return False
        self.exports[address]["enabled"] = enabled
        return True

    def acl(self, address, text, access=None):
        if address not in self.exports:
            return False
        for word in text.split(","):
            who, said = self.word(word)
            self.exports[address]["allow"][who] = access or said
        return True

    def evict(self, mac):
        for address in self.exports:
            if self.access(address, mac) != "deny":
                self.exports[address]["allow"][mac] = "deny"
        return True

    def detach(self, interface):
        if interface not in self.interfaces:
            return False
        self.interfaces.remove(interface)
        for address, export in list(self.exports.items()):
            export["on"].discard(interface)
            if not export["on"]:
                del self.exports[address]
        return True

    def reload(self):
        self.begin()
        return True

    @staticmethod
    def word(text):
        who, _, access = text.partition("/")
        return who, access or "rw"

    def access(self, address, mac):
        allow = self.exports[address]["allow"]
        return allow.get(mac, allow.get("any", "deny"))

    def seen(self):
        return {address: (sorted(export["on"]), export["enabled"],
                          [self.access(address, mac) for mac in [*MACS, "any"]])
                for address, export in self.exports.items()}


def served(status):
    """The same of what the daemon says."""
    found = {}
    for export in status["exports"]:
        allow = {entry["mac"]: entry["access"] for entry in export["allow"]}
        found[export["address"]] = (sorted(export["interfaces"]), export["enabled"],
                                    [allow.get(mac, allow.get("any", "deny")) for mac in [*MACS, "any"]])
    return found


def some_list(random_):
    whos = random_.sample([*MACS, "any"], random_.choice([1, 1, 2, 3]))
    return ",".join(who + random_.choice(["", "/ro", "/rw"]) for who in whos)


def order(random_, model):
    """A command, its members, and the model's judgement of it."""
    name, address = random_.choice(DISKS), random_.choice(ADDRESSES)
    mac, port = random_.choice(MACS), random_.choice(model.ports)
    ports = random_.choice([[port], model.ports])
    text = some_list(random_)
    return random_.choices([
        ("disk-add", {"name": name, "disk": "ram:1M"}, lambda: model.disk_add(name)),
        ("disk-remove", {"name": name}, lambda: model.disk_remove(name)),
        ("export-add", {"address": address, "disk": name, "interfaces": ports, "allow": text},
         lambda: model.export_add(address, name, ports, text)),
        ("export-remove", {"address": address}, lambda: model.export_remove(address)),
        ("export-enable", {"address": address}, lambda: model.enable(address, True)),
        ("export-disable", {"address": address}, lambda: model.enable(address, False)),
        ("acl-allow", {"address": address, "list": text}, lambda: model.acl(address, text)),
        ("acl-deny", {"address": address, "list": mac}, lambda: model.acl(address, mac, "deny")),
        ("initiator-evict", {"mac": mac}, lambda: model.evict(mac)),
        ("limit-set", {"mac": mac, "limit": "iops=100"}, lambda: None),
        ("fault-add", {"address": address, "rule": "error,count=1"}, lambda: None),
        ("detach", {"interface": port}, lambda: model.detach(port)),
        ("reload", {}, model.reload),
    ], [4, 3, 6, 2, 2, 2, 3, 3, 1, 1, 1, 0.5, 1])[0]


def spoilt(random_, members):
    """The same request with a member that is odd or missing: it must be refused."""
    victim = random_.choice(sorted(members))
    if random_.random() < 0.2:
        return {key: value for key, value in members.items() if key != victim}
    return {**members, victim: random_.choice(ODD)}


def resources(pid):
    """(descriptors, threads), without the kernel's own threads for this process, which do its I/O."""
    names = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            names.append((task / "comm").read_text())
    return len(os.listdir(f"/proc/{pid}/fd")), sum(not name.startswith("iou-") for name in names)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_orders(pair, seed):
    print(f"seed {seed}; another by STGT_SEED")
    random_ = random.Random(seed)
    second = Second(pair)
    ports = [pair.port, second.port]
    daemon = Daemon(pair.lab, pair.storage, {
        "disks": [{"name": "a", "ram": "1M"}],
        "interfaces": [{"name": port} for port in ports],
        "aoe": [{"address": "7.1", "disk": "a", "interfaces": ports, "allow": ["any"]}]})
    orders, model = Orders(pair.lab, daemon.socket), Model(ports)
    assert served(orders.result("status")) == model.seen()
    before = resources(daemon.pid)
    history = []
    for _ in range(ORDERS):
        command, members, judge = order(random_, model)
        if members and random_.random() < 0.15:
            members, judge = spoilt(random_, members), lambda: False
        history.append((command, members))
        answer, expected = orders.give(command, **members), judge()
        assert expected is None or answer["ok"] == expected, (answer, history[-12:])
        assert served(orders.result("status")) == model.seen(), (answer, history[-12:])
    assert orders.give("reload")["ok"]
    assert daemon.diff() == []
    wait_until(lambda: resources(daemon.pid) == before, 5, f"descriptors and threads as before: {before}")
    assert daemon.stop() == 0
