# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Portal groups of an iSCSI target are target ports, and some of them better than others."""

import socket
import struct

import pytest

import iscsi_wire
from daemon import Daemon
from iscsi import HOST, IQN, Serve, Tools
from lab import inside, wait_until
from test_one_disk import Scsi

OTHER = "iqn.2026-11.org.example:other"
FIRST, SECOND = ("127.0.0.1", 3260), ("127.0.0.2", 3260)
INQUIRY = bytes([0x12, 0, 0, 1, 0, 0])
IDENTIFICATION = bytes([0x12, 1, 0x83, 1, 0, 0])
REPORT_GROUPS = bytes([0xA3, 0x0A, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
OPTIMIZED, NONOPTIMIZED, STANDBY, UNAVAILABLE, OFFLINE, TRANSITIONING = 0, 1, 2, 3, 14, 15
PREFERRED = 0x80
STATE_CHANGED, IN_STANDBY, BAD_LIST = 0x2A06, 0x040B, 0x2600
POWER_ON, LUNS_CHANGED = 0x2900, 0x3F0E


class Host(Scsi):
    """Logged in through a portal, past its unit attention."""

    def __init__(self, netns, portal, ready=True):
        with inside(netns):
            sock = socket.create_connection(portal)
        super().__init__(sock, name=HOST)
        self.tag = self.login(target=IQN).data
        if ready:
            self.ready()

    def groups(self):
        """{target port group: (state, preferred bit and all, relative ports)}"""
        status, data = self.run(REPORT_GROUPS, expected=256, flags=iscsi_wire.READ)
        assert status == 0
        assert struct.unpack(">I", data[:4])[0] == len(data) - 4
        at, groups = 4, {}
        while at < len(data):
            state, _, group, _, _, _, ports = struct.unpack(">BBHBBBB", data[at:at + 8])
            at += 8
            groups[group] = state, [struct.unpack(">HH", data[at + 4 * n:at + 4 * n + 4])[1]
                                    for n in range(ports)]
            at += 4 * ports
        return groups

    def states(self):
        return {group: state for group, (state, _) in self.groups().items()}

    def place(self):
        """The relative target port and the target port group that this is, by page 83h."""
        status, data = self.run(IDENTIFICATION, expected=256, flags=iscsi_wire.READ)
        assert status == 0
        at, found = 4, {}
        while at < len(data):
            found[data[at + 1] & 0xF] = data[at + 4:at + 4 + data[at + 3]]
            at += 4 + data[at + 3]
        return tuple(struct.unpack(">HH", found[kind])[1] for kind in (4, 5))

    def refusal(self, cdb, data=b""):
        """ASC and ASCQ, or None when it was done."""
        itt = self.command(cdb, data=data, expected=len(data), flags=iscsi_wire.WRITE if data else 0)
        return self.expect(iscsi_wire.RESPONSE, itt).asc

    def test_ready(self):
        return self.refusal(bytes(6))

    def set_groups(self, **states):
        data = bytes(4) + b"".join(struct.pack(">BBH", state, 0, int(group[1:]))
                                   for group, state in states.items())
        return self.refusal(bytes([0xA4, 0x0A]) + bytes(4) + struct.pack(">I", len(data)) + b"\0\0", data)


@pytest.fixture
def netns(lab):
    return lab.netns("iscsi")


@pytest.fixture
def serve(lab, netns):
    def start(*words):
        portals = [f"--portal={address}:{port},{number}"
                   for number, (address, port) in enumerate((FIRST, SECOND), 1)]
        return Serve(lab, netns, ["--iscsi", IQN, *portals, "--lun", "0=ram:8M", "--lun", "1=ram:8M",
                                  "--allow", "any", *words])

    return start


def test_portal_groups_are_target_ports(lab, netns, serve):
    target = serve("--alua", "2=active/nonoptimized,preferred")
    portals = [f"Target:{IQN} Portal:{address}:{port},{number}"
               for number, (address, port) in enumerate((FIRST, SECOND), 1)]
    assert sorted(Tools(lab, netns).ls()) == portals
    hosts = [Host(netns, FIRST), Host(netns, SECOND)]
    assert [b"TargetPortalGroupTag=%d\0" % n in host.tag for n, host in enumerate(hosts, 1)] == [True, True]
    ports = [host.place() for host in hosts]
    assert [group for _, group in ports] == [1, 2] and ports[0][0] != ports[1][0]
    for host in hosts:
        assert host.groups() == {1: (OPTIMIZED, [ports[0][0]]),
                                 2: (NONOPTIMIZED | PREFERRED, [ports[1][0]])}
    groups = [{"group": 1, "state": "active/optimized", "preferred": False, "implicit": False},
              {"group": 2, "state": "active/nonoptimized", "preferred": True, "implicit": False}]
    status = target.json("status")
    assert status["alua"] == groups
    assert [lun["access"] for lun in status["iscsi"][0]["luns"]] == [groups, groups]
    assert status["iscsi"][0]["portals"] == ["127.0.0.1:3260", "127.0.0.2:3260,2"]
    listed = target.control("alua", "list").stdout.splitlines()
    assert [line.split() for line in listed[2:]] == [["1", "active/optimized", "no", "no"],
                                                     ["2", "active/nonoptimized", "yes", "no"]]


def test_set_by_the_administrator(netns, serve):
    target = serve()
    first, second = Host(netns, FIRST), Host(netns, SECOND)
    target.control("alua", "set", "2", "standby")
    for host in (first, second):
        assert host.test_ready() == STATE_CHANGED
    assert first.test_ready() is None and second.test_ready() == IN_STANDBY
    assert second.states() == {1: OPTIMIZED, 2: STANDBY}
    for word, state, asc in (("unavailable", UNAVAILABLE, 0x040C), ("offline", OFFLINE, 0x0412),
                             ("transitioning", TRANSITIONING, 0x040A),
                             ("active/optimized", OPTIMIZED, None)):
        target.control("alua", "set", "2", word)
        assert second.test_ready() == STATE_CHANGED
        assert second.test_ready() == asc
        assert second.states() == {1: OPTIMIZED, 2: state}
    # The first one's piled up to one.
    assert first.test_ready() == STATE_CHANGED and first.test_ready() is None
    # What is so already is no news.
    target.control("alua", "set", "2", "active/optimized")
    assert first.test_ready() is None and second.test_ready() is None


def test_set_by_an_initiator(netns, serve):
    """Of one unit, until the administrator says something else; not at all where it is implicit."""
    target = serve("--alua", "1=active/optimized,preferred")
    first, second = Host(netns, FIRST), Host(netns, SECOND)
    assert first.set_groups(g1=STANDBY, g2=NONOPTIMIZED) is None
    assert first.test_ready() == IN_STANDBY and second.test_ready() == STATE_CHANGED
    assert second.states() == {1: STANDBY | PREFERRED, 2: NONOPTIMIZED}
    units = target.json("status")["iscsi"][0]["luns"]
    assert [[group["state"] for group in unit["access"]] for unit in units] == [
        ["standby", "active/nonoptimized"], ["active/optimized", "active/optimized"]]
    target.control("alua", "set", "1", "active/optimized", "implicit")
    assert first.test_ready() == STATE_CHANGED and first.test_ready() is None
    assert first.states() == {1: OPTIMIZED, 2: NONOPTIMIZED}
    assert [host.run(INQUIRY, expected=96, flags=iscsi_wire.READ)[1][5] & 0x30
            for host in (first, second)] == [0x10, 0x30]
    assert second.test_ready() == STATE_CHANGED
    assert second.set_groups(g1=STANDBY) == BAD_LIST
    assert second.set_groups(g2=OPTIMIZED) is None


def test_wrong_words(lab, serve):
    target = serve()

    def refused(*words, status):
        done = target.control("alua", *words, check=False)
        assert done.returncode == status and done.stderr.count("\n") == 1, done
        return done.stderr

    assert "no access state: active/optimized" in refused("set", "1", "optimized", status=2)
    assert "wants the state" in refused("set", "1", status=2)
    assert "no access state" in refused("set", "1", "standby", "twice", status=2)
    assert "no portal is in group 3" in refused("set", "3", "standby", status=1)
    assert "'group'" in refused("set", "65536", "standby", status=1)
    assert [group["state"] for group in target.json("status")["alua"]] == 2 * ["active/optimized"]


@pytest.fixture
def config():
    return {"disks": [{"name": "vol0", "ram": "8MiB"}],
            "iscsi": [{"name": IQN, "allow": ["any"], "luns": [{"lun": 0, "disk": "vol0"}]}]}


@pytest.fixture
def daemon(lab, netns, config):
    return Daemon(lab, netns, config)


def test_file_and_hand(daemon, netns, config):
    def reload():
        daemon.configure(config)
        daemon.control("reload")

    host = Host(netns, FIRST)
    config["alua"] = [{"group": 1, "state": "active/nonoptimized", "preferred": True}]
    reload()
    assert host.test_ready() == STATE_CHANGED and host.states() == {1: NONOPTIMIZED | PREFERRED}
    assert daemon.diff() == []
    daemon.control("alua", "set", "1", "active/optimized", "implicit")
    assert host.test_ready() == STATE_CHANGED and host.states() == {1: OPTIMIZED}
    assert "implicit: true" in daemon.shown()
    assert daemon.diff() == ["target port group 1: active/nonoptimized, preferred"]
    daemon.configure(daemon.shown())
    assert daemon.diff() == []
    del config["alua"]
    reload()
    assert host.test_ready() == STATE_CHANGED
    assert daemon.shown().count("alua") == 0


def test_change_that_fails_is_undone(daemon, netns, config):
    host = Host(netns, FIRST)
    config["alua"] = [{"group": 1, "state": "active/nonoptimized"}, {"group": 2, "preferred": True}]
    daemon.configure(config)
    daemon.control("reload")
    shown = daemon.shown()
    config["alua"] = [{"group": 1, "state": "standby"}, {"group": 7, "state": "offline"}]
    config["iscsi"][0]["portals"] = ["0.0.0.0:3260", "192.0.2.77:3260"]  # of nobody here
    daemon.configure(config)
    assert "192.0.2.77" in daemon.control("reload", check=False).stderr
    assert sorted(daemon.shown().splitlines()) == sorted(shown.splitlines())
    assert host.test_ready() == STATE_CHANGED and host.states() == {1: NONOPTIMIZED}


def test_group_comes_and_goes(daemon, netns, config):
    """One that comes leaves sessions alone; one that goes takes the target's with it."""
    host = Host(netns, FIRST)
    target = config["iscsi"][0]
    target["portals"] = ["0.0.0.0:3260", "127.0.0.1:3261,7"]
    config["alua"] = [{"group": 7, "state": "standby"}]
    daemon.configure(config)
    assert daemon.diff() == ["target port group 7: standby",
                             f"target {IQN}: listen on 0.0.0.0:3260,127.0.0.1:3261,7"]
    daemon.control("reload")
    assert host.states() == {1: OPTIMIZED, 7: STANDBY}
    second = Host(netns, ("127.0.0.1", 3261), ready=False)
    assert second.test_ready() == POWER_ON and second.test_ready() == IN_STANDBY
    assert second.place()[1] == 7
    # Units that come are seen in both.
    daemon.control("disk", "add", "vol1", "ram:1M")
    daemon.control("export", "iscsi", IQN, "1", "vol1")
    assert host.test_ready() == LUNS_CHANGED and second.test_ready() == LUNS_CHANGED
    assert [len(lun["access"]) for lun in daemon.json("status")["iscsi"][0]["luns"]] == [2, 2]
    target["portals"] = ["0.0.0.0:3260"]
    config["disks"].append({"name": "vol1", "ram": "1M"})
    daemon.configure(config)
    daemon.control("reload")
    host.expect(iscsi_wire.ASYNC)  # it is asked to log out
    again = Host(netns, FIRST)
    wait_until(lambda: again.states() == {1: OPTIMIZED}, 10, "the end of the port that went")


def test_portal_is_in_one_group(daemon, config):
    config["iscsi"].append(dict(config["iscsi"][0], name=OTHER, portals=["0.0.0.0:3260,2"]))
    daemon.configure(config)
    done = daemon.control("reload", check=False)
    assert done.returncode == 1 and "0.0.0.0:3260 is in group 1 for iscsi[0]" in done.stderr, done
    assert len(daemon.json("status")["iscsi"]) == 1
