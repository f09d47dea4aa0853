# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A nasty administrator and a nasty network, at random, while initiators write and read."""

import copy
import os
import random
import shutil
import signal
import threading
import time

import pytest

from aoe import (AFLAG_LBA48, AFLAG_WRITE, ATA, BROADCAST, READ_EXT, RESPONSE, WRITE_EXT, AtaReply,
                 ata_body)
from conftest import Conversation
from daemon import Daemon
from lab import PINS, SLOW, patience, pattern, wait_until
from test_changes import Second

SEED = int(os.environ.get("STGT_SEED", 1))
SECONDS = float(os.environ.get("STGT_CHAOS_SECONDS", 10))
AGAIN = 0.25 * SLOW  # an initiator sends again after so long


class Initiator(threading.Thread):
    """Writes and reads its sectors, patiently, and knows what each may hold."""

    def __init__(self, client, first, count, seed):
        super().__init__(daemon=True)
        self.client, self.first, self.count = client, first, count
        self.random = random.Random(seed)
        self.salts = {}  # of a pair of sectors: those that it may hold; one, when acknowledged
        self.ended = threading.Event()
        self.rounds = 0
        self.failure = None

    def ask(self, body):
        """The answer to a request, sent again and again; None at the end."""
        tags = set()
        while not self.ended.is_set():
            tags.add(tag := next(self.client.tags))
            try:
                self.client.send(self.client.frame(ATA, body, tag=tag))
            except OSError:  # the link is down
                time.sleep(0.02)
            deadline = time.monotonic() + AGAIN
            while (left := deadline - time.monotonic()) > 0:
                try:
                    reply = self.client.receive(left)
                except OSError:
                    time.sleep(0.02)
                    continue
                if reply and reply.tag in tags and reply.ver_flags & RESPONSE:
                    assert not reply.is_error and AtaReply.of(reply).ok, reply
                    return AtaReply.of(reply)
        return None

    def check(self, lba):
        reply = self.ask(ata_body(READ_EXT, lba, 2, 0, AFLAG_LBA48))
        salts = self.salts.get(lba, {0})
        assert not reply or reply.data[:1024] in [pattern(lba, 2, salt) for salt in salts], (lba, salts)

    def write(self, lba):
        salt = self.random.randrange(1, 1 << 32)
        self.salts.setdefault(lba, {0}).add(salt)
        if self.ask(ata_body(WRITE_EXT, lba, 2, 0, AFLAG_LBA48 | AFLAG_WRITE, pattern(lba, 2, salt))):
            self.salts[lba] = {salt}

    def run(self):
        try:
            while not self.ended.is_set():
                lba = self.first + 2 * self.random.randrange(self.count // 2)
                (self.write if self.random.random() < 0.5 else self.check)(lba)
                self.rounds += 1
        except BaseException as failure:  # shown by the test's own thread
            self.failure = failure

    def goes_on(self):
        before = self.rounds
        wait_until(lambda: self.failure or self.rounds > before + 10, 10, "the initiator goes on")

    def end(self):
        """What was acknowledged is there."""
        self.ended.set()
        self.join()
        if self.failure:
            raise self.failure
        self.ended.clear()
        for lba in self.salts:
            self.check(lba)


class Noise(threading.Thread):
    """Frames that are nobody's business, or nearly right, from hundreds of addresses."""

    def __init__(self, client, seed):
        super().__init__(daemon=True)
        self.client = client
        self.random = random.Random(seed)
        self.ended = threading.Event()

    def frame(self):
        pick = self.random
        # Slot 2's disk is nobody's: there, everything is tried.
        frame = self.client.frame(
            pick.choice([0, 0, 1, 2, 3, pick.randrange(256)]),
            pick.randbytes(pick.choice([0, 4, 12, 36, 524, 1400])),
            shelf=pick.choice([7, 7, pick.randrange(0xffff)]), slot=pick.choice([2, 2, 9]),
            dst=pick.choice([None, BROADCAST]), src="02:00:00:00:%02x:%02x" % tuple(pick.randbytes(2)),
            ver_flags=pick.choice([0x10, 0x10, pick.randrange(256)]),
            vlans=pick.choice([(), (), (5,), (5, 6)]))
        return frame[:pick.randrange(14, len(frame) + 1)] if pick.random() < 0.2 else frame

    def run(self):
        while not self.ended.is_set():
            try:
                for _ in range(100):
                    self.client.send(self.frame())
                self.client.drain()
            except OSError:  # the link is down
                pass
            time.sleep(0.01)

    def end(self):
        self.ended.set()
        self.join()


class Trouble:
    """What may happen to a daemon. Each method is one thing, done and, where it must be, undone."""

    def __init__(self, pair, second, daemon, config, seed):
        self.pair, self.daemon, self.config = pair, daemon, config
        self.random = random.Random(seed)
        self.ports = [pair.port, second.port]

    def _port(self):
        return self.random.choice(self.ports)

    def _ip(self, words):
        self.pair.lab.ip(self.pair.storage, words)

    def killed(self):
        self.daemon.kill()
        self.daemon.start()

    def restarted(self):
        assert self.daemon.stop(signal.SIGTERM) == 0
        self.daemon.start()

    def ended_while_it_starts(self):
        self.daemon.stop(signal.SIGTERM)
        self.daemon.start(wait=False)
        time.sleep(self.random.random() * 0.2)
        self.daemon.stop(signal.SIGTERM)
        self.daemon.start()

    def second_daemon(self):
        other = Daemon(self.pair.lab, self.pair.storage, self.config, wait=False)
        assert other.wait(15) == 1
        assert other.output().rstrip().count("in use by") == 1

    def stopped_for_a_while(self):
        os.kill(self.daemon.pid, signal.SIGSTOP)
        time.sleep(self.random.random() * 0.5)
        os.kill(self.daemon.pid, signal.SIGCONT)

    def link_down(self):
        port = self._port()
        self._ip(f"link set {port} down")
        time.sleep(0.1)
        self._ip(f"link set {port} up")

    def mtu(self):
        port = self._port()
        self._ip(f"link set {port} mtu {self.random.choice([1100, 1400])}")
        self._ip(f"link set {port} mtu 1500")

    def renamed(self):
        port = self._port()
        self._ip(f"link set {port} name {port}x")
        self._ip(f"link set {port}x name {port}")

    def program_taken_off(self):
        port = self._port()
        self.pair.lab.run(["bpftool", "link", "detach", "pinned", PINS / port / "link"], check=False)
        self.daemon.control("reload")

    def pins_removed(self):
        shutil.rmtree(PINS / self._port(), ignore_errors=True)

    def some_pins_removed(self):
        for name in self.random.sample(["acl", "exports", "link", "port", "xsks", "counters"], 2):
            (PINS / self._port() / name).unlink(missing_ok=True)

    def state_removed(self):
        shutil.rmtree(self.daemon.state, ignore_errors=True)

    def invalid_file(self):
        self.daemon.configure(self.random.choice(["{", "\0", "aoe: 5", "disks: [{name: x}]"]))
        assert self.daemon.control("reload", check=False).returncode == 1
        self.daemon.configure(self.config)

    def step_that_fails(self):
        changed = copy.deepcopy(self.config)
        changed["disks"].append({"name": "new", "ram": "1MiB"})
        changed["aoe"].append({"address": "8.1", "disk": "new", "interface": "nosuch0", "allow": ["any"]})
        changed["interfaces"].append({"name": "nosuch0"})
        self.daemon.configure(changed)
        assert self.daemon.control("reload", check=False).returncode == 1
        self.daemon.configure(self.config)

    def edited(self):
        changed = copy.deepcopy(self.config)
        changed["disks"][1] = {"name": "scratch", "ram": self.random.choice(["1MiB", "8MiB"])}
        changed["limits"] = [{"initiator": "02:00:00:00:00:01", "iops": 10}]
        changed["interfaces"][1]["flood_guard"] = 1000000
        self.daemon.configure(changed)
        self.daemon.control("reload")
        self.daemon.configure(self.config)
        self.daemon.control("reload")


HAPPENINGS = [name for name in vars(Trouble) if not name.startswith("_")]


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


@pytest.fixture
def second(pair):
    return Second(pair)


def test_what_was_acknowledged_survives_everything(pair, second, monkeypatch):
    print(f"seed {SEED}; STGT_SEED= another, STGT_CHAOS_SECONDS= longer")
    ports = [pair.port, second.port]
    config = {
        "disks": [{"name": "vol0", "file": str(pair.lab.disk(8 << 20, "vol0.img"))},
                  {"name": "scratch", "ram": "4MiB"}],
        "interfaces": [{"name": port} for port in ports],
        "aoe": [{"interfaces": ports, "address": "7.1", "disk": "vol0", "allow": ["any"]},
                {"interfaces": ports, "address": "7.2", "disk": "scratch", "allow": ["any"]}],
    }
    # A sanitizer would keep what was freed, and memory seem to grow.
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1")
    daemon = Daemon(pair.lab, pair.storage, config)
    conversation = Conversation(pair)
    initiators = [Initiator(pair.client(), 0, 4000, SEED), Initiator(second.client(), 8000, 4000, SEED + 1)]
    noise = Noise(pair.client(), SEED)
    for thread in (*initiators, noise):
        thread.start()
    for initiator in initiators:
        initiator.goes_on()
    trouble = Trouble(pair, second, daemon, config, SEED)
    before = memory(daemon.pid)
    order = trouble.random.sample(HAPPENINGS, len(HAPPENINGS))
    end = time.monotonic() + SECONDS * SLOW
    while order or time.monotonic() < end:  # each once at least
        name = order.pop() if order else trouble.random.choice(HAPPENINGS)
        print(name)
        getattr(trouble, name)()
        assert daemon.child.poll() is None, daemon.output()
        began = time.monotonic()
        daemon.json("status")
        assert time.monotonic() - began < patience(2), "status waits"
    noise.end()
    daemon.control("reload")
    assert daemon.diff() == []
    for initiator in initiators:
        initiator.goes_on()
        initiator.end()
    assert conversation.goes_on()
    assert memory(daemon.pid) < before + (16 << 10)
    assert daemon.stop(signal.SIGTERM) == 0
    assert not pair.attached() and not pair.pinned()
