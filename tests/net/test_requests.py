# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Requests on the daemon's control socket with members of the wrong type: refused, never passed over."""

import pytest

from daemon import Daemon

ACL = {"address": "7.1", "list": "any"}
EXPORT = {"command": "export-add", "address": "7.2", "disk": "scratch", "allow": "any"}
GROUP = {"exports": [], "interfaces": []}

WRONG = [
    ("interfaces", {**EXPORT, "interfaces": ["PORT", 5]}),
    ("interfaces", {**EXPORT, "interfaces": ["PORT", None]}),
    ("interfaces", {**EXPORT, "interfaces": ["PORT", ["PORT"]]}),
    ("interfaces", {**EXPORT, "interfaces": "PORT"}),
    ("interfaces", {**EXPORT, "interfaces": None}),
    ("interfaces", EXPORT),
    ("disk", {**EXPORT, "interfaces": ["PORT"], "disk": 7}),
    ("allow", {**EXPORT, "interfaces": ["PORT"], "allow": ["any"]}),
    ("groups", {"command": "attach"}),
    ("groups", {"command": "attach", "groups": {}}),
    ("interfaces", {"command": "attach", "groups": [7]}),
    ("interfaces", {"command": "attach", "groups": [{**GROUP, "interfaces": [7]}]}),
    ("exports", {"command": "attach", "groups": [{**GROUP, "exports": "7.1"}]}),
    ("address", {"command": "attach", "groups": [{**GROUP, "exports": ["7.1"]}]}),
    ("xdp", {"command": "attach", "groups": [{**GROUP, "interfaces": ["lo"], "xdp": 1}]}),
    ("busy_poll", {"command": "attach", "groups": [{**GROUP, "interfaces": ["lo"], "busy_poll": "1"}]}),
    ("flood_guard", {"command": "attach", "groups": [{**GROUP, "interfaces": ["lo"], "flood_guard": 1.5}]}),
    ("size", {"command": "disk-resize", "name": "vol0", "size": 16 << 20}),
    ("name", {"command": "disk-resize", "name": None}),
    ("list", {"command": "acl-deny", **ACL, "list": ["any"]}),
    ("address", {"command": "acl-allow", **ACL, "address": 7.1}),
    # Without an address it would clear the faults of all exports.
    ("address", {"command": "fault-clear", "address": 7.1}),
    # Without a filter it would trace everybody.
    ("initiator", {"command": "trace-on", "initiator": 5}),
    ("export", {"command": "trace-on", "export": 7.1}),
    ("lba", {"command": "trace-on", "lba": 5}),
    ("snaplen", {"command": "capture", "interface": "PORT", "snaplen": "64"}),
    ("level", {"command": "log-level", "level": 7}),
]


@pytest.fixture
def daemon(pair):
    return Daemon(pair.lab, pair.storage, {
        "disks": [{"name": "vol0", "file": str(pair.lab.disk(8 << 20, "vol0.img"))},
                  {"name": "scratch", "ram": "4MiB"}],
        "interfaces": [{"name": pair.port}],
        "aoe": [{"interface": pair.port, "address": "7.1", "disk": "vol0", "allow": ["any"]}],
    })


def named(value, port):
    if isinstance(value, list):
        return [named(each, port) for each in value]
    return port if value == "PORT" else value


def test_members_of_the_wrong_type(pair, daemon):
    daemon.control("fault", "add", "7.1", "delay=1ms")
    shown, faults = daemon.shown(), daemon.json("status")["faults"]
    for member, request in WRONG:
        answer = daemon.ask(**{key: named(value, pair.port) for key, value in request.items()})
        assert not answer["ok"] and f"'{member}'" in answer["error"], (request, answer)
        assert "\n" not in answer["error"]
    assert daemon.shown() == shown
    assert daemon.json("status")["faults"] == faults
