# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Units, targets and sessions come, go, grow and are replaced while several initiators are at work."""

import contextlib
import os
import random
import socket
import struct
import threading
import time

import pytest

import iscsi_wire as wire
from daemon import Daemon
from iscsi import IQN
from lab import SLOW, inside, patience, pattern, wait_until

OTHER = "iqn.2026-11.org.example:other"
SECONDS = float(os.environ.get("STGT_CHAOS_SECONDS", 8))
BLOCKS = 64  # of each initiator, on every unit
HOSTS = 6
LUNS = 4

POWER_ON, CAPACITY, LUNS_CHANGED, NO_UNIT, OUT_OF_RANGE = 0x2900, 0x2a09, 0x3f0e, 0x2500, 0x2100
ATTENTIONS = {POWER_ON, CAPACITY, LUNS_CHANGED, NO_UNIT}  # that are to be heard


def next_pdu(host):
    """What is neither a ping nor a request to leave, which is followed until the connection ends."""
    while True:
        pdu = host.receive()
        if pdu.opcode == wire.ASYNC:
            host.send(host.logout_bytes())
            while True:
                host.receive()
        if pdu.opcode != wire.NOP_IN:
            return pdu
        host.pong(pdu)


def leave(host):
    """Whatever comes before the answer: it may be asked to leave at the same time."""
    host.send(host.logout_bytes())
    while host.receive().opcode != wire.LOGOUT_RESPONSE:
        pass


class Host(threading.Thread):
    """
    Writes and reads its own blocks of LUN 0, which always stays, and verifies them; of the others
    it takes what comes, in several commands at a time.
    """

    def __init__(self, storm, number):
        super().__init__()
        self.storm, self.number = storm, number
        self.random = random.Random(number)
        self.attentions, self.sessions, self.commands = set(), 0, 0
        self.written, self.trouble = {}, None
        self.start()

    def run(self):
        try:
            while not self.storm.over.is_set():
                with contextlib.suppress(ConnectionError, TimeoutError):
                    self.session()
        except Exception as trouble:  # pylint: disable=broad-except
            self.trouble = trouble

    def session(self):
        target = IQN if self.number % 3 else OTHER
        try:
            host = self.storm.connect(self.number, target)
        except AssertionError:  # the target is not there now
            time.sleep(0.02)
            return
        self.sessions += 1
        with host:
            while not self.storm.over.is_set():
                self.verified(host)
                self.several(host)
            leave(host)

    def answer(self, host, itt):
        """Status, sense and data of one command."""
        data = b""
        while True:
            pdu = next_pdu(host)
            if pdu.opcode == wire.DATA_IN:
                assert pdu.itt == itt
                data += pdu.data
                if pdu.flags & 1:
                    return wire.GOOD, None, data
            else:
                assert pdu.opcode == wire.RESPONSE and pdu.itt == itt, pdu.bhs.hex()
                return pdu.status, pdu.asc, data

    def until_done(self, host, command):
        """Of LUN 0: nothing but unit attentions is in the way."""
        while True:
            itt = command()
            self.commands += 1
            status, asc, data = self.answer(host, itt)
            if status == wire.GOOD:
                return data
            assert status == wire.CHECK_CONDITION, hex(status)
            assert asc in (POWER_ON, CAPACITY, LUNS_CHANGED), hex(asc)
            self.attentions.add(asc)

    def verified(self, host):
        lba = self.number * BLOCKS + self.random.randrange(BLOCKS - 8)
        if host.target == OTHER:
            return
        data = pattern(lba, 8, salt=self.random.randrange(1 << 30))
        self.until_done(host, lambda: host.write(lba, 8, data=data))
        assert self.until_done(host, lambda: host.read(lba, 8)) == data

    def several(self, host):
        """Answered in any order; nothing is left out."""
        waiting = {}
        for _ in range(self.random.randrange(1, 9)):
            lun = self.random.randrange(1, LUNS)
            lba = self.random.choice((self.number * BLOCKS, 4000))
            if self.random.random() < 0.5:
                waiting[host.read(lba, 64, lun=lun)] = lun
            else:
                waiting[host.write(lba, 64, lun=lun, data=bytes(4096))] = lun
        while waiting:
            self.one_of_several(host, waiting)

    def one_of_several(self, host, waiting):
        pdu = next_pdu(host)
        if pdu.opcode == wire.R2T:
            wanted = struct.unpack(">I", pdu.bhs[44:48])[0]
            host.data_out(pdu, bytes(wanted))
        elif pdu.opcode == wire.DATA_IN:
            if pdu.flags & 1:
                self.commands += 1
                del waiting[pdu.itt]
        else:
            assert pdu.opcode == wire.RESPONSE, pdu.bhs.hex()
            self.commands += 1
            del waiting[pdu.itt]
            if pdu.status == wire.CHECK_CONDITION:
                assert pdu.asc in (POWER_ON, CAPACITY, LUNS_CHANGED, NO_UNIT, OUT_OF_RANGE), hex(pdu.asc)
                self.attentions.add(pdu.asc)
            else:
                assert pdu.status in (wire.GOOD, 0x40), hex(pdu.status)


class Storm:
    def __init__(self, lab):
        self.netns, self.over = lab.netns("iscsi"), threading.Event()
        self.disks = {f"vol{n}": 2 << 20 for n in range(LUNS)}
        config = {"disks": [{"name": name, "file": str(lab.disk(size, f"{name}.img"))}
                            for name, size in self.disks.items()],
                  "iscsi": [{"name": IQN, "allow": ["any"], "portals": ["127.0.0.1"],
                             "luns": [{"lun": 0, "disk": "vol0"}]}]}
        self.daemon = Daemon(lab, self.netns, config)
        self.luns, self.other = {}, False
        self.random = random.Random(os.environ.get("STGT_SEED", "1"))

    def connect(self, number, target):
        with inside(self.netns):
            sock = socket.create_connection(("127.0.0.1", 3260))
        host = wire.Initiator(sock, f"iqn.2026-11.example:host{number}", isid=number,
                              timeout=patience(20))
        host.target = target
        try:
            host.login("ImmediateData=Yes\n", target=target)
        except BaseException:
            host.close()
            raise
        return host

    def control(self, *words):
        began = time.monotonic()
        self.daemon.control(*words)
        assert time.monotonic() - began < patience(10), words

    # ---- what happens; a method is an event ----

    def unit(self):
        lun = self.random.randrange(1, LUNS)
        if lun in self.luns:
            self.control("export", "remove", IQN, str(lun))
            del self.luns[lun]
        else:
            self.luns[lun] = f"vol{self.random.randrange(LUNS)}"
            self.control("export", "iscsi", IQN, str(lun), self.luns[lun])

    def replacement(self):
        lun = self.random.randrange(1, LUNS)
        if lun in self.luns:
            self.control("export", "remove", IQN, str(lun))
        self.luns[lun] = f"vol{self.random.randrange(LUNS)}"
        self.control("export", "iscsi", IQN, str(lun), self.luns[lun])

    def growth(self):
        name = self.random.choice(list(self.disks))
        self.disks[name] += 64 << 10
        self.control("disk", "resize", name, str(self.disks[name]))

    def target(self):
        if self.other:
            self.control("export", "remove", OTHER)
        else:
            for lun in range(LUNS):
                self.control("export", "iscsi", OTHER, str(lun), f"vol{lun}",
                             *(() if lun else ("--allow", "any", "--portal", "127.0.0.1")))
        self.other = not self.other

    def session(self):
        sessions = self.daemon.json("sessions")["sessions"]
        if sessions:
            # It may have gone meanwhile.
            self.daemon.control("session", "close", str(self.random.choice(sessions)["tsih"]), check=False)

    def report(self):
        self.daemon.json("status")
        self.daemon.json("stats")


@pytest.fixture
def storm(lab):
    return Storm(lab)


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def heard(hosts):
    return set().union(*(set(host.attentions) for host in hosts))


def test_changes_under_load(storm):
    before = descriptors(storm.daemon)
    hosts = [Host(storm, number) for number in range(HOSTS)]
    events = [storm.unit, storm.replacement, storm.growth, storm.target, storm.session, storm.report]
    began = time.monotonic()

    def over():
        """On a busy machine it takes its time until all has happened that is to be seen."""
        gone = time.monotonic() - began
        return gone > SECONDS * SLOW and (all(host.sessions and host.commands for host in hosts)
                                          and heard(hosts) >= ATTENTIONS or gone > patience(10 * SECONDS))

    try:
        while not over():
            storm.random.choice(events)()
    finally:
        storm.over.set()
        for host in hosts:
            host.join(patience(60))
    for host in hosts:
        if host.trouble:
            raise host.trouble
        assert not host.is_alive() and host.sessions and host.commands
    assert heard(hosts) >= ATTENTIONS, [hex(asc) for asc in heard(hosts)]
    wait_until(lambda: not storm.daemon.json("sessions")["sessions"], 10, "no session")
    # All that was removed has let go of its disk.
    for lun in list(storm.luns):
        storm.control("export", "remove", IQN, str(lun))
    if storm.other:
        storm.control("export", "remove", OTHER)
    for name in list(storm.disks)[1:]:
        storm.control("disk", "remove", name)
    wait_until(lambda: descriptors(storm.daemon) <= before - LUNS + 1, 5, "no descriptor too many")
    assert "assert" not in storm.daemon.output() and storm.daemon.child.poll() is None
    storm.daemon.child.terminate()
    assert storm.daemon.wait(20) == 0
